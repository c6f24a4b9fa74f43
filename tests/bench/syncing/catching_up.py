"""Catching up: what it costs, whether that depends on the size of the mailbox, and a sync that brings nothing."""

from __future__ import annotations

import asyncio
import random
import statistics
from typing import TYPE_CHECKING

import grpc.aio

from rookery.v1 import folder_pb2, folder_pb2_grpc, sync_pb2, sync_service_pb2
from tests.bench import figures
from tests.bench.figures import Figure
from tests.bench.server import MESSAGE_LIMIT, add_accounts, connected
from tests.bench.syncing import changes, filling
from tests.bench.timing import sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.syncing.device import Device
    from tests.bench.syncing.stage import Stage

EACH = 100
"""Items that are changed, come, and go, in one round."""
MOST_TRIPS = 5
FOLDERS, TURNS = 500, 20
FOLDERS_ADDRESS = "folders@bench.example"
SETTLE_SECONDS = 3.0
"""Until the server's indexer has taken in what was changed: it is no part of catching up."""


async def measure(stage: Stage, devices: Sequence[Device]) -> list[Figure]:
    """The cost for two replicas that are up to date, the small one first, in turns."""
    rng = random.Random(1)
    held = {each.replica.path: each.item_ids() for each in devices}
    taken: list[list[float]] = [[], []]
    cpu = [0.0, 0.0]
    trips = 0
    rounds = stage.rounds // 50
    for number in range(rounds):
        for which in (0, 1) if number % 2 else (1, 0):
            device = devices[which]
            await _change(device, held[device.replica.path], rng, number)
            await asyncio.sleep(SETTLE_SECONDS)
            before = stage.server.cpu_seconds()
            synced = await device.sync()
            cpu[which] += stage.server.cpu_seconds() - before
            taken[which].append(synced.seconds * 1000)
            trips = max(trips, synced.trips)
    what = f"{EACH} changed, {EACH} new, {EACH} deleted"
    small, large = (statistics.median(each) for each in taken)
    (_, few), (_, many) = stage.mailboxes
    return [
        Figure(f"{what}: round trips", trips, "", target=f"at most {MOST_TRIPS}", reached=trips <= MOST_TRIPS),
        Figure(f"{what}, of {few:,}", small, "ms"),
        figures.at_most(f"{what}, of {many:,}", large, "ms", f"of {few:,}", small, 1.2),
        figures.at_most(
            f"{what}, of {many:,}, CPU time of the server", cpu[1] / rounds * 1000, "ms", f"of {few:,}", cpu[0] / rounds * 1000, 1.2
        ),
    ]


async def _change(device: Device, held: list[bytes], rng: random.Random, number: int) -> None:
    """Changes the mailbox as another device would. `held` stays the items that are there."""
    ids = device.ids
    rng.shuffle(held)
    gone = [held.pop() for _ in range(EACH)]
    new = [changes.create(ids, f"new in round {number}") for _ in range(EACH)]
    operations = [changes.rename(ids, item_id, f"changed in round {number}") for item_id in held[:EACH]]
    operations += [*new, *(changes.delete(ids, item_id) for item_id in gone)]
    await changes.push(device.client, operations)
    held += [operation.create_item.item.id for operation in new]


async def nothing_new(stage: Stage) -> list[Figure]:
    """A sync of a mailbox with many folders that brings nothing: one call."""
    await add_accounts(stage.server, [FOLDERS_ADDRESS])
    options = [("grpc.max_receive_message_length", MESSAGE_LIMIT)]
    async with (
        connected(stage.server, FOLDERS_ADDRESS) as connection,
        grpc.aio.insecure_channel(stage.server.target, options=options) as channel,
    ):
        folders = folder_pb2_grpc.FolderServiceStub(channel)
        for number in range(FOLDERS):
            folder = folder_pb2.Folder(name=f"Project {number}")
            request = folder_pb2.CreateFolderRequest(operation_id=connection.ids.new(), folder=folder)
            await folders.CreateFolder(request, metadata=connection.metadata)
        filled = await filling.stream(channel, connection.metadata, sync_pb2.SYNC_DEPTH_SUMMARY)
        scope = sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_SUMMARY)
        nothing = sync_service_pb2.PullBatchRequest(pull=sync_service_pb2.PullRequest(cursor=filled.cursor, scope=scope))
        call = channel.unary_unary(
            "/rookery.v1.SyncService/PullBatch",
            sync_service_pb2.PullBatchRequest.SerializeToString,
            sync_service_pb2.PullBatchResponse.FromString,
        )

        async def once(_number: int) -> None:
            answer = await call(nothing, metadata=connection.metadata)
            if not answer.batch.caught_up or answer.batch.folders:
                raise RuntimeError("a sync that should bring nothing brought something")

        empty, taken = [], []
        for _ in range(TURNS):  # in turns, so that whatever else the machine does meanwhile slows down both
            empty.append((await sample(connection.empty_call, stage.rounds // TURNS)).median_ms)
            taken.append((await sample(once, stage.rounds // TURNS)).median_ms)
    name = f"nothing new in {FOLDERS} folders, in one round trip"
    return [figures.at_most(name, statistics.median(taken), "ms", "empty call", statistics.median(empty), 3)]
