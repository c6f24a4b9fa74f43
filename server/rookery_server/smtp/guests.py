"""Who may connect, and how often."""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import TYPE_CHECKING

from rookery_server.smtp.receiving import Reply

if TYPE_CHECKING:
    from rookery_server.smtp.limits import Limits

_WINDOW_SECONDS = 60.0
_FULL = Reply(421, "4.3.2", "Too many connections, please try again later")
_TOO_MANY = Reply(421, "4.7.0", "Too many connections from your address, please try again later")
_TOO_OFTEN = Reply(421, "4.7.0", "Too many new connections from your address, please try again later")


class Guests:
    """The open connections of a listener by peer, and how many each opened lately. Times are monotonic seconds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open = 0
        self._open_by_peer: Counter[str] = Counter()
        self._arrivals: Counter[str] = Counter()
        self._window = 0.0

    def admit(self, peer: str, now: float, *, trusted: bool) -> Reply | None:
        """None if one more may come, who is to be ``let_go`` some time; otherwise the refusal."""
        if self._open >= self._limits.connections:
            return _FULL
        network = _network(peer)
        if not trusted and (refusal := self._refusal(network, now)) is not None:
            return refusal
        self._open += 1
        self._open_by_peer[network] += 1
        return None

    def _refusal(self, network: str, now: float) -> Reply | None:
        if now >= self._window + _WINDOW_SECONDS:
            self._window = now
            self._arrivals.clear()
        self._arrivals[network] += 1
        if self._arrivals[network] > self._limits.peer_arrivals:
            return _TOO_OFTEN
        return _TOO_MANY if self._open_by_peer[network] >= self._limits.peer_connections else None

    def let_go(self, peer: str) -> None:
        """An admitted one has gone."""
        network = _network(peer)
        self._open -= 1
        self._open_by_peer[network] -= 1
        if not self._open_by_peer[network]:
            del self._open_by_peer[network]


def _network(peer: str) -> str:
    """Whoever has an IPv6 address has a /64 of them."""
    if ":" not in peer:
        return peer
    return str(ipaddress.IPv6Network((peer.partition("%")[0], 64), strict=False))
