"""Push: meetings sent, answered, called off, forwarded and split on devices, with no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import item_service_pb2, sync_pb2
from rookery.v1.calendar_pb2 import OccurrenceException, ResponseStatus
from rookery.v1.calendar_service_pb2 import SplitSeriesRequest
from rookery.v1.item_pb2 import Item
from rookery.v1.meeting_service_pb2 import (
    CancelMeetingRequest,
    ForwardMeetingRequest,
    RespondToMeetingRequest,
    SendMeetingRequest,
)
from rookery.v1.person_pb2 import Person as Named
from rookery_core.rules.scheduling.receiving import Home
from rookery_server.services.change import MailboxChange
from rookery_server.services.items import item_updates
from rookery_server.services.items.item_reading import require_item
from rookery_server.services.scheduling import keeping
from rookery_server.services.submission.settling import MAIL_SYSTEM
from rookery_server.store import mailboxes
from tests.support.databases import ON_BOTH, sqlite_unless_asked
from tests.support.mail import OUTBOX, MailWorld
from tests.support.meeting_calls import ACCEPTED, DECLINED, NONE, TENTATIVE, appointment, at, invited
from tests.sync.devices import Device, Fleet, reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery.v1.sync_pb2 import SyncOperation
    from rookery_server.store.database import Database
    from rookery_server.store.units import Transaction
    from tests.support.world import Person

APPLIED, MERGED, REJECTED = sync_pb2.PUSH_OUTCOME_APPLIED, sync_pb2.PUSH_OUTCOME_MERGED, sync_pb2.PUSH_OUTCOME_REJECTED

__all__ = ["sqlite_unless_asked"]

ANNA, CARL, DORA = "anna@rookery.example", "carl@elsewhere.test", "dora@elsewhere.test"


@pytest.fixture
def world(database: Database) -> MailWorld:
    return MailWorld(database)


@pytest.fixture
def fleet(world: MailWorld, anna: Person) -> Fleet:
    return Fleet(world, anna)


async def devices(fleet: Fleet) -> tuple[Device, Device]:
    one, two = fleet.device(), fleet.device()
    await one.see()
    await two.see()
    return one, two


def sending(device: Device, item_id: bytes, *needs: SyncOperation, fail: bool = False, etag: int = 0) -> SyncOperation:
    operation = device.operation(send_meeting=SendMeetingRequest(item_id=item_id, etag=etag), fail=fail)
    operation.depends_on.extend(each.operation_id for each in needs)
    return operation


def answering(device: Device, item_id: bytes, response: int, *, at: float = 0, fail: bool = False, **fields: Any) -> SyncOperation:
    answer = ResponseStatus.ValueType(response)
    request = RespondToMeetingRequest(item_id=item_id, response=answer, **fields)
    return device.operation(at=at, fail=fail, respond_to_meeting=request)


async def sent(world: MailWorld, person: Person) -> int:
    return len(await world.within(person, OUTBOX))


async def arrives(world: MailWorld, person: Person, item_id: bytes, alter: Callable[[Item], None]) -> None:
    """A message changes an item of the mailbox."""

    def work(transaction: Transaction) -> None:
        mailbox = mailboxes.find(transaction.connection, person.mailbox, lock=True)
        assert mailbox is not None
        change = MailboxChange(transaction, mailbox, MAIL_SYSTEM, world.clock.now)
        change.begin("mail.deliver", bytes(16))
        row = require_item(transaction.connection, mailbox.id, item_id)
        before, held = item_updates.read(change, row)
        after = Item()
        after.CopyFrom(before)
        alter(after)
        keeping.update(change, row, before, held, after, Home.KEEP)
        change.finish()

    await world.database.write(work)


def new_time(item: Item) -> None:
    mine = item.summary.appointment
    mine.start.local, mine.end.local = "2026-03-04T10:00:00", "2026-03-04T11:00:00"
    mine.sequence += 1
    mine.my_response = NONE


def new_place(item: Item) -> None:
    item.summary.appointment.location = "Room 5"
    item.summary.appointment.sequence += 1


@ON_BOTH
async def test_a_meeting_written_and_sent_offline_is_told_once(world: MailWorld, fleet: Fleet, anna: Person) -> None:
    device = fleet.device()
    item = appointment(attendees=[CARL])
    item.id = world.ids.new()
    creating = device.operation(create_item=item_service_pb2.CreateItemRequest(item=item))
    first = sending(device, item.id, creating, etag=99)
    again = sending(device, item.id, creating)
    results = await device.send(creating, first, again, first)
    assert [each.outcome for each in results] == [APPLIED] * 4 and results[3].duplicate
    assert results[1].submission.recipients[0].person.address == CARL and not results[2].HasField("submission")
    assert results[1].item.summary.appointment.organizer.address == ANNA
    assert await sent(world, anna) == 1 and fleet.woken > 0


async def test_what_is_sent_is_the_meeting_as_it_is_by_then(world: MailWorld, fleet: Fleet, anna: Person) -> None:
    item = await world.create(anna, appointment(attendees=[CARL]))
    one, two = await devices(fleet)
    await two.do(two.rename(item.id, "Renamed"))
    assert reason(await one.do(sending(one, item.id, fail=True))) == "STALE_ETAG"
    answer = await one.do(sending(one, item.id))
    assert (answer.outcome, answer.item.summary.subject) == (APPLIED, "Renamed")
    [message] = await world.within(anna, OUTBOX)
    assert "Renamed" in message.summary.subject


async def test_an_answer_given_offline_is_told(world: MailWorld, fleet: Fleet, anna: Person) -> None:
    item = await world.create(anna, invited(CARL, ANNA))
    one, two = await devices(fleet)
    answer = await one.do(answering(one, item.id, ACCEPTED, at=-60))
    assert (answer.outcome, answer.item.summary.appointment.my_response) == (APPLIED, ACCEPTED)
    same = await two.do(answering(two, item.id, ACCEPTED, at=-30))
    assert same.outcome == APPLIED and not same.HasField("submission")
    assert await sent(world, anna) == 1


async def test_an_answer_to_another_time_is_told_to_nobody(world: MailWorld, fleet: Fleet, anna: Person) -> None:
    item = await world.create(anna, invited(CARL, ANNA))
    one, _ = await devices(fleet)
    await arrives(world, anna, item.id, new_time)
    late = await one.do(answering(one, item.id, ACCEPTED))
    assert (late.outcome, late.item.summary.appointment.my_response) == (MERGED, NONE)
    assert reason(await one.do(answering(one, item.id, ACCEPTED, fail=True))) == "STALE_ETAG"
    assert await sent(world, anna) == 0
    await one.see()
    assert (await one.do(answering(one, item.id, ACCEPTED))).outcome == APPLIED
    assert await sent(world, anna) == 1


async def test_a_new_place_does_not_take_an_answer_back(world: MailWorld, fleet: Fleet, anna: Person) -> None:
    item = await world.create(anna, invited(CARL, ANNA))
    one, _ = await devices(fleet)
    await arrives(world, anna, item.id, new_place)
    assert (await one.do(answering(one, item.id, ACCEPTED))).outcome == APPLIED
    assert await sent(world, anna) == 1


@ON_BOTH
async def test_the_later_of_two_answers_holds(world: MailWorld, fleet: Fleet, anna: Person) -> None:
    item = await world.create(anna, invited(CARL, ANNA))
    one, two = await devices(fleet)
    await one.do(answering(one, item.id, DECLINED, at=-30))
    earlier = await two.do(answering(two, item.id, ACCEPTED, at=-60))
    assert (earlier.outcome, earlier.item.summary.appointment.my_response) == (MERGED, DECLINED)
    later = await two.do(answering(two, item.id, TENTATIVE, at=-10))
    assert (later.outcome, later.item.summary.appointment.my_response) == (APPLIED, TENTATIVE)
    assert later.item.folder_id == item.folder_id
    assert await sent(world, anna) == 2


async def test_answers_for_single_occurrences_do_not_meet(world: MailWorld, fleet: Fleet, anna: Person) -> None:
    item = await world.create(anna, invited(CARL, ANNA, series=["FREQ=WEEKLY;COUNT=4"]))
    one, two = await devices(fleet)
    first, second = at("2026-03-09T10:00:00"), at("2026-03-16T10:00:00")
    assert (await one.do(answering(one, item.id, DECLINED, at=-30, occurrence=first))).outcome == APPLIED
    assert (await two.do(answering(two, item.id, DECLINED, at=-60, occurrence=second))).outcome == APPLIED
    assert (await two.do(answering(two, item.id, TENTATIVE, at=-60, occurrence=first))).outcome == MERGED

    def moved(after: Item) -> None:
        start, end = at("2026-03-23T15:00:00"), at("2026-03-23T16:00:00")
        moved_one = OccurrenceException(original_start=at("2026-03-23T10:00:00"), start=start, end=end)
        after.summary.appointment.exceptions.append(moved_one)

    await arrives(world, anna, item.id, moved)
    assert (await one.do(answering(one, item.id, ACCEPTED, occurrence=at("2026-03-23T10:00:00")))).outcome == MERGED
    assert await sent(world, anna) == 2


async def test_what_was_thrown_away_meanwhile_stays_away(world: MailWorld, fleet: Fleet, anna: Person) -> None:
    item = await world.create(anna, invited(CARL, ANNA))
    own = await world.create(anna, appointment(attendees=[CARL]))
    one, _ = await devices(fleet)
    await world.delete(anna, [item.id, own.id], item_service_pb2.DELETE_MODE_RECOVERABLE)
    forward = ForwardMeetingRequest(item_id=item.id, to=[Named(address=DORA)])
    operations = [
        answering(one, item.id, ACCEPTED),
        one.operation(forward_meeting=forward),
        sending(one, own.id),
        one.operation(cancel_meeting=CancelMeetingRequest(item_id=own.id)),
        one.operation(split_series=SplitSeriesRequest(item_id=own.id, at=at("2026-03-09T10:00:00"), new_item_id=world.ids.new())),
    ]
    results = await one.send(*operations)
    assert [(each.outcome, len(each.missing_ids)) for each in results] == [(APPLIED, 1)] * 5
    await one.see()
    back = await one.do(answering(one, item.id, ACCEPTED))
    assert back.item.folder_id == item.folder_id  # the person saw that it was deleted, and wants it all the same
    await world.delete(anna, [own.id], item_service_pb2.DELETE_MODE_PERMANENT)
    assert list((await one.do(sending(one, own.id))).missing_ids) == [own.id]


async def test_a_meeting_is_called_off_and_forwarded_offline(world: MailWorld, fleet: Fleet, anna: Person) -> None:
    item = await world.create(anna, appointment(attendees=[CARL]))
    one, two = await devices(fleet)
    forward = ForwardMeetingRequest(item_id=item.id, to=[Named(address=DORA)])
    off = CancelMeetingRequest(item_id=item.id)
    await one.send(sending(one, item.id), one.operation(forward_meeting=forward))
    listed = (await world.get(anna, item.id)).content.appointment.attendees
    assert [each.person.address for each in listed] == [CARL, DORA]
    results = await two.send(two.operation(cancel_meeting=off), one.operation(cancel_meeting=off))
    assert [each.outcome for each in results] == [APPLIED, APPLIED]
    assert [each.person.address for each in results[0].submission.recipients] == [CARL, DORA]
    assert not results[1].HasField("submission") and await sent(world, anna) == 3


async def test_a_foreign_meeting_is_not_sent(world: MailWorld, fleet: Fleet, anna: Person) -> None:
    item = await world.create(anna, invited(CARL, ANNA))
    one, _ = await devices(fleet)
    refused = await one.do(sending(one, item.id))
    assert (refused.outcome, reason(refused)) == (REJECTED, "NOT_ORGANIZER")


@ON_BOTH
async def test_a_series_is_split_once(world: MailWorld, fleet: Fleet, anna: Person) -> None:
    item = await world.create(anna, appointment("2026-03-02T10:00:00", "2026-03-02T11:00:00", "FREQ=WEEKLY;COUNT=6"))
    one, two = await devices(fleet)

    def splitting(device: Device, local: str, **fields: Any) -> SyncOperation:
        request = SplitSeriesRequest(item_id=item.id, at=at(local), new_item_id=world.ids.new(), **fields)
        return device.operation(split_series=request)

    first = splitting(one, "2026-03-23T10:00:00")
    done = await one.do(first)
    assert (done.outcome, done.copies[0].item_id) == (APPLIED, first.split_series.new_item_id)
    assert (await one.do(first)).duplicate
    late = await two.do(splitting(two, "2026-03-30T10:00:00"))
    assert (late.outcome, list(late.copies), late.item.revision) == (MERGED, [], done.revision)
    before = await two.do(splitting(two, "2026-03-16T10:00:00"))
    assert before.outcome == APPLIED
    refused = splitting(one, "2026-03-09T10:00:00")
    refused.split_series.new_item_id = b""
    assert reason(await one.do(refused)) == "ID_INVALID"
    assert len(await world.walk(anna, item.folder_id)) == 3


async def test_an_exception_made_offline_falls_with_the_split(world: MailWorld, fleet: Fleet, anna: Person) -> None:
    item = await world.create(anna, appointment("2026-03-02T10:00:00", "2026-03-02T11:00:00", "FREQ=WEEKLY;COUNT=6"))
    one, two = await devices(fleet)
    request = SplitSeriesRequest(item_id=item.id, at=at("2026-03-16T10:00:00"), new_item_id=world.ids.new())
    await one.do(one.operation(split_series=request, at=-30))
    edited = Item(id=item.id)
    edited.summary.appointment.exceptions.append(OccurrenceException(original_start=at("2026-03-30T10:00:00"), cancelled=True))
    late = await two.do(two.edit(edited, "summary.appointment.exceptions", at=-10))
    assert late.outcome == sync_pb2.PUSH_OUTCOME_CONFLICT
    assert [each.item_id for each in await fleet.conflicts()] == [item.id]
