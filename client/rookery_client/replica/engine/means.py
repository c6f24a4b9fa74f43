"""What the parts of an engine share: the replica, the way to the server, and those who look on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from rookery_client.replica.engine.states import CatchingUp, Connecting, Filling, Sending, UpToDate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rookery.internal.v1.packed_pb2 import PackedPullResponse
    from rookery.v1.sync_pb2 import PushResult
    from rookery_client.replica.engine.backoff import Backoff
    from rookery_client.replica.engine.states import EngineState
    from rookery_client.replica.engine.transport import SyncTransport
    from rookery_client.replica.engine.working import Worker
    from rookery_client.replica.incoming.applying import Applied
    from rookery_client.replica.replica import Replica

Result = TypeVar("Result")


def ignore(*_told: object) -> None:
    """The ear of those who do not want to know."""


@dataclass(slots=True, kw_only=True)
class Means:
    """Shared by the parts of one engine. All calls to those who look on are made in the event loop's thread."""

    replica: Replica
    """Another object after a damaged file was replaced."""
    transport: SyncTransport
    worker: Worker
    backoff: Backoff
    sleep: Callable[[float], Awaitable[None]]
    accept_deletions: bool
    on_state: Callable[[EngineState], None] = ignore
    on_applied: Callable[[PackedPullResponse, Applied], None] = ignore
    on_answered: Callable[[Sequence[PushResult]], None] = ignore
    epoch: bytes = field(default=b"", init=False)
    """The mailbox's, as the present stream has told it; empty before its first batch."""
    state: EngineState | None = field(default=None, init=False)
    _pulling: EngineState | None = field(default=None, init=False)

    def tell(self, state: EngineState) -> None:
        """Tells of a state, once until it changes."""
        if isinstance(state, Connecting | Filling | CatchingUp | UpToDate):
            self._pulling = state
        if state != self.state:
            self.state = state
            self.on_state(state)

    def tell_pulling(self) -> None:
        """Sending is over: how far pulling is, is the state again."""
        if isinstance(self.state, Sending) and self._pulling is not None:
            self.tell(self._pulling)

    async def do(self, work: Callable[[Replica], Result]) -> Result:
        """Does work on the replica, in the worker."""
        replica = self.replica
        return await self.worker.do(lambda: work(replica))
