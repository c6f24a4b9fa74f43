"""Clocks: the server's is right, those of devices run too fast or too slow, and jump."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.fakes import FakeClock

if TYPE_CHECKING:
    import asyncio


class LoopClock(FakeClock):
    """Tells the virtual time of a loop, which began at a fixed date."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, rate: float = 1.0) -> None:
        super().__init__()
        self._loop = loop
        self._rate = rate

    def micros(self) -> int:
        """Microseconds since 1970. ``advance`` makes it jump, forth or back."""
        return self.now + round(self._loop.time() * self._rate * 1_000_000)
