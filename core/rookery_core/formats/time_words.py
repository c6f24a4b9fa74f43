"""Days and times as people write them in English letters: "Monday, 12 October 2026, 10:00 to 11:00 (Europe/Berlin)"."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from rookery_core.rules import calendar_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.calendar_pb2 import CalendarTime

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def span(start: CalendarTime, end: CalendarTime) -> str:
    """From when to when; "" if it has no start."""
    first, last = calendar_time.wall(start), calendar_time.wall(end)
    if first is None:
        return ""
    if calendar_time.is_date(start):
        through = last - dt.timedelta(days=1) if last else first
        return f"{day(start)}, all day" if through <= first else f"{day(start)} to {day(calendar_time.on(through))}, all day"
    if last is None or last == first:
        return moment(start)
    if start.time_zone != end.time_zone:
        return f"{moment(start)} to {moment(end)}"
    until = f"{last:%H:%M}" if last.date() == first.date() else f"{day(end)}, {last:%H:%M}"
    return f"{day(start)}, {first:%H:%M} to {until}{_zone(start)}"


def moment(time: CalendarTime) -> str:
    """A date, or a time of day with its date and zone; "" for what is neither."""
    wall = calendar_time.wall(time)
    if wall is None:
        return ""
    return day(time) if calendar_time.is_date(time) else f"{day(time)}, {wall:%H:%M}{_zone(time)}"


def day(time: CalendarTime) -> str:
    """The day that a time is on, with its weekday; "" for what is no time."""
    wall = calendar_time.wall(time)
    return f"{WEEKDAYS[wall.weekday()]}, {wall.day} {MONTHS[wall.month - 1]} {wall.year}" if wall else ""


def listed(words: Sequence[str]) -> str:
    """Words in a row: "a, b and c"."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def _zone(time: CalendarTime) -> str:
    return f" ({time.time_zone})" if time.time_zone else ""
