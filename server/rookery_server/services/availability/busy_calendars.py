"""What a calendar says of its owner's time: that of the mailbox's own calendar folder, as Exchange counts it, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery_core.rules import calendar_time
from rookery_core.rules.availability import busy_times
from rookery_core.rules.recurrence.starts import Budget
from rookery_server.store import busy_calendars

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_core.rules.availability.busy_times import Busy
    from rookery_server.services.calendar.parsed_appointments import ParsedAppointments

_SERIES_STARTS = 20_000
"""Starts of one series that are looked at."""
_CALENDAR_STARTS = 500_000
"""Starts that are looked at in a calendar."""


class BusyCalendar(NamedTuple):
    """What takes time in a calendar."""

    times: list[Busy]
    """By their beginnings, one for each occurrence."""
    incomplete: bool
    """Whether a series is left out, since it could not be laid out in bounded work."""


def read(connection: Connection, mailbox_id: int, begin: int, end: int, zone: str, parsed: ParsedAppointments) -> BusyCalendar:
    """What takes time from ``begin`` to before ``end``, in microseconds since 1970; ``zone`` is the owner's."""
    rows = busy_calendars.taking(
        connection, mailbox_id, begin=begin - calendar_time.FLOATING_AFTER, end=end + calendar_time.FLOATING_BEFORE
    )
    times: list[Busy] = []
    incomplete = False
    left: float = _CALENDAR_STARTS
    for _, entry in parsed.of(connection, mailbox_id, rows):
        budget = Budget(min(_SERIES_STARTS, left))
        found = busy_times.taking(entry, begin, end, zone, budget)
        left -= min(_SERIES_STARTS, left) - max(budget.left, 0)
        if budget.is_spent:
            incomplete = True
        else:
            times += found
    return BusyCalendar(sorted(times), incomplete)
