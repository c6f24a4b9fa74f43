"""Zones as scheduling messages define them: a VTIMEZONE with one yearly rule for each of its two changes (RFC 5545 section 3.6.5).

The definitions that stay in documents list every change. Outlook and Exchange understand rules alone (MS-OXCICAL 2.1.3.1.1.19), and
a message is to be short.
"""

from __future__ import annotations

import calendar
import datetime as dt
import functools
from typing import TYPE_CHECKING, NamedTuple

from rookery_core.formats.contentlines import Component, Line
from rookery_core.rules import zones

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

_AHEAD = 20
"""Years after the first for which a rule has to hold, and after the last: series go on."""
_WEEK = dt.timedelta(days=7)
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


class _Change(NamedTuple):
    """A moment at which the clocks of a zone change."""

    wall: dt.datetime
    """What they show before it."""
    before: dt.timedelta
    after: dt.timedelta
    name: str
    """The abbreviation of what holds after it."""


def definition(name: str, years: range) -> Component | None:
    """The VTIMEZONE of an IANA zone that is right in the years and those to come.

    None where its changes then follow no yearly rule, or are neither none nor two a year: they have to be listed.
    """
    found = _rules(name, max(2, years.start), min(9990, max(years.start, years.stop - 1) + _AHEAD))
    return Component("VTIMEZONE", [Line("TZID", name), *(_observance(change, rule) for change, rule in found)]) if found else None


@functools.lru_cache(maxsize=256)
def _rules(name: str, first: int, last: int) -> tuple[tuple[_Change, str], ...]:
    """The changes of the year before the first, each with the RRULE that gives all later ones; a fixed offset has no rule."""
    zone = zones.zone(name)
    if zone is None:
        return ()
    by_year = [list(_changes(zone, year)) for year in range(first - 1, last + 1)]
    counts = {len(changes) for changes in by_year}
    if counts == {0}:
        return ((_standing(zone, first - 1), ""),)
    if counts != {2}:
        return ()
    rules = [_rule([changes[position] for changes in by_year]) for position in (0, 1)]
    return tuple(zip(by_year[0], rules, strict=True)) if all(rules) else ()


def _changes(zone: ZoneInfo, year: int) -> Iterator[_Change]:
    moment, end = dt.datetime(year, 1, 1, tzinfo=dt.UTC), dt.datetime(year + 1, 1, 1, tzinfo=dt.UTC)
    while moment < end:
        following = min(moment + _WEEK, end)
        if _offset(zone, moment) != _offset(zone, following):
            yield _change(zone, moment, following)
        moment = following


def _offset(zone: ZoneInfo, moment: dt.datetime) -> dt.timedelta:
    return moment.astimezone(zone).utcoffset() or dt.timedelta()


def _change(zone: ZoneInfo, early: dt.datetime, late: dt.datetime) -> _Change:
    """The change between two moments, to the second."""
    before = _offset(zone, early)
    while late - early > dt.timedelta(seconds=1):
        middle = early + dt.timedelta(seconds=(late - early) // dt.timedelta(seconds=2))
        if _offset(zone, middle) == before:
            early = middle
        else:
            late = middle
    wall = (late + before).replace(tzinfo=None)
    return _Change(wall, before, _offset(zone, late), late.astimezone(zone).tzname() or "")


def _standing(zone: ZoneInfo, year: int) -> _Change:
    moment = dt.datetime(year, 1, 1, tzinfo=dt.UTC).astimezone(zone)
    offset = moment.utcoffset() or dt.timedelta()
    return _Change(dt.datetime(year, 1, 1), offset, offset, moment.tzname() or "")  # noqa: DTZ001 - a wall clock


def _rule(changes: Sequence[_Change]) -> str:
    """The RRULE for changes that come once a year on the same weekday of the same month, or ""."""
    alike = {(each.wall.month, each.wall.weekday(), each.wall.time(), each.before, each.after) for each in changes}
    if len(alike) != 1:
        return ""
    wall = changes[0].wall
    places = {(each.wall.day - 1) // 7 + 1 for each in changes}
    if all(each.wall.day + 7 > calendar.monthrange(each.wall.year, each.wall.month)[1] for each in changes):
        places = {-1}
    return f"FREQ=YEARLY;BYMONTH={wall.month};BYDAY={places.pop()}{_DAYS[wall.weekday()]}" if len(places) == 1 else ""


def _observance(change: _Change, rule: str) -> Component:
    lines: list[Line | Component] = [
        Line("DTSTART", change.wall.isoformat().replace("-", "").replace(":", "")),
        *([Line("RRULE", rule)] if rule else []),
        Line("TZOFFSETFROM", _written(change.before)),
        Line("TZOFFSETTO", _written(change.after)),
        *([Line("TZNAME", change.name)] if change.name else []),
    ]
    # Ireland's law calls summer time its standard; readers expect the later clock to be that of summer.
    return Component("DAYLIGHT" if change.after > change.before else "STANDARD", lines)


def _written(offset: dt.timedelta) -> str:
    seconds = abs(int(offset.total_seconds()))
    rest = f"{seconds % 60:02}" if seconds % 60 else ""
    return f"{'-' if offset < dt.timedelta() else '+'}{seconds // 3600:02}{seconds // 60 % 60:02}{rest}"
