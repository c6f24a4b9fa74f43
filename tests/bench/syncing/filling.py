"""The first fill: the server's stream, the replica's durable file, and what limits both."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import make_url

from rookery.internal.v1.packed_pb2 import PackedPullResponse
from rookery.v1 import content_service_pb2, sync_pb2, sync_service_pb2
from tests.bench import bytestream

if TYPE_CHECKING:
    import grpc.aio

PULL = "/rookery.v1.SyncService/Pull"
ROWS = "SELECT id, folder_id, revision, content, uid, life, state, summary FROM item"


@dataclasses.dataclass(frozen=True, slots=True)
class Stream:
    """What a first fill brought."""

    items: int
    seconds: float
    size: int
    messages: int
    cursor: str

    @property
    def per_second(self) -> float:
        """Items a second."""
        return self.items / self.seconds

    @property
    def mb_per_second(self) -> float:
        """Bytes on the wire, in MB a second."""
        return self.size / self.seconds / 1e6


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


def raw_rows_per_second(database_url: str) -> float:
    """Items a second that the bare driver reads of the same rows, and nothing else done with them."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        with contextlib.closing(sqlite3.connect(f"file:{url.database}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA mmap_size = 8589934592").close()
            begun = time.perf_counter()
            count = sum(1 for _ in connection.execute(ROWS))
            return count / (time.perf_counter() - begun)
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as postgres, postgres.cursor("rows", binary=True) as cursor:
        cursor.itersize = 1_000
        begun = time.perf_counter()
        cursor.execute(ROWS)
        count = sum(1 for _ in cursor)
        return count / (time.perf_counter() - begun)


async def bare_items_per_second(channel: grpc.aio.Channel, fill: Stream) -> float:
    """Items a second of a bare gRPC stream of as many bytes in as many messages."""
    piece = fill.size // fill.messages
    begun = time.perf_counter()
    await bytestream.received(channel, fill.size, piece)
    return fill.items / (time.perf_counter() - begun)
