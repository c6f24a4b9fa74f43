"""Streams: the first fill, the catch-up and each commit as it happens, one batch read ahead and no more."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from rookery.v1 import folder_pb2, sync_pb2
from rookery.v1 import sync_service_pb2 as messages
from rookery_core.errors import FailedPrecondition, NotFound
from rookery_server.services.sync.batches import Limits
from rookery_server.services.sync.followers import Followers
from rookery_server.services.sync.pull import PullService
from rookery_server.store.tables import mailbox
from tests.sync.acts import mark, move
from tests.sync.replicas import Replica

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from rookery_server.services.sync.cursors import Cursors
    from tests.support.world import Person, World

INBOX = folder_pb2.FOLDER_ROLE_INBOX


class CountingReads:
    """A database that counts its reads."""

    def __init__(self, database: Any) -> None:
        self.reads = 0
        self._database = database
        self.glance = database.glance

    async def read(self, work: Any) -> Any:
        """See ``Database.read``."""
        self.reads += 1
        return await self._database.read(work)


def stream(service: PullService, person: Person, **fields: Any) -> AsyncGenerator[bytes]:
    """A stream of encoded batches."""
    return service.pull(person.caller, messages.PullRequest(**fields))  # type: ignore[return-value]


async def following(batches: AsyncGenerator[bytes]) -> messages.PullResponse:
    """The next batch."""
    return messages.PullResponse.FromString(await asyncio.wait_for(anext(batches), 10))


@pytest.fixture
async def inbox(world: World, anna: Person) -> bytes:
    return await world.folder_of(anna, INBOX)


async def test_a_stream_brings_what_single_batches_bring(
    world: World, anna: Person, cursors: Cursors, followers: Followers, inbox: bytes
) -> None:
    for _ in range(10):
        await world.item(anna, inbox)
    service = PullService(world.database, cursors, followers, limits=Limits(entries=3))
    batches = [messages.PullResponse.FromString(encoded) async for encoded in stream(service, anna)]
    assert batches == await Replica(service, anna).catch_up()
    assert [batch.caught_up for batch in batches] == [False, False, False, True]


async def test_a_cut_stream_goes_on_from_any_cursor(
    world: World, anna: Person, cursors: Cursors, followers: Followers, inbox: bytes
) -> None:
    for _ in range(8):
        await world.item(anna, inbox)
    service = PullService(world.database, cursors, followers, limits=Limits(entries=3))
    device = Replica(service, anna)
    while not device.caught_up:
        async with aclosing(stream(service, anna, cursor=device.cursor)) as batches:
            device.apply(await following(batches))
    await device.require_equal(world)


async def test_who_is_up_to_date_gets_one_empty_batch(world: World, anna: Person, pulls: PullService, inbox: bytes) -> None:
    await world.item(anna, inbox)
    device = Replica(pulls, anna)
    await device.catch_up()
    batch = await device.ask()
    assert batch == messages.PullResponse(cursor=device.cursor, caught_up=True, revision=device.revision, epoch=batch.epoch)


async def test_a_followed_stream_brings_each_commit_with_its_content(
    world: World, anna: Person, pulls: PullService, inbox: bytes
) -> None:
    device = Replica(pulls, anna, sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_FULL))
    async with aclosing(stream(pulls, anna, scope=device.scope, follow=True)) as batches:
        device.apply(await following(batches))
        assert device.caught_up
        for number in range(3):
            item = await world.item(anna, inbox, f"Message {number}")
            while item.id not in device.items:
                device.apply(await following(batches))
            assert device.items[item.id].content
            assert device.caught_up
            await device.require_equal(world)


async def test_many_writers_are_followed_to_equality(
    world: World, anna: Person, cursors: Cursors, followers: Followers, inbox: bytes
) -> None:
    archive = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_ARCHIVE)
    scope = sync_pb2.SyncScope(folder_ids=[inbox])
    service = PullService(world.database, cursors, followers, limits=Limits(entries=2))
    device = Replica(service, anna, scope)

    async def write() -> None:
        for _ in range(4):
            item = await world.item(anna, inbox)
            await mark(world, anna, [item.id], read=False)
            await move(world, anna, [item.id], archive)
            await move(world, anna, [item.id], inbox)

    async def follow() -> None:
        async with aclosing(stream(service, anna, scope=scope, follow=True)) as batches:
            while not (device.caught_up and device.revision == target):
                device.apply(await following(batches))

    target = 0
    reading = asyncio.create_task(follow())
    await asyncio.gather(*(write() for _ in range(16)))
    target = (await device.ask()).revision + 1
    await world.item(anna, inbox)
    await reading
    assert len(device.items) == 65
    await device.require_equal(world)


async def test_idle_streams_carry_an_empty_batch_with_the_same_cursor(
    world: World, anna: Person, cursors: Cursors, followers: Followers
) -> None:
    service = PullService(world.database, cursors, followers, heartbeat_seconds=0.01)
    async with aclosing(stream(service, anna, follow=True)) as batches:
        first = await following(batches)
        for _ in range(3):
            beat = await following(batches)
            assert beat == messages.PullResponse(cursor=first.cursor, caught_up=True, revision=1, epoch=first.epoch)


async def test_a_commit_that_nobody_announced_is_found_by_the_heartbeat(
    world: World, anna: Person, cursors: Cursors, inbox: bytes
) -> None:
    service = PullService(world.database, cursors, Followers(), heartbeat_seconds=0.01)
    async with aclosing(stream(service, anna, follow=True)) as batches:
        await following(batches)
        item = await world.item(anna, inbox)
        while not (batch := await following(batches)).items:
            assert batch.caught_up
        assert batch.items[0].item.id == item.id


async def test_streams_at_one_place_share_what_is_read_for_them(
    world: World, anna: Person, cursors: Cursors, followers: Followers, inbox: bytes
) -> None:
    database = CountingReads(world.database)
    service = PullService(database, cursors, followers)  # type: ignore[arg-type]
    streams = [stream(service, anna, follow=True) for _ in range(40)]
    for each in streams:
        await following(each)
    waiting = [asyncio.create_task(following(each)) for each in streams]
    await asyncio.sleep(0.05)
    database.reads = 0
    item = await world.item(anna, inbox)
    batches = await asyncio.gather(*waiting)
    assert {told.item.id for batch in batches for told in batch.items} == {item.id}
    assert len({batch.cursor for batch in batches}) == 1 and batches[0].caught_up
    assert database.reads < 10
    for each in streams:
        await each.aclose()


async def test_another_mailbox_disturbs_nobody(
    world: World, anna: Person, ben: Person, cursors: Cursors, followers: Followers
) -> None:
    counting: Any = CountingReads(world.database)
    service = PullService(counting, cursors, followers)
    async with aclosing(stream(service, anna, follow=True)) as batches:
        await following(batches)
        waiting = asyncio.create_task(following(batches))
        for _ in range(3):
            await world.item(ben, await world.folder_of(ben, INBOX))
        reads = counting.reads
        assert not waiting.done()
        assert reads == 1
        await world.item(anna, await world.folder_of(anna, INBOX))
        assert (await waiting).items


async def test_one_batch_is_read_ahead_and_no_more(
    world: World, anna: Person, cursors: Cursors, followers: Followers, inbox: bytes
) -> None:
    for _ in range(9):
        await world.item(anna, inbox)
    counting: Any = CountingReads(world.database)
    service = PullService(counting, cursors, followers, limits=Limits(entries=1))
    async with aclosing(stream(service, anna)) as batches:
        for taken in range(1, 5):
            await following(batches)
            await asyncio.sleep(0.02)
            assert counting.reads == taken + 1


async def test_a_stream_that_is_closed_leaves_no_read_behind(
    world: World, anna: Person, cursors: Cursors, followers: Followers, inbox: bytes
) -> None:
    for _ in range(9):
        await world.item(anna, inbox)
    service = PullService(world.database, cursors, followers, limits=Limits(entries=1))
    before = asyncio.all_tasks()
    for follow in (False, True):
        async with aclosing(stream(service, anna, follow=follow)) as batches:
            await following(batches)
        assert asyncio.all_tasks() == before
    assert not followers._followed


async def set_epoch(world: World, person: Person, epoch: bytes) -> None:
    await world.database.write(
        lambda transaction: transaction.connection.execute(update(mailbox).where(mailbox.c.id == person.number).values(epoch=epoch))
    )


async def test_a_restore_ends_streams(world: World, anna: Person, pulls: PullService, inbox: bytes) -> None:
    async with aclosing(stream(pulls, anna, follow=True)) as batches:
        await following(batches)
        await set_epoch(world, anna, b"e" * 16)
        await world.item(anna, inbox)
        with pytest.raises(FailedPrecondition) as caught:
            await following(batches)
        assert caught.value.reason == "EPOCH_CHANGED"


async def test_what_fails_while_it_is_read_ahead_is_told_in_its_turn(
    world: World, anna: Person, cursors: Cursors, followers: Followers, inbox: bytes
) -> None:
    for _ in range(3):
        await world.item(anna, inbox)
    counting: Any = CountingReads(world.database)
    service = PullService(counting, cursors, followers, limits=Limits(entries=1))
    await set_epoch(world, anna, b"1" * 16)
    async with aclosing(stream(service, anna)) as batches:
        first = await following(batches)
        assert first.epoch == b"1" * 16
        await asyncio.sleep(0.02)
        await set_epoch(world, anna, b"2" * 16)
        assert (await following(batches)).epoch == b"1" * 16
        with pytest.raises(FailedPrecondition):
            await following(batches)


async def test_foreign_mailboxes_are_not_pulled(anna: Person, ben: Person, pulls: PullService) -> None:
    for follow in (False, True):
        with pytest.raises(NotFound) as caught:
            await following(stream(pulls, ben, mailbox_id=anna.mailbox, follow=follow))
        assert caught.value.reason == "MAILBOX_NOT_FOUND"
