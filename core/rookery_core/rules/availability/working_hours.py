"""Working hours: the stretches of days, by the wall clock of a zone, in which somebody works."""

from __future__ import annotations

import datetime as dt
import re
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from rookery.v1.availability_service_pb2 import WorkingHours, WorkingTime
from rookery_core.rules import checks, zones
from rookery_core.rules.availability.periods import joined
from rookery_core.rules.recurrence import wall_clock

if TYPE_CHECKING:
    import zoneinfo

    from rookery_core.rules.availability.periods import Period

MOST_TIMES = 28
DAY_MINUTES = 1_440
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
"""By ISO 8601, the first is 1."""
_DAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPAN = re.compile(r"(\d{1,2})(?::([0-5]\d))?-(\d{1,2})(?::([0-5]\d))?\Z", re.ASCII)


def usual() -> WorkingHours:
    """Monday to Friday from 9 to 17 o'clock, UTC: where nothing was set."""
    times = [WorkingTime(weekday=day, start_minute=9 * 60, end_minute=17 * 60) for day in range(1, 6)]
    return WorkingHours(time_zone=zones.UTC, times=times)


def checked(hours: WorkingHours, field: str) -> WorkingHours:
    """The hours in order, with the name of the zone as the tz database writes it.

    InvalidArgument ``FIELD_INVALID``, or ``LIMIT_EXCEEDED`` for more than 28: the zone is not known, a day is none of 1 to 7, a
    time ends before it starts, or two overlap.
    """
    zone = zones.canonical(hours.time_zone or zones.UTC)
    if zone is None:
        raise checks.invalid(f"there is no time zone “{hours.time_zone[:60]}”, write e.g. Europe/Berlin", f"{field}.time_zone")
    checks.at_most(len(hours.times), MOST_TIMES, f"{field}.times")
    for index, time in enumerate(hours.times):
        path = f"{field}.times[{index}]"
        if not 1 <= time.weekday <= len(WEEKDAYS):
            raise checks.invalid("a weekday is 1 for Monday to 7 for Sunday", f"{path}.weekday")
        if not time.start_minute < time.end_minute <= DAY_MINUTES:
            raise checks.invalid("a working time ends after it starts, at 24:00 at the latest", f"{path}.end_minute")
    ordered = sorted(hours.times, key=lambda time: (time.weekday, time.start_minute))
    for before, after in pairwise(ordered):
        if before.weekday == after.weekday and after.start_minute < before.end_minute:
            raise checks.invalid(f"two working times on {WEEKDAYS[after.weekday - 1]} overlap", f"{field}.times")
    return WorkingHours(time_zone=zone, times=ordered)


def periods(hours: WorkingHours, begin: int, end: int) -> list[Period]:
    """When they are, among the instants from ``begin`` to before ``end``: in order, apart from each other, not cut at the edges.

    Instants are microseconds since 1970. What goes on past midnight is one period. Hours follow the wall clock: on the day on which
    the clocks change they begin and end when it shows the time.
    """
    zone = zones.zone(hours.time_zone or zones.UTC)
    first, last = wall_clock.window(begin, end, zone)
    by_weekday: dict[int, list[WorkingTime]] = {}
    for time in sorted(hours.times, key=lambda time: time.start_minute):
        by_weekday.setdefault(time.weekday, []).append(time)
    found: list[Period] = []
    for ordinal in range(max(1, first.toordinal() - 1), min(dt.date.max.toordinal(), last.toordinal() + 1)):
        day = dt.datetime.combine(dt.date.fromordinal(ordinal), dt.time())
        times = by_weekday.get(day.isoweekday(), ())
        found += [(_instant(day, time.start_minute, zone), _instant(day, time.end_minute, zone)) for time in times]
    return [period for period in joined(found) if period[0] < end and period[1] > begin]


def text(hours: WorkingHours) -> str:
    """The hours for people: "Mon-Fri 09:00-17:00, Sat 10:00-12:00 (Europe/Berlin)"; "never" where there are none."""
    by_day: dict[int, list[str]] = {}
    for time in sorted(hours.times, key=lambda time: (time.weekday, time.start_minute)):
        by_day.setdefault(time.weekday, []).append(f"{_clock(time.start_minute)}-{_clock(time.end_minute)}")
    said = [(day, " ".join(by_day[day])) for day in sorted(by_day)]
    parts = []
    for (_, shown), run in groupby(enumerate(said), key=lambda each: (each[1][0] - each[0], each[1][1])):
        days = [day for _, (day, _) in run]
        names = WEEKDAYS[days[0] - 1] + (f"-{WEEKDAYS[days[-1] - 1]}" if len(days) > 1 else "")
        parts.append(f"{names} {shown}")
    return f"{', '.join(parts) or 'never'} ({hours.time_zone or zones.UTC})"


def parse(words: str) -> list[WorkingTime]:
    """The times that ``text`` tells, or a person: "mon-fri 9-12 13-17:30, sat 10:00-12:00", "daily 8-20"; none of "never".

    ValueError, with what is wrong, if it can not be understood; ``checked`` looks at the rest.
    """
    times: list[WorkingTime] = []
    days: list[int] = []
    for part in words.lower().replace("–", "-").split(","):
        tokens = part.split()
        spans = [match for token in tokens if (match := _SPAN.match(token))]
        days += [day for token in tokens if not _SPAN.match(token) for day in _days(token)]
        if spans and not days:
            raise ValueError(f"“{part.strip()}” names no day")
        for day in days if spans else ():
            times += [
                WorkingTime(weekday=day, start_minute=_minute(*each.groups()[:2]), end_minute=_minute(*each.groups()[2:]))
                for each in spans
            ]
        days = [] if spans else days
    if days:
        raise ValueError(f"“{words}” names no hours")
    return times


def _days(word: str) -> list[int]:
    if word == "never":
        return []
    if word == "daily":
        return list(range(1, len(WEEKDAYS) + 1))
    first, _, last = word.partition("-")
    begin, end = (_weekday(each) for each in (first, last or first))
    if not begin or not end:
        raise ValueError(f"“{word}” is no day and no time: write e.g. mon-fri 9:00-17:30")
    return list(range(begin, end + 1)) if begin <= end else [*range(begin, len(WEEKDAYS) + 1), *range(1, end + 1)]


def _weekday(word: str) -> int:
    """By ISO 8601; 0 for none."""
    named = [number for number, name in enumerate(_DAY_NAMES, 1) if len(word) > 1 and name.startswith(word)]
    return named[0] if named else 0


def _minute(hour: str, minute: str | None) -> int:
    return int(hour) * 60 + int(minute or 0)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _instant(day: dt.datetime, minute: int, zone: zoneinfo.ZoneInfo | None) -> int:
    return wall_clock.instant(wall_clock.moved(day, dt.timedelta(minutes=minute)), zone)
