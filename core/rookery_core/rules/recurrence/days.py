"""The days that a rule names in one period: a year, a month, a week, a day. Days are proleptic ordinals (``date.toordinal``).

Parts of a rule limit each other, as RFC 5545's table has it, whichever the order. Where a rule says nothing finer than its
frequency, the series' first day says it.
"""

from __future__ import annotations

import calendar
import datetime as dt
import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery_core.rules.recurrence.rule import Rule

LAST = dt.date.max.toordinal()


@functools.lru_cache(maxsize=16_384)
def of_year(rule: Rule, first: int, year: int) -> tuple[int, ...]:
    """Of a yearly rule, in order. ``first`` is the series' first day."""
    begin, end = dt.date(year, 1, 1).toordinal(), dt.date(year, 12, 31).toordinal()
    start = dt.date.fromordinal(first)
    if not (rule.weeks or rule.year_days or rule.month_days or rule.weekdays):
        months = rule.months or (start.month,)
        return tuple(dt.date(year, month, start.day).toordinal() for month in months if start.day <= _length(year, month))
    if rule.months and not (rule.weeks or rule.year_days):
        found = [_in_month(rule, year, month) for month in rule.months]
    elif not rule.weeks and not rule.year_days and rule.month_days and not any(each.ordinal for each in rule.weekdays):
        found = [_in_month(rule, year, month) for month in range(1, 13)]
    else:
        found = [_in_year(rule, start, begin, end, year)]
    return tuple(day for days in found for day in days)


@functools.lru_cache(maxsize=16_384)
def of_month(rule: Rule, first: int, year: int, month: int) -> tuple[int, ...]:
    """Of a monthly rule, in order."""
    if rule.months and month not in rule.months:
        return ()
    if rule.month_days or rule.weekdays:
        return tuple(_in_month(rule, year, month))
    day = dt.date.fromordinal(first).day
    return (dt.date(year, month, day).toordinal(),) if day <= _length(year, month) else ()


def of_week(rule: Rule, first: int, begin: int) -> list[int]:
    """Of a weekly rule, in order; ``begin`` is the week's first day."""
    found = [begin + behind for behind in in_week(rule, weekday(first), weekday(begin))]
    if begin <= 0 or begin > LAST - 7:
        found = [day for day in found if 0 < day <= LAST]
    return [day for day in found if _fits_month(rule, day)] if rule.months or rule.month_days else found


@functools.lru_cache(maxsize=4096)
def in_week(rule: Rule, first: int, begin: int) -> tuple[int, ...]:
    """How far behind a week's first day those are that a weekly rule names; both by their weekdays."""
    wanted = {each.day for each in rule.weekdays} or {first}
    return tuple(sorted((day - begin) % 7 for day in wanted))


def fits_day(rule: Rule, day: int) -> bool:
    """Whether a rule by the day or finer leaves the day in."""
    if rule.weekdays and all(weekday(day) != each.day for each in rule.weekdays):
        return False
    if rule.year_days and day not in _year_days(rule, dt.date.fromordinal(day).year):
        return False
    return _fits_month(rule, day)


def weekday(day: int) -> int:
    """0 is Monday."""
    return (day + 6) % 7


def week_begin(day: int, week_start: int) -> int:
    """The first day of the week that a day is in."""
    return day - (weekday(day) - week_start) % 7


def _fits_month(rule: Rule, day: int) -> bool:
    if not rule.months and not rule.month_days:
        return True
    date = dt.date.fromordinal(day)
    if rule.months and date.month not in rule.months:
        return False
    return not rule.month_days or date.day in rule.month_days or date.day - _length(date.year, date.month) - 1 in rule.month_days


def _in_month(rule: Rule, year: int, month: int) -> list[int]:
    length = _length(year, month)
    begin = dt.date(year, month, 1).toordinal()
    days = set(range(begin, begin + length))
    if rule.month_days:
        days &= _numbered(rule.month_days, begin, length)
    if rule.weekdays:
        days &= _weekdays(rule, begin, begin + length - 1)
    return sorted(days)


def _in_year(rule: Rule, start: dt.date, begin: int, end: int, year: int) -> list[int]:
    days = set(range(begin, end + 1))
    if rule.year_days:
        days &= _year_days(rule, year)
    if rule.weeks:
        days = {day for day in days if _in_weeks(rule, day)}
        if not (rule.weekdays or rule.month_days or rule.year_days):
            days = {day for day in days if weekday(day) == start.weekday()}
    if rule.months or rule.month_days:
        days = {day for day in days if _fits_month(rule, day)}
    if rule.weekdays:
        days &= _yearly_weekdays(rule, begin, end, year)
    return sorted(days)


def _yearly_weekdays(rule: Rule, begin: int, end: int, year: int) -> set[int]:
    """Ordinals count in the month where months are named, else in the year; beside weeks they mean nothing."""
    if rule.weeks:
        wanted = {each.day for each in rule.weekdays}
        return {day for day in range(begin, end + 1) if weekday(day) in wanted}
    if not rule.months:
        return _weekdays(rule, begin, end)
    firsts = [(dt.date(year, month, 1).toordinal(), _length(year, month)) for month in rule.months]
    return {day for first, length in firsts for day in _weekdays(rule, first, first + length - 1)}


def _weekdays(rule: Rule, begin: int, end: int) -> set[int]:
    """Days of BYDAY between two days, ordinals counted in there."""
    days: set[int] = set()
    for ordinal, day in rule.weekdays:
        if ordinal == 0:
            days.update(range(begin + (day - weekday(begin)) % 7, end + 1, 7))
        elif ordinal > 0:
            days.add(begin + (day - weekday(begin)) % 7 + 7 * (ordinal - 1))
        else:
            days.add(end - (weekday(end) - day) % 7 + 7 * (ordinal + 1))
    return {day for day in days if begin <= day <= end}


def _year_days(rule: Rule, year: int) -> set[int]:
    return _numbered(rule.year_days, dt.date(year, 1, 1).toordinal(), 366 if calendar.isleap(year) else 365)


def _numbered(numbers: Iterable[int], begin: int, length: int) -> set[int]:
    """The n-th days of a stretch, from its end where negative."""
    indexes = (number - 1 if number > 0 else length + number for number in numbers)
    return {begin + index for index in indexes if 0 <= index < length}


def _in_weeks(rule: Rule, day: int) -> bool:
    """Whether the day's week is named. Week 1 is the first with four days in the year (ISO 8601, but for the week's first day)."""
    year, number = _week(day, rule.week_start)
    if number in rule.weeks:
        return True
    return number - _week(dt.date(year, 12, 28).toordinal(), rule.week_start)[1] - 1 in rule.weeks


def _week(day: int, week_start: int) -> tuple[int, int]:
    middle = min(max(week_begin(day, week_start) + 3, 1), LAST)
    year = dt.date.fromordinal(middle).year
    return year, (middle - dt.date(year, 1, 1).toordinal()) // 7 + 1


def _length(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]
