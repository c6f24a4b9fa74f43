"""Slows down whoever guesses passwords."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from rookery_core.errors import ResourceExhausted, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rookery_core.rules.clock import Clock

_SECOND = 1_000_000
_LONGEST = 300 * _SECOND
_FORGET = 3600 * _SECOND
_MOST = 10_000


class Throttle:
    """Counts wrong passwords by key. After ``free`` of them each further one doubles the wait, from a second to five minutes.

    What is being checked at the moment counts as wrong until it is known to be right, so that nobody gains by asking many times at
    once. Kept in memory: 10,000 keys, the longest untouched forgotten first; a key is forgotten after an hour without a failure.
    Belongs to one event loop.
    """

    def __init__(self, clock: Clock, *, free: int) -> None:
        self._clock = clock
        self._free = free
        self._failures: OrderedDict[str, tuple[int, int]] = OrderedDict()  # key -> (how many, the last)
        self._running: Counter[str] = Counter()

    @contextlib.contextmanager
    def attempt(self, key: str) -> Iterator[None]:
        """Around the check of a password.

        ResourceExhausted ``LOGIN_THROTTLED``, with ``retry_seconds`` in its metadata, while the key has to wait. The attempt was
        wrong if it ends in Unauthenticated; also if it is cancelled, or who hangs up in time would guess for nothing.
        """
        self._require_patience(key)
        self._running[key] += 1
        try:
            yield
        except (Unauthenticated, asyncio.CancelledError):
            self._failed(key)
            raise
        finally:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]

    def forget(self, key: str) -> None:
        """Forgets the key's failures: the right password was given."""
        self._failures.pop(key, None)

    def _require_patience(self, key: str) -> None:
        failures, last = self._failures.get(key, (0, 0))
        running = self._running[key]
        wait = last + self._delay(failures) - self._clock.micros() if failures >= self._free else 0
        if running and failures + running >= self._free:
            wait = max(wait, _SECOND)  # what runs will be known by then
        if wait > 0:
            seconds = -(-wait // _SECOND)
            raise ResourceExhausted(
                "LOGIN_THROTTLED",
                f"too many wrong passwords: try again in {seconds} seconds",
                metadata={"retry_seconds": str(seconds)},
            )

    def _failed(self, key: str) -> None:
        now = self._clock.micros()
        failures, last = self._failures.pop(key, (0, 0))
        self._failures[key] = (1 if now - last > _FORGET else failures + 1, now)
        if len(self._failures) > _MOST:
            self._failures.popitem(last=False)

    def _delay(self, failures: int) -> int:
        return min(_LONGEST, _SECOND << min(30, max(0, failures - self._free)))
