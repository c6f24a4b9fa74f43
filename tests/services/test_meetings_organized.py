"""MeetingService: what organisers do, and what of it goes out as mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import folder_pb2, item_service_pb2
from rookery.v1.calendar_pb2 import EVENT_STATUS_CANCELLED, OccurrenceException
from rookery.v1.calendar_service_pb2 import SplitSeriesRequest
from rookery.v1.item_pb2 import Item
from rookery.v1.scheduling_pb2 import (
    SCHEDULING_METHOD_CANCEL,
    SCHEDULING_METHOD_REQUEST,
)
from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted, Stale
from rookery_server.services.calendar.splitting import SplittingService
from rookery_server.store import accounts
from tests.support.databases import ON_BOTH, sqlite_unless_asked
from tests.support.mail import OUTBOX, MailWorld
from tests.support.meeting_calls import ACCEPTED, NONE, ORGANIZER, Meetings, appointment, at, attendee, invited

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_server.store.database import Database
    from tests.support.world import Person

__all__ = ["sqlite_unless_asked"]

CALENDAR, DELETED = folder_pb2.FOLDER_ROLE_CALENDAR, folder_pb2.FOLDER_ROLE_DELETED
BEN, CARL, DORA = "ben@rookery.example", "carl@elsewhere.test", "dora@elsewhere.test"


@pytest.fixture
def world(database: Database) -> MailWorld:
    return MailWorld(database)


@pytest.fixture
def meetings(world: MailWorld) -> Meetings:
    return Meetings(world)


async def planned(world: MailWorld, meetings: Meetings, anna: Person, *rules: str, attendees: Sequence[str] = (BEN, CARL)) -> Item:
    """A meeting of Anna's that its attendees were told of."""
    item = await world.create(anna, appointment("2026-03-02T10:00:00", "2026-03-02T11:00:00", *rules, attendees=attendees))
    await meetings.send(anna, item.id)
    world.clock.advance(seconds=60)
    return await world.get(anna, item.id)


def moved(item: Item, day: str) -> Item:
    item.summary.appointment.start.local, item.summary.appointment.end.local = f"{day}T10:00:00", f"{day}T11:00:00"
    return item


@ON_BOTH
async def test_people_are_invited_and_the_meeting_has_its_organizer(world: MailWorld, meetings: Meetings, anna: Person) -> None:
    item = await world.create(anna, appointment(attendees=[BEN, CARL]))
    answer = await meetings.send(anna, item.id, comment="Please bring ideas.")
    assert await meetings.told(anna, answer.submissions) == [(SCHEDULING_METHOD_REQUEST, [BEN, CARL])]
    sent = (await meetings.letter(anna, answer.submissions[0])).parts[0]
    assert (sent.item.summary.subject, sent.item.summary.appointment.location, sent.comment) == (
        "Planning",
        "Room 4",
        "Please bring ideas.",
    )
    assert not answer.item.HasField("content") and answer.item.folder_id == item.folder_id
    kept = await world.get(anna, item.id)
    assert (kept.summary.appointment.my_response, kept.summary.appointment.organizer.address) == (ORGANIZER, "anna@rookery.example")
    assert [each.response for each in kept.content.appointment.attendees] == [NONE, NONE]
    assert kept.revision == answer.revision == answer.submissions[0].revision
    assert len(await world.within(anna, OUTBOX)) == 1 and world.woken == 1
    await world.check_counters(anna)


@ON_BOTH
async def test_who_knows_all_is_told_nothing_and_nothing_is_written(world: MailWorld, meetings: Meetings, anna: Person) -> None:
    item = await planned(world, meetings, anna)
    again = await meetings.send(anna, item.id)
    assert (list(again.submissions), again.revision, again.item.revision) == ([], item.revision, item.revision)
    item.summary.appointment.reminder_minutes = 30
    item.summary.appointment.start.local = "2026-03-02T10:00:00"
    await meetings.edit(anna, item, "summary.appointment.reminder_minutes", "summary.appointment.start")
    assert list((await meetings.send(anna, item.id)).submissions) == []


async def test_a_new_time_is_told_to_all_and_asks_anew(world: MailWorld, meetings: Meetings, anna: Person) -> None:
    item = await planned(world, meetings, anna)
    item.content.appointment.attendees[0].response = ACCEPTED
    item.content.appointment.attendees[0].responded.FromMicroseconds(world.clock.now)
    await meetings.edit(anna, item, "content.appointment.attendees")
    world.clock.advance(seconds=60)
    await meetings.edit(anna, moved(item, "2026-03-03"), "summary.appointment.start", "summary.appointment.end")
    answer = await meetings.send(anna, item.id)
    assert await meetings.told(anna, answer.submissions) == [(SCHEDULING_METHOD_REQUEST, [BEN, CARL])]
    kept = await world.get(anna, item.id)
    assert kept.summary.appointment.sequence == item.summary.appointment.sequence + 1
    assert [each.response for each in kept.content.appointment.attendees] == [NONE, NONE]


async def test_only_those_concerned_hear_of_a_changed_list(world: MailWorld, meetings: Meetings, anna: Person) -> None:
    item = await planned(world, meetings, anna)
    del item.content.appointment.attendees[0]
    item.content.appointment.attendees.append(attendee(DORA))
    await meetings.edit(anna, item, "content.appointment.attendees")
    answer = await meetings.send(anna, item.id)
    assert sorted(await meetings.told(anna, answer.submissions)) == [
        (SCHEDULING_METHOD_REQUEST, [DORA]),
        (SCHEDULING_METHOD_CANCEL, [BEN]),
    ]


async def test_one_occurrence_is_moved_and_another_called_off(world: MailWorld, meetings: Meetings, anna: Person) -> None:
    item = await planned(world, meetings, anna, "FREQ=WEEKLY;COUNT=5")
    change = OccurrenceException(original_start=at("2026-03-09T10:00:00"), start=at("2026-03-09T14:00:00"))
    change.end.CopyFrom(at("2026-03-09T15:00:00"))
    item.summary.appointment.exceptions.append(change)
    await meetings.edit(anna, item, "summary.appointment.exceptions")
    answer = await meetings.send(anna, item.id)
    [part] = (await meetings.letter(anna, answer.submissions[0])).parts
    assert part.occurrence is not None and part.occurrence.local == "2026-03-09T10:00:00"
    world.clock.advance(seconds=60)
    off = await meetings.cancel(anna, item.id, occurrence=at("2026-03-16T10:00:00"), comment="Holiday")
    assert await meetings.told(anna, off.submissions) == [(SCHEDULING_METHOD_CANCEL, [BEN, CARL])]
    [part] = (await meetings.letter(anna, off.submissions[0])).parts
    assert part.occurrence is not None and (part.occurrence.local, part.comment) == ("2026-03-16T10:00:00", "Holiday")
    kept = await world.get(anna, item.id)
    assert kept.folder_id == item.folder_id
    assert [each.cancelled for each in kept.summary.appointment.exceptions] == [False, True]
    again = await meetings.cancel(anna, item.id, occurrence=at("2026-03-16T10:00:00"))
    assert (list(again.submissions), again.revision) == ([], off.revision)
    with pytest.raises(InvalidArgument) as refused:
        await meetings.cancel(anna, item.id, occurrence=at("2026-03-17T10:00:00"))
    assert refused.value.reason == "NOT_AN_OCCURRENCE"


@ON_BOTH
async def test_a_meeting_that_is_called_off_lies_in_deleted_items(world: MailWorld, meetings: Meetings, anna: Person) -> None:
    item = await planned(world, meetings, anna)
    off = await meetings.cancel(anna, item.id)
    assert await meetings.told(anna, off.submissions) == [(SCHEDULING_METHOD_CANCEL, [BEN, CARL])]
    [kept] = await world.within(anna, DELETED)
    assert (kept.id, kept.summary.appointment.status) == (item.id, EVENT_STATUS_CANCELLED)
    assert off.item.folder_id == kept.folder_id
    again = await meetings.cancel(anna, item.id)
    assert (list(again.submissions), again.revision) == ([], off.revision)
    private = await world.create(anna, appointment())
    assert list((await meetings.cancel(anna, private.id)).submissions) == []
    await world.check_counters(anna)


@ON_BOTH
async def test_a_repeated_call_sends_once(world: MailWorld, meetings: Meetings, anna: Person) -> None:
    item = await world.create(anna, appointment(attendees=[CARL]))
    operation_id = world.ids.new()
    first = await meetings.send(anna, item.id, operation_id=operation_id)
    assert await meetings.send(anna, item.id, operation_id=operation_id) == first
    assert len(await world.within(anna, OUTBOX)) == 1


@ON_BOTH
async def test_what_breaks_off_leaves_nothing_half_done(world: MailWorld, meetings: Meetings, anna: Person) -> None:
    item = await world.create(anna, appointment(attendees=[BEN, CARL]))
    quota = item.summary.size_bytes + 1500
    await world.database.write(lambda transaction: accounts.set_quota(transaction.connection, anna.caller.account_id, quota))
    operation_id = world.ids.new()
    with pytest.raises(ResourceExhausted):
        await meetings.send(anna, item.id, operation_id=operation_id)
    assert (await world.get(anna, item.id)).revision == item.revision and await world.within(anna, OUTBOX) == []
    await world.database.write(lambda transaction: accounts.set_quota(transaction.connection, anna.caller.account_id, 0))
    assert len((await meetings.send(anna, item.id, operation_id=operation_id)).submissions) == 1
    await world.check_counters(anna)


async def test_what_is_not_the_organizers_is_refused(world: MailWorld, meetings: Meetings, anna: Person, ben: Person) -> None:
    item = await world.create(anna, appointment(attendees=[BEN]))
    foreign = await world.create(anna, invited(CARL, "anna@rookery.example"))
    note = await world.item(anna, item.folder_id)
    lost = await world.create(anna, appointment(attendees=[BEN]))
    await world.delete(anna, [lost.id], item_service_pb2.DELETE_MODE_RECOVERABLE)
    wrong = await world.create(anna, appointment(attendees=[BEN, "nobody"]))
    refusals: list[tuple[bytes, dict[str, Any], type[Exception], str]] = [
        (foreign.id, {}, FailedPrecondition, "NOT_ORGANIZER"),
        (note.id, {}, FailedPrecondition, "NOT_ORGANIZER"),
        (lost.id, {}, FailedPrecondition, "ITEM_NOT_LIVE"),
        (item.id, {"etag": 1}, Stale, "STALE_ETAG"),
        (item.id, {"comment": "x" * 4097}, InvalidArgument, "FIELD_INVALID"),
        (wrong.id, {}, InvalidArgument, "ADDRESS_INVALID"),
        (item.id, {"mailbox_id": ben.mailbox}, NotFound, "MAILBOX_NOT_FOUND"),
        (b"short", {}, InvalidArgument, "ID_INVALID"),
        (world.ids.new(), {}, NotFound, "ITEM_NOT_FOUND"),
    ]
    for item_id, fields, kind, reason in refusals:
        with pytest.raises(kind) as refused:
            await meetings.send(anna, item_id, **fields)
        assert getattr(refused.value, "reason", "") == reason
    with pytest.raises(InvalidArgument) as named:
        await meetings.send(anna, wrong.id)
    assert named.value.field == "item.content.appointment.attendees[1].person.address"
    with pytest.raises(FailedPrecondition) as refused:
        await meetings.cancel(anna, foreign.id)
    assert getattr(refused.value, "reason", "") == "NOT_ORGANIZER"
    assert await world.within(anna, OUTBOX) == []


@ON_BOTH
async def test_five_thousand_are_invited_at_once(world: MailWorld, meetings: Meetings, anna: Person) -> None:
    everybody = [f"guest{number}@elsewhere.test" for number in range(5000)]
    item = await world.create(anna, appointment(attendees=everybody))
    answer = await meetings.send(anna, item.id)
    assert sorted(each.person.address for every in answer.submissions for each in every.recipients) == sorted(everybody)
    assert list((await meetings.send(anna, item.id)).submissions) == []


async def test_an_edit_of_the_list_takes_back_no_answer(world: MailWorld, meetings: Meetings, anna: Person) -> None:
    item = await planned(world, meetings, anna)
    answered = Item()
    answered.CopyFrom(item)
    ben = answered.content.appointment.attendees[0]
    ben.response, ben.comment = ACCEPTED, "Fine"
    ben.responded.FromMicroseconds(world.clock.now)
    await meetings.edit(anna, answered, "content.appointment.attendees")
    item.content.appointment.attendees.append(attendee(DORA))
    await meetings.edit(anna, item, "content.appointment.attendees")
    kept = (await world.get(anna, item.id)).content.appointment.attendees
    assert [(each.person.address, each.response) for each in kept] == [(BEN, ACCEPTED), (CARL, NONE), (DORA, 0)]
    assert kept[0].comment == "Fine"


async def test_whom_the_organizer_forwards_to_is_invited(world: MailWorld, meetings: Meetings, anna: Person) -> None:
    own = await planned(world, meetings, anna)
    forwarded = await meetings.forward(anna, own.id, DORA)
    assert await meetings.told(anna, forwarded.submissions) == [(SCHEDULING_METHOD_REQUEST, [DORA])]
    listed = (await world.get(anna, own.id)).content.appointment.attendees
    assert [each.person.address for each in listed] == [BEN, CARL, DORA]


async def test_both_parts_of_a_split_series_are_told(world: MailWorld, meetings: Meetings, anna: Person) -> None:
    item = await planned(world, meetings, anna, "FREQ=WEEKLY;COUNT=6")
    splitting = SplittingService(world.operations, world.ids)
    new_id = world.ids.new()
    request = SplitSeriesRequest(item_id=item.id, at=at("2026-03-23T10:00:00"), new_item_id=new_id, operation_id=world.ids.new())
    await splitting.split_series(anna.caller, request)
    for item_id, sequence in ((item.id, 1), (new_id, 0)):
        answer = await meetings.send(anna, item_id)
        assert await meetings.told(anna, answer.submissions) == [(SCHEDULING_METHOD_REQUEST, [BEN, CARL])]
        kept = await world.get(anna, item_id)
        found = await meetings.letter(anna, answer.submissions[0])
        assert (found.uid, found.parts[0].version.sequence) == (kept.summary.appointment.meeting_id, sequence)
        assert list((await meetings.send(anna, item_id)).submissions) == []
