"""The first fill: the server's stream, the replica's durable file, and what limits both."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import statistics
import time
from typing import TYPE_CHECKING, Any

import grpc.aio
import psycopg
from sqlalchemy import make_url

from rookery.internal.v1.packed_pb2 import PackedPullResponse
from rookery.v1 import content_service_pb2, sync_pb2, sync_service_pb2
from tests.bench import bytestream, figures
from tests.bench.figures import Figure
from tests.bench.server import MESSAGE_LIMIT, connected
from tests.bench.syncing.device import opened

if TYPE_CHECKING:
    from tests.bench.server import Server
    from tests.bench.syncing.device import Device
    from tests.bench.syncing.stage import Stage

REPEATED = 3
PULL = "/rookery.v1.SyncService/Pull"
ROWS = "SELECT id, folder_id, revision, content, uid, life, state, summary FROM item LIMIT"
DEPTHS = (sync_pb2.SYNC_DEPTH_TEXT, "text"), (sync_pb2.SYNC_DEPTH_FULL, "everything")
_OPTIONS = [("grpc.max_receive_message_length", MESSAGE_LIMIT)]


@dataclasses.dataclass(frozen=True, slots=True)
class Stream:
    """What a first fill brought."""

    items: int
    seconds: float
    size: int
    messages: int
    cursor: str
    cpu_seconds: float = 0.0
    """Of the server."""

    @property
    def per_second(self) -> float:
        """Items a second."""
        return self.items / self.seconds


async def stream(channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...], depth: int) -> Stream:
    """A first fill that is received and, after the clock has stopped, read: the server's share of it."""
    request = sync_service_pb2.PullRequest(
        scope=sync_pb2.SyncScope(depth=sync_pb2.SyncDepth.ValueType(depth)),
        accept_encodings=[content_service_pb2.CONTENT_ENCODING_ZSTD],
    )
    call: Any = channel.unary_stream(PULL, sync_service_pb2.PullRequest.SerializeToString, None)
    begun = time.perf_counter()
    batches = [raw async for raw in call(request, metadata=metadata)]
    seconds = time.perf_counter() - begun
    items, cursor = 0, ""
    for raw in batches:
        batch = PackedPullResponse.FromString(raw)
        items, cursor = items + len(batch.items), batch.cursor
    return Stream(items, seconds, sum(map(len, batches)), len(batches), cursor)


async def streams(stage: Stage, address: str, count: int) -> tuple[Stream, Stream, list[Figure]]:
    """A mailbox's first fills without a replica, and what limits them. The first two: of summaries, and with everything."""
    async with (
        connected(stage.server, address) as connection,
        grpc.aio.insecure_channel(stage.server.target, options=_OPTIONS) as channel,
    ):
        runs = [await _measured(stage.server, channel, connection.metadata, sync_pb2.SYNC_DEPTH_SUMMARY) for _ in range(REPEATED)]
        summaries = sorted(runs, key=lambda run: run.seconds)[REPEATED // 2]
        if summaries.items != count:
            raise RuntimeError(f"{summaries.items:,} of {count:,} items came")
        driver, raw = _raw_rows_per_second(stage.server.url, count)
        with bytestream.streaming() as target:
            async with grpc.aio.insecure_channel(target, options=_OPTIONS) as bare:
                await _bare_items_per_second(bare, summaries)
                bare_rate = await _bare_items_per_second(bare, summaries)
        cpu_rate = count / statistics.median(run.cpu_seconds for run in runs)
        name = f"{count:,} summaries, the server's stream"
        found = [
            figures.at_least(name, summaries.per_second, "items/s", driver, raw, 0.25),
            Figure(name, summaries.per_second, "items/s", "bare gRPC stream", bare_rate),
            figures.at_least(f"{name}, by CPU time of the server", cpu_rate, "items/s", driver, raw, 0.25),
        ]
        for depth, kind in DEPTHS:
            filled = await _measured(stage.server, channel, connection.metadata, depth)
            name = f"{count:,} with {kind}, the server's stream"
            found += [
                Figure(name, filled.size / filled.seconds / 1e6, "MB/s"),
                Figure(name, filled.per_second, "items/s"),
            ]
        return summaries, filled, found


async def replica(device: Device, summaries: Stream) -> list[Figure]:
    """A first fill into a durable file, and what limits it: the server's stream."""
    synced = await device.sync(index=False)
    items = _held(device, summaries)
    name, peer = f"{items:,} summaries, durable in the replica", "server's stream"
    return [
        figures.at_least(name, items / synced.seconds, "items/s", peer, summaries.per_second, 0.5),
        figures.at_least(
            f"{name}, by CPU time of the device", items / synced.cpu_seconds, "items/s", peer, summaries.per_second, 0.5
        ),
    ]


async def whole(stage: Stage, address: str, everything: Stream) -> list[Figure]:
    """A first fill with everything, into a durable file."""
    async with opened(stage, address, sync_pb2.SYNC_DEPTH_FULL) as device:
        seconds = (await device.sync(index=False)).seconds
        items = _held(device, everything)
    name, peer = f"{items:,} with everything, durable in the replica", "server's stream"
    return [
        Figure(name, everything.size / seconds / 1e6, "MB/s", peer, everything.size / everything.seconds / 1e6),
        Figure(name, items / seconds, "items/s", peer, everything.per_second),
    ]


def _held(device: Device, filled: Stream) -> int:
    """How many items the replica holds; RuntimeError unless these are all that the stream brought."""
    items = device.replica.status().items
    if items != filled.items:
        raise RuntimeError(f"the replica holds {items:,} of {filled.items:,} items")
    return items


async def _measured(server: Server, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...], depth: int) -> Stream:
    before = server.cpu_seconds()
    filled = await stream(channel, metadata, depth)
    return dataclasses.replace(filled, cpu_seconds=server.cpu_seconds() - before)


def _raw_rows_per_second(database_url: str, count: int) -> tuple[str, float]:
    """The bare driver, and how many items a second it reads of as many rows, with nothing else done with them."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        with contextlib.closing(sqlite3.connect(f"file:{url.database}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA mmap_size = 8589934592").close()
            begun = time.perf_counter()
            read = sum(1 for _ in connection.execute(f"{ROWS} {count}"))
            return "raw sqlite3", read / (time.perf_counter() - begun)
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as postgres, postgres.cursor("rows", binary=True) as cursor:
        cursor.itersize = 1_000
        begun = time.perf_counter()
        cursor.execute(f"{ROWS} {count}")
        read = sum(1 for _ in cursor)
        return "raw psycopg", read / (time.perf_counter() - begun)


async def _bare_items_per_second(channel: grpc.aio.Channel, fill: Stream) -> float:
    """Items a second of a bare gRPC stream of as many bytes in as many messages."""
    begun = time.perf_counter()
    await bytestream.received(channel, fill.size, fill.size // fill.messages)
    return fill.items / (time.perf_counter() - begun)
