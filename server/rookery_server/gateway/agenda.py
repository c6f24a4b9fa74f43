"""Which domains recipients wait for, and when the first of each is due: read from the database once in a while, then kept.

Finding the next domain costs the same however many wait, so that many dead ones cost the others nothing. What is known here may be
out of date, and does no harm then: who takes something on looks into the database first. Belongs to one event loop.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery_server.store.outgoing import Due


class Agenda:
    """Each domain waits for a time, or for a place at its destination."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}
        self._order: list[tuple[int, str]] = []  # what differs from `_times` counts no more
        self._held: dict[str, set[str]] = {}

    def note(self, waiting: Iterable[Due]) -> None:
        """Something waits for these domains, as well as what is known already."""
        for domain, at in waiting:
            known = self._times.get(domain)
            if known is None or at < known:
                self._times[domain] = at
                heapq.heappush(self._order, (at, domain))

    def hold(self, domain: str, destination: str) -> None:
        """What waits for a domain has to wait until a delivery to its destination has ended."""
        self._held.setdefault(destination, set()).add(domain)

    def release(self, destination: str) -> None:
        """A delivery to a destination has ended: what was held for it comes first."""
        for domain in self._held.pop(destination, ()):
            self._times[domain] = 0
            heapq.heappush(self._order, (0, domain))

    def waits(self, domain: str, destination: str, now: int) -> bool:
        """Something waits for the domain already, or others for a place at its destination: who comes now comes after them."""
        return self._times.get(domain, now + 1) <= now or destination in self._held

    def soonest(self) -> int | None:
        """When the next domain is due, in microseconds since 1970; None if nothing waits for a time."""
        while self._order:
            at, domain = self._order[0]
            if self._times.get(domain) == at:
                return at
            heapq.heappop(self._order)
        return None

    def take(self, now: int) -> str | None:
        """The domain that has been due for longest, which is forgotten with that; None if none is."""
        at = self.soonest()
        if at is None or at > now:
            return None
        _, domain = heapq.heappop(self._order)
        del self._times[domain]
        return domain
