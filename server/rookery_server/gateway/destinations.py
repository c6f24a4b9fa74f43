"""How much a destination is given to do: as much as it takes, and nothing for a while once it is dead.

Each destination (a domain, or a smarthost) has a *window*: how many deliveries may run at once. Success opens it a little, a fault
of the host closes it, as in Postfix's queue manager. After some faults in a row the destination is dead: nothing starts until a
pause is over, which doubles with each failed attempt; then one delivery tries. Others are not concerned: whoever asks for work
passes over destinations that are not ready. Pure but for the clock; belongs to one event loop.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rookery_core.rules.clock import Clock

_SECOND = 1_000_000
_FIRST_WINDOW = 5.0
_FAULTS_UNTIL_DEAD = 3
_FIRST_PAUSE = 60 * _SECOND
_LONGEST_PAUSE = 3600 * _SECOND
_MOST_KEPT = 50_000
"""Destinations that are remembered; the longest unused is forgotten first."""

BUSY = 1 << 62
"""A time that does not come: the destination is ready when a delivery that runs has ended."""


class Feedback(enum.Enum):
    """What a delivery tells about its destination."""

    ALIVE = "alive"
    """A host has spoken to us as usual, whatever it said about the message."""
    FAULT = "fault"
    """No host could be reached, or none would talk to us."""
    UNKNOWN = "unknown"
    """It ended without anything learned, as when the server stops."""


@dataclass(slots=True)
class _State:
    window: float = _FIRST_WINDOW
    running: int = 0
    faults: int = 0
    """Since the last success."""
    dead_until: int = 0
    pause: int = 0
    """How long it was dead the last time; 0 while it is alive."""
    next_start: int = 0
    """When its rate allows the next delivery."""


class Destinations:
    """Counts what runs for each destination. ``per_minute`` limits the rate of some, by destination, with "" for all others."""

    def __init__(self, clock: Clock, *, most_at_once: int = 20, per_minute: Mapping[str, int] | None = None) -> None:
        self._clock = clock
        self._most = most_at_once
        self._rates = dict(per_minute or {})
        self._states: OrderedDict[str, _State] = OrderedDict()

    def ready_at(self, destination: str) -> int:
        """When a delivery may start, in microseconds since 1970; ``BUSY`` if one that runs has to end first."""
        state = self._states.get(destination)
        if state is None:
            return 0
        probing = state.pause > 0
        if state.running >= (1 if probing else max(1, int(state.window))):
            return max(BUSY, state.dead_until)
        return max(state.dead_until, state.next_start)

    def begin(self, destination: str) -> None:
        """A delivery starts. Whoever calls has seen that it may; from here on it counts until ``end``."""
        state = self._states.setdefault(destination, _State())
        self._states.move_to_end(destination)
        state.running += 1
        rate = self._rates.get(destination, self._rates.get("", 0))
        if rate:
            now = self._clock.micros()
            state.next_start = max(now, state.next_start) + 60 * _SECOND // rate
        self._forget_some()

    def end(self, destination: str, feedback: Feedback) -> None:
        """A delivery has ended."""
        state = self._states[destination]
        state.running -= 1
        if feedback is Feedback.ALIVE:
            state.window = min(float(self._most), state.window + 1 / state.window)
            state.faults = state.pause = state.dead_until = 0
        elif feedback is Feedback.FAULT:
            self._fault(state)

    def pressure(self, destination: str) -> tuple[int, int]:
        """How many deliveries run and how many may, for metrics."""
        state = self._states.get(destination, _State())
        return state.running, 1 if state.pause else max(1, int(state.window))

    def _fault(self, state: _State) -> None:
        now = self._clock.micros()
        state.faults += 1
        state.window = max(1.0, state.window - 1)
        if state.dead_until > now:
            return  # deliveries that had begun before it was found dead tell nothing new
        if state.faults >= _FAULTS_UNTIL_DEAD or state.pause:
            state.pause = min(_LONGEST_PAUSE, state.pause * 2 or _FIRST_PAUSE)
            state.dead_until = now + state.pause
            state.window = _FIRST_WINDOW

    def _forget_some(self) -> None:
        while len(self._states) > _MOST_KEPT:
            name = next((name for name, state in self._states.items() if not state.running), None)
            if name is None:
                return
            del self._states[name]
