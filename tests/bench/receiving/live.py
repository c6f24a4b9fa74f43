"""From the end of a message's data, as LMTP sends it, to its summary in a device's replica."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING

from rookery.v1 import sync_pb2
from tests.bench.figures import Figure
from tests.bench.generator import Generator
from tests.bench.receiving.lmtp_client import dotted
from tests.bench.syncing.device import opened
from tests.bench.syncing.stage import Stage

if TYPE_CHECKING:
    import pathlib

    from rookery.internal.v1.packed_pb2 import PackedPullResponse
    from rookery_client.replica.incoming.applying import Applied
    from tests.bench.server import Server


class _Arrivals:
    """When items came into the replica."""

    def __init__(self) -> None:
        self._count, self._at = 0, 0.0
        self._news = asyncio.Event()

    def applied(self, batch: PackedPullResponse, _applied: Applied) -> None:
        """A batch is durable."""
        if batch.items:
            self._count, self._at = self._count + len(batch.items), time.perf_counter()
            self._news.set()

    async def next(self, before: int) -> float:
        """Waits until more items came than before; gives when."""
        while self._count <= before:
            self._news.clear()
            await self._news.wait()
        return self._at

    @property
    def count(self) -> int:
        """How many came."""
        return self._count


async def measure(server: Server, folder: pathlib.Path, port: int, address: str, seed: int, first: int, count: int) -> list[Figure]:
    """Delivers messages one by one, each when the one before has arrived in a replica that follows."""
    await server.quiet()
    generator = Generator(seed)
    messages = [dotted(generator.message(first + number)) for number in range(count + 1)]
    answered, taken = [], []
    async with opened(Stage(server, folder, 0, count), address, sync_pb2.SYNC_DEPTH_SUMMARY) as device:
        await device.sync(index=False)
        arrivals = _Arrivals()
        engine = device.engine(arrivals.applied)
        following = asyncio.create_task(engine.run())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await _say(reader, writer, b"LHLO bench.example\r\n", 2)
            for number, message in enumerate(messages):
                envelope = b"MAIL FROM:<sender@bench.example>\r\nRCPT TO:<%b>\r\nDATA\r\n" % address.encode()
                await _say(reader, writer, envelope, 3)
                before, sent = arrivals.count, time.perf_counter()
                await _say(reader, writer, message, 1)
                replied = time.perf_counter()
                arrived = await arrivals.next(before)
                if number:  # the first one waited for the stream to open
                    answered.append((replied - sent) * 1000)
                    taken.append((arrived - sent) * 1000)
        finally:
            writer.close()
            engine.stop()
            await following
    return [
        Figure(f"{count} messages one by one: end of data to {what}, {kind}", value, "ms")
        for what, times in (("answer", answered), ("summary in a live replica", taken))
        for kind, value in (("p50", statistics.median(times)), ("p99", statistics.quantiles(times, n=100)[98]))
    ]


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes, replies: int) -> None:
    """Sends, and waits for so many replies; the first ever comes before (the greeting)."""
    writer.write(data)
    for _ in range(replies):
        while (line := await reader.readline())[3:4] == b"-":
            pass
        if line[:1] not in {b"2", b"3"}:
            raise RuntimeError(f"a delivery was refused: {line!r}")
