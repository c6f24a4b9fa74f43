"""Points on a calendar: what instant they mean, which comes first, and how far an item reaches.

Instants are microseconds since 1970 UTC. A ``CalendarTime`` whose ``local`` is malformed has no instant; none of these functions
raises on any content but ``validate``.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import CalendarTime
from rookery_core.errors import InvalidArgument
from rookery_core.rules import limits, zones

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery.v1.calendar_pb2 import AppointmentSummary, Recurrence
    from rookery.v1.item_pb2 import ItemSummary
    from rookery.v1.task_pb2 import TaskSummary

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
FLOATING_BEFORE = 14 * HOUR
"""A floating time comes first in the zone that is furthest ahead of UTC, +14:00 …"""
FLOATING_AFTER = 12 * HOUR
"""… and last in the one furthest behind, -12:00."""

_DATE_LENGTH, _TIME_LENGTH = len("YYYY-MM-DD"), len("YYYY-MM-DDTHH:MM:SS")
_UNTIL = re.compile(r"(?:\A|;)UNTIL=(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})(Z?))?(?:;|\Z)", re.ASCII | re.IGNORECASE)
_COUNT = re.compile(r"(?:\A|;)COUNT=", re.IGNORECASE)
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - wall-clock arithmetic is naive


def wall(time: CalendarTime) -> dt.datetime | None:
    """The wall-clock time, naive; midnight for a date; None if ``local`` is malformed."""
    local = time.local
    if local[4:5] != "-" or local[7:8] != "-" or not local.isascii():
        return None
    if len(local) != _DATE_LENGTH and (len(local) != _TIME_LENGTH or local[10::3] != "T::" or local[11:13] == "24"):
        return None
    try:
        return dt.datetime.fromisoformat(local)
    except ValueError:
        return None


def at(wall_clock: dt.datetime, time_zone: str = "") -> CalendarTime:
    """The wall-clock time in a zone; floating where the zone is empty."""
    return CalendarTime(local=wall_clock.replace(microsecond=0, tzinfo=None).isoformat(), time_zone=time_zone)


def on(day: dt.date) -> CalendarTime:
    """The date."""
    return CalendarTime(local=dt.date(day.year, day.month, day.day).isoformat())


def is_date(time: CalendarTime) -> bool:
    """Whether it is a date, without a time of day."""
    return len(time.local) == _DATE_LENGTH


def is_floating(time: CalendarTime) -> bool:
    """Whether it is a time of day in whatever zone the reader is in."""
    return not is_date(time) and not time.time_zone


def instant(time: CalendarTime, default_zone: str = zones.UTC) -> int | None:
    """The instant in microseconds, None if ``local`` is malformed.

    Dates (their midnight) and floating times are taken in ``default_zone``, unknown zones as UTC. Where the clock goes forward and
    skips the time, the offset before the gap counts; where it goes back and shows the time twice, the first counts (RFC 5545
    section 3.3.5).
    """
    wall_clock = wall(time)
    if wall_clock is None:
        return None
    zone = zones.zone(time.time_zone or default_zone)
    offset = zone.utcoffset(wall_clock.replace(tzinfo=zone)) if zone else None
    delta = wall_clock - _EPOCH - (offset or dt.timedelta())
    return delta // dt.timedelta(microseconds=1)


def from_instant(micros: int, time_zone: str) -> CalendarTime | None:
    """The time that clocks in a zone show at an instant, whole seconds; unknown zones as UTC; None outside the years 1 to 9999."""
    zone = zones.zone(time_zone) or dt.UTC
    try:
        moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=micros)
        return at(moment.astimezone(zone), time_zone)
    except (OverflowError, ValueError):
        return None


def validate(time: CalendarTime, field: str) -> None:
    """InvalidArgument ``FIELD_INVALID`` unless it is a date without a zone or a time of day; unknown zone names are allowed."""
    if wall(time) is None:
        raise InvalidArgument(
            "FIELD_INVALID", f"{field} is “{time.local[:40]}”; write YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS", field=f"{field}.local"
        )
    if is_date(time) and time.time_zone:
        raise InvalidArgument("FIELD_INVALID", f"{field} is a date; dates have no time zone", field=f"{field}.time_zone")
    if len(time.time_zone) > limits.ZONE or not time.time_zone.isprintable():
        raise InvalidArgument("FIELD_INVALID", f"{field} has a malformed time zone", field=f"{field}.time_zone")


def before(a: CalendarTime, b: CalendarTime) -> bool:
    """Whether one certainly comes before the other; never where either is malformed.

    A date and a time are compared in UTC: good for "the end is not before the start", not for sorting a calendar.
    """
    first, second = instant(a), instant(b)
    return first is not None and second is not None and first < second


def moved(start: CalendarTime, end: CalendarTime, to: CalendarTime) -> CalendarTime:
    """The end that ``start`` and ``end`` give an occurrence at ``to``: as long by the wall clock; ``to`` itself if in doubt."""
    first, last, new = wall(start), wall(end), wall(to)
    if first is None or last is None or new is None:
        return to
    if start.time_zone != end.time_zone:
        begin, finish = instant(start), instant(end)
        length = dt.timedelta(microseconds=(finish or 0) - (begin or 0))
    else:
        length = last - first
    try:
        shifted = new + length
    except OverflowError:
        return to
    return on(shifted) if is_date(to) else at(shifted, to.time_zone)


def span(summary: ItemSummary) -> tuple[int, int | None] | None:
    """From when to when an appointment or task may show, for range queries; None if it has no time at all.

    Contains every occurrence, in any reader's zone: floating times are widened by the world's offsets, dates count from
    midnight to midnight UTC (which overlaps the day everywhere). An end of None is infinity: a series without UNTIL, or with
    COUNT, which would have to be expanded to know. With UNTIL the end is a bound, not the last occurrence.
    """
    if summary.HasField("appointment"):
        return _appointment_span(summary.appointment)
    if summary.HasField("task"):
        return _task_span(summary.task)
    return None


def spans_between(begin: int, end: int) -> tuple[int, int]:
    """What spans (``span``) may have something from ``begin`` to before ``end``: ends then or later, and a beginning before then.

    Spans count dates in UTC: a viewer's midnight comes up to 14 hours before, or 12 hours after.
    """
    return begin - FLOATING_AFTER, end + FLOATING_BEFORE


def _appointment_span(appointment: AppointmentSummary) -> tuple[int, int | None] | None:
    end = appointment.end if appointment.HasField("end") else appointment.start
    edges = _edges(appointment.start, end)
    if edges is None:
        return None
    first, last = edges
    exceptions, later = [], 0
    for each in appointment.exceptions:
        original = instant(each.original_start)
        start = each.start if each.HasField("start") else each.original_start
        reach = _edges(start, each.end if each.HasField("end") else moved(appointment.start, end, start))
        if each.cancelled or reach is None or original is None:
            continue
        exceptions.append(reach)
        if each.this_and_future:  # those that follow are as much later, and last as much longer
            later = max(later, reach[1] - original - (last - first))
    return _series(edges, appointment.recurrence, appointment.start, end, exceptions, later)


def _task_span(task: TaskSummary) -> tuple[int, int | None] | None:
    start = task.start if task.HasField("start") else task.due
    end = task.due if task.HasField("due") else task.start
    edges = _edges(start, end)
    return _series(edges, task.recurrence, start, end) if edges else None


def _edges(start: CalendarTime, end: CalendarTime) -> tuple[int, int] | None:
    first, last = instant(start), instant(end)
    if first is None:
        return None
    last = first if last is None else last
    if is_floating(start):
        first -= FLOATING_BEFORE
    if is_floating(end):
        last += FLOATING_AFTER
    return first, max(first, last)


def _series(
    edges: tuple[int, int],
    recurrence: Recurrence,
    start: CalendarTime,
    end: CalendarTime,
    exceptions: Iterable[tuple[int, int]] = (),
    later: int = 0,
) -> tuple[int, int | None]:
    """``later``: how much later than the rest of the series some of it may end."""
    first, last = edges
    length = last - first + later
    for begin, until in exceptions:
        first, last = min(first, begin), max(last, until)
    for date in recurrence.dates:
        if edge := _further(date, start, end):
            first, last = min(first, edge[0]), max(last, edge[1] + later)
    for rule in recurrence.rules:
        bound = _until(rule, start)
        if bound is None:
            return first, None
        last = max(last, bound + length)
    return first, last


def _further(date: CalendarTime, start: CalendarTime, end: CalendarTime) -> tuple[int, int] | None:
    """From when to when an occurrence of RDATE may show. A date among times of day means the series' hour there."""
    edge = _edges(date, moved(start, end, date))
    if edge is None or not is_date(date) or is_date(start):
        return edge
    lasting = _edges(start, end) or (0, 0)
    return edge[0] - FLOATING_BEFORE, edge[0] + DAY + FLOATING_AFTER + lasting[1] - lasting[0]


def _until(rule: str, start: CalendarTime) -> int | None:
    """A bound for the starts of a rule's occurrences; None if the rule names none."""
    match = _UNTIL.search(rule)
    if not match or _COUNT.search(rule):
        return None
    year, month, day, hour, minute, second, utc = match.groups()
    local = f"{year}-{month}-{day}T{hour or '23'}:{minute or '59'}:{second or '59'}"
    bound = instant(CalendarTime(local=local, time_zone=zones.UTC if utc else start.time_zone))
    # Producers disagree about whose midnight an UNTIL date ends at: one day more is always enough.
    return None if bound is None else bound + DAY
