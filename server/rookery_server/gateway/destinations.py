"""How much a destination is given to do: as much as it takes, and nothing for a while once it is dead.

Each destination (a domain, or a smarthost) has a *window*: how many deliveries may run at once. Success opens it a little, a fault
of the host closes it, as in Postfix's queue manager. After some faults in a row the destination is dead: nothing starts until a
pause is over, which doubles with each failed attempt; then one delivery tries. Others are not concerned: whoever asks for work
passes over destinations that are not ready. Those that have not answered yet share a number of places, so that many hosts which
take connections and then say nothing can not hold up the rest. Pure but for the clock; belongs to one event loop.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rookery_core.rules.clock import Clock

_SECOND = 1_000_000
_TRIAL = 2
"""Deliveries at once to a destination that has not answered yet."""
_FIRST_WINDOW = 5.0
_FAULTS_UNTIL_DEAD = 3
_FIRST_PAUSE = 60 * _SECOND
_LONGEST_PAUSE = 3600 * _SECOND
_ASKED_AGAIN = _SECOND
"""When to ask again for a destination that found no place among those which have not answered."""
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


class Pressure(NamedTuple):
    """How it stands with a destination."""

    running: int
    """Deliveries under way."""
    most_running: int
    """How many may be."""
    paused_until: int
    """Nothing starts before, in microseconds since 1970; 0 if it is not dead."""


@dataclass(slots=True)
class _State:
    window: float = _FIRST_WINDOW
    running: int = 0
    answered: bool = False
    """It has, since it was last found dead."""
    spotless: bool = True
    """There was never a fault."""
    faults: int = 0
    """Since the last success."""
    dead_until: int = 0
    pause: int = 0
    """How long it was dead the last time; 0 while it is alive."""
    next_start: int = 0
    """When its rate allows the next delivery."""


class Destinations:
    """Counts what runs for each destination. ``per_minute`` limits the rate of some, by destination, with "" for all others.

    ``most_at_once`` is for each destination, ``most_unanswered`` for all together that have not answered yet.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        most_at_once: int = 20,
        most_unanswered: int = 200,
        per_minute: Mapping[str, int] | None = None,
    ) -> None:
        self._clock = clock
        self._most = most_at_once
        self._most_unanswered = most_unanswered
        self._unanswered = 0
        self._rates = dict(per_minute or {})
        self._states: OrderedDict[str, _State] = OrderedDict()

    def ready_at(self, destination: str) -> int:
        """When a delivery may start, in microseconds since 1970; ``BUSY`` if one that runs has to end first."""
        state = self._states.get(destination) or _State()
        if state.running >= _limit(state):
            return max(BUSY, state.dead_until)
        if not state.answered and self._unanswered >= self._most_unanswered:
            return max(self._clock.micros() + _ASKED_AGAIN, state.dead_until)
        return max(state.dead_until, state.next_start)

    def room(self, destination: str) -> int:
        """How many deliveries may start now; not more than one where there is a rate to be kept."""
        if self.ready_at(destination) > self._clock.micros():
            return 0
        if self._rate(destination):
            return 1
        state = self._states.get(destination) or _State()
        room = _limit(state) - state.running
        return room if state.answered else min(room, self._most_unanswered - self._unanswered)

    def begin(self, destination: str) -> None:
        """A delivery starts. Whoever calls has seen that it may; from here on it counts until ``end``."""
        state = self._states.setdefault(destination, _State())
        self._states.move_to_end(destination)
        state.running += 1
        self._unanswered += not state.answered
        if rate := self._rate(destination):
            now = self._clock.micros()
            state.next_start = max(now, state.next_start) + 60 * _SECOND // rate
        self._forget_some()

    def end(self, destination: str, feedback: Feedback) -> None:
        """A delivery has ended."""
        state = self._states[destination]
        self._unanswered -= not state.answered
        state.running -= 1
        if feedback is Feedback.ALIVE:
            if state.answered:
                state.window = min(float(self._most), state.window + (1 if state.spotless else 1 / state.window))
            self._count_as(state, answered=True)
            state.faults = state.pause = state.dead_until = 0
        elif feedback is Feedback.FAULT:
            self._fault(state)

    def revive(self, destination: str) -> None:
        """Ends the pause of a dead destination: one delivery may try now. If that fails too, the next pause is twice as long."""
        state = self._states.get(destination)
        if state is not None:
            state.dead_until = 0

    def pressure(self, destination: str) -> Pressure:
        """How it stands with a destination, for those who watch."""
        state = self._states.get(destination) or _State()
        paused_until = state.dead_until if state.dead_until > self._clock.micros() else 0
        return Pressure(state.running, _limit(state), paused_until)

    def _rate(self, destination: str) -> int:
        return self._rates.get(destination, self._rates.get("", 0))

    def _count_as(self, state: _State, *, answered: bool) -> None:
        """Counts a destination, with what runs for it still, among those that have answered, or no more."""
        if state.answered != answered:
            state.answered = answered
            self._unanswered += -state.running if answered else state.running

    def _fault(self, state: _State) -> None:
        now = self._clock.micros()
        state.faults += 1
        state.spotless = False
        state.window = max(1.0, state.window - 1)
        if state.dead_until > now:
            return  # deliveries that had begun before it was found dead tell nothing new
        if state.faults >= _FAULTS_UNTIL_DEAD or state.pause:
            state.pause = min(_LONGEST_PAUSE, state.pause * 2 or _FIRST_PAUSE)
            state.dead_until = now + state.pause
            state.window = _FIRST_WINDOW
            self._count_as(state, answered=False)

    def _forget_some(self) -> None:
        while len(self._states) > _MOST_KEPT:
            name = next((name for name, state in self._states.items() if not state.running), None)
            if name is None:
                return
            del self._states[name]


def _limit(state: _State) -> int:
    """How many deliveries may run at once."""
    if state.pause:
        return 1
    window = max(1, int(state.window))
    return window if state.answered else min(_TRIAL, window)
