"""Zones that only a document knows (VTIMEZONE, RFC 5545 section 3.6.5), and the IANA zones that they are by another name."""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from rookery.v1.calendar_pb2 import CalendarTime, Recurrence
from rookery_core.formats.contentlines import read, write
from rookery_core.rules import calendar_time, zones
from rookery_core.rules.recurrence.recurring import Recurring
from rookery_core.rules.recurrence.starts import Budget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rookery_core.formats.contentlines import Component

_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})(\d{2})?\Z", re.ASCII)
_TIME = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2}))?", re.ASCII)
_YEAR = re.compile(r"(\d{4})\d{4}", re.ASCII)
_TIMES = ("DTSTART", "DTEND", "DUE", "RECURRENCE-ID", "RDATE")
_AHEAD = 5
"""Years behind the last that a document names for which a zone is to be the same, where there is one: series go on."""
_MOST_YEARS = 60
_MOST_PARTS = 500
_MOST_ONSETS = 4_000
_HOUR = dt.timedelta(hours=1)


class _Onset(NamedTuple):
    """A moment at which clocks change."""

    at: dt.datetime
    """Naive, in UTC."""
    before: dt.timedelta
    after: dt.timedelta


def years_of(calendar: Component) -> range:
    """The years that the times of a VCALENDAR's items are in."""
    items = (component for component in calendar.components() if component.name != "VTIMEZONE")
    lines = (line for item in items for part in item.walk() for line in part.lines(*_TIMES))
    found = [int(year) for line in lines for year in _YEAR.findall(line.value)]
    known = [year for year in found if 1900 <= year <= 2200]
    first, last = (min(known), max(known)) if known else (2000, 2030)
    return range(first, min(last, first + _MOST_YEARS) + 1)


def match(definition: Component, years: range) -> str | None:
    """The IANA zone whose clocks show the same as those of a VTIMEZONE in all of the years, but for an hour; None if there is none.

    One that does so for some years more, if possible: a simple rule does not tell of what lawmakers did. The zones that Windows
    names come first, each of which stands for a large region. A zone whose clocks never change is one of Etc, where it can be.
    """
    return _match(write([definition]), years)


@functools.lru_cache(maxsize=256)
def _match(text: bytes, years: range) -> str | None:
    definition = read(text)[0][0]
    return _found(definition, range(years.start, years.stop + _AHEAD)) or _found(definition, years)


def _found(definition: Component, years: range) -> str | None:
    begin, end = dt.datetime(years.start, 1, 1), dt.datetime(years.stop, 1, 1)  # noqa: DTZ001 - naive UTC throughout
    budget = Budget(_MOST_ONSETS)
    parts = itertools.islice(_observances(definition), _MOST_PARTS)
    onsets = sorted(itertools.chain.from_iterable(_onsets(part, begin, end, budget) for part in parts))
    if not onsets:
        return None
    wanted = list(_samples(onsets, begin, end))
    if len({offset for _, offset in wanted}) == 1 and (fixed := _fixed(wanted[0][1])):
        return fixed
    return next((name for name in _candidates() if _shows(name, wanted)), None)


def _observances(definition: Component) -> Iterator[Component]:
    yield from definition.components("STANDARD")
    yield from definition.components("DAYLIGHT")


def _onsets(part: Component, begin: dt.datetime, end: dt.datetime, budget: Budget) -> list[_Onset]:
    """When a part of a VTIMEZONE begins to hold: within the time, shortly before it, and ever first."""
    first, before, after = _time(part), _offset(part, "TZOFFSETFROM"), _offset(part, "TZOFFSETTO")
    if first is None or before is None or after is None:
        return []
    rules = [line.value for line in part.lines("RRULE")]
    dates = [time for line in part.lines("RDATE") for word in line.value.split(",") if (time := _read(word)) is not None]
    recurring = Recurring(first, Recurrence(rules=rules, dates=dates))
    found = recurring.between(begin - 800 * dt.timedelta(days=1), end, budget)
    return [_Onset(wall - before, before, after) for wall in {recurring.first, *found}]


def _samples(onsets: list[_Onset], begin: dt.datetime, end: dt.datetime) -> Iterator[tuple[dt.datetime, dt.timedelta]]:
    """Moments of the time with the offsets that they are to have: an hour around each change, and every few weeks."""
    moments = {begin + dt.timedelta(days=days) for days in range(0, (end - begin).days, 45)}
    moments |= {at for onset in onsets for at in (onset.at - _HOUR, onset.at + _HOUR) if begin <= at < end}
    later = 0
    offset = onsets[0].before
    for moment in sorted(moments):
        while later < len(onsets) and onsets[later].at <= moment:
            offset = onsets[later].after
            later += 1
        yield moment, offset


def _shows(name: str, wanted: list[tuple[dt.datetime, dt.timedelta]]) -> bool:
    zone = zones.zone(name)
    return zone is not None and all(
        moment.replace(tzinfo=dt.UTC).astimezone(zone).utcoffset() == offset for moment, offset in wanted
    )


def _fixed(offset: dt.timedelta) -> str | None:
    """A zone of Etc, whose names count hours west of Greenwich."""
    hours, rest = divmod(offset, _HOUR)
    if rest:
        return None
    return zones.canonical(f"Etc/GMT{-hours:+d}") if hours else zones.UTC


@functools.cache
def _candidates() -> tuple[str, ...]:
    places = (name for name in zones.names() if "/" in name and not name.startswith("Etc/"))
    return tuple(dict.fromkeys([*WINDOWS_TO_OLSON.values(), *sorted(places)]))


def _time(part: Component) -> CalendarTime | None:
    line = part.first("DTSTART")
    return _read(line.value) if line else None


def _read(word: str) -> CalendarTime | None:
    found = _TIME.match(word.strip())
    if not found:
        return None
    year, month, day, hour, minute, second = found.groups()
    time = CalendarTime(local=f"{year}-{month}-{day}T{hour or '00'}:{minute or '00'}:{second or '00'}")
    return time if calendar_time.wall(time) else None


def _offset(part: Component, name: str) -> dt.timedelta | None:
    line = part.first(name)
    found = _OFFSET.match(line.value.strip()) if line else None
    if not found:
        return None
    sign, hours, minutes, seconds = found.groups()
    length = dt.timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds or 0))
    return -length if sign == "-" else length
