"""Times as people read them: "Tue 3 Mar 2026, 09:00 to 10:00". English, whatever the server's own language is."""

from __future__ import annotations

import datetime as dt

from rookery_core.rules import zones
from rookery_core.rules.availability.working_hours import WEEKDAYS

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def day(moment: int, time_zone: str) -> str:
    """The date of an instant, in microseconds since 1970, in a zone; unknown zones as UTC."""
    return _day(_shown(moment, time_zone))


def period(begin: int, end: int, time_zone: str) -> str:
    """From when to when, in a zone: whole days as dates."""
    first, last = _shown(begin, time_zone), _shown(end, time_zone)
    if first.time() == last.time() == dt.time() and first < last:
        until = last - dt.timedelta(days=1)
        return _day(first) if until.date() == first.date() else f"{_day(first)} to {_day(until)}"
    if first.date() == last.date():
        return f"{_day(first)}, {first:%H:%M} to {last:%H:%M}"
    return f"{_day(first)}, {first:%H:%M} to {_day(last)}, {last:%H:%M}"


def length(minutes: int) -> str:
    """How long: "90 minutes", "2 hours", "3 days"."""
    for unit, size in (("day", 1_440), ("hour", 60)):
        if minutes and minutes % size == 0:
            return _count(minutes // size, unit)
    return _count(minutes, "minute")


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def _day(shown: dt.datetime) -> str:
    return f"{WEEKDAYS[shown.weekday()]} {shown.day} {_MONTHS[shown.month - 1]} {shown.year}"


def _shown(moment: int, time_zone: str) -> dt.datetime:
    """What clocks show; the edge of what can be written down beyond the years 1 to 9999."""
    try:
        return (_EPOCH + dt.timedelta(microseconds=moment)).astimezone(zones.zone(time_zone) or dt.UTC)
    except OverflowError:
        return dt.datetime.min.replace(tzinfo=dt.UTC) if moment < 0 else dt.datetime.max.replace(tzinfo=dt.UTC)
