"""Stretches of a calendar: what it shows of some weeks, laid out once and kept for whoever looks there again.

Turning a page then is a look into a sorted list, however many series there are. What gives so many occurrences that they are not
worth the memory is named instead, to be laid out by whoever asks.
"""

from __future__ import annotations

import bisect
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from rookery_core.rules import calendar_time
from rookery_core.rules.recurrence.entries import (
    BEGINS,
    ENCODED,
    ENDS,
    ITEM,
    MOST_KEPT,
    OCCURRENCE_BYTES,
    STRETCH_STARTS,
)
from rookery_core.rules.recurrence.starts import Budget

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rookery_core.rules.recurrence.entries import Entry, Laid

_LEAST_BITS, _STEP_BITS = 42, 3
_MOST_BYTES = 16 << 20
"""About what a stretch may take in memory."""
_LOOK = 0.2
"""What looking at an appointment costs, beside its starts."""
_BASE_BYTES = 500
_begins = itemgetter(BEGINS)
_encoded = itemgetter(ENCODED)


class Where(NamedTuple):
    """Which stretch of time: all of the same length lie end to end."""

    bits: int
    """It has 2^bits microseconds: 42 are 51 days, 45 are 407 days, and so on."""
    number: int
    """Counted from 1970 on."""

    @classmethod
    def at(cls, instant: int, wanted: int) -> Where:
        """The stretch which holds an instant, of the greatest length up to the one wanted, or the least."""
        more = max(0, wanted.bit_length() - 1 - _LEAST_BITS)
        bits = _LEAST_BITS + more // _STEP_BITS * _STEP_BITS
        return cls(bits, instant >> bits)

    @property
    def is_shortest(self) -> bool:
        """None is shorter."""
        return self.bits == _LEAST_BITS

    def shorter(self, instant: int) -> Where:
        """The next shorter one which holds an instant."""
        bits = self.bits - _STEP_BITS
        return Where(bits, instant >> bits)

    @property
    def begin(self) -> int:
        """Its first instant, in microseconds since 1970."""
        return self.number << self.bits

    @property
    def end(self) -> int:
        """The first instant after it."""
        return (self.number + 1) << self.bits

    @property
    def spans(self) -> tuple[int, int]:
        """What spans may be in it, as ``calendar_time.spans_between`` has them."""
        return calendar_time.spans_between(self.begin, self.end)


class Stretch:
    """What a calendar shows of a stretch of time to those who look at dates and floating times in one zone. It does not change."""

    __slots__ = ("_laid", "_laid_weight", "dense", "is_whole", "weight")

    def __init__(self, laid: list[Laid], dense: list[Entry], weight: int, *, is_whole: bool) -> None:
        self._laid = laid
        self._laid_weight = weight
        self.dense = dense
        """Appointments of which nothing is in here: they give too much to be kept."""
        self.is_whole = is_whole
        """Whether there was time to look at all; what was not is taken for dense."""
        self.weight = _BASE_BYTES + weight + sum(each.weight for each in dense)
        """About how many bytes it takes in memory."""

    def beginning(self, begin: int, end: int) -> list[Laid]:
        """What begins from ``begin`` on and before ``end``, in order."""
        return self._laid[self._behind(begin) : self._behind(end)]

    def reaching(self, instant: int) -> list[Laid]:
        """What begins before an instant and ends after it, in order."""
        return [each for each in self._laid[: self._behind(instant)] if each[ENDS] > instant]

    def changed(self, where: Where, viewer_zone: str, gone: Collection[bytes], come: Iterable[Entry], budget: Budget) -> Stretch:
        """The same stretch, without the items that are gone, and with appointments that have come.

        Not whole, if the budget is spent.
        """
        laid, weight = self._laid.copy(), self._laid_weight
        if gone:
            laid = [each for each in laid if each[ITEM] not in gone]
            weight = _weight(laid)
        dense = [each for each in self.dense if each.item_id not in gone]
        for entry in come:
            found = _worth_keeping(entry, where, viewer_zone, budget) if weight <= _MOST_BYTES else None
            if found is None:
                dense.append(entry)
            else:
                laid += found
                weight += _weight(found)
        laid.sort()
        return Stretch(laid, dense, weight, is_whole=not budget.is_spent)

    def _behind(self, instant: int) -> int:
        """How many begin before an instant."""
        return bisect.bisect_left(self._laid, instant, key=_begins)


def _worth_keeping(entry: Entry, where: Where, viewer_zone: str, budget: Budget) -> list[Laid] | None:
    """What an appointment shows there; None if that is too much, or takes too long."""
    if where.bits >= entry.dense_from:
        return None
    budget.left -= _LOOK
    if budget.is_spent:
        return None
    given = min(STRETCH_STARTS, budget.left)
    own = Budget(given)
    found = entry.lay_anew(where.begin, where.end, viewer_zone, own)
    budget.left -= given - own.left
    if not own.is_spent and len(found) <= MOST_KEPT:
        return found
    if given == STRETCH_STARTS:
        entry.dense_from = where.bits
    return None


def _weight(laid: list[Laid]) -> int:
    return sum(map(len, map(_encoded, laid))) + OCCURRENCE_BYTES * len(laid)


EMPTY = Stretch([], [], 0, is_whole=True)
"""What a calendar without appointments shows."""
