"""The wall clock that a series counts in: its own zone's, floating time, or dates."""

from __future__ import annotations

import datetime as dt
import functools
from typing import TYPE_CHECKING

from rookery_core.rules import calendar_time, zones

if TYPE_CHECKING:
    import zoneinfo

    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery_core.rules.recurrence.rule import Rule

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - wall-clock arithmetic is naive
_FIRST = dt.datetime(1, 1, 1)  # noqa: DTZ001
_LAST = dt.datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001
_EPOCH_DAY = _EPOCH.toordinal()
_MICROSECOND = dt.timedelta(microseconds=1)


class WallClock:
    """The clock of a series that begins at ``start``."""

    __slots__ = ("is_dates", "time_zone")

    def __init__(self, start: CalendarTime) -> None:
        self.is_dates = calendar_time.is_date(start)
        self.time_zone = start.time_zone

    def read(self, time: CalendarTime) -> dt.datetime | None:
        """What this clock shows at a point; midnight for a date on either side; None where the point is malformed."""
        wall = calendar_time.wall(time)
        if wall is None:
            return None
        if self.is_dates:
            return wall.replace(hour=0, minute=0, second=0)
        if time.time_zone == self.time_zone or not time.time_zone or not self.time_zone:
            return wall
        instant = calendar_time.instant(time)
        shown = calendar_time.from_instant(instant, self.time_zone) if instant is not None else None
        return calendar_time.wall(shown) if shown is not None else None

    def time(self, wall: dt.datetime) -> CalendarTime:
        """The point that it shows."""
        return calendar_time.on(wall) if self.is_dates else calendar_time.at(wall, self.time_zone)

    def zone(self, viewer_zone: str) -> zoneinfo.ZoneInfo | None:
        """The zone that makes instants of it; dates and floating times are the viewer's. None: UTC."""
        return zones.zone(self.time_zone or viewer_zone)

    def localized(self, rule: Rule) -> Rule:
        """The rule with an UNTIL that stands in UTC brought to this clock."""
        until = rule.until
        if until is None or not until.utc or self.is_dates or not self.time_zone:
            return rule
        shown = self.read(calendar_time.at(until.wall, zones.UTC))
        return rule if shown is None else rule._replace(until=until._replace(wall=shown, utc=False))


def instant(wall: dt.datetime, zone: zoneinfo.ZoneInfo | None) -> int:
    """Microseconds since 1970, as ``calendar_time.instant`` counts them."""
    day = wall.toordinal()
    offset = 0 if zone is None else _offset_of_day(zone, day)
    if offset is None:
        return (wall - _EPOCH - _offset(wall, zone)) // _MICROSECOND
    return ((day - _EPOCH_DAY) * 86_400 + wall.hour * 3600 + wall.minute * 60 + wall.second) * 1_000_000 - offset


def _offset(wall: dt.datetime, zone: zoneinfo.ZoneInfo | None) -> dt.timedelta:
    return (zone.utcoffset(wall.replace(tzinfo=zone)) if zone else None) or dt.timedelta()


@functools.lru_cache(maxsize=65_536)
def _offset_of_day(zone: zoneinfo.ZoneInfo, day: int) -> int | None:
    """The offset from Greenwich, in microseconds, that a zone has all through a day; None where it changes then."""
    midnight = dt.datetime.combine(dt.date.fromordinal(day), dt.time())
    first, last = _offset(midnight, zone), _offset(midnight.replace(hour=23, minute=59, second=59), zone)
    return first // _MICROSECOND if first == last else None


@functools.lru_cache(maxsize=1024)
def window(begin: int, end: int, zone: zoneinfo.ZoneInfo | None) -> tuple[dt.datetime, dt.datetime]:
    """From when to before when clocks in a zone show the instants from ``begin`` to before ``end``, whatever they jump there."""
    first, last = _greenwich(begin), _greenwich(end)
    if zone is None:
        return first, last
    return moved(first, _offsets(zone, first.toordinal())[0]), moved(last, _offsets(zone, last.toordinal())[1])


def moved(wall: dt.datetime, by: dt.timedelta) -> dt.datetime:
    """A wall-clock time so much later; the first or the last of all times instead of one beyond them."""
    try:
        return wall + by
    except OverflowError:
        return _FIRST if by < dt.timedelta() else _LAST


@functools.lru_cache(maxsize=4096)
def _offsets(zone: zoneinfo.ZoneInfo, day: int) -> tuple[dt.timedelta, dt.timedelta]:
    """The least and the greatest offset from Greenwich that a zone has in a day there and the days around it."""
    midnight = dt.datetime.combine(dt.date.fromordinal(day), dt.time())
    looked_at = (moved(midnight, dt.timedelta(hours=hours)) for hours in (-26, 12, 50))
    found = [_offset(wall, zone) for wall in looked_at]
    return min(found), max(found)


def _greenwich(micros: int) -> dt.datetime:
    try:
        return _EPOCH + dt.timedelta(microseconds=micros)
    except OverflowError:
        return _FIRST if micros < 0 else _LAST
