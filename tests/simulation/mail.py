"""Mail in a simulation: what other people's servers get, which no restore takes back, and what has to hold of it in the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.submission_pb2 import DELIVERY_STATE_DEFERRED, DELIVERY_STATE_RELAYED
from rookery.v1.sync_pb2 import PUSH_OUTCOME_REJECTED
from rookery_server.gateway.destinations import Feedback
from rookery_server.services.submission.settling import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_server.store.outgoing import Claimed
    from tests.simulation.devices import Device
    from tests.simulation.server import Server
    from tests.simulation.truth import Truth

ADDRESSES = ("anna@rookery.example", "ben@one.example", "carla@two.example", "dora@two.example")
"""Anna herself, and people elsewhere."""


class Carried(NamedTuple):
    """A message that somebody elsewhere got: in which epoch, and in which life of the server."""

    submission_id: bytes
    address: str
    epoch: int
    life: int


class Elsewhere:
    """Other people's mail servers (``Carrier``). Some ask to come back later."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.carried: list[Carried] = []

    def destination(self, domain: str) -> str:
        """See ``Carrier``."""
        return domain

    async def carry(self, claimed: Claimed) -> tuple[list[Result], Feedback]:
        """See ``Carrier``."""
        server = self._server
        await asyncio.sleep(server.chance.choice((0.0, 0.1)))
        if server.chance.random() < 0.1:
            return [Result(DELIVERY_STATE_DEFERRED, "4.7.1", "come back later") for _ in claimed.recipients], Feedback.ALIVE
        names = [recipient.address for recipient in claimed.recipients]
        self.carried += [Carried(claimed.submission.id, name, server.epochs, server.lives) for name in names]
        return [Result(DELIVERY_STATE_RELAYED, "2.0.0", "accepted") for _ in claimed.recipients], Feedback.ALIVE

    async def close(self) -> None:
        """See ``Carrier``."""


def require_sent_once(server: Server, devices: Sequence[Device], truth: Truth) -> None:
    """Raises AssertionError unless nobody got anything twice, and all that was to be sent was, or somebody was told that not."""
    _require_nothing_twice(server, truth)
    there = server.history[max(server.history)].submissions
    for device in devices:
        refused = {operation.operation_id for operation, _ in device.replica.rejected()}
        for submission_id, operation_id in truth.submitted.get(device.name, {}).items():
            results = {epoch: result for (epoch, answered), result in device.answers.items() if answered == operation_id}
            settled = results or operation_id in refused or submission_id in truth.taken_back
            assert settled, f"nobody heard of {submission_id.hex()}"
            result = results.get(server.epochs)
            if result is not None and result.outcome != PUSH_OUTCOME_REJECTED and submission_id not in there:
                assert _is_old(server, result.submission.submitted.ToMicroseconds()), f"{submission_id.hex()} is lost"


def _require_nothing_twice(server: Server, truth: Truth) -> None:
    """A message may be carried again by a server that died before it had written down that it was: in another life, not epoch."""
    sent = {submission_id for submitted in truth.submitted.values() for submission_id in submitted}
    carried = server.elsewhere.carried
    for each in carried:
        others = [other for other in carried if other is not each and other[:2] == each[:2]]
        assert each.submission_id in sent - truth.taken_back, "nobody sent this"
        assert all(other.epoch == each.epoch and other.life != each.life for other in others), f"sent twice: {[each, *others]}"


def _is_old(server: Server, submitted: int) -> bool:
    return submitted < server.clock.micros() - 25 * 86_400_000_000
