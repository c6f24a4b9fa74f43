"""All that is measured of synchronisation, each figure beside its limit out of the same run."""

from __future__ import annotations

import random
import time
from functools import partial
from typing import TYPE_CHECKING

import grpc.aio

from rookery.v1 import sync_pb2, sync_service_pb2
from rookery.v1.item_service_pb2 import SetItemStateRequest
from rookery_client.client import Client
from rookery_client.replica.engine.engine import Engine
from rookery_client.replica.engine.remote import RemoteTransport
from rookery_client.replica.replica import Replica
from rookery_client.replica.storage.identity import Identity
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds
from tests.bench import bytestream, figures
from tests.bench.figures import Figure
from tests.bench.server import ADDRESS, MESSAGE_LIMIT, PASSWORD, connected, serving
from tests.bench.syncing import filling, mailbox
from tests.bench.timing import sample

if TYPE_CHECKING:
    import pathlib

    from tests.bench.server import Connection, Server

MARKED = 100
_OPTIONS = [("grpc.max_receive_message_length", MESSAGE_LIMIT)]


async def run(folder: pathlib.Path, count: int, seed: int, rounds: int) -> list[Figure]:
    """Measures with a mailbox of so many items, with files in an empty folder."""
    found: list[Figure] = []
    with serving(folder, partial(mailbox.fill, count=count, seed=seed)) as server:
        async with connected(server) as connection, grpc.aio.insecure_channel(server.target, options=_OPTIONS) as channel:
            await server.quiet()
            await _streams(found, server, connection, channel)
            await _replica(found, folder, server, connection)
            await _nothing_new(found, connection, channel, rounds)
    return found


async def _streams(found: list[Figure], server: Server, connection: Connection, channel: grpc.aio.Channel) -> None:
    """The server's share of a first fill, and what limits it."""
    summaries = await filling.stream(channel, connection.metadata, sync_pb2.SYNC_DEPTH_SUMMARY)
    raw = filling.raw_rows_per_second(f"sqlite:///{server.database}")
    with bytestream.streaming() as target:
        async with grpc.aio.insecure_channel(target, options=_OPTIONS) as bare_channel:
            await filling.bare_items_per_second(bare_channel, summaries)
            bare = await filling.bare_items_per_second(bare_channel, summaries)
    name = f"first fill of {summaries.items:,} summaries, the server's stream"
    found.append(figures.at_least(name, summaries.per_second, "items/s", "raw sqlite3", raw, 0.25))
    found.append(Figure(name, summaries.per_second, "items/s", "bare gRPC stream", bare))
    for depth, kind in ((sync_pb2.SYNC_DEPTH_TEXT, "text"), (sync_pb2.SYNC_DEPTH_FULL, "everything")):
        filled = await filling.stream(channel, connection.metadata, depth)
        found.append(Figure(f"first fill with {kind}, on the wire", filled.mb_per_second, "MB/s"))


async def _replica(found: list[Figure], folder: pathlib.Path, server: Server, connection: Connection) -> None:
    """A replica's first fill into its durable file, and its catching up."""
    clock = SystemClock()
    ids = RandomIds(clock)
    replica = Replica.open(folder / "bench.replica", clock=clock, ids=ids, create=True)
    async with Client.connect(server.target) as client:
        signed_in = await client.login(ADDRESS, PASSWORD, "replica")
        identity = signed_in.identity
        replica.adopt(Identity(server.target, ADDRESS, identity.mailbox_id, identity.account_id))
        replica.set_scope(sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_SUMMARY))

        async def sync() -> float:
            """Pulls to caught_up; gives the seconds until the last batch was durable."""
            begun, last = time.perf_counter(), 0.0

            def applied(*_told: object) -> None:
                nonlocal last
                last = time.perf_counter()

            chance = random.Random(1).random
            await Engine(replica, RemoteTransport(client), clock=clock, ids=ids, chance=chance, on_applied=applied).run_once()
            return last - begun

        seconds = await sync()
        items = replica.status().items
        found.append(Figure("first fill, durable in the replica", items / seconds, "items/s"))
        marked = [item_id for item_id, _ in replica.entries(*replica.bounds(max(1, items // MARKED))[0])][:MARKED]
        request = SetItemStateRequest(operation_id=connection.ids.new(), item_ids=marked, add_categories=["bench"])
        await connection.items.SetItemState(request, metadata=connection.metadata)
        found.append(Figure(f"catch-up of {len(marked)} marks, sign-in to durable", await sync() * 1000, "ms"))
    replica.close()


async def _nothing_new(found: list[Figure], connection: Connection, channel: grpc.aio.Channel, rounds: int) -> None:
    """A sync that brings nothing: one call."""
    filled = await filling.stream(channel, connection.metadata, sync_pb2.SYNC_DEPTH_SUMMARY)
    pull = sync_service_pb2.PullRequest(cursor=filled.cursor, scope=sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_SUMMARY))
    request = sync_service_pb2.PullBatchRequest(pull=pull)
    call = channel.unary_unary(
        "/rookery.v1.SyncService/PullBatch",
        sync_service_pb2.PullBatchRequest.SerializeToString,
        sync_service_pb2.PullBatchResponse.FromString,
    )

    async def once(_number: int) -> object:
        return await call(request, metadata=connection.metadata)

    empty = await sample(connection.empty_call, rounds)
    nothing = await sample(once, rounds)
    found.append(figures.at_most("sync that brings nothing", nothing.median_ms, "ms", "empty call", empty.median_ms, 3))
