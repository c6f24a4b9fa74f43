"""Calendars for people: an agenda by days, and a month on one page."""

from __future__ import annotations

import calendar
import datetime as dt
import sys
from typing import TYPE_CHECKING

from rich.box import SQUARE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rookery_client.cli.terminal import clean
from rookery_core.rules.ids import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rookery_client.cli.calendar_days import Shown

_WIDE = 10_000
_HOURS = 13
"""Columns of the longest text about hours, and one between."""
_ENTRIES = 5
"""Entries that a month shows of a day."""
_WEEK = 7


def show_agenda(days: Mapping[dt.date, Sequence[Shown]], today: dt.date, *, ids: bool) -> None:
    """Prints the days that have something, each with what it has."""
    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    first = True
    for day, shown in days.items():
        if not shown:
            continue
        if not first:
            console.print()
        first = False
        title = Text(day_text(day), style="bold")
        console.print(title.append(" · today", style="bold green") if day == today else title)
        for each in shown:
            console.print(_line(each, ids=ids), no_wrap=True, overflow="ellipsis")
    if first:
        begin, end = min(days), max(days)
        console.print(f"Nothing on {day_text(begin)}." if begin == end else f"Nothing from {day_text(begin)} to {day_text(end)}.")


def show_month(days: Mapping[dt.date, Sequence[Shown]], month: dt.date, today: dt.date) -> None:
    """Prints the month as a sheet of weeks, Monday first. The days are those of its weeks."""
    console = Console(highlight=False)
    width = (console.width - _WEEK - 1) // _WEEK
    sheet = Table(title=f"{month:%B} {month.year}", title_style="bold", box=SQUARE, show_lines=True, padding=0, header_style="bold")
    for name in calendar.day_abbr:
        sheet.add_column(name, width=max(width, 3), no_wrap=True, overflow="ellipsis")
    ordered = list(days)
    for begin in range(0, len(ordered), _WEEK):
        week = ordered[begin : begin + _WEEK]
        sheet.add_row(*(_cell(day, days[day], today, inside=day.month == month.month) for day in week))
    console.print(sheet)


def day_text(day: dt.date) -> str:
    """A day as people write it."""
    return f"{day:%A}, {day.day} {day:%B} {day.year}"


def weeks_of(month: dt.date) -> tuple[dt.date, dt.date]:
    """The first and the last day of the weeks that a month touches."""
    begin = month.replace(day=1)
    end = month.replace(day=calendar.monthrange(month.year, month.month)[1])
    return begin - dt.timedelta(days=begin.weekday()), end + dt.timedelta(days=6 - end.weekday())


def _line(shown: Shown, *, ids: bool) -> Text:
    occurrence = shown.occurrence
    line = Text(f"  {shown.hours:<{_HOURS}}", style="cyan")
    line.append(_subject(shown), style="not bold default" if shown.stands else "strike default")
    if occurrence.location:
        line.append(f"  {clean(occurrence.location)}", style="italic default")
    if occurrence.is_recurring:
        line.append(" ↻", style="dim default")
    if shown.waits:
        line.append(" ?", style="bold yellow")
    if shown.notes:
        line.append(f"  ({', '.join(shown.notes)})", style="dim default")
    if ids:
        line.append(f"  {text_of(occurrence.item_id)}", style="dim default")
    return line


def _cell(day: dt.date, shown: Sequence[Shown], today: dt.date, *, inside: bool) -> Text:
    number = Text(f"[{day.day}]" if day == today else str(day.day))
    number.stylize("bold green" if day == today else "bold" if inside else "dim")
    if not inside:
        return number
    most = _ENTRIES if len(shown) <= _ENTRIES else _ENTRIES - 1
    for each in shown[:most]:
        number.append("\n").append(f"{each.hour} " if each.hour else "", style="cyan not bold")
        number.append(_subject(each), style="not bold default" if each.stands else "strike not bold default")
    if len(shown) > most:
        number.append(f"\n+{len(shown) - most} more", style="dim not bold")
    return number


def _subject(shown: Shown) -> str:
    return clean(shown.occurrence.subject) or "(no subject)"
