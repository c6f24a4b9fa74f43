"""The starts that a rule gives a series, in wall-clock time: naive datetimes, ascending.

Nothing is stepped through that can be jumped over: a window far from the series' beginning costs what it holds, unless a COUNT has
to be counted whose periods differ.
"""

from __future__ import annotations

import datetime as dt
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from rookery_core.rules.recurrence import days
from rookery_core.rules.recurrence.rule import Frequency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rookery_core.rules.recurrence.rule import Rule

_DAY_SECONDS = 86_400
_UNIT = {Frequency.HOURLY: 3600, Frequency.MINUTELY: 60, Frequency.SECONDLY: 1}
_FOREVER = dt.datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001 - wall-clock time is naive
_LOOK = 0.05
"""What looking at a period costs, beside a start."""
_AT_ONCE = 64
"""Periods that are laid out together where all are alike."""


class Budget:
    """How many starts may be looked at, in all that is asked for with it."""

    __slots__ = ("left",)

    def __init__(self, starts: float) -> None:
        self.left: float = starts

    @property
    def is_spent(self) -> bool:
        """Not everything was looked at: what came of it is incomplete."""
        return self.left < 0


class _Period(NamedTuple):
    """A period: its first day, and the starts in it."""

    day: int
    starts: Sequence[dt.datetime]


def starts(rule: Rule, first: dt.datetime, begin: dt.datetime, end: dt.datetime, budget: Budget) -> Iterator[dt.datetime]:
    """Those of a series that begins at ``first``, from ``begin`` on and before ``end``.

    ``first`` itself is among them only if the rule gives it. UNTIL is compared as it stands: whoever has one in UTC brings it into
    the series' zone before. Ends early if the budget is spent.
    """
    return (_alike if _is_alike(rule) else _looked_for)(rule, first, begin, end, budget)


def _is_alike(rule: Rule) -> bool:
    """Whether each of its periods gives the same weekdays, or its one day, at the series' hour."""
    limited = rule.months or rule.month_days or rule.year_days or rule.weeks or rule.positions
    if limited or rule.hours or rule.minutes or rule.seconds:
        return False
    return rule.frequency == Frequency.WEEKLY or (rule.frequency == Frequency.DAILY and not rule.weekdays)


def _alike(rule: Rule, first: dt.datetime, begin: dt.datetime, end: dt.datetime, budget: Budget) -> Iterator[dt.datetime]:
    """``starts``, for most of the rules that people make, by adding up alone."""
    behind: tuple[int, ...] = (0,)
    base, length = first.toordinal(), rule.interval
    if rule.frequency == Frequency.WEEKLY:
        base, length = days.week_begin(base, rule.week_start), 7 * length
        behind = days.in_week(rule, first.weekday(), days.weekday(base))
    passed = max(0, (begin.toordinal() - base) // length)
    left = rule.limit
    if left is not None and passed:
        left -= passed * len(behind) - sum(base + each < first.toordinal() for each in behind)
    until = _FOREVER if rule.until is None else rule.until.wall
    last, time = min(end, until).toordinal(), first.time()
    for begun in range(base + passed * length, last + 1, _AT_ONCE * length):
        periods = range(begun, min(begun + _AT_ONCE * length, last + 1), length)
        listed = [period + each for period in periods for each in behind]
        budget.left -= len(listed) + len(periods) * _LOOK
        if budget.is_spent or (left is not None and left <= 0):
            return
        if listed[0] <= 0 or listed[-1] > days.LAST:
            listed = [day for day in listed if 0 < day <= days.LAST]
        found = [dt.datetime.combine(dt.date.fromordinal(day), time) for day in listed]
        if begun == base:
            found = [start for start in found if start >= first]
        if left is not None:
            found = found[:left]
            left -= len(found)
        if found and (found[0] < begin or found[-1] >= end or found[-1] > until):
            found = [start for start in found if begin <= start < end and start <= until]
        yield from found


def _looked_for(rule: Rule, first: dt.datetime, begin: dt.datetime, end: dt.datetime, budget: Budget) -> Iterator[dt.datetime]:
    """``starts``, period by period."""
    until = _FOREVER if rule.until is None else rule.until.wall
    left = rule.limit
    skip_to = max(begin.toordinal(), first.toordinal())
    if left is not None:
        skip_to, left = _counted(rule, first, skip_to, left)
    last = min(end, until).toordinal()
    for day, found in _periods(rule, first, skip_to):
        budget.left -= len(found) + _LOOK
        if day > last or budget.is_spent or (left is not None and left <= 0):
            return
        for start in found:
            if start < first:
                continue
            if start >= end or start > until or left == 0:
                return
            if left is not None:
                left -= 1
            if start >= begin:
                yield start


def _counted(rule: Rule, first: dt.datetime, to: int, count: int) -> tuple[int, int]:
    """A day to begin at on the way to another, and what is left of a COUNT there: as far as it is known without counting."""
    beginning = first.toordinal()
    limited = rule.months or rule.month_days or rule.year_days or rule.weeks or rule.positions
    if (
        limited
        or rule.frequency not in {Frequency.DAILY, Frequency.WEEKLY}
        or (rule.frequency == Frequency.DAILY and rule.weekdays)
    ):
        return beginning, count
    length = rule.interval * (7 if rule.frequency == Frequency.WEEKLY else 1)
    base = days.week_begin(beginning, rule.week_start) if rule.frequency == Frequency.WEEKLY else beginning
    passed = max(0, (to - base) // length)
    if passed < 2:
        return beginning, count
    begun = next(_periods(rule, first, beginning)).starts
    each = len({weekday.day for weekday in rule.weekdays} or {0}) * _times_a_day(rule)
    return base + passed * length, count - sum(start >= first for start in begun) - (passed - 1) * each


def _times_a_day(rule: Rule) -> int:
    return (len(rule.hours) or 1) * (len(rule.minutes) or 1) * (len(rule.seconds) or 1)


def _periods(rule: Rule, first: dt.datetime, to: int) -> Iterator[_Period]:
    """The rule's periods from that on which holds a day, or the one before it."""
    if rule.frequency > Frequency.DAILY:
        return _fine_periods(rule, first, to)
    return _day_periods(rule, first, to)


def _day_periods(rule: Rule, first: dt.datetime, to: int) -> Iterator[_Period]:
    times = [
        dt.time(*each)
        for each in product(rule.hours or (first.hour,), rule.minutes or (first.minute,), rule.seconds or (first.second,))
    ]
    for day, found in _DAYS_BY[rule.frequency](rule, first, to):
        listed = [dt.datetime.combine(dt.date.fromordinal(each), time) for each in found for time in times]
        yield _Period(day, _positioned(listed, rule.positions))


def _yearly(rule: Rule, first: dt.datetime, to: int) -> Iterator[tuple[int, Sequence[int]]]:
    beginning = first.toordinal()
    passed = max(0, (dt.date.fromordinal(to).year - first.year) // rule.interval)
    for year in range(first.year + passed * rule.interval, dt.MAXYEAR + 1, rule.interval):
        yield dt.date(year, 1, 1).toordinal(), days.of_year(rule, beginning, year)


def _monthly(rule: Rule, first: dt.datetime, to: int) -> Iterator[tuple[int, Sequence[int]]]:
    beginning, target = first.toordinal(), dt.date.fromordinal(to)
    base = first.year * 12 + first.month - 1
    passed = max(0, (target.year * 12 + target.month - 1 - base) // rule.interval)
    for month in range(base + passed * rule.interval, (dt.MAXYEAR + 1) * 12, rule.interval):
        yield dt.date(month // 12, month % 12 + 1, 1).toordinal(), days.of_month(rule, beginning, month // 12, month % 12 + 1)


def _weekly(rule: Rule, first: dt.datetime, to: int) -> Iterator[tuple[int, Sequence[int]]]:
    beginning = first.toordinal()
    base = days.week_begin(beginning, rule.week_start)
    passed = max(0, (to - base) // (7 * rule.interval))
    for begin in range(base + passed * 7 * rule.interval, days.LAST + 1, 7 * rule.interval):
        yield begin, days.of_week(rule, beginning, begin)


def _daily(rule: Rule, first: dt.datetime, to: int) -> Iterator[tuple[int, Sequence[int]]]:
    base = first.toordinal()
    passed = max(0, (to - base) // rule.interval)
    for day in range(base + passed * rule.interval, days.LAST + 1, rule.interval):
        yield day, (day,) if days.fits_day(rule, day) else ()


_DAYS_BY: dict[Frequency, Callable[[Rule, dt.datetime, int], Iterator[tuple[int, Sequence[int]]]]] = {
    Frequency.YEARLY: _yearly,
    Frequency.MONTHLY: _monthly,
    Frequency.WEEKLY: _weekly,
    Frequency.DAILY: _daily,
}


def _fine_periods(rule: Rule, first: dt.datetime, to: int) -> Iterator[_Period]:
    """Hours, minutes or seconds, day by day: days without any are one empty period."""
    unit = _UNIT[rule.frequency]
    base = first.toordinal() * _DAY_SECONDS + (first.hour * 3600 + first.minute * 60 + first.second) // unit * unit
    step = unit * rule.interval
    for day in range(max(first.toordinal(), to), days.LAST + 1):
        if not days.fits_day(rule, day):
            yield _Period(day, ())
            continue
        midnight = dt.datetime.combine(dt.date.fromordinal(day), dt.time())
        offset = (base - day * _DAY_SECONDS) % step if day * _DAY_SECONDS > base else base - day * _DAY_SECONDS
        for second in range(offset, _DAY_SECONDS, step):
            yield _Period(day, _positioned(_fine_starts(rule, first, midnight, second), rule.positions))


def _fine_starts(rule: Rule, first: dt.datetime, midnight: dt.datetime, second: int) -> list[dt.datetime]:
    """The starts in the hour, minute or second that begins so many seconds after midnight."""
    hour, minute = second // 3600, second // 60 % 60
    if rule.hours and hour not in rule.hours:
        return []
    if rule.frequency == Frequency.HOURLY:
        minutes = rule.minutes or (first.minute,)
    elif rule.minutes and minute not in rule.minutes:
        return []
    else:
        minutes = (minute,)
    if rule.frequency != Frequency.SECONDLY:
        seconds = rule.seconds or (first.second,)
    elif rule.seconds and second % 60 not in rule.seconds:
        return []
    else:
        seconds = (second % 60,)
    return [midnight.replace(hour=hour, minute=each, second=last) for each in minutes for last in seconds]


def _positioned(found: list[dt.datetime], positions: tuple[int, ...]) -> list[dt.datetime]:
    """What BYSETPOS leaves of a period's starts."""
    if not positions:
        return found
    indexes = {position - 1 if position > 0 else len(found) + position for position in positions}
    return [start for index, start in enumerate(found) if index in indexes]
