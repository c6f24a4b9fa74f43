"""Free/busy for people: a line of half hours for each, day by day."""

from __future__ import annotations

import datetime as dt
import sys
import zoneinfo
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import set_cell_size
from rich.console import Console
from rich.text import Text

from rookery.v1.calendar_pb2 import BusyStatus
from rookery_client.cli.calendar_times import midnight
from rookery_client.cli.calendar_view import day_text
from rookery_client.cli.terminal import clean
from rookery_core.rules.availability import periods, working_hours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.timestamp_pb2 import Timestamp

    from rookery.v1.availability_service_pb2 import BusyTime, FreeBusy
    from rookery_core.rules.availability.periods import Period

_DAY = dt.timedelta(days=1)
_HALF_HOUR = dt.timedelta(minutes=30)
_USUAL_HOURS = (8, 18)
"""What is shown of a day on which nobody works."""
_NAME = 20
_LABEL = 2
"""Hours from one label of the scale to the next."""
_CELLS = 2
"""Cells of an hour."""


class _Look(NamedTuple):
    sign: str
    style: str
    words: str


LOOKS = {
    BusyStatus.BUSY_STATUS_BUSY: _Look("█", "blue", "busy"),
    BusyStatus.BUSY_STATUS_OUT_OF_OFFICE: _Look("▓", "magenta", "out of office"),
    BusyStatus.BUSY_STATUS_WORKING_ELSEWHERE: _Look("░", "cyan", "working elsewhere"),
    BusyStatus.BUSY_STATUS_TENTATIVE: _Look("▒", "yellow", "tentative"),
}
"""How each status is shown, the busiest first."""
_FREE = _Look("·", "dim", "free")
_NOT_WORKING = " "


def show_free_busy(parties: Sequence[FreeBusy], days: Sequence[dt.date], zone: str) -> None:
    """Prints the days, in the zone: a line for each party, and under it what it is taken with, where that is known."""
    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)
    for day in days:
        first, last = _hours(parties, day, zone)
        console.print(Text(day_text(day), style="bold"))
        console.print(Text(" " * _NAME + _scale(first, last), style="dim"))
        for party in parties:
            line = Text(set_cell_size(_name(party), _NAME - 1) + " ")
            console.print(line.append_text(_cells(party, day, first, last, zone)), no_wrap=True)
        for party in parties:
            for time in party.times:
                if time.subject and _touches(_span(time), day, zone):
                    console.print(_told(party, time, zone), no_wrap=True, overflow="ellipsis")
        console.print()
    console.print(_legend())


def hours_text(begin: dt.datetime, end: dt.datetime) -> str:
    """From when to when, the day in front of it only where it is another."""
    if end.date() == begin.date() or (end == dt.datetime.combine(begin.date(), dt.time(), end.tzinfo) + _DAY):
        return f"{begin:%H:%M}–{end:%H:%M}"
    return f"{begin:%H:%M} to {day_text(end.date())}, {end:%H:%M}"


def by_clock(moment: Timestamp, zone: str) -> dt.datetime:
    """A moment by the clocks of a zone."""
    return moment.ToDatetime(tzinfo=dt.UTC).astimezone(zoneinfo.ZoneInfo(zone))


def _name(party: FreeBusy) -> str:
    return clean(party.display_name) or clean(party.party.address)


def _scale(first: int, last: int) -> str:
    return "".join(f"{hour:<{_CELLS * _LABEL}}" for hour in range(first, last, _LABEL)).rstrip()


def _cells(party: FreeBusy, day: dt.date, first: int, last: int, zone: str) -> Text:
    """A cell for each half hour: how it is taken, by the busiest in it."""
    begin, end = (_micros(_at(day, hour, zone)) for hour in (first, last))
    working = _working(party, begin, end)
    taken = [(*_span(time), time.status) for time in party.times]
    line = Text()
    moment = _at(day, first, zone)
    while _micros(moment) < end:
        following = moment + _HALF_HOUR
        cell = _micros(moment), _micros(following)
        here = {status for start, until, status in taken if start < cell[1] and until > cell[0]}
        look = next((look for status, look in LOOKS.items() if status in here), None)
        if look is not None:
            line.append(look.sign, style=look.style)
        elif working is None or periods.within(working, *cell):
            line.append(_FREE.sign, style=_FREE.style)
        else:
            line.append(_NOT_WORKING)
        moment = following
    return line


def _hours(parties: Sequence[FreeBusy], day: dt.date, zone: str) -> tuple[int, int]:
    """The hours of a day that are shown: those in which somebody works, and those that are taken but for whole days."""
    begin, end = _micros(_at(day, 0, zone)), _micros(_at(day, 24, zone))
    shown: list[Period] = []
    for party in parties:
        taken = [span for span in map(_span, party.times) if span[0] > begin or span[1] < end]
        shown += [(max(start, begin), min(until, end)) for start, until in (*(_working(party, begin, end) or ()), *taken)]
    shown = [span for span in shown if span[0] < span[1]]
    if not shown:
        return _USUAL_HOURS
    earliest, latest = min(start for start, _ in shown), max(until for _, until in shown)
    hour = 3_600_000_000
    return max(0, (earliest - begin) // hour), min(24, -(-(latest - begin) // hour))


def _working(party: FreeBusy, begin: int, end: int) -> list[Period] | None:
    """When a party works; None if that is not said."""
    return working_hours.periods(party.working_hours, begin, end) if party.HasField("working_hours") else None


def _told(party: FreeBusy, time: BusyTime, zone: str) -> Text:
    begin, end = (by_clock(moment, zone) for moment in (time.start, time.end))
    line = Text(f"  {hours_text(begin, end):<13}", style="cyan")
    line.append(f"{clean(time.subject)}", style="default")
    if time.location:
        line.append(f"  {clean(time.location)}", style="italic default")
    return line.append(f"  {_name(party)}", style="dim default")


def _touches(span: Period, day: dt.date, zone: str) -> bool:
    return span[0] < _micros(_at(day, 24, zone)) and span[1] > _micros(_at(day, 0, zone))


def _legend() -> Text:
    line = Text()
    for look in (*LOOKS.values(), _FREE):
        line.append(look.sign, style=look.style).append(f" {look.words}   ", style="dim")
    line.rstrip()
    return line


def _at(day: dt.date, hour: int, zone: str) -> dt.datetime:
    """An hour of a day by the clocks there, in UTC; 24 is the next midnight."""
    if hour == 24:
        return midnight(day + _DAY, zone)
    return dt.datetime.combine(day, dt.time(hour), zoneinfo.ZoneInfo(zone)).astimezone(dt.UTC)


def _span(time: BusyTime) -> Period:
    return time.start.ToMicroseconds(), time.end.ToMicroseconds()


def _micros(moment: dt.datetime) -> int:
    return round(moment.timestamp()) * 1_000_000
