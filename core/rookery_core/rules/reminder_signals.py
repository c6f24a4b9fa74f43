"""When the reminders of an appointment are to be shown: those of a single one, or along a series, searched in stretches of time.

A series may have no end, and its exceptions reminders of their own, so that what begins first is not what is told of first. Either
search goes on until nothing that it has not looked at could come before what it found, and its work is bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.calendar_pb2 import RESPONSE_STATUS_DECLINED
from rookery.v1.item_pb2 import ItemSummary
from rookery_core.rules import calendar_time, limits
from rookery_core.rules.recurrence.series import Series
from rookery_core.rules.recurrence.starts import Budget

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery_core.rules.recurrence.series import Occurrence

MINUTE = 60 * calendar_time.SECOND
UNCERTAIN = calendar_time.FLOATING_BEFORE + calendar_time.FLOATING_AFTER
"""How much later one viewer's midnight may come than another's."""

_LAST = (limits.LAST_SECOND + 1) * calendar_time.SECOND
_STARTS = 1_000
"""Starts that a search looks at."""
_STRETCH_STARTS = 250
"""Starts that it looks at in one stretch of time."""
_STRETCH = 8 * calendar_time.DAY
_LEAST_STRETCH = MINUTE
_GROWTH, _SHRINKING = 4, 16


class Signal(NamedTuple):
    """A reminder of one occurrence. Instants in microseconds since 1970."""

    at: int
    """When it is to be shown."""
    occurrence: Occurrence


class Signals:
    """The reminders of an appointment. ``zone`` is where dates and floating times are looked at."""

    def __init__(self, summary: ItemSummary, zone: str) -> None:
        """ValueError if the start is malformed."""
        appointment = summary.appointment
        self.is_series = bool(appointment.recurrence.rules or appointment.recurrence.dates)
        if not appointment.HasField("reminder_minutes"):
            summary = _exceptions_alone(summary)
            appointment = summary.appointment
        self._series = Series(appointment)
        self._zone = zone
        self._minutes = appointment.reminder_minutes if appointment.HasField("reminder_minutes") else None
        self._response = appointment.my_response
        self._exceptions = len(appointment.exceptions)
        minutes = [each.reminder_minutes for each in appointment.exceptions if each.HasField("reminder_minutes")]
        minutes += [] if self._minutes is None else [self._minutes]
        self.is_dates = self._series.recurring.clock.is_dates
        self.is_local = not appointment.start.time_zone or any(
            each.HasField("start") and not each.start.time_zone for each in appointment.exceptions
        )
        """Whether it depends on the viewer's zone."""
        self.least = min(minutes, default=0) * MINUTE
        """How long before its occurrence each is to be shown at least."""
        self.most = max(minutes, default=0) * MINUTE
        """How long before it at most."""
        first, last = calendar_time.span(summary) or (0, 0)
        self._begin = first - calendar_time.FLOATING_BEFORE
        self._end = _LAST if last is None else last + calendar_time.FLOATING_BEFORE + 1

    def first(self, wanted: Callable[[Signal], bool], begin: int, end: int = _LAST) -> tuple[Signal | None, int | None]:
        """The first that is wanted, of occurrences that reach into the time from ``begin`` to before ``end``.

        Beside it None, or the time before which nothing else can be, if the search was given up there.
        """
        begin, end, best = max(begin, self._begin), min(end, self._end), None
        start, width, budget = begin, _STRETCH, Budget(_STARTS)
        while not budget.is_spent:
            if start >= end:
                return best, None
            until = min(start + width, end)
            found = self._between(start, until, budget)
            if found is None and width > _LEAST_STRETCH:
                width //= _SHRINKING
                continue
            new = (each for each in found or () if start == begin or each.occurrence.begins >= start)
            best = min(filter(wanted, new if best is None else (best, *new)), key=_at, default=None)
            if best is not None and best.at <= until - self.most:
                return best, None
            start, width = until, width * _GROWTH
        return best, start - self.most

    def last(self, wanted: Callable[[Signal], bool], until: int, floor: int) -> Signal | None:
        """The last that is wanted and to be shown at ``until`` or before, of occurrences that are not over at ``floor``."""
        floor, end, best = max(floor, self._begin), min(until + self.most + 1, self._end), None
        width, budget = _STRETCH, Budget(_STARTS)
        while end > floor and not budget.is_spent:
            start = max(end - width, floor)
            found = self._between(start, end, budget)
            if found is None and width > _LEAST_STRETCH:
                width //= _SHRINKING
                continue
            new = (each for each in found or () if each.at <= until)
            best = max(filter(wanted, new if best is None else (best, *new)), key=_at, default=None)
            if best is not None and best.at >= start - self.least:
                break
            end, width = start, width * _GROWTH
        return best

    def _between(self, begin: int, end: int, budget: Budget) -> list[Signal] | None:
        """Those of the occurrences that reach into a stretch of time; None if they are too many to be looked at."""
        own = Budget(_STRETCH_STARTS + self._exceptions)
        occurrences = self._series.between(begin, end, self._zone, own)
        budget.left -= _STRETCH_STARTS - max(own.left - self._exceptions, 0) + 1
        return None if own.is_spent else [signal for each in occurrences if (signal := self._signal(each)) is not None]

    def _signal(self, occurrence: Occurrence) -> Signal | None:
        minutes, response, exception = self._minutes, self._response, occurrence.exception
        if exception is not None:
            minutes = exception.reminder_minutes if exception.HasField("reminder_minutes") else minutes
            response = exception.my_response or response
        if minutes is None or response == RESPONSE_STATUS_DECLINED:
            return None
        return Signal(within(occurrence.begins - minutes * MINUTE), occurrence)


def within(micros: int) -> int:
    """The instant, or the nearest that a google.protobuf.Timestamp can hold."""
    return min(max(micros, limits.FIRST_SECOND * calendar_time.SECOND), limits.LAST_SECOND * calendar_time.SECOND)


def _exceptions_alone(summary: ItemSummary) -> ItemSummary:
    """A series of which only exceptions have reminders, without its rule: nobody has to look for occurrences that have none."""
    found = ItemSummary()
    found.CopyFrom(summary)
    if not any(each.this_and_future for each in summary.appointment.exceptions):
        found.appointment.ClearField("recurrence")
    return found


def _at(signal: Signal) -> int:
    return signal.at
