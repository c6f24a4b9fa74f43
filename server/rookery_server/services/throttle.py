"""Slows down whoever guesses passwords."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from rookery_core.errors import ResourceExhausted

if TYPE_CHECKING:
    from rookery_core.rules.clock import Clock

_SECOND = 1_000_000
_LONGEST = 300 * _SECOND
_FORGET = 3600 * _SECOND
_MOST = 10_000


class Throttle:
    """Counts wrong passwords by key. After ``free`` of them each further one doubles the wait, from a second to five minutes.

    Kept in memory: 10,000 keys, the longest untouched forgotten first; a key is forgotten after an hour without a failure.
    """

    def __init__(self, clock: Clock, *, free: int) -> None:
        self._clock = clock
        self._free = free
        self._failures: OrderedDict[str, tuple[int, int]] = OrderedDict()  # key -> (how many, the last)

    def check(self, key: str) -> None:
        """ResourceExhausted ``LOGIN_THROTTLED``, with ``retry_seconds``, while the key has to wait."""
        failures, last = self._failures.get(key, (0, 0))
        now = self._clock.micros()
        wait = last + self._delay(failures) - now
        if failures >= self._free and wait > 0:
            seconds = -(-wait // _SECOND)
            raise ResourceExhausted(
                "LOGIN_THROTTLED",
                f"too many wrong passwords: try again in {seconds} seconds",
                metadata={"retry_seconds": str(seconds)},
            )

    def failed(self, key: str) -> None:
        """Counts a wrong password."""
        now = self._clock.micros()
        failures, last = self._failures.pop(key, (0, 0))
        self._failures[key] = (1 if now - last > _FORGET else failures + 1, now)
        if len(self._failures) > _MOST:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forgets the key's failures."""
        self._failures.pop(key, None)

    def _delay(self, failures: int) -> int:
        return min(_LONGEST, _SECOND << min(30, max(0, failures - self._free)))
