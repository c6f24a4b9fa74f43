"""Times of calendars as people write them on the command line, and as they read them."""

from __future__ import annotations

import datetime as dt
import difflib
import re
import zoneinfo
from typing import TYPE_CHECKING, Any

import click

from rookery_client.cli.calendar_view import day_text
from rookery_client.cli.item_table import wall_time
from rookery_client.cli.local_zone import local_zone
from rookery_client.cli.terminal import clean
from rookery_core.errors import InvalidArgument
from rookery_core.formats.calendar_zones import iana_name
from rookery_core.rules import calendar_time, zones
from rookery_core.rules.clock import SystemClock

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import CalendarTime

DAY = dt.timedelta(days=1)
_MICROSECOND = dt.timedelta(microseconds=1)
_TIMES = ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")
_HOUR = "%H:%M"
_USUAL = dt.timedelta(minutes=30)
_LENGTH = re.compile(r"(?:(\d{1,3})d)?(?:(\d{1,3})h)?(?:(\d{1,5})m?)?\Z", re.ASCII)


class _Day(click.DateTime):
    """A day, or a month, with a friendly word for what is none."""

    def __init__(self, form: str, example: str) -> None:
        super().__init__([form])
        self.example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A datetime. UsageError."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            raise click.UsageError(f"“{clean(str(value))}” is no date: write {self.example}.", ctx) from None


DATE, MONTH = _Day("%Y-%m-%d", "2026-03-02"), _Day("%Y-%m", "2026-03")


def zone_named(name: str | None) -> str:
    """The zone of that name, IANA's or Windows'; this machine's for None. InvalidArgument ``FIELD_INVALID`` if there is none."""
    if name is None:
        return local_zone()
    known = iana_name(name)
    if known is None:
        near = difflib.get_close_matches(name.casefold(), {each.casefold(): each for each in sorted(zones.names())}, 1)
        hint = f"did you mean {zones.canonical(near[0])}?" if near else "write e.g. Europe/Berlin"
        raise InvalidArgument("FIELD_INVALID", f"there is no time zone “{clean(name)}”: {hint}")
    return known


def today_in(zone: str) -> dt.date:
    """The day that it is there."""
    now = dt.datetime.fromtimestamp(SystemClock().micros() / 1_000_000, dt.UTC)
    return now.astimezone(zoneinfo.ZoneInfo(zone)).date()


def midnight(day: dt.date, zone: str) -> dt.datetime:
    """When a day begins there, in UTC."""
    return dt.datetime.combine(day, dt.time(), zoneinfo.ZoneInfo(zone)).astimezone(dt.UTC)


def when(text: str, zone: str, option: str, *, day: dt.date | None = None) -> CalendarTime:
    """A date, or a time in a zone; with a ``day`` also an hour of it. A time with an offset is that instant. UsageError."""
    for form in _TIMES:
        try:
            return calendar_time.at(dt.datetime.strptime(text, form), zone)  # noqa: DTZ007 - the wall clock of the zone
        except ValueError:
            continue
    try:
        if day is not None and ":" in text:
            hour = dt.datetime.strptime(text, _HOUR).time()  # noqa: DTZ007 - the wall clock of the zone
            return calendar_time.at(dt.datetime.combine(day, hour), zone)
        if "T" not in text:
            return calendar_time.on(dt.date.fromisoformat(text))
        found = dt.datetime.fromisoformat(text)
        if found.tzinfo is not None:
            found = found.astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None)
        return calendar_time.at(found, zone)
    except (ValueError, OverflowError):
        raise click.UsageError(f"{option} {text}: write 2026-03-02 09:30, or 2026-03-02 for all day.") from None


def end_of(begins: CalendarTime, end: str | None, duration: str | None) -> CalendarTime:
    """When it ends: as it is said, or half an hour later, or one day. UsageError."""
    if end is not None and duration is not None:
        raise click.UsageError("Say --end or --duration, not both.")
    all_day = calendar_time.is_date(begins)
    if end is None:
        usual = DAY if all_day else _USUAL
        return later(begins, usual if duration is None else length(duration, "--duration", all_day=all_day))
    first = calendar_time.wall(begins)
    ends = when(end, begins.time_zone, "--end", day=None if all_day or first is None else first.date())
    if calendar_time.is_date(ends) != all_day:
        raise click.UsageError("--start and --end are both dates, or both have a time.")
    return later(ends, DAY) if all_day else ends


def length(text: str, option: str, *, all_day: bool) -> dt.timedelta:
    """A length of time like 45m, 1h30m, 2d. UsageError."""
    match = _LENGTH.match(text.strip())
    if not match or not any(match.groups()):
        raise click.UsageError(f"{option} {text}: write 45m, 1h30m or 2d.")
    days, hours, minutes = (int(part or 0) for part in match.groups())
    if all_day and (hours or minutes or not days):
        raise click.UsageError(f"An all-day appointment lasts whole days: {option} 2d.")
    return dt.timedelta(days=days, hours=hours, minutes=minutes)


def later(time: CalendarTime, by: dt.timedelta) -> CalendarTime:
    """The time so much later by its own clock. InvalidArgument beyond the year 9999."""
    wall = calendar_time.wall(time)
    try:
        moved = (wall or dt.datetime.max) + by  # noqa: DTZ901 - the wall clock of the zone
    except OverflowError:
        raise InvalidArgument("FIELD_INVALID", "a calendar ends with the year 9999") from None
    if calendar_time.is_date(time):
        return calendar_time.on(moved)
    ends, first = calendar_time.at(moved, time.time_zone), calendar_time.instant(time)
    if by > dt.timedelta() and first is not None and (calendar_time.instant(ends) or 0) <= first:  # the clocks skip the beginning
        return calendar_time.from_instant(first + by // _MICROSECOND, time.time_zone) or ends
    return ends


def in_zone(time: CalendarTime, zone: str) -> CalendarTime:
    """The same instant by the clocks of a zone; dates and floating times as they are."""
    if not time.time_zone or time.time_zone == zone or not zone:
        return time
    instant = calendar_time.instant(time)
    shown = None if instant is None else calendar_time.from_instant(instant, zone)
    return time if shown is None else shown


def span_text(start: CalendarTime, end: CalendarTime, zone: str) -> str:
    """From when to when, by the clocks of a zone: "Tuesday, 3 March 2026, 10:00–11:00". As it was meant where it is malformed."""
    first, last = calendar_time.wall(in_zone(start, zone)), calendar_time.wall(in_zone(end, zone))
    if first is None:
        return wall_time(start)
    begin = day_text(first.date())
    if calendar_time.is_date(start):
        final = first if last is None or last <= first else last - DAY
        return begin if final == first else f"{begin} to {day_text(final.date())}"
    if last is None or last <= first:
        return f"{begin}, {first:%H:%M}"
    if last.date() == first.date():
        return f"{begin}, {first:%H:%M}–{last:%H:%M}"
    return f"{begin}, {first:%H:%M} to {day_text(last.date())}, {last:%H:%M}"


def start_text(start: CalendarTime, zone: str) -> str:
    """When it begins, by the clocks of a zone."""
    return span_text(start, start, zone)


def typed(time: CalendarTime, zone: str) -> str:
    """A time as one types it for a command, by the clocks of a zone."""
    return in_zone(time, zone).local.replace("T", " ").removesuffix(":00") if "T" in time.local else time.local
