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
    STRETCH_BITS,
    STRETCH_STARTS,
)
from rookery_core.rules.recurrence.starts import Budget

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rookery_core.rules.recurrence.entries import Entry, Laid

_STEP_BITS = 3
_MOST_LAID = 50_000
"""Occurrences in a stretch, about."""
_LOOK = 0.2
"""What looking at an appointment costs, beside its starts."""
_BASE_BYTES = 500
_begins = itemgetter(BEGINS)


class Where(NamedTuple):
    """Which stretch of time: all of the same length lie end to end."""

    bits: int
    """It has 2^bits microseconds: 41 are 25 days, 44 are 203 days, and so on."""
    number: int
    """Counted from 1970 on."""

    @classmethod
    def at(cls, instant: int, wanted: int) -> Where:
        """The stretch which holds an instant, of the greatest length up to the one wanted, or the least."""
        more = max(0, wanted.bit_length() - 1 - STRETCH_BITS)
        bits = STRETCH_BITS + more // _STEP_BITS * _STEP_BITS
        return cls(bits, instant >> bits)

    @property
    def is_shortest(self) -> bool:
        """None is shorter."""
        return self.bits == STRETCH_BITS

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
        """Where the spans (``calendar_time.span``) of appointments that may show there end, at the least, and begin before.

        Spans count dates in UTC: a viewer's midnight comes up to 14 hours before, or 12 hours after.
        """
        return self.begin - calendar_time.FLOATING_AFTER, self.end + calendar_time.FLOATING_BEFORE


class Stretch:
    """What a calendar shows of a stretch of time to those who look at dates and floating times in one zone. It does not change."""

    __slots__ = ("_laid", "dense", "is_whole", "weight")

    def __init__(self, laid: list[Laid], dense: list[Entry], *, is_whole: bool) -> None:
        self._laid = laid
        self.dense = dense
        """Appointments of which nothing is in here: they give too much to be kept."""
        self.is_whole = is_whole
        """Whether there was time to look at all; what was not is taken for dense."""
        self.weight = _BASE_BYTES + sum(len(each[ENCODED]) for each in laid) + OCCURRENCE_BYTES * len(laid)
        """About how many bytes it takes in memory."""
        self.weight += sum(each.weight for each in dense)

    def beginning(self, begin: int, end: int) -> list[Laid]:
        """What begins from ``begin`` on and before ``end``, in order."""
        return self._laid[self._behind(begin) : self._behind(end)]

    def reaching(self, instant: int) -> list[Laid]:
        """What begins before an instant and ends after it, in order."""
        return [each for each in self._laid[: self._behind(instant)] if each[ENDS] > instant]

    def changed(self, where: Where, viewer_zone: str, gone: Collection[bytes], come: Iterable[Entry], budget: Budget) -> Stretch:
        """The same stretch, without the items that are gone, and with appointments that have come."""
        laid = [each for each in self._laid if each[ITEM] not in gone] if gone else self._laid.copy()
        dense = [each for each in self.dense if each.item_id not in gone]
        is_whole = True
        for entry in come:
            if where.bits >= entry.dense_from or len(laid) >= _MOST_LAID:
                dense.append(entry)
                continue
            budget.left -= _LOOK
            if budget.is_spent:
                dense.append(entry)
                is_whole = False
                continue
            given = min(STRETCH_STARTS, budget.left)
            own = Budget(given)
            found = entry.lay_anew(where.begin, where.end, viewer_zone, own)
            budget.left -= given - max(own.left, 0)
            if not own.is_spent and len(found) <= MOST_KEPT:
                laid += found
                continue
            dense.append(entry)
            if given < STRETCH_STARTS:
                is_whole = False
            else:
                entry.dense_from = where.bits
        laid.sort()
        return Stretch(laid, dense, is_whole=is_whole)

    def _behind(self, instant: int) -> int:
        """How many begin before an instant."""
        return bisect.bisect_left(self._laid, instant, key=_begins)


EMPTY = Stretch([], [], is_whole=True)
"""What a calendar without appointments shows."""
