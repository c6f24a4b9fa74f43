"""How long to wait before the next attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_client.connection import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 120.0

_STEPS = RetryPolicy(first_delay=FIRST_SECONDS, longest_delay=LONGEST_SECONDS)


class Backoff:
    """Delays that double from one failure to the next, with a chance in them, and begin anew after a success.

    `chance`: numbers from 0 to 1. Half of each step is certain, so that the devices of a server that comes back do not all call
    at once, and none calls at once again.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self.failures = 0
        """In a row."""

    def next(self) -> float:
        """Counts a failure; gives the seconds to wait."""
        self.failures += 1
        return _STEPS.delay(self.failures, self._chance())

    def reset(self) -> None:
        """Something succeeded."""
        self.failures = 0
