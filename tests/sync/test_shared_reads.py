"""Reads that are shared by all who ask for the same at the same time."""

from __future__ import annotations

import asyncio

import pytest

from rookery_core.errors import Unavailable
from rookery_server.services.sync.shared_reads import SharedReads


class Reading:
    """A read that lasts until it is let go."""

    def __init__(self) -> None:
        self.times = 0
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.times += 1
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return self.times


async def test_who_asks_for_the_same_gets_the_same_read() -> None:
    shared: SharedReads[int] = SharedReads()
    reading = Reading()
    asked = [asyncio.create_task(shared.get("same", reading)) for _ in range(5)]
    other = asyncio.create_task(shared.get("other", reading))
    await asyncio.sleep(0.01)
    reading.go.set()
    assert (await asyncio.gather(*asked), await other) == ([2] * 5, 2)
    assert reading.times == 2
    assert await shared.get("same", reading) == 3


async def test_who_leaves_does_not_end_the_read_of_the_others() -> None:
    shared: SharedReads[int] = SharedReads()
    reading = Reading()
    leaving, staying = (asyncio.create_task(shared.get("same", reading)) for _ in range(2))
    await asyncio.sleep(0.01)
    leaving.cancel()
    await asyncio.wait([leaving])
    reading.go.set()
    assert await asyncio.wait_for(staying, 10) == 1
    assert leaving.cancelled()


async def test_an_error_is_told_to_all_who_wait_and_to_nobody_after_them() -> None:
    shared: SharedReads[int] = SharedReads()
    reading = Reading()
    reading.error = Unavailable("DATABASE_BUSY", "busy")
    asked = [asyncio.create_task(shared.get("same", reading)) for _ in range(2)]
    gone = asyncio.create_task(shared.get("nobody's", reading))
    await asyncio.sleep(0.01)
    gone.cancel()
    reading.go.set()
    for each in asked:
        with pytest.raises(Unavailable):
            await each
    reading.error = None
    assert await shared.get("same", reading) == 3
