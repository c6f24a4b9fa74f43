"""Occurrences: what a calendar shows of an appointment, single or recurring (RFC 5545 sections 3.8.4.4 and 3.8.5).

The start of the series is always an occurrence, whether or not the rule gives it. A time that the clocks skip moves forward with
them, and what would be over before then lasts as long as ever; two that meet in this way are one. An exception replaces the
occurrence whose original start it names, also where that is excluded (MS-OXOCAL lists changed occurrences among the deleted ones),
and stands for itself where the rule gives none.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from rookery_core.rules import calendar_time
from rookery_core.rules.recurrence.recurring import Recurring
from rookery_core.rules.recurrence.wall_clock import instant, moved, window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rookery.v1.calendar_pb2 import AppointmentSummary, CalendarTime, OccurrenceException
    from rookery_core.rules.recurrence.starts import Budget

_NONE = dt.timedelta()
_MICROSECOND = dt.timedelta(microseconds=1)


class Occurrence(NamedTuple):
    """One appointment in time. Instants in microseconds since 1970."""

    begins: int
    ends: int
    """Not before ``begins``."""
    original: dt.datetime
    """Which occurrence of its series: the start that the rule gave it, by the wall clock of the series."""
    exception: OccurrenceException | None
    """What tells how it differs from the series, besides the time; None: it does not."""
    series: Series
    walls: tuple[dt.datetime, dt.datetime] | None
    """Start and end by the wall clock of the series; None where the exception says them."""

    @property
    def original_start(self) -> CalendarTime:
        """Which occurrence of its series, as an exception names it."""
        return self.series.recurring.clock.time(self.original)

    @property
    def start(self) -> CalendarTime:
        """Its first instant or day."""
        return self.series.times(self)[0]

    @property
    def end(self) -> CalendarTime:
        """The first instant or day after it."""
        return self.series.times(self)[1]


class Lasting(NamedTuple):
    """An exception that holds for all that comes after it too (RANGE=THISANDFUTURE)."""

    original: dt.datetime
    exception: OccurrenceException
    shift: dt.timedelta
    """How much later they begin."""
    length: dt.timedelta | None
    """How long they last; None: as long as the series says."""


class Series:
    """An appointment, ready to be laid out. It knows no viewer and no window, so it may be kept and asked again."""

    def __init__(self, appointment: AppointmentSummary) -> None:
        """ValueError if the start is malformed: such an appointment has no place in a calendar."""
        self._start = appointment.start
        self._end = appointment.end if appointment.HasField("end") else appointment.start
        self.recurring = Recurring(appointment.start, appointment.recurrence)
        self.travels = self._start.time_zone != self._end.time_zone
        """Whether it ends in another zone than it begins in."""
        last = self.recurring.clock.read(self._end)
        self._length = _NONE if last is None else max(_NONE, last - self.recurring.first)
        self.longest = self._length
        """At least as long as any occurrence lasts by the clocks."""
        self._before = self._length
        """How long before a window an occurrence may have its original start."""
        self._after = _NONE
        """How long after it."""
        self._exceptions: dict[dt.datetime, OccurrenceException] = {}
        self._lasting: list[Lasting] = []
        if appointment.exceptions:
            self._except(appointment.exceptions)

    def _except(self, exceptions: Iterable[OccurrenceException]) -> None:
        """Takes what differs from the series."""
        for exception in exceptions:
            original = self.recurring.point(exception.original_start)
            if original is not None:
                self._exceptions.setdefault(original, exception)
        self._lasting = [
            self._lasting_one(original, exception)
            for original, exception in sorted(self._exceptions.items(), key=lambda each: each[0])
            if exception.this_and_future
        ]
        self.longest = max([self._length, *map(self._length_of, self._exceptions.items())])
        longest = max([self._length, *(each.length for each in self._lasting if each.length is not None)])
        self._before = longest + max([_NONE, *(each.shift for each in self._lasting)])
        self._after = -min([_NONE, *(each.shift for each in self._lasting)])

    def between(self, begin: int, end: int, viewer_zone: str, budget: Budget) -> list[Occurrence]:
        """Occurrences that reach into the time from ``begin`` to before ``end``, by their beginnings.

        ``viewer_zone`` is where dates and floating times are looked at. Not all, if the budget is spent.
        """
        listed = self._regular(begin, end, viewer_zone, budget)
        if self._exceptions:
            listed += self._excepted(begin, end, viewer_zone, budget)
        return sorted(listed)  # no two have the same original start, so what comes behind it is not compared

    def times(self, occurrence: Occurrence) -> tuple[CalendarTime, CalendarTime]:
        """Start and end of one of its occurrences, as they are meant."""
        if occurrence.walls is None:
            return self._excepted_times(occurrence.original, occurrence.exception)
        first, last = occurrence.walls
        start = self.recurring.clock.time(first)
        return start, calendar_time.moved(self._start, self._end, start) if self.travels else self.recurring.clock.time(last)

    def _regular(self, begin: int, end: int, viewer_zone: str, budget: Budget) -> list[Occurrence]:
        """Those without exceptions of their own."""
        zone = self.recurring.clock.zone(viewer_zone)
        first, last = window(begin, end, zone)
        found: dict[int, Occurrence] = {}
        for original in self.recurring.between(moved(first, -self._before), moved(last, self._after), budget):
            if original in self._exceptions:
                continue
            start, length, exception = original, self._length, None
            try:
                if self._lasting and (lasting := self.lasting_at(original)) is not None:
                    exception = lasting.exception
                    if exception.cancelled:
                        continue
                    start += lasting.shift
                    length = self._length if lasting.length is None else lasting.length
                until = start + length
            except OverflowError:
                continue
            begins = instant(start, zone)
            ends = instant(until, zone)
            if ends <= begins:  # the clocks skip the start, and with it what there was until the end
                ends = begins + length // _MICROSECOND
            if begins < end and (ends > begin or begins >= begin):
                found[begins] = Occurrence(begins, ends, original, exception, self, (start, until))
        return list(found.values())

    def _excepted(self, begin: int, end: int, viewer_zone: str, budget: Budget) -> Iterator[Occurrence]:
        """The exceptions that stand, each for its own occurrence."""
        budget.left -= len(self._exceptions)
        for original, exception in self._exceptions.items():
            if exception.cancelled:
                continue
            start, last = self._excepted_times(original, exception)
            begins = calendar_time.instant(start, viewer_zone)
            if begins is None:
                continue
            ends = max(begins, calendar_time.instant(last, viewer_zone) or begins)
            if _reaches(begins, ends, begin, end):
                yield Occurrence(begins, ends, original, exception, self, None)

    def _excepted_times(self, original: dt.datetime, exception: OccurrenceException | None) -> tuple[CalendarTime, CalendarTime]:
        start = self.recurring.clock.time(original)
        if exception is not None:
            start = exception.start if exception.HasField("start") else start
            if exception.HasField("end"):
                return start, exception.end
        return start, calendar_time.moved(self._start, self._end, start)

    def _length_of(self, excepted: tuple[dt.datetime, OccurrenceException]) -> dt.timedelta:
        return self._duration(*self._excepted_times(*excepted))

    def lasting_at(self, original: dt.datetime) -> Lasting | None:
        """What holds for an occurrence without an exception of its own."""
        found = None
        for each in self._lasting:
            if each.original > original:
                break
            found = each
        return found

    def _lasting_one(self, original: dt.datetime, exception: OccurrenceException) -> Lasting:
        start = exception.start if exception.HasField("start") else self.recurring.clock.time(original)
        shown = self.recurring.clock.read(start)
        shift = _NONE if shown is None else shown - original
        length = self._duration(start, exception.end) if exception.HasField("end") else None
        return Lasting(original, exception, shift, length)

    def _duration(self, start: CalendarTime, end: CalendarTime) -> dt.timedelta:
        """By the wall clock of the series."""
        first, last = self.recurring.clock.read(start), self.recurring.clock.read(end)
        return _NONE if first is None or last is None else max(_NONE, last - first)


def _reaches(begins: int, ends: int, begin: int, end: int) -> bool:
    """Whether it is in a window, in part at least; what takes no time, if it is not before it."""
    return begins < end and (ends > begin or begins >= begin)
