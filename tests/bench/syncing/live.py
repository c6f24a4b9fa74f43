"""Live: from a change that one device pushes to a durable row in another's replica, alone and beside many idle followers."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from rookery_client.client import Client
from tests.bench.figures import Figure
from tests.bench.server import ADDRESS, PASSWORD, add_accounts, connected
from tests.bench.syncing import changes
from tests.bench.timing import sample

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rookery.internal.v1.packed_pb2 import PackedPullResponse
    from rookery_client.replica.incoming.applying import Applied
    from tests.bench.syncing.device import Device
    from tests.bench.syncing.stage import Stage

IDLERS = tuple(f"idle{number}@bench.example" for number in range(16))
"""Whose mailboxes the idle followers follow."""


class _Arrivals:
    """When the replica reached each revision."""

    def __init__(self) -> None:
        self._revision, self._at = 0, 0.0
        self._news = asyncio.Event()

    def applied(self, batch: PackedPullResponse, _applied: Applied) -> None:
        """A batch is durable."""
        if batch.caught_up:
            self._revision, self._at = batch.revision, time.perf_counter()
            self._news.set()

    async def reached(self, revision: int) -> float:
        """Waits until the replica is there; gives when it came."""
        while self._revision < revision:
            self._news.clear()
            await self._news.wait()
        return self._at


@dataclasses.dataclass(frozen=True, slots=True)
class _Latencies:
    """Milliseconds, one of each for every change."""

    since_sent: list[float]
    since_answered: list[float]

    def figures(self, name: str, empty_ms: float) -> list[Figure]:
        return [
            Figure(f"{name}: {what} to durable row, {kind}", value, "ms", "empty call", empty_ms)
            for what, taken in (("commit", self.since_answered), ("push", self.since_sent))
            for kind, value in (("p50", statistics.median(taken)), ("p99", statistics.quantiles(taken, n=100)[98]))
        ]


async def measure(stage: Stage, device: Device) -> list[Figure]:
    """The latency for a replica that follows, and what a follower takes of the server's memory."""
    count, followers = stage.rounds // 2, stage.rounds
    await device.sync()
    async with connected(stage.server) as connection:
        empty = await sample(connection.empty_call, stage.rounds)
    found = (await _latencies(stage, device, count)).figures(f"{count} changes", empty.median_ms)
    await add_accounts(stage.server, IDLERS)
    await stage.server.quiet()
    before = stage.server.resident_mib()
    async with _idle(stage, followers):
        await stage.server.quiet()
        memory = (stage.server.resident_mib() - before) * 1024 / followers
        found.append(Figure(f"memory of the server for each of {followers:,} idle followers", memory, "KiB"))
        beside = f"{followers:,} others follow {len(IDLERS)} other mailboxes"
        return found + (await _latencies(stage, device, count)).figures(beside, empty.median_ms)


async def _latencies(stage: Stage, device: Device, count: int) -> _Latencies:
    """Pushes changes one after the other, each when the one before has arrived in the replica."""
    arrivals = _Arrivals()
    engine = device.engine(arrivals.applied)
    following = asyncio.create_task(engine.run())
    found = _Latencies([], [])
    items = random.Random(count).sample(device.item_ids(), count)
    try:
        async with Client.connect(stage.server.target) as author:
            await author.login(ADDRESS, PASSWORD, "author")
            for number, item_id in enumerate([items[0], *items]):
                operation = changes.rename(device.ids, item_id, f"live {number}")
                sent = time.perf_counter()
                (result,) = await changes.push(author, [operation])
                answered = time.perf_counter()
                arrived = await arrivals.reached(result.revision)
                if number:  # the first one waited for the stream to open
                    found.since_sent.append((arrived - sent) * 1000)
                    found.since_answered.append((arrived - answered) * 1000)
    finally:
        engine.stop()
        await following
    return found


@contextlib.asynccontextmanager
async def _idle(stage: Stage, count: int) -> AsyncIterator[None]:
    """So many streams that follow and have nothing to tell, held by a process of their own."""
    command: Sequence[str] = [sys.executable, "-m", "tests.bench.syncing.idle", stage.server.target, str(count), *IDLERS]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        if process.stdout is None or not await process.stdout.readline():
            raise RuntimeError("the idle followers did not come up")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
