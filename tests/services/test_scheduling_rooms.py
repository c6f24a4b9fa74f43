"""Rooms that answer by themselves: by their rules, and to whoever comes first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1.admin_service_pb2 import ACCOUNT_KIND_EQUIPMENT
from rookery.v1.calendar_pb2 import (
    BUSY_STATUS_BUSY,
    RESPONSE_STATUS_ACCEPTED,
    RESPONSE_STATUS_DECLINED,
    RESPONSE_STATUS_NONE,
)
from rookery.v1.item_pb2 import SENSITIVITY_PRIVATE, Item, ItemSummary
from rookery.v1.item_service_pb2 import UpdateItemRequest
from rookery.v1.scheduling_pb2 import SCHEDULING_EFFECT_APPLIED, SCHEDULING_METHOD_REPLY
from rookery_server.services.scheduling import rooms
from tests.support.databases import ON_BOTH, sqlite_unless_asked
from tests.support.invitations import FAR, event, mail
from tests.support.mail import INBOX, OUTBOX, SENT
from tests.support.meeting_world import DELETED, MeetingWorld, subjects

if TYPE_CHECKING:
    from rookery_server.store.database import Database
    from tests.support.world import Person

__all__ = ["sqlite_unless_asked"]

ACCEPTED, DECLINED, NONE = RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED, RESPONSE_STATUS_NONE
OWL = "owl@rookery.example"
AT_TEN = {"start": "2025-06-24T10:00:00", "end": "2025-06-24T11:00:00"}
AT_NOON = {"start": "2025-06-24T12:00:00", "end": "2025-06-24T13:00:00"}
EVERY_DAY = {"start": "2025-06-23T10:00:00", "end": "2025-06-23T11:00:00", "rule": "FREQ=DAILY;COUNT=10"}


@pytest.fixture
def world(database: Database) -> MeetingWorld:
    return MeetingWorld(database)


@pytest.fixture
async def owl(world: MeetingWorld) -> Person:
    return await world.room("owl")


@ON_BOTH
@pytest.mark.parametrize("kind", ["room", "equipment"])
async def test_a_room_that_is_free_is_booked_at_once(world: MeetingWorld, anna: Person, kind: str) -> None:
    room = await world.room("owl", **({"kind": ACCOUNT_KIND_EQUIPMENT} if kind == "equipment" else {}))
    meeting = await world.meet(anna, OWL, **AT_TEN, subject="Budget")
    assert await world.answers(anna, meeting.id) == {OWL: ACCEPTED}
    assert world.woken == 2, "the queue is told of the invitation, and of the answer"
    [booked] = await world.calendar(room)
    appointment = booked.summary.appointment
    assert booked.summary.subject == "Budget"
    assert (appointment.my_response, appointment.busy_status) == (ACCEPTED, BUSY_STATUS_BUSY)
    [came] = await world.within(anna, INBOX)
    assert came.content.message.scheduling.method == SCHEDULING_METHOD_REPLY
    assert came.content.message.scheduling.response == ACCEPTED
    assert await world.within(room, OUTBOX) == [] and len(await world.within(room, SENT)) == 1
    for person in (anna, room):
        await world.check_counters(person)


@ON_BOTH
async def test_of_two_who_want_a_room_at_once_one_has_it(world: MeetingWorld, anna: Person, ben: Person, owl: Person) -> None:
    mine, theirs = [await world.appointment(person, OWL, **AT_TEN) for person in (anna, ben)]
    await asyncio.gather(world.send_meeting(anna, mine.id), world.send_meeting(ben, theirs.id))
    await world.settle()
    answers = {**await world.answers(anna, mine.id)}, {**await world.answers(ben, theirs.id)}
    assert sorted(each[OWL] for each in answers) == [ACCEPTED, DECLINED]
    assert len(await world.calendar(owl)) == 1
    loser = anna if answers[0][OWL] == DECLINED else ben
    [said] = [each.content.message.scheduling for each in await world.within(loser, INBOX)]
    winner = "ben" if loser is anna else "anna"
    assert "24 Jun 2025" in said.comment and winner in said.comment


@ON_BOTH
async def test_of_many_who_want_the_same_times_one_has_each(world: MeetingWorld, owl: Person) -> None:
    hours = range(8, 12)
    asked = []
    for number in range(20):
        person, hour = await world.person(f"person{number}"), hours[number % len(hours)]
        start, end = f"2025-06-24T{hour:02}:00:00", f"2025-06-24T{hour + 1:02}:00:00"
        asked.append((person, await world.appointment(person, OWL, start=start, end=end), start))
    await asyncio.gather(*(world.send_meeting(person, meeting.id) for person, meeting, _ in asked))
    await world.settle()
    won = [start for person, meeting, start in asked if (await world.answers(person, meeting.id))[OWL] == ACCEPTED]
    assert sorted(won) == [f"2025-06-24T{hour:02}:00:00" for hour in hours]
    assert [each.summary.appointment.start.local for each in await world.calendar(owl)] == sorted(won)
    await world.check_counters(owl)


async def test_what_is_called_off_is_free_again_and_nobody_is_answered(
    world: MeetingWorld, anna: Person, ben: Person, owl: Person
) -> None:
    first = await world.meet(anna, OWL, **AT_TEN)
    await world.cancel_meeting(anna, first.id)
    await world.settle()
    assert await world.calendar(owl) == [] and len(await world.within(anna, INBOX)) == 1
    second = await world.meet(ben, OWL, **AT_TEN)
    assert await world.answers(ben, second.id) == {OWL: ACCEPTED}


async def test_what_was_declined_takes_no_time_and_is_decided_anew_when_asked_again(
    world: MeetingWorld, anna: Person, ben: Person, owl: Person
) -> None:
    await world.meet(anna, OWL, **AT_TEN)
    late = await world.meet(ben, OWL, **AT_TEN)
    assert await world.answers(ben, late.id) == {OWL: DECLINED}
    assert len(await world.calendar(owl)) == 1 and len(await world.within(owl, DELETED)) == 1
    await move(world, ben, late, **AT_NOON)
    assert await world.answers(ben, late.id) == {OWL: ACCEPTED}
    assert [each.summary.appointment.start.local for each in await world.calendar(owl)] == [AT_TEN["start"], AT_NOON["start"]]


async def test_a_meeting_is_not_in_its_own_way(world: MeetingWorld, anna: Person, owl: Person) -> None:
    meeting = await world.meet(anna, OWL, **AT_TEN)
    await move(world, anna, meeting, start="2025-06-24T10:30:00", end="2025-06-24T11:30:00")
    assert await world.answers(anna, meeting.id) == {OWL: ACCEPTED}
    [booked] = await world.calendar(owl)
    assert booked.summary.appointment.start.local == "2025-06-24T10:30:00"


async def test_a_booking_that_is_moved_to_a_time_that_is_taken_is_given_up(
    world: MeetingWorld, anna: Person, ben: Person, owl: Person
) -> None:
    await world.meet(anna, OWL, **AT_NOON)
    meeting = await world.meet(ben, OWL, **AT_TEN)
    await move(world, ben, meeting, **AT_NOON)
    assert await world.answers(ben, meeting.id) == {OWL: DECLINED}
    third = await world.meet(anna, OWL, **AT_TEN)
    assert await world.answers(anna, third.id) == {OWL: ACCEPTED}


async def test_a_change_of_words_does_not_ask_the_room_again(world: MeetingWorld, anna: Person, owl: Person) -> None:
    meeting = await world.meet(anna, OWL, **AT_TEN, subject="Budget")
    await change(world, anna, meeting.id, ["summary.subject"], Item(summary=ItemSummary(subject="Budget 2026")))
    assert subjects(await world.calendar(owl)) == ["Budget 2026"]
    assert len(await world.within(anna, INBOX)) == 1


@ON_BOTH
async def test_of_a_series_the_times_that_are_taken_are_declined_one_by_one(world: MeetingWorld, anna: Person, ben: Person) -> None:
    owl = await world.room("owl", recurring=True, conflict_percent=20)
    await world.meet(anna, OWL, **AT_TEN)
    series = await world.meet(ben, OWL, **EVERY_DAY)
    assert await world.answers(ben, series.id) == {OWL: ACCEPTED}
    after = (await world.get(ben, series.id)).content.appointment.meeting
    [declined] = after.occurrence_responses
    assert (declined.original_start.local, declined.attendee.response) == (AT_TEN["start"], DECLINED)
    assert len(await world.within(ben, INBOX)) == 1, "one letter says all of it"
    [booked] = [each for each in await world.calendar(owl) if each.summary.appointment.recurrence.rules]
    [exception] = booked.summary.appointment.exceptions
    assert exception.cancelled and exception.original_start.local == AT_TEN["start"]


async def test_a_series_with_more_conflicts_than_are_allowed_is_declined(world: MeetingWorld, anna: Person, ben: Person) -> None:
    owl = await world.room("owl", recurring=True, conflict_percent=5)
    await world.meet(anna, OWL, **AT_TEN)
    series = await world.meet(ben, OWL, **EVERY_DAY)
    assert await world.answers(ben, series.id) == {OWL: DECLINED}
    assert len(await world.calendar(owl)) == 1


async def test_a_series_is_declined_where_too_much_of_it_would_have_to_be_declined_one_by_one(
    world: MeetingWorld, anna: Person, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "MOST_DECLINED", 1)
    owl = await world.room("owl", recurring=True, conflict_percent=100)
    for times in (AT_TEN, {"start": "2025-06-25T10:00:00", "end": "2025-06-25T11:00:00"}):
        await world.meet(anna, OWL, **times)
    series = await world.meet(ben, OWL, **EVERY_DAY)
    assert await world.answers(ben, series.id) == {OWL: DECLINED}
    assert len(await world.calendar(owl)) == 2


async def test_one_occurrence_that_is_moved_is_answered_by_itself(
    world: MeetingWorld, anna: Person, ben: Person, owl: Person
) -> None:
    series = await world.meet(anna, OWL, **EVERY_DAY)
    await world.meet(ben, OWL, **AT_NOON)
    await to_noon(world, anna, series, range(24, 25))
    assert await world.answers(anna, series.id) == {OWL: ACCEPTED}
    [said] = (await world.get(anna, series.id)).content.appointment.meeting.occurrence_responses
    assert (said.original_start.local, said.attendee.response) == (AT_TEN["start"], DECLINED)


async def test_many_occurrences_that_are_moved_are_answered_with_one_letter(
    world: MeetingWorld, anna: Person, ben: Person, owl: Person
) -> None:
    series = await world.meet(anna, OWL, **EVERY_DAY)
    await world.meet(ben, OWL, **AT_NOON)
    await to_noon(world, anna, series, range(23, 31))
    said = (await world.get(anna, series.id)).content.appointment.meeting.occurrence_responses
    assert {each.original_start.local[8:10]: each.attendee.response for each in said} == {
        str(day): DECLINED if day == 24 else ACCEPTED for day in range(23, 31)
    }
    assert len(await world.within(owl, SENT)) == 3, "for the series, for Ben, and for what was moved"


async def test_a_series_of_which_too_much_is_moved_at_once_is_given_up(
    world: MeetingWorld, anna: Person, owl: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "MOST_ASKED", 2)
    series = await world.meet(anna, OWL, **EVERY_DAY)
    await to_noon(world, anna, series, range(23, 26))
    assert await world.answers(anna, series.id) == {OWL: DECLINED} and await world.calendar(owl) == []


async def test_who_has_booked_is_nobody_s_business_elsewhere(world: MeetingWorld, anna: Person) -> None:
    owl = await world.room("owl", outsiders=True)
    await world.meet(anna, OWL, **AT_NOON)
    await world.bring(mail(to_owl(), to=OWL), "owl")
    [letter] = await world.within(owl, OUTBOX)
    assert "24 Jun 2025" in letter.content.body.text and "anna" not in letter.content.body.text


async def test_who_has_booked_in_private_is_not_told(world: MeetingWorld, anna: Person, ben: Person, owl: Person) -> None:
    await world.meet(anna, OWL, **AT_NOON)
    hidden = Item(summary=ItemSummary(sensitivity=SENSITIVITY_PRIVATE))
    request = UpdateItemRequest(operation_id=world.ids.new(), item=hidden)
    request.item.id = (await world.calendar(owl))[0].id
    request.update_mask.paths.append("summary.sensitivity")
    await world.editing.update_item(owl.caller, request)
    await world.meet(ben, OWL, **AT_NOON)
    [said] = [each.content.message.scheduling for each in await world.within(ben, INBOX)]
    assert "24 Jun 2025" in said.comment and "anna" not in said.comment


async def test_people_elsewhere_are_told_that_they_can_not_book(world: MeetingWorld, owl: Person) -> None:
    [told] = await world.bring(mail(to_owl(), to=OWL), "owl")
    assert world.woken == 1
    await world.settle()
    assert told.effect == SCHEDULING_EFFECT_APPLIED and await world.calendar(owl) == []
    assert world.outside.carried == [("elsewhere.example", [FAR])]


async def test_people_elsewhere_book_where_they_may(world: MeetingWorld) -> None:
    owl = await world.room("owl", outsiders=True)
    await world.bring(mail(to_owl(), to=OWL), "owl")
    await world.settle()
    assert len(await world.calendar(owl)) == 1
    assert world.outside.carried == [("elsewhere.example", [FAR])]


async def test_a_letter_in_the_name_of_a_stranger_is_not_answered_to_them(world: MeetingWorld, owl: Person) -> None:
    await world.bring(mail(to_owl(), to=OWL, sender="mallory@evil.example"), "owl", sender="mallory@evil.example")
    await world.settle()
    assert await world.calendar(owl) == [] and world.outside.carried == []


async def test_a_stranger_books_nothing_in_the_name_of_somebody_here(world: MeetingWorld, anna: Person, owl: Person) -> None:
    forged = event(organizer="mailto:anna@rookery.example", attendee=f";RSVP=TRUE:mailto:{OWL}")
    await world.bring(mail(forged, to=OWL), "owl")
    await world.settle()
    assert await world.calendar(owl) == [] and await world.within(anna, INBOX) == []


RULES: list[tuple[dict[str, Any], dict[str, str], int]] = [
    ({"horizon_days": 5}, AT_TEN, DECLINED),
    ({"horizon_days": 30}, AT_TEN, ACCEPTED),
    ({"longest_minutes": 30}, AT_TEN, DECLINED),
    ({"longest_minutes": 60}, AT_TEN, ACCEPTED),
    ({"recurring": False}, EVERY_DAY, DECLINED),
    ({"recurring": True}, EVERY_DAY, ACCEPTED),
    ({"working_hours_only": True}, {"start": "2025-06-24T20:00:00", "end": "2025-06-24T21:00:00"}, DECLINED),
    ({"working_hours_only": True}, AT_TEN, ACCEPTED),
    ({"automatic": False}, AT_TEN, NONE),
    ({}, {"start": "2025-06-01T10:00:00", "end": "2025-06-01T11:00:00"}, DECLINED),
]


async def test_a_room_keeps_to_its_rules(world: MeetingWorld, anna: Person) -> None:
    asked = []
    for number, (rules, times, _) in enumerate(RULES):
        await world.room(f"room{number}", **rules)
        meeting = await world.appointment(anna, f"room{number}@rookery.example", **times)
        await world.send_meeting(anna, meeting.id)
        asked.append(meeting.id)
    await world.settle()
    for item_id, (rules, times, response) in zip(asked, RULES, strict=True):
        assert list((await world.answers(anna, item_id)).values()) == [response], (rules, times)


async def test_a_room_may_be_booked_twice_where_its_rules_say_so(world: MeetingWorld, anna: Person, ben: Person) -> None:
    owl = await world.room("owl", conflicts=True)
    for person in (anna, ben):
        meeting = await world.meet(person, OWL, **AT_TEN)
        assert await world.answers(person, meeting.id) == {OWL: ACCEPTED}
    assert len(await world.calendar(owl)) == 2


async def test_a_request_that_a_person_decides_on_stands_there_tentatively(world: MeetingWorld, anna: Person) -> None:
    owl = await world.room("owl", automatic=False)
    await world.meet(anna, OWL, **AT_TEN)
    [asked] = await world.calendar(owl)
    assert asked.summary.appointment.my_response == NONE and await world.within(anna, INBOX) == []


def to_owl() -> bytes:
    return event(attendee=f";RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:{OWL}")


async def to_noon(world: MeetingWorld, person: Person, series: Item, days: range) -> None:
    """Moves those occurrences of a series in June 2025, and tells everybody."""
    moved = Item()
    for day in days:
        exception = moved.summary.appointment.exceptions.add()
        for time, hour in ((exception.original_start, 10), (exception.start, 12), (exception.end, 13)):
            time.local, time.time_zone = f"2025-06-{day}T{hour}:00:00", "UTC"
    await change(world, person, series.id, ["summary.appointment.exceptions"], moved)


async def move(world: MeetingWorld, person: Person, meeting: Item, *, start: str, end: str) -> None:
    """Moves a meeting, and tells everybody."""
    wanted = Item()
    wanted.summary.appointment.CopyFrom((await world.get(person, meeting.id)).summary.appointment)
    wanted.summary.appointment.start.local, wanted.summary.appointment.end.local = start, end
    await change(world, person, meeting.id, ["summary.appointment.start", "summary.appointment.end"], wanted)


async def change(world: MeetingWorld, person: Person, item_id: bytes, paths: list[str], wanted: Item) -> None:
    """Changes a meeting, and tells everybody."""
    request = UpdateItemRequest(operation_id=world.ids.new(), item=wanted)
    request.item.id = item_id
    request.update_mask.paths.extend(paths)
    await world.editing.update_item(person.caller, request)
    await world.send_meeting(person, item_id)
    await world.settle()
