"""What deliveries came to, for each destination: counted since the start of the process, for administrators and for metrics.

Memory is bounded: the destinations used last are remembered. Fewer still are told to a metrics system under their own names, those
with the most traffic, since each name there costs for as long as its history is kept; all others are counted together. What is told
under a name never decreases while it is told: a destination that gets its own name begins at 0, and the others keep what they had.
Belongs to one event loop.
"""

from __future__ import annotations

import bisect
import heapq
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rookery.v1.submission_pb2 import DELIVERY_STATE_DEFERRED
from rookery_server.services.submission.settling import ARRIVED, LOST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rookery_server.services.submission.settling import Result

BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Of the histogram of seconds; the last part, without an upper bound, comes behind them."""

_MOST_KEPT = 2_000
_MOST_TOLD = 200
_RECENT = 128
"""Deliveries of which the median and the slowest are told."""


@dataclass(slots=True)
class Counts:
    """Sums over deliveries."""

    attempts: int = 0
    """Deliveries; what follows counts recipients, but for bytes and seconds."""
    delivered: int = 0
    deferred: int = 0
    failed: int = 0
    ambiguous: int = 0
    """Of the deferred, those that may have arrived."""
    bytes: int = 0
    """Of messages that at least one recipient of a delivery took."""
    seconds: float = 0.0
    histogram: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    """How many deliveries took longer than the bound before and no longer than this one."""

    def add(self, results: Sequence[Result], seconds: float, size_bytes: int) -> None:
        """One more delivery."""
        arrived = sum(result.state in ARRIVED for result in results)
        self.attempts += 1
        self.delivered += arrived
        self.deferred += sum(result.state == DELIVERY_STATE_DEFERRED for result in results)
        self.failed += sum(result.state in LOST for result in results)
        self.ambiguous += sum(result.ambiguous for result in results)
        self.bytes += size_bytes if arrived else 0
        self.seconds += seconds
        self.histogram[bisect.bisect_left(BOUNDS, seconds)] += 1


@dataclass(slots=True)
class Figure:
    """What is known of one destination."""

    counts: Counts = field(default_factory=Counts)
    told: Counts | None = None
    """What counts since it is told under its own name; None while it is not."""
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))
    """Seconds that the last deliveries took."""

    def quantile(self, part: float) -> float:
        """Seconds that this part, 0 to 1, of the last deliveries took at most; 0 if there was none."""
        ordered = sorted(self.recent)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


class Figures:
    """Counts for each destination. ``most_kept`` are remembered, ``most_told`` told under their own names."""

    def __init__(self, *, most_kept: int = _MOST_KEPT, most_told: int = _MOST_TOLD) -> None:
        self._most_kept = most_kept
        self._most_told = most_told
        self._figures: OrderedDict[str, Figure] = OrderedDict()
        self._others = Counts()

    def record(self, destination: str, results: Sequence[Result], seconds: float, size_bytes: int) -> None:
        """A delivery has ended: with a result for each recipient, after so long, of a message of this size."""
        figure = self._figures.setdefault(destination, Figure())
        self._figures.move_to_end(destination)
        figure.counts.add(results, seconds, size_bytes)
        figure.recent.append(seconds)
        (figure.told or self._others).add(results, seconds, size_bytes)
        if len(self._figures) > self._most_kept:
            self._figures.popitem(last=False)

    def __iter__(self) -> Iterator[tuple[str, Figure]]:
        """Each destination that is remembered, the one used last at the end."""
        return iter(self._figures.items())

    def find(self, destination: str) -> Figure | None:
        """What is remembered of a destination."""
        return self._figures.get(destination)

    def told(self) -> tuple[list[tuple[str, Counts]], Counts]:
        """For metrics: what counts under each destination's own name, and what counts for all others together.

        Who has a name keeps it until another has twice its traffic, so that names do not come and go.
        """

        def traffic(entry: tuple[str, Figure]) -> int:
            return entry[1].counts.attempts * (1 if entry[1].told is None else 2)

        named = heapq.nlargest(self._most_told, self._figures.items(), key=traffic)
        chosen = {name for name, _ in named}
        for name, figure in self._figures.items():
            if name not in chosen:
                figure.told = None
            elif figure.told is None:
                figure.told = Counts()
        return [(name, figure.told) for name, figure in named if figure.told is not None], self._others
