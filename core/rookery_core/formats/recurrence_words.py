"""Rules of recurrence in plain words: "every week on Monday, until 21 December 2026"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.formats.time_words import MONTHS, WEEKDAYS, day, listed
from rookery_core.rules import calendar_time
from rookery_core.rules.recurrence import rule as rules
from rookery_core.rules.recurrence.rule import Frequency

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import CalendarTime, Recurrence
    from rookery_core.rules.recurrence.rule import Rule, Weekday

_PERIODS = {
    Frequency.YEARLY: "year",
    Frequency.MONTHLY: "month",
    Frequency.WEEKLY: "week",
    Frequency.DAILY: "day",
}
_ORDINALS = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last", -2: "second to last"}
_WORKING = (0, 1, 2, 3, 4)


def described(recurrence: Recurrence, start: CalendarTime) -> str:
    """When a series takes place, in words; a rule that is out of the common as RFC 5545 writes it; "" where nothing recurs."""
    if len(recurrence.rules) != 1 or recurrence.exclusion_rules:
        return "; ".join([*recurrence.rules, *(f"not {rule}" for rule in recurrence.exclusion_rules)]) or _dates(recurrence)
    words = _words(recurrence.rules[0], start)
    return f"{words}, and {_dates(recurrence)}" if recurrence.dates else words


def _dates(recurrence: Recurrence) -> str:
    count = len(recurrence.dates)
    return f"on {count:,} further {'date' if count == 1 else 'dates'}" if count else ""


def _words(text: str, start: CalendarTime) -> str:
    rule = rules.parse(text)
    when = _when(rule, start) if rule and not _is_odd(rule) else None
    if rule is None or when is None:
        return text
    period = _PERIODS[rule.frequency]
    if rule.frequency == Frequency.WEEKLY and rule.interval == 1 and _week_days(rule) == _WORKING:
        every = "every day from Monday to Friday"
    else:
        every = f"every {period}{when}" if rule.interval == 1 else f"every {rule.interval} {period}s{when}"
    return every + _end(rule, start)


def _is_odd(rule: Rule) -> bool:
    """Whether it has parts that no words are made of here."""
    odd = (rule.weeks, rule.year_days, rule.hours, rule.minutes, rule.seconds, rule.positions)
    return rule.frequency not in _PERIODS or any(odd)


def _when(rule: Rule, start: CalendarTime) -> str | None:
    """On which days of a period; None where there are no words for it."""
    first = calendar_time.wall(start)
    if first is None:
        return None
    if rule.frequency == Frequency.DAILY:
        return None if rule.months or rule.month_days or rule.weekdays else ""
    if rule.frequency == Frequency.WEEKLY:
        days = _week_days(rule) or (first.weekday(),)
        return None if rule.months or rule.month_days else f" on {listed([WEEKDAYS[number] for number in days])}"
    months = ""
    if rule.frequency == Frequency.YEARLY:
        months = f" of {listed([MONTHS[number - 1] for number in rule.months or (first.month,)])}"
        if rule.weekdays and not rule.months:
            return None
    elif rule.months:
        return None
    on = _days_of_month(rule, first.day)
    return on and on + months


def _days_of_month(rule: Rule, first: int) -> str | None:
    if rule.weekdays and rule.month_days:
        return None
    if rule.weekdays:
        days = [_counted(each) for each in rule.weekdays]
        return None if None in days else f" on the {listed([day for day in days if day])}"
    numbers = rule.month_days or (first,)
    if numbers == (-1,):
        return " on the last day"
    return None if any(number < 0 for number in numbers) else f" on the {listed([_nth(number) for number in numbers])}"


def _week_days(rule: Rule) -> tuple[int, ...]:
    return tuple(sorted({each.day for each in rule.weekdays}))


def _counted(weekday: Weekday) -> str | None:
    place = _ORDINALS.get(weekday.ordinal)
    return f"{place} {WEEKDAYS[weekday.day]}" if place else None


def _nth(number: int) -> str:
    ending = "th" if 10 < number < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _end(rule: Rule, start: CalendarTime) -> str:
    if rule.limit is not None:
        return f", {rule.limit:,} times" if rule.limit > 1 else ", once"
    if rule.until is None:
        return ""
    last = calendar_time.at(rule.until.wall, "UTC")
    if rule.until.utc and start.time_zone:
        instant = calendar_time.instant(last)
        last = (calendar_time.from_instant(instant, start.time_zone) if instant is not None else None) or last
    return f", until {day(last)}"
