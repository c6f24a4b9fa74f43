"""The demonstration's appointments, tasks and journal (iCalendar, RFC 5545)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from icalendar import Alarm, Calendar, Event, Journal, Todo, vCalAddress, vRecur, vText

from rookery_server.cli.demo_content.people import ANNA, BEN, CARLA, EIJI, IRIS, Person

if TYPE_CHECKING:
    from collections.abc import Iterator

_ZONE = ZoneInfo("Europe/London")


@dataclass(frozen=True)
class Entry:
    """A document in somebody's calendar, task list or journal."""

    owner: Person
    data: bytes
    categories: tuple[str, ...] = ()


def entries(now: datetime) -> Iterator[Entry]:
    """Everything of both."""
    yield from _appointments(now)
    yield from _tasks(now)
    yield Entry(ANNA, _document(_journal(now)), ("Council",))


def _appointments(now: datetime) -> Iterator[Entry]:
    monday = now.date() - timedelta(days=now.weekday())

    def at(day: int, hour: float) -> datetime:
        return datetime(monday.year, monday.month, monday.day, tzinfo=_ZONE) + timedelta(days=day, hours=hour)

    weekly = _event("weekly", "Monday round", at(-28, 9), timedelta(minutes=45), now, place="Office, Harrow Marsh")
    weekly.add("rrule", vRecur(freq="WEEKLY", byday="MO", count=40))
    weekly.add("exdate", at(14, 9))
    _meet(weekly, ANNA, [(ANNA, "ACCEPTED"), (BEN, "ACCEPTED")])
    moved = _event("weekly", "Monday round (on Tuesday, after the holiday)", at(8, 10), timedelta(minutes=45), now)
    moved.add("recurrence-id", at(7, 9))
    _meet(moved, ANNA, [(ANNA, "ACCEPTED"), (BEN, "TENTATIVE")])
    for owner in (ANNA, BEN):
        yield Entry(owner, _document(weekly, moved), ("Team",))

    opening = _event("opening", "Opening of the new hide", at(19, 14), timedelta(hours=2), now, place="North bank")
    opening.add("description", "Speeches short, cake long.")
    _meet(opening, ANNA, [(ANNA, "ACCEPTED"), (BEN, "ACCEPTED"), (CARLA, "NEEDS-ACTION"), (EIJI, "TENTATIVE"), (IRIS, "ACCEPTED")])
    for owner in (ANNA, BEN):
        yield Entry(owner, _document(opening), ("Building", "Visitors"))

    count = Event()
    _head(count, "count", "Autumn bird count", now)
    count.add("dtstart", monday + timedelta(days=19))
    count.add("dtend", monday + timedelta(days=21))
    count.add("transp", "TRANSPARENT")
    for owner in (ANNA, BEN):
        yield Entry(owner, _document(count), ("Count",))

    yield Entry(ANNA, _document(_event("council", "Planning committee", at(9, 18), timedelta(hours=2), now, place="Town hall")))
    dentist = _event("dentist", "Dentist", at(3, 8.5), timedelta(minutes=30), now)
    dentist.add("class", "PRIVATE")
    yield Entry(ANNA, _document(dentist), ("Private",))
    yield Entry(BEN, _document(_event("gear", "Fit the gear of the sluice", at(3, 13), timedelta(hours=3), now, place="Sluice")))
    birthday = Event()
    _head(birthday, "birthday", "Ben's birthday", now)
    birthday.add("dtstart", date.fromisoformat(BEN.birthday))
    birthday.add("rrule", vRecur(freq="YEARLY"))
    birthday.add("transp", "TRANSPARENT")
    yield Entry(ANNA, _document(birthday), ("Private",))


def _tasks(now: datetime) -> Iterator[Entry]:
    today = now.date()
    for owner, name, title, due, percent, priority in (
        (ANNA, "budget", "Hand in the budget", 5, 75, 1),
        (ANNA, "committee", "Names for the planning committee", 2, 0, 5),
        (ANNA, "lock", "New beak for the heron on the key", 30, 0, 9),
        (BEN, "posts", "Change the batteries of the camera posts", 9, 20, 5),
        (BEN, "clips", "Send the raw clips to Eiji", 1, 0, 1),
        (BEN, "reed", "Cut reed for the sailing club", 16, 0, 5),
        (BEN, "ropes", "Order guy ropes", -4, 100, 5),
    ):
        todo = Todo()
        _head(todo, f"task-{name}", title, now)
        todo.add("due", today + timedelta(days=due))
        todo.add("priority", priority)
        todo.add("percent-complete", percent)
        todo.add("status", "COMPLETED" if percent == 100 else "IN-PROCESS" if percent else "NEEDS-ACTION")
        if percent == 100:
            todo.add("completed", (now - timedelta(days=5)).replace(microsecond=0))
        yield Entry(owner, _document(todo))
    watering = Todo()
    _head(watering, "task-gauge", "Read the gauge at the inlet", now)
    watering.add("dtstart", today)
    watering.add("due", today + timedelta(days=1))
    watering.add("rrule", vRecur(freq="WEEKLY", interval=2))
    yield Entry(BEN, _document(watering), ("Water",))


def _journal(now: datetime) -> Journal:
    journal = Journal()
    _head(journal, "journal-council", "Telephone call with Gita Rao", now)
    journal.add("dtstart", (now - timedelta(days=15)).replace(microsecond=0))
    journal.add("description", "The file HM/2231 is complete. The committee may ask about the car park: take the counts along.")
    return journal


def _event(name: str, title: str, start: datetime, length: timedelta, now: datetime, *, place: str = "") -> Event:
    event = Event()
    _head(event, name, title, now)
    event.add("dtstart", start)
    event.add("dtend", start + length)
    if place:
        event.add("location", place)
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", title)
    alarm.add("trigger", timedelta(minutes=-15))
    event.add_component(alarm)
    return event


def _head(component: Event | Todo | Journal, name: str, title: str, now: datetime) -> None:
    component.add("uid", f"demo-{name}@rookery.example")
    component.add("dtstamp", now.replace(microsecond=0))
    component.add("summary", title)


def _meet(event: Event, organizer: Person, attendees: list[tuple[Person, str]]) -> None:
    event.add("organizer", _address(organizer))
    for person, answer in attendees:
        address = _address(person)
        address.params["PARTSTAT"] = vText(answer)
        address.params["ROLE"] = vText("REQ-PARTICIPANT")
        event.add("attendee", address)


def _address(person: Person) -> vCalAddress:
    address = vCalAddress(f"mailto:{person.address}")
    address.params["CN"] = vText(person.name)
    return address


def _document(*components: Event | Todo | Journal) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", "-//Rookery//demonstration//EN")
    calendar.add("version", "2.0")
    for component in components:
        calendar.add_component(component)
    calendar.add_missing_timezones()
    return bytes(calendar.to_ical())
