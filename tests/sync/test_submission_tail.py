"""Submissions on the way to devices: each device has them all, as they are, whatever else it cares for."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING

import pytest

from rookery.v1 import submission_pb2 as records
from rookery.v1 import sync_pb2
from rookery_core.errors import FailedPrecondition
from rookery_core.rules import submission_states
from rookery_server.services.submission.settling import Result
from rookery_server.services.submission.submission_records import as_stored
from rookery_server.services.sync.batches import Limits
from rookery_server.services.sync.pull import PullService
from rookery_server.services.sync.reconcile import ReconcileService
from rookery_server.store import backup, submissions
from tests.support.mail import MailWorld, Outside
from tests.support.statements import noted
from tests.sync.reconciling import Device
from tests.sync.replicas import Replica

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from rookery_server.services.sync.cursors import Cursors
    from rookery_server.services.sync.followers import Followers
    from rookery_server.store.database import Database
    from tests.support.world import Person

HELD, PENDING = records.SUBMISSION_STATE_HELD, records.SUBMISSION_STATE_PENDING
FINAL, CANCELLED = records.SUBMISSION_STATE_FINAL, records.SUBMISSION_STATE_CANCELLED
TAKEN = Result(records.DELIVERY_STATE_RELAYED, "2.0.0", "250 thanks", "mx.other.example")
LATER = Result(records.DELIVERY_STATE_DEFERRED, "4.2.0", "450 not now", "mx.other.example")
NEVER = Result(records.DELIVERY_STATE_FAILED, "5.1.1", "550 no such user", "mx.other.example")


@pytest.fixture
def world(database: Database) -> MailWorld:
    return MailWorld(database)


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """What is executed from now on: before the database is opened, since connections that are open note nothing."""
    with noted() as texts:
        yield texts


async def truth(world: MailWorld, person: Person) -> dict[bytes, records.Submission]:
    """All submissions of a mailbox, as devices are to have them."""

    def read(connection: Connection) -> dict[bytes, records.Submission]:
        rows = submissions.changed(connection, person.number, (0, b""), 10_000)
        recipients = submissions.recipients(connection, person.number, [row.id for row in rows])
        return {row.id: as_stored(row, recipients[row.id]) for row in rows}

    return await world.database.read(read)


async def require_equal(world: MailWorld, device: Replica) -> None:
    assert device.submissions == await truth(world, device.person)
    await device.require_equal(world)


async def test_a_first_fill_brings_all_submissions_in_one_batch_with_the_rest(
    world: MailWorld, anna: Person, pulls: PullService
) -> None:
    sent = [await world.send(anna, "x@other.example", "y@other.example") for _ in range(3)]
    device = Replica(pulls, anna)
    [batch] = await device.catch_up()
    assert batch.caught_up and [each.id for each in batch.submissions] == [each.id for each in sent]
    await require_equal(world, device)


async def test_a_device_with_the_narrowest_scope_has_them_too(world: MailWorld, anna: Person, pulls: PullService) -> None:
    folder = await world.folder(anna, "Empty")
    device = Replica(pulls, anna, sync_pb2.SyncScope(folder_ids=[folder.id], depth=sync_pb2.SYNC_DEPTH_SUMMARY))
    await device.catch_up()
    sent = await world.send(anna, "x@other.example")
    await device.catch_up()
    assert device.submissions == {sent.id: sent} and device.items == {}


async def test_each_step_of_a_submission_is_told(world: MailWorld, anna: Person, pulls: PullService) -> None:
    """Whatever writes a submission or its recipients moves its revision: devices hear of it by that alone."""
    device = Replica(pulls, anna)
    await device.catch_up()
    draft = await world.draft(anna, "a@one.example", "b@one.example")
    sent = await world.submit(anna, draft, undo_seconds=10)
    await device.catch_up()
    told = device.submissions[sent.id]
    assert told.state == HELD and told == sent
    world.clock.advance(seconds=11)
    assert (await device.pull()).submissions == [] and submission_states.state_at(told, world.clock.now) == PENDING
    await world.work(Outside(lambda claimed: [TAKEN, LATER]))
    await device.catch_up()
    told = device.submissions[sent.id]
    assert told.state == FINAL
    states = [records.DELIVERY_STATE_RELAYED, records.DELIVERY_STATE_DEFERRED]
    assert [each.state for each in told.recipients] == states and told.recipients[1].HasField("next_attempt")
    world.clock.now = told.recipients[1].next_attempt.ToMicroseconds()
    await world.work(Outside(lambda claimed: [NEVER]))
    await device.catch_up()
    told = device.submissions[sent.id]
    assert told.recipients[1].state == records.DELIVERY_STATE_FAILED
    assert told.recipients[1].report_item_id in device.items and not told.recipients[0].report_item_id
    await world.send_again(anna, sent.id)
    await device.catch_up()
    assert device.submissions[sent.id].recipients[1].state == records.DELIVERY_STATE_QUEUED
    await require_equal(world, device)


@pytest.mark.parametrize("limits", [Limits(submissions=2), Limits(size=2500, entries=1)])
async def test_pages_of_them_go_on_where_they_were(
    world: MailWorld, anna: Person, cursors: Cursors, followers: Followers, limits: Limits
) -> None:
    service = PullService(world.database, cursors, followers, limits=limits)
    device, disk = Replica(service, anna), Replica(service, anna)
    for _ in range(5):
        await world.send(anna, "x@other.example")
    seen: list[bytes] = []
    while not device.caught_up:
        batch = await device.pull()
        seen += [each.id for each in batch.submissions]
        disk.apply(batch)
        if len(batch.submissions) and not batch.caught_up:
            device = disk.copy()  # it was switched off, and goes on with what is on its disk
    assert len(seen) == len(set(seen)) == 5
    await require_equal(world, device)
    await world.call_back(anna, seen[3])
    batches = await device.catch_up()
    assert [each.id for batch in batches for each in batch.submissions] == [seen[3]]


async def test_what_changes_between_two_pages_comes_in_its_new_state(
    world: MailWorld, anna: Person, cursors: Cursors, followers: Followers
) -> None:
    device = Replica(PullService(world.database, cursors, followers, limits=Limits(submissions=1)), anna)
    sent = [await world.send(anna, "x@other.example") for _ in range(3)]
    while not device.submissions:
        assert not (await device.pull()).caught_up
    for each in sent[:2]:
        await world.call_back(anna, each.id)
    await device.catch_up()
    assert [device.submissions[each.id].state for each in sent] == [CANCELLED, CANCELLED, PENDING]
    await require_equal(world, device)


async def test_a_device_is_not_told_of_equality_before_it_has_them_all(
    world: MailWorld, anna: Person, cursors: Cursors, followers: Followers
) -> None:
    """The tail has told all, and submissions are left: what comes then is told against that moment, not against the first."""
    device = Replica(PullService(world.database, cursors, followers, limits=Limits(submissions=1)), anna)
    await device.catch_up()
    for _ in range(3):
        await world.send(anna, "x@other.example")
    caught_up = [(await device.pull()).caught_up for _ in range(3)]
    assert caught_up == [False, False, False] and len(device.submissions) == 3
    batch = await device.pull()
    assert batch.caught_up and not batch.items and not batch.submissions
    await require_equal(world, device)


async def test_a_look_at_a_quiet_mailbox_does_not_look_at_submissions(
    statements: list[str], world: MailWorld, anna: Person, pulls: PullService
) -> None:
    device = Replica(pulls, anna)
    await world.send(anna, "x@other.example")
    await device.catch_up()
    statements.clear()
    assert (await device.pull()).caught_up and len(statements) <= 1
    assert not any("FROM submission" in text for text in statements)


async def test_a_change_without_submissions_costs_one_statement_for_them(
    statements: list[str], world: MailWorld, anna: Person, pulls: PullService
) -> None:
    device = Replica(pulls, anna)
    await world.send(anna, "x@other.example")
    await device.catch_up()
    await world.folder(anna, "New")
    statements.clear()
    assert (await device.pull()).caught_up
    assert sum("FROM submission" in text for text in statements) == 1
    assert not any("outgoing_recipient" in text for text in statements)


async def test_whatever_happens_between_pages_a_device_that_has_caught_up_has_what_there_is(
    world: MailWorld, anna: Person, cursors: Cursors, followers: Followers
) -> None:
    chance = random.Random(1)
    limits = [Limits(submissions=1), Limits(size=2600, entries=2, submissions=3), Limits()]
    devices = [Replica(PullService(world.database, cursors, followers, limits=each), anna) for each in limits]
    sent: list[bytes] = []

    async def happens() -> None:
        match chance.randrange(5) if sent else 0:
            case 0 | 1:
                sent.append((await world.send(anna, "a@one.example", "b@two.example")).id)
            case 2:
                with contextlib.suppress(FailedPrecondition):
                    await world.call_back(anna, chance.choice(sent))
            case 3:
                await world.work(Outside(lambda claimed: [chance.choice((TAKEN, NEVER, LATER)) for _ in claimed.recipients]))
            case 4:
                with contextlib.suppress(FailedPrecondition):
                    await world.send_again(anna, chance.choice(sent))

    for _ in range(50):
        if chance.random() < 0.3:
            await happens()
        device = chance.choice(devices)
        if (await device.pull()).caught_up:
            await require_equal(world, device)
    for device in devices:
        await device.catch_up()
        await require_equal(world, device)


async def test_those_of_others_stay_with_them(world: MailWorld, anna: Person, ben: Person, pulls: PullService) -> None:
    await world.send(ben, "anna@rookery.example")
    await world.work()
    device = Replica(pulls, anna)
    await device.catch_up()
    assert device.submissions == {} and len(device.items) == 1


async def test_a_restored_mailbox_tells_all_anew_by_the_cursor_of_a_comparison(
    world: MailWorld, anna: Person, cursors: Cursors, followers: Followers
) -> None:
    """All that are held have one revision then: a page ends inside it."""
    for _ in range(5):
        await world.send(anna, "x@other.example")
    await world.database.write(lambda transaction: backup.begin_epoch(transaction.connection, world.ids.new, world.clock.now, {}))
    device = Device(ReconcileService(world.database, cursors), anna)
    cursor = (await device.ask(ranges=[])).cursor
    replica = Replica(PullService(world.database, cursors, followers, limits=Limits(submissions=2)), anna)
    replica.cursor = cursor
    batches = await replica.catch_up()
    assert [len(batch.submissions) for batch in batches] == [2, 2, 1]
    assert replica.submissions == await truth(world, anna)
    assert len({each.revision for each in replica.submissions.values()}) == 1
    assert {each.state for each in replica.submissions.values()} == {HELD}


async def test_forgotten_ones_are_not_told(world: MailWorld, anna: Person, pulls: PullService) -> None:
    device = Replica(pulls, anna)
    await device.catch_up()
    sent = await world.send(anna, "x@other.example")
    await world.call_back(anna, sent.id)
    world.clock.advance(days=31)
    assert await world.submissions.forget_old() == 1
    await device.catch_up()
    assert device.submissions == {}
    await require_equal(world, device)
