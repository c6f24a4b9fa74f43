"""A working week of three people and a room on one server, and of a fourth person elsewhere, who is reached by mail alone."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from rookery.v1 import admin_service_pb2, calendar_pb2, task_pb2
from rookery.v1.calendar_pb2 import AppointmentSummary, Attendee, Recurrence
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, ITEM_KIND_TASK, Item, ItemContent, ItemSummary
from rookery.v1.person_pb2 import Person
from rookery.v1.task_pb2 import TaskSummary
from tests.e2e.week import BERLIN, CALENDAR, ELSEWHERE, HOME, INBOX, TASKS, Week, account, desk, next_monday, two_servers

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

    from tests.e2e.week import Desk

ANNA, BEN, CLEO, DORA = f"anna@{HOME}", f"ben@{HOME}", f"cleo@{HOME}", f"dora@{ELSEWHERE}"
ATTIC = f"attic@{HOME}"
ACCEPTED, TENTATIVE, DECLINED = (
    calendar_pb2.RESPONSE_STATUS_ACCEPTED,
    calendar_pb2.RESPONSE_STATUS_TENTATIVE,
    calendar_pb2.RESPONSE_STATUS_DECLINED,
)


@dataclass(frozen=True)
class Office:
    """Everybody."""

    week: Week
    anna: Desk
    ben: Desk
    cleo: Desk
    dora: Desk


@pytest.fixture
async def office(database_url: str, tmp_path: pathlib.Path) -> AsyncIterator[Office]:
    week = Week(next_monday(dt.datetime.now(dt.UTC).date()))
    with two_servers(tmp_path, database_url) as (home, elsewhere):
        async with home.connected() as here, elsewhere.connected() as there, contextlib.AsyncExitStack() as desks:
            await account(here, ATTIC, kind=admin_service_pb2.ACCOUNT_KIND_ROOM, display_name="Attic")
            servers = {HOME: here, ELSEWHERE: there}
            people = [
                await desks.enter_async_context(desk(servers[address.partition("@")[2]], address, week))
                for address in (ANNA, BEN, CLEO, DORA)
            ]
            yield Office(week, *people)
        sys.stderr.write(home.log() + elsewhere.log())  # seen where the test has failed


def meeting(week: Week, subject: str, day: int, begin: str, end: str, *invited: str, rule: str = "", room: str = "") -> Item:
    """An appointment as its organiser writes it."""
    appointment = AppointmentSummary(
        start=week.at(day, begin), end=week.at(day, end), location="Attic" if room else "", response_requested=True
    )
    if rule:
        appointment.recurrence.CopyFrom(Recurrence(rules=[rule]))
    attendees = [
        Attendee(
            person=Person(name=address.partition("@")[0].title(), address=address),
            role=calendar_pb2.ATTENDEE_ROLE_RESOURCE if address == room else calendar_pb2.ATTENDEE_ROLE_REQUIRED,
            response_requested=True,
        )
        for address in (*invited, *([room] if room else []))
    ]
    content = ItemContent()
    content.appointment.attendees.extend(attendees)
    return Item(summary=ItemSummary(kind=ITEM_KIND_APPOINTMENT, subject=subject, appointment=appointment), content=content)


async def test_a_working_week(office: Office) -> None:
    await monday_a_series_is_agreed_upon(office)
    await tuesday_an_occurrence_is_moved_and_somebody_proposes_another_time(office)
    await wednesday_the_room_is_taken(office)
    await thursday_an_occurrence_is_called_off(office)
    await friday_tasks_are_handed_over_and_done(office)
    await in_the_end_all_calendars_agree(office)
    await nobody_got_a_needless_mail(office)


async def monday_a_series_is_agreed_upon(office: Office) -> None:
    anna, week = office.anna, office.week
    standup = await anna.client.items.create(
        meeting(week, "Standup", 0, "09:00", "09:30", BEN, CLEO, DORA, rule="FREQ=WEEKLY;COUNT=4", room=ATTIC)
    )
    await anna.client.meetings.send(standup.id, comment="Short, standing.")
    again = await anna.client.meetings.send(standup.id)
    assert not again.submissions, "sending twice sends nothing"
    for person in (office.ben, office.cleo, office.dora):
        await person.sees(person.agenda, [f"{day} 09:00 Standup @Attic none" for day in (0, 7, 14, 21)])
    invitation = await office.ben.one(INBOX, "Standup")
    await office.ben.client.meetings.respond(invitation.id, ACCEPTED, comment="Gladly.")
    await office.cleo.client.meetings.respond((await office.cleo.one(CALENDAR, "Standup")).id, TENTATIVE)
    await office.dora.client.meetings.respond((await office.dora.one(CALENDAR, "Standup")).id, ACCEPTED)
    expected = {"ben": "accepted", "cleo": "tentative", "dora": "accepted", "attic": "accepted"}
    await anna.sees(lambda: anna.answers("Standup"), expected)
    ben = next(each for each in (await anna.one(CALENDAR, "Standup")).content.appointment.attendees if each.person.address == BEN)
    assert ben.comment == "Gladly."
    for person in (office.ben, office.cleo, office.dora):
        theirs = (await person.one(CALENDAR, "Standup")).content.appointment
        assert not theirs.meeting.HasField("sent"), "tracking stands on the organiser's item"


async def tuesday_an_occurrence_is_moved_and_somebody_proposes_another_time(office: Office) -> None:
    anna, week = office.anna, office.week
    await _move(anna, week, 7, (8, "10:00", "10:30"))
    for person in (office.ben, office.cleo, office.dora):
        await person.sees(lambda person=person: _times(person, "Standup"), ["0 09:00", "8 10:00", "14 09:00", "21 09:00"])
    dora = office.dora
    hers = await dora.one(CALENDAR, "Standup")
    proposed = (week.at(9, "14:00"), week.at(9, "14:30"))
    await dora.client.meetings.respond(
        hers.id, TENTATIVE, occurrence=week.at(7, "09:00"), comment="I am at the dentist's.", proposed=proposed
    )
    await anna.sees(lambda: _proposals(anna), [(DORA, week.at(9, "14:00").local, "I am at the dentist's.")])
    await _move(anna, week, 7, (9, "14:00", "14:30"))
    for person in (office.ben, office.cleo, office.dora):
        await person.sees(lambda person=person: _times(person, "Standup"), ["0 09:00", "9 14:00", "14 09:00", "21 09:00"])
    await dora.client.meetings.respond(hers.id, ACCEPTED, occurrence=week.at(7, "09:00"))
    await office.ben.client.meetings.respond(
        (await office.ben.one(CALENDAR, "Standup")).id, ACCEPTED, occurrence=week.at(7, "09:00")
    )
    await office.cleo.client.meetings.respond(
        (await office.cleo.one(CALENDAR, "Standup")).id, DECLINED, occurrence=week.at(7, "09:00"), comment="On holiday."
    )
    await anna.sees(
        lambda: _answers_for_occurrence(anna, week.at(7, "09:00").local),
        {"ben": ACCEPTED, "cleo": DECLINED, "dora": ACCEPTED, "attic": ACCEPTED},
    )


async def wednesday_the_room_is_taken(office: Office) -> None:
    ben, week = office.ben, office.week
    review = await ben.client.items.create(meeting(week, "Review", 14, "09:15", "10:00", CLEO, room=ATTIC))
    await ben.client.meetings.send(review.id)
    await ben.sees(lambda: ben.answers("Review"), {"cleo": "none", "attic": "declined"})
    begin = dt.datetime.combine(week.monday + dt.timedelta(days=14), dt.time(9), ZoneInfo(BERLIN))
    found = await ben.client.availability.find_time(
        [BEN, CLEO, ATTIC], begin, begin + dt.timedelta(hours=8), dt.timedelta(minutes=45), step_minutes=15, any_hour=True
    )
    first = found.times[0]
    assert week.shown(first.start.ToDatetime(dt.UTC)) == "14 10:00", "before, they are at the standup and at the review itself"
    review = await ben.client.items.get(review.id)
    review.summary.appointment.start.CopyFrom(week.at(14, "10:00"))
    review.summary.appointment.end.CopyFrom(week.at(14, "10:45"))
    await ben.client.items.update(review, ["summary.appointment.start", "summary.appointment.end"])
    await ben.client.meetings.send(review.id)
    await ben.sees(lambda: ben.answers("Review"), {"cleo": "none", "attic": "accepted"})
    await office.cleo.client.meetings.respond((await office.cleo.one(CALENDAR, "Review")).id, ACCEPTED)
    await ben.sees(lambda: ben.answers("Review"), {"cleo": "accepted", "attic": "accepted"})


async def thursday_an_occurrence_is_called_off(office: Office) -> None:
    anna, week = office.anna, office.week
    standup = await anna.one(CALENDAR, "Standup")
    await anna.client.meetings.cancel(standup.id, occurrence=week.at(21, "09:00"), comment="Nobody is there.")
    for person in (office.ben, office.dora):
        await person.sees(lambda person=person: _times(person, "Standup"), ["0 09:00", "9 14:00", "14 09:00"])
    await office.cleo.sees(lambda: _times(office.cleo, "Standup"), ["0 09:00", "14 09:00"])
    free = await anna.client.availability.free_busy([ATTIC], _moment(week, 21, 8), _moment(week, 21, 12))
    assert not free.parties[0].times, "the room is free again"


async def friday_tasks_are_handed_over_and_done(office: Office) -> None:
    anna, ben, cleo, dora = office.anna, office.ben, office.cleo, office.dora
    minutes = await anna.client.items.create(_task("Write the minutes", office.week))
    await anna.client.tasks.assign(minutes.id, Person(name="Ben", address=BEN), comment="Please, by Friday.")
    await ben.sees(lambda: _standings(ben), {"Write the minutes": ("requested", 0)})
    task = await ben.one(TASKS, "Write the minutes")
    await ben.client.tasks.respond(task.id, ACCEPTED)
    task.summary.task.percent_complete = 50
    await ben.client.items.update(task, ["summary.task.percent_complete"])
    await anna.sees(lambda: _standings(anna), {"Write the minutes": ("accepted", 50)})
    await ben.client.tasks.complete(task.id)
    await anna.sees(lambda: _standings(anna), {"Write the minutes": ("accepted", 100)})
    book = await anna.client.items.create(_task("Book the train", office.week))
    await anna.client.tasks.assign(book.id, Person(name="Dora", address=DORA))
    await dora.sees(lambda: _standings(dora), {"Book the train": ("requested", 0)})
    theirs = await dora.one(TASKS, "Book the train")
    await dora.client.tasks.respond(theirs.id, ACCEPTED)
    await dora.client.tasks.complete(theirs.id)
    await anna.sees(lambda: _standings(anna), {"Write the minutes": ("accepted", 100), "Book the train": ("accepted", 100)})
    water = _task("Water the plants", office.week)
    water.summary.task.recurrence.rules.append("FREQ=WEEKLY")
    water = await cleo.client.items.create(water)
    for _ in range(2):  # at the desk, and on the telephone, which had not heard of it
        await cleo.client.tasks.complete(water.id, 0, time_zone=BERLIN)
    found = {(each.summary.task.occurrence, each.summary.task.status) for each in await cleo.items(TASKS)}
    assert found == {(0, task_pb2.TASK_STATUS_COMPLETED), (1, task_pb2.TASK_STATUS_NOT_STARTED)}


async def in_the_end_all_calendars_agree(office: Office) -> None:
    standups = ["0 09:00", "9 14:00", "14 09:00"]
    for person, own in ((office.anna, "organizer"), (office.ben, "accepted"), (office.dora, "accepted")):
        shown = [each for each in await person.agenda() if "Standup" in each]
        assert shown == [f"{time} Standup @Attic {own}" for time in standups], person.address
    assert [each for each in await office.cleo.agenda() if "Standup" in each] == [
        "0 09:00 Standup @Attic tentative",
        "14 09:00 Standup @Attic tentative",
    ]
    assert [each for each in await office.ben.agenda() if "Review" in each] == ["14 10:00 Review @Attic organizer"]
    assert [each for each in await office.cleo.agenda() if "Review" in each] == ["14 10:00 Review @Attic accepted"]
    week = office.week
    busy = (await office.anna.client.availability.free_busy([ATTIC], _moment(week, 0, 0), _moment(week, 28, 0))).parties[0]
    assert [week.shown(each.start.ToDatetime(dt.UTC)) for each in busy.times] == ["0 09:00", "9 14:00", "14 09:00", "14 10:00"]


async def nobody_got_a_needless_mail(office: Office) -> None:
    assert await office.ben.inbox() == {
        "Standup": 3,  # the series, the occurrence moved, and moved again
        "Canceled: Standup": 1,
        "Declined: Review": 1,  # by the room
        "Accepted: Review": 2,  # by the room, and by Cleo
        "Task: Write the minutes": 1,
    }
    assert await office.cleo.inbox() == {"Standup": 3, "Canceled: Standup": 1, "Review": 2}
    assert await office.dora.inbox() == {"Standup": 3, "Canceled: Standup": 1, "Task: Book the train": 1}
    assert await office.anna.inbox() == {
        "Accepted: Standup": 3 + 2 + 2,  # the series: Ben, Dora, the room; moved: the room, twice; then Ben and Dora
        "Tentative: Standup": 1,
        "New time proposed: Standup": 1,
        "Declined: Standup": 1,
        "Task accepted: Write the minutes": 1,
        "Task update: Write the minutes": 2,
        "Task accepted: Book the train": 1,
        "Task update: Book the train": 1,
    }


async def _move(anna: Desk, week: Week, original: int, to: tuple[int, str, str]) -> None:
    """Moves an occurrence of the standup, and tells the others."""
    standup = await anna.one(CALENDAR, "Standup")
    appointment = standup.summary.appointment
    kept = [each for each in appointment.exceptions if each.original_start != week.at(original, "09:00")]
    del appointment.exceptions[:]
    appointment.exceptions.extend(kept)
    day, begin, end = to
    appointment.exceptions.add(original_start=week.at(original, "09:00"), start=week.at(day, begin), end=week.at(day, end))
    await anna.client.items.update(standup, ["summary.appointment.exceptions"])
    await anna.client.meetings.send(standup.id)


async def _times(person: Desk, subject: str) -> list[str]:
    return [each.partition(f" {subject}")[0] for each in await person.agenda() if f" {subject} " in each]


async def _proposals(anna: Desk) -> list[tuple[str, str, str]]:
    found = (await anna.one(CALENDAR, "Standup")).content.appointment.meeting.occurrence_responses
    return [
        (each.attendee.person.address, each.attendee.proposed_start.local, each.attendee.comment)
        for each in found
        if each.attendee.HasField("proposed_start")
    ]


async def _answers_for_occurrence(anna: Desk, local: str) -> dict[str, int]:
    found = (await anna.one(CALENDAR, "Standup")).content.appointment.meeting.occurrence_responses
    return {
        each.attendee.person.address.partition("@")[0]: each.attendee.response
        for each in found
        if each.original_start.local == local
    }


async def _standings(person: Desk) -> dict[str, tuple[str, int]]:
    """How a person's tasks that were handed over stand."""
    return {
        each.summary.subject: (
            task_pb2.TaskAssignment.Name(each.summary.task.assignment).removeprefix("TASK_ASSIGNMENT_").lower(),
            each.summary.task.percent_complete,
        )
        for each in await person.items(TASKS)
    }


def _task(subject: str, week: Week) -> Item:
    task = TaskSummary(due=week.at(4, "17:00"))
    return Item(summary=ItemSummary(kind=ITEM_KIND_TASK, subject=subject, task=task))


def _moment(week: Week, day: int, hour: int) -> dt.datetime:
    return dt.datetime.combine(week.monday + dt.timedelta(days=day), dt.time(hour), ZoneInfo(BERLIN))
