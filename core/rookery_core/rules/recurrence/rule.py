"""A rule of recurrence, read (RFC 5545 section 3.3.10)."""

from __future__ import annotations

import datetime as dt
import functools
import re
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T", bound=Any)

MOST_INTERVAL = 100_000
_MOST_COUNT = 1_000_000_000
_WEEKDAYS = {"MO": 0, "TU": 1, "WE": 2, "TH": 3, "FR": 4, "SA": 5, "SU": 6}
_WEEKDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)\Z")
_UNTIL = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})(Z?))?\Z", re.ASCII)


class Frequency(IntEnum):
    """How long a period is, longest first."""

    YEARLY = 0
    MONTHLY = 1
    WEEKLY = 2
    DAILY = 3
    HOURLY = 4
    MINUTELY = 5
    SECONDLY = 6


class Weekday(NamedTuple):
    """A value of BYDAY."""

    ordinal: int
    """The n-th of the month or year, from its end where negative; 0: each."""
    day: int
    """0 is Monday."""


class Until(NamedTuple):
    """The last moment at which an occurrence may start."""

    wall: dt.datetime
    """Naive. The end of the day for a date."""
    utc: bool
    """In UTC, rather than in the series' zone."""


class Rule(NamedTuple):
    """A rule. Empty tuples: the part is not there."""

    frequency: Frequency
    interval: int = 1
    limit: int | None = None
    """COUNT."""
    until: Until | None = None
    months: tuple[int, ...] = ()
    weeks: tuple[int, ...] = ()
    year_days: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    weekdays: tuple[Weekday, ...] = ()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    seconds: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()
    """BYSETPOS."""
    week_start: int = 0


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Rule | None:
    """The rule that a value of RRULE or EXRULE tells; None where it tells none.

    Parts that nobody knows, and X- parts, are passed over, as RFC 5545 wants it. Values that are out of range make the rule none,
    but for negative COUNTs, which some producers write for "no end"; so does another calendar than the Gregorian (RSCALE, RFC 7529
    section 4.1), whose months are others. Numbers within a part come sorted.
    """
    parts: dict[str, str] = {}
    for each in text.strip().strip(";").upper().split(";"):
        name, separator, value = each.partition("=")
        if not separator or name in parts:
            return None
        parts[name.strip()] = value.strip()
    try:
        return _rule(parts)
    except (ValueError, KeyError):
        return None


def _rule(parts: dict[str, str]) -> Rule:
    if parts.get("RSCALE", "GREGORIAN") != "GREGORIAN":
        raise ValueError(parts["RSCALE"])
    return Rule(
        frequency=Frequency[parts["FREQ"]],
        interval=_number(parts.get("INTERVAL", "1"), 1, MOST_INTERVAL),
        limit=_count(parts.get("COUNT")),
        until=_until(parts["UNTIL"]) if "UNTIL" in parts else None,
        months=_numbers(parts.get("BYMONTH"), 1, 12),
        weeks=_numbers(parts.get("BYWEEKNO"), 1, 53, signed=True),
        year_days=_numbers(parts.get("BYYEARDAY"), 1, 366, signed=True),
        month_days=_numbers(parts.get("BYMONTHDAY"), 1, 31, signed=True),
        weekdays=_list(parts.get("BYDAY"), _weekday),
        hours=_numbers(parts.get("BYHOUR"), 0, 23),
        minutes=_numbers(parts.get("BYMINUTE"), 0, 59),
        # A leap second is the last second of its minute, as in POSIX time.
        seconds=_list(parts.get("BYSECOND"), lambda value: min(_number(value, 0, 60), 59)),
        positions=_numbers(parts.get("BYSETPOS"), 1, 366, signed=True),
        week_start=_WEEKDAYS[parts.get("WKST", "MO")],
    )


def _count(value: str | None) -> int | None:
    if value is None or value.startswith("-"):
        return None
    return _number(value, 1, _MOST_COUNT)


def _number(value: str, least: int, most: int, *, signed: bool = False) -> int:
    if len(value) > 10 or not value.isascii() or not value.lstrip("+-").isdecimal():
        raise ValueError(value)
    number = int(value)
    if not least <= (abs(number) if signed else number) <= most:
        raise ValueError(value)
    return number


def _numbers(value: str | None, least: int, most: int, *, signed: bool = False) -> tuple[int, ...]:
    return _list(value, lambda each: _number(each, least, most, signed=signed))


def _list(value: str | None, read: Callable[[str], _T]) -> tuple[_T, ...]:
    return () if not value else tuple(sorted({read(each.strip()) for each in value.split(",")}))


def _weekday(value: str) -> Weekday:
    match = _WEEKDAY.match(value)
    if not match or (match[1] and not 1 <= abs(int(match[1])) <= 53):
        raise ValueError(value)
    return Weekday(int(match[1] or 0), _WEEKDAYS[match[2]])


def _until(value: str) -> Until:
    match = _UNTIL.match(value)
    if not match:
        raise ValueError(value)
    year, month, day, hour, minute, second, utc = match.groups()
    if hour is None:
        return Until(dt.datetime(int(year), int(month), int(day), 23, 59, 59), utc=False)  # noqa: DTZ001 - wall-clock time is naive
    wall = dt.datetime(int(year), int(month), int(day), int(hour), int(minute), min(int(second), 59))  # noqa: DTZ001
    return Until(wall, utc=bool(utc))
