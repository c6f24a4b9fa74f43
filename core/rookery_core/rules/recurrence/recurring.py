"""The starts of a series: by its rules and dates, without what they exclude. Exceptions are ``series``' business."""

from __future__ import annotations

import bisect
import datetime as dt
from typing import TYPE_CHECKING

from rookery_core.rules import calendar_time
from rookery_core.rules.recurrence import rule as rules
from rookery_core.rules.recurrence.starts import starts
from rookery_core.rules.recurrence.wall_clock import WallClock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery.v1.calendar_pb2 import CalendarTime, Recurrence
    from rookery_core.rules.recurrence.rule import Rule
    from rookery_core.rules.recurrence.starts import Budget

_SECOND = dt.timedelta(seconds=1)


class Recurring:
    """A series that begins at ``first``, by the wall clock ``clock``."""

    def __init__(self, start: CalendarTime, recurrence: Recurrence) -> None:
        """ValueError if ``start`` is malformed. Rules that can not be read are left out."""
        self.clock = WallClock(start)
        first = self.clock.read(start)
        if first is None:
            raise ValueError(start.local)
        self.first = first
        self.rules = self._readable(recurrence.rules)
        self._excluding = self._readable(recurrence.exclusion_rules)
        self._dates = sorted({point for date in recurrence.dates if (point := self.point(date)) is not None})
        self._excluded: set[dt.datetime] = set()
        self._excluded_days: set[dt.date] = set()
        for date in recurrence.excluded_dates:
            wall = self.clock.read(date)
            if wall is not None and calendar_time.is_date(date):
                self._excluded_days.add(wall.date())
            elif wall is not None:
                self._excluded.add(wall)

    @property
    def is_single(self) -> bool:
        """It has one start, or none."""
        return not self.rules and not self._dates

    def point(self, time: CalendarTime) -> dt.datetime | None:
        """What names an occurrence: a date means the one at the series' hour. None where it is malformed."""
        wall = self.clock.read(time)
        if wall is None or self.clock.is_dates or not calendar_time.is_date(time):
            return wall
        return dt.datetime.combine(wall.date(), self.first.time())

    def between(self, begin: dt.datetime, end: dt.datetime, budget: Budget) -> list[dt.datetime]:
        """Starts from ``begin`` on and before ``end``, ascending. Not all, if the budget is spent."""
        first = self.first
        if len(self.rules) == 1 and not self._dates and not self._excluding:
            listed = list(starts(self.rules[0], first, begin, end, budget))
            if begin <= first < end and (not listed or listed[0] != first):
                listed.insert(0, first)
        else:
            listed = self._together(begin, end, budget)
        if not self._excluded and not self._excluded_days:
            return listed
        return [start for start in listed if start not in self._excluded and start.date() not in self._excluded_days]

    def _together(self, begin: dt.datetime, end: dt.datetime, budget: Budget) -> list[dt.datetime]:
        """What several rules and dates give, ascending, each once."""
        found = set(self._dates[bisect.bisect_left(self._dates, begin) : bisect.bisect_left(self._dates, end)])
        if begin <= self.first < end:
            found.add(self.first)
        for rule in self.rules:
            found.update(starts(rule, self.first, begin, end, budget))
        for rule in self._excluding:
            found.difference_update(starts(rule, self.first, begin, end, budget))
        return sorted(found)

    def gives(self, start: dt.datetime, budget: Budget) -> bool:
        """Whether it is a start of the series."""
        return bool(self.between(start, start + _SECOND, budget))

    def _readable(self, texts: Iterable[str]) -> list[Rule]:
        return [self.clock.localized(rule) for text in texts if (rule := rules.parse(text)) is not None]
