"""Reconcile: a replica that has lost a few of many items is compared with the mailbox and repaired."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from rookery_client.replica.engine.backoff import Backoff
from rookery_client.replica.engine.means import Means
from rookery_client.replica.engine.reconciling import Reconciling
from rookery_client.replica.engine.working import WorkerThread
from rookery_client.replica.storage import facts
from tests.bench.figures import Figure

if TYPE_CHECKING:
    from tests.bench.syncing.device import Device

LOST = 10


async def measure(device: Device, fill_bytes: int) -> list[Figure]:
    """Loses items behind the engine's back, and repairs the replica. `fill_bytes`: what a first fill would bring."""
    await device.sync()
    whole = device.replica.digest(b"", b"")
    lost = random.Random(1).sample(device.item_ids(), LOST)
    with device.replica.database.writing() as connection:
        connection.executemany("DELETE FROM item WHERE id = ?", [(item_id,) for item_id in lost])
        facts.add(connection, facts.ITEMS, -LOST)
    transport = device.transport
    trips, before, begun = transport.trips, transport.compared_bytes, time.perf_counter()
    await _reconcile(device)
    seconds = time.perf_counter() - begun
    if device.replica.digest(b"", b"") != whole:
        raise RuntimeError("the replica is not what it was before it lost something")
    name = f"{LOST} of {whole[0]:,} lost"
    return [
        Figure(f"{name}: bytes", (transport.compared_bytes - before) / 1000, "KB", "first fill", fill_bytes / 1000),
        Figure(f"{name}: round trips", transport.trips - trips, ""),
        Figure(f"{name}: time", seconds, "s"),
    ]


async def _reconcile(device: Device) -> None:
    """What the engine does when the server does not know its cursor any more."""
    worker = WorkerThread()
    means = Means(
        replica=device.replica,
        transport=device.transport,
        worker=worker,
        backoff=Backoff(random.Random(1).random),
        sleep=_no_sleep,
        accept_deletions=False,
    )
    try:
        await Reconciling(means).run()
    finally:
        worker.close()


async def _no_sleep(_seconds: float) -> None:
    raise RuntimeError("nothing is waited for")
