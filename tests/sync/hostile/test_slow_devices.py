"""Devices that are slow, or give up: nobody waits for them, and nothing piles up for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc.aio
from google.rpc import code_pb2

from rookery.v1 import auth_service_pb2, sync_pb2, sync_service_pb2
from tests.sync.rules.home import APPLIED, News, Refusal, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.sync.rules.home import Device, Home

WHOLE = sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_FULL)
EDITS = 60
LETTER = 200_000


async def letters(home: Home, device: Device, count: int) -> list[bytes]:
    """Long letters, together far more than a connection buffers."""
    made = [home.server.ids.new() for _ in range(count)]
    for item_id in made:
        text = "".join(home.server.ids.new().hex() for _ in range(LETTER // 32))
        assert (await device.do(device.creation(item_id, text=text))).outcome == APPLIED
    return made


async def test_a_follower_that_does_not_read_is_told_of_each_item_once_when_it_does(home: Home, device: Device) -> None:
    slow = await home.device("slow", WHOLE)
    stream = slow.stream(follow=True)
    (item_id,) = await letters(home, device, 1)
    slow.apply(await stream.read())
    await letters(home, device, 25)  # the stream is full by now
    for number in range(EDITS):
        await device.news()
        assert (await device.do(device.rename(item_id, f"Subject {number}"))).outcome == APPLIED
    last = await home.revision()
    told = News()
    while slow.base < last:
        batch = await stream.read()
        told.add(batch)
        slow.apply(batch)
    stream.cancel()
    assert told.item_ids.count(item_id) < EDITS / 2
    await slow.require_equal()


async def test_a_fill_that_is_given_up_again_and_again_leaves_nothing_behind(home: Home, device: Device) -> None:
    await letters(home, device, 12)
    slow = await home.device("slow", WHOLE)
    for _ in range(10):
        stream = slow.stream(follow=True)
        await stream.read()
        stream.cancel()
    told = await slow.news()
    assert len(told.item_ids) == len(set(told.item_ids)) == len(await home.all_items())
    await slow.require_equal()


async def test_a_push_whose_answers_nobody_reads_does_not_hold_up_others(home: Home, device: Device) -> None:
    operations = [device.creation(home.server.ids.new()) for _ in range(300)]
    ended = asyncio.Event()

    async def sent() -> AsyncIterator[sync_service_pb2.PushRequest]:
        for start in range(0, len(operations), 20):
            yield sync_service_pb2.PushRequest(operations=operations[start : start + 20])
        await ended.wait()

    call = home.sync.Push(sent(), metadata=device.metadata)
    other = await home.device("other")
    made = home.server.ids.new()
    assert (await other.do(other.creation(made))).outcome == APPLIED
    call.cancel()
    ended.set()
    results = [result for start in (0, 150) for result in await device.push(*operations[start : start + 150])]
    assert {result.outcome for result in results} == {APPLIED}
    held = await home.all_items()
    assert {result.item.id for result in results} | {made} <= set(held)
    await device.news()
    await device.require_equal()


async def test_a_push_cut_off_has_done_what_it_answered_and_each_operation_once(home: Home, device: Device) -> None:
    operations = [device.creation(home.server.ids.new()) for _ in range(120)]

    async def sent() -> AsyncIterator[sync_service_pb2.PushRequest]:
        for operation in operations:
            yield sync_service_pb2.PushRequest(operations=[operation])

    call = home.sync.Push(sent(), metadata=device.metadata)
    answered: list[sync_pb2.PushResult] = []
    async for response in call:
        answered += response.results
        if len(answered) >= 30:
            call.cancel()
            break
    assert [result.operation_id for result in answered] == [each.operation_id for each in operations[: len(answered)]]
    again = await device.push(*operations)
    first = {result.operation_id: result for result in answered}
    for result in again:
        if told := first.get(result.operation_id):
            assert result.duplicate and (result.revision, result.item) == (told.revision, told.item)
    revisions = [result.revision for result in again]
    assert revisions == sorted(set(revisions))


async def test_a_stream_ends_with_its_session(home: Home, device: Device) -> None:
    stream = device.stream(follow=True)
    await stream.read()
    await home.server.auth.Logout(auth_service_pb2.LogoutRequest(), metadata=device.metadata)
    await home.item()
    assert await refusal(to_the_end(stream)) == Refusal(code_pb2.UNAUTHENTICATED, "SESSION_REVOKED")


async def to_the_end(stream: Any) -> None:
    """Reads what comes."""
    while await stream.read() is not grpc.aio.EOF:
        pass
