"""Time, injected: nothing else in Rookery reads the wall clock."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """The time of day."""

    def micros(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def micros(self) -> int:
        """Microseconds since 1970-01-01 UTC, as the machine has it."""
        return time.time_ns() // 1000
