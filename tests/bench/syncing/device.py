"""A device: a replica in a durable file, the real engine that keeps it, and a count of what goes back and forth."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import time
from typing import TYPE_CHECKING

from rookery.v1.sync_pb2 import SyncDepth, SyncScope
from rookery_client.client import Client
from rookery_client.replica.engine.engine import Engine
from rookery_client.replica.engine.remote import RemoteTransport
from rookery_client.replica.replica import Replica
from rookery_client.replica.storage.identity import Identity
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds
from tests.bench.server import PASSWORD

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from rookery.internal.v1.packed_pb2 import PackedPullResponse, PackedReconcileResponse
    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from rookery.v1.sync_service_pb2 import PullRequest, ReconcileRequest
    from rookery_client.replica.incoming.applying import Applied
    from tests.bench.syncing.stage import Stage


class CountingTransport(RemoteTransport):
    """The way to the server. A stream that brings what there is is one round trip, however many batches that takes."""

    trips = 0
    compared_bytes = 0
    """Bytes of the questions and answers of Reconcile."""

    def pull(self, request: PullRequest) -> AsyncGenerator[PackedPullResponse, None]:
        """Counts, and calls."""
        self.trips += 1
        return super().pull(request)

    async def push(self, operations: Sequence[SyncOperation], *, epoch: bytes = b"") -> Sequence[PushResult]:
        """Counts, and calls."""
        self.trips += 1
        return await super().push(operations, epoch=epoch)

    async def reconcile(self, request: ReconcileRequest) -> PackedReconcileResponse:
        """Counts, and calls."""
        self.trips += 1
        response = await super().reconcile(request)
        self.compared_bytes += request.ByteSize() + response.ByteSize()
        return response


@dataclasses.dataclass(frozen=True, slots=True)
class Synced:
    """What bringing a replica up to date took."""

    seconds: float
    """Until the last batch was durable."""
    cpu_seconds: float
    """What this process computed until then."""
    trips: int


@dataclasses.dataclass(frozen=True, slots=True)
class Device:
    """A replica, and the signed-in client that it is kept with."""

    replica: Replica
    client: Client
    transport: CountingTransport
    clock: SystemClock
    ids: RandomIds

    def engine(self, on_applied: Callable[[PackedPullResponse, Applied], None]) -> Engine:
        """A new engine, which tells of each batch that is durable."""
        chance = random.Random(1).random
        return Engine(self.replica, self.transport, clock=self.clock, ids=self.ids, chance=chance, on_applied=on_applied)

    async def sync(self, *, index: bool = True) -> Synced:
        """Brings the replica up to date, and with `index` its search index behind that."""
        last = cpu = 0.0

        def applied(batch: PackedPullResponse, _applied: Applied) -> None:
            nonlocal last, cpu
            last, cpu = time.perf_counter(), time.process_time()
            if batch.caught_up and not index:
                engine.stop()

        engine = self.engine(applied)
        trips, begun, cpu_begun = self.transport.trips, time.perf_counter(), time.process_time()
        await engine.run_once()
        return Synced(last - begun, cpu - cpu_begun, self.transport.trips - trips)

    def item_ids(self) -> list[bytes]:
        """The items that it holds."""
        with self.replica.database.reading() as connection:
            return [row[0] for row in connection.execute("SELECT id FROM item ORDER BY id")]


@contextlib.asynccontextmanager
async def opened(stage: Stage, address: str, depth: SyncDepth.ValueType) -> AsyncIterator[Device]:
    """A new device of an account, with an empty replica."""
    clock = SystemClock()
    ids = RandomIds(clock)
    replica = Replica.open(stage.folder / f"{ids.new().hex()}.replica", clock=clock, ids=ids, create=True)
    try:
        async with Client.connect(stage.server.target) as client:
            signed_in = await client.login(address, PASSWORD, "bench")
            replica.adopt(Identity(stage.server.target, address, signed_in.identity.mailbox_id, signed_in.identity.account_id))
            replica.set_scope(SyncScope(depth=depth))
            yield Device(replica, client, CountingTransport(client), clock, ids)
    finally:
        replica.close()
