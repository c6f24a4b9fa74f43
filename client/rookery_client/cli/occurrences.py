"""Which occurrence of a series is meant: people name it by its day, or by day and hour, in their own zone."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import RESPONSE_STATUS_DECLINED
from rookery.v1.calendar_service_pb2 import ListOccurrencesResponse, Occurrence
from rookery_client.cli.calendar_times import DAY, in_zone, start_text, typed, when
from rookery_core.errors import InvalidArgument
from rookery_core.rules import calendar_time
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import text_of
from rookery_core.rules.recurrence.entries import ENCODED, Entry
from rookery_core.rules.recurrence.starts import Budget

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery.v1.item_pb2 import Item

AHEAD = 5 * 366 * DAY
"""How far ahead is looked for what is on next."""
_MICROSECOND = dt.timedelta(microseconds=1)
_MARGIN = 2 * calendar_time.DAY
_NEXT = 5
_STARTS = 20_000
_OPTION = "--occurrence"


def is_series(item: Item) -> bool:
    """Whether an appointment recurs."""
    recurrence = item.summary.appointment.recurrence
    return bool(recurrence.rules or recurrence.dates)


def coming(item: Item, zone: str) -> list[Occurrence]:
    """The next few occurrences of an appointment, and what is going on."""
    now = SystemClock().micros()
    return _between(item, now, now + AHEAD // _MICROSECOND, zone)[:_NEXT]


def named(item: Item, text: str, zone: str, *, declined: bool = False, option: str = _OPTION) -> Occurrence:
    """The one occurrence on a day, or at a time, in a zone; with ``declined`` also one that was declined, as it was to be.

    UsageError for what is no time; InvalidArgument ``NOT_A_SERIES``, ``NOT_AN_OCCURRENCE`` (also where several are meant).
    """
    if not is_series(item):
        raise InvalidArgument("NOT_A_SERIES", f"this is a single appointment, not a series: leave out {option}")
    wanted = when(text, zone, option)
    about = calendar_time.instant(wanted, zone) or 0
    found = [each for each in _between(item, about - _MARGIN, about + _MARGIN, zone) if _is_meant(each, wanted, zone)]
    if declined and not found:
        found = [each for each in _declined(item) if _is_meant(each, wanted, zone)]
    if len(found) == 1:
        return found[0]
    if found:
        times = ", ".join(f"“{typed(each.start, zone)}”" for each in found)
        raise InvalidArgument("NOT_AN_OCCURRENCE", f"there are {len(found)} on that day: say which with {option}, {times}")
    message = f"there is none {'at' if 'T' in wanted.local else 'on'} {start_text(wanted, zone)}"
    raise InvalidArgument("NOT_AN_OCCURRENCE", f"{message}: `rookery cal show {text_of(item.id)}` tells when it is on")


def by_original(item: Item, original: CalendarTime, zone: str) -> Occurrence | None:
    """The occurrence whose start the rule gave; None if it is not on, or is too far from there."""
    instant = calendar_time.instant(original, zone)
    if instant is None:
        return None
    reach = 366 * DAY // _MICROSECOND
    near = _between(item, instant - reach, instant + reach, zone)
    return next((each for each in near if calendar_time.instant(each.original_start, zone) == instant), None)


def _between(item: Item, begin: int, end: int, zone: str) -> list[Occurrence]:
    try:
        entry = Entry(item.id, item.summary)
    except ValueError:
        return []
    laid = entry.lay(begin, end, zone, Budget(_STARTS))
    return list(ListOccurrencesResponse.FromString(b"".join(each[ENCODED] for each in laid)).occurrences)


def _is_meant(occurrence: Occurrence, wanted: CalendarTime, zone: str) -> bool:
    """Whether it begins on the day, or at the time."""
    if calendar_time.is_date(wanted):
        return in_zone(occurrence.start, zone).local.partition("T")[0] == wanted.local
    return calendar_time.instant(occurrence.start, zone) == calendar_time.instant(wanted, zone)


def _declined(item: Item) -> list[Occurrence]:
    """Occurrences that were taken off one's own copy, at the times that the rule gave them."""
    appointment = item.summary.appointment
    return [
        Occurrence(
            item_id=item.id,
            original_start=each.original_start,
            start=each.original_start,
            end=calendar_time.moved(appointment.start, appointment.end, each.original_start),
        )
        for each in appointment.exceptions
        if each.cancelled and each.my_response == RESPONSE_STATUS_DECLINED
    ]
