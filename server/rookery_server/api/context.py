"""What a servicer's method is told about the call that it answers."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING, Any, TypeAlias

from rookery_server.services.caller import NO_ID, Caller

if TYPE_CHECKING:
    import grpc.aio

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
"""gRPC's own side of a call. It ends at the plumbing: servicers see a ``Call``."""

NOBODY = Caller(NO_ID, NO_ID, administrator=False)
"""The caller of what needs no sign-in."""


class Call:
    """One call: who makes it, and whether an answer is still waited for."""

    __slots__ = ("_context", "caller", "peer", "request_id")

    def __init__(self, context: Context, caller: Caller, peer: str, request_id: str) -> None:
        self._context = context
        self.caller = caller
        """Who calls; ``NOBODY`` where no sign-in is needed."""
        self.peer = peer
        """Where the call comes from: an IP address, or "unix"."""
        self.request_id = request_id
        """Names the call, in the log and to the client."""

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._context.cancelled()

    def time_remaining(self) -> float | None:
        """Seconds until the client stops waiting; None if it set no deadline."""
        return self._context.time_remaining()


def peer_host(peer: str) -> str:
    """The host in gRPC's name of a peer: "10.0.0.1" in "ipv4:10.0.0.1:50", "::1" in "ipv6:%5B::1%5D:50", else "unix"."""
    kind, _, rest = peer.partition(":")
    if kind == "unix":
        return "unix"
    return urllib.parse.unquote(rest).rpartition(":")[0].strip("[]") or peer
