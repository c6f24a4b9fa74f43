"""Appointments ready to be laid out: what agendas show of each occurrence, encoded.

Laying a series out costs much more than saying it once more, and calendars are looked at again and again. So what many
appointments give together is kept in ``stretches``; and a series that is asked by itself keeps what it gave, in stretches of some
weeks, each for all viewers or, where dates and floating times are concerned, for one zone. One that gives very many occurrences is
laid out anew each time.
"""

from __future__ import annotations

import bisect
import datetime as dt
from typing import TYPE_CHECKING, Final, NamedTuple

from rookery_core.rules import calendar_time
from rookery_core.rules.recurrence.occurrence_encoding import Encoding
from rookery_core.rules.recurrence.series import Series
from rookery_core.rules.recurrence.starts import Budget

if TYPE_CHECKING:
    from rookery.v1.item_pb2 import ItemSummary
    from rookery_core.rules.recurrence.series import Occurrence

STRETCH_BITS = 41
"""A stretch has 2^41 microseconds: 25 days."""
_MOST_STRETCHES = 16
"""Stretches that a series keeps, the latest asked for; and as many are put together for one answer at most."""
MOST_KEPT = 2_000
"""Occurrences that a stretch may hold."""
STRETCH_STARTS = 5_000
"""Starts that are looked at for it."""
_ALWAYS = range(1)
_NEVER = 64
_EVER = -(1 << 62), 1 << 62
_SLACK = 2 * calendar_time.DAY
"""What an occurrence may last longer by instants than by the clocks."""
_BASE_BYTES, _SERIES_BYTES, _STRETCH_BYTES = 3_000, 500, 300
"""About what an appointment takes in memory, with what it keeps."""
OCCURRENCE_BYTES = 250
"""And one occurrence that is kept, beside its encoding."""


Laid = tuple[int, bytes, dt.datetime, int, bytes]
"""An occurrence in its place; they sort as agendas have them. When it begins; the item; which occurrence of its series: the start
that the rule gave it, by the series' wall clock; when it ends; and the rookery.v1.Occurrence, as an entry of a
ListOccurrencesResponse: with its tag and its length.

A tuple and nothing more: Python's garbage collector leaves such alone, and there are tens of thousands of them.
"""
BEGINS: Final = 0
ITEM: Final = 1
ORIGINAL: Final = 2
ENDS: Final = 3
ENCODED: Final = 4


class _Stretch(NamedTuple):
    begins: list[int]
    laid: list[Laid]
    weight: int


class Entry:
    """An appointment. It knows no viewer and no window, so it may be kept, asked again, and shared between threads."""

    __slots__ = (
        "_encoding",
        "_local",
        "_overlaps",
        "_own_weight",
        "_reach",
        "_stretches",
        "dense_from",
        "is_series",
        "item_id",
        "series",
        "weight",
    )

    def __init__(self, item_id: bytes, summary: ItemSummary) -> None:
        """ValueError if the start is malformed: such an appointment has no place in a calendar."""
        appointment = summary.appointment
        self.item_id = item_id
        self.series = Series(appointment)
        self.is_series = not self.series.recurring.is_single
        """Whether it has a rule, or several dates."""
        self._encoding = Encoding(item_id, summary, is_recurring=self.is_series)
        self._local = not appointment.start.time_zone or any(
            each.HasField("start") and not each.start.time_zone for each in appointment.exceptions
        )
        self._reach = self.series.longest // dt.timedelta(microseconds=1) + _SLACK
        self.dense_from = _NEVER
        """It gives too many occurrences to be kept in stretches of 2^dense_from microseconds, and in longer ones."""
        self._overlaps = self.is_series and self._reach >> STRETCH_BITS >= _MOST_STRETCHES // 2
        self._stretches: dict[tuple[str, int], _Stretch] = {}
        self._own_weight = self.weight = _BASE_BYTES + summary.ByteSize() + (_SERIES_BYTES if self.is_series else 0)
        """About how many bytes it takes in memory; grows with what it keeps."""

    def lay(self, begin: int, end: int, viewer_zone: str, budget: Budget) -> list[Laid]:
        """Occurrences that reach into the time from ``begin`` to before ``end``, by their beginnings.

        ``viewer_zone`` is where dates and floating times are looked at. Not all, if the budget is spent.
        """
        numbers = range((begin - self._reach) >> STRETCH_BITS, ((end - 1) >> STRETCH_BITS) + 1) if self.is_series else _ALWAYS
        if self._overlaps or self.dense_from <= STRETCH_BITS or len(numbers) > _MOST_STRETCHES:
            return self.lay_anew(begin, end, viewer_zone, budget)
        zone = viewer_zone if self._local else ""
        found: list[Laid] = []
        for number in numbers:
            stretch = self._stretches.get((zone, number)) or self._keep(zone, number, viewer_zone, budget)
            if stretch is None:
                return self.lay_anew(begin, end, viewer_zone, budget)
            if stretch.laid:
                first = bisect.bisect_left(stretch.begins, begin - self._reach)
                found += stretch.laid[first : bisect.bisect_left(stretch.begins, end)]
        if found and found[0][BEGINS] < begin:
            return [each for each in found if each[BEGINS] >= begin or each[ENDS] > begin]
        return found

    def lay_anew(self, begin: int, end: int, viewer_zone: str, budget: Budget) -> list[Laid]:
        """The same, and nothing is kept."""
        return [self._laid(each) for each in self.series.between(begin, end, viewer_zone, budget)]

    def _laid(self, occurrence: Occurrence) -> Laid:
        encoded = self._encoding.encoded(occurrence)
        return occurrence.begins, self.item_id, occurrence.original, occurrence.ends, encoded

    def _keep(self, zone: str, number: int, viewer_zone: str, budget: Budget) -> _Stretch | None:
        """The occurrences that begin within a stretch; None if they are too many to be kept."""
        begin, end = (number << STRETCH_BITS, (number + 1) << STRETCH_BITS) if self.is_series else _EVER
        own = Budget(STRETCH_STARTS)
        found = self.series.between(begin, end, viewer_zone, own)
        budget.left -= STRETCH_STARTS - max(own.left, 0)
        if own.is_spent or len(found) > MOST_KEPT:
            self.dense_from = STRETCH_BITS
            self._stretches = {}
            return None
        laid = [self._laid(each) for each in found if each.begins >= begin]
        weight = _STRETCH_BYTES + sum(OCCURRENCE_BYTES + len(each[ENCODED]) for each in laid)
        stretch = _Stretch([each[BEGINS] for each in laid], laid, weight)
        kept = dict(self._stretches)  # others may be looking at it
        while len(kept) >= _MOST_STRETCHES:
            kept.pop(next(iter(kept)))
        kept[zone, number] = stretch
        self._stretches = kept
        self.weight = self._own_weight + sum(each.weight for each in kept.values())
        return stretch
