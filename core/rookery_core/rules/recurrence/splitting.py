"""A series cut in two, "this and following"; and exceptions that a changed rule has left without an occurrence."""

from __future__ import annotations

import collections
import datetime as dt
import itertools
from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import AppointmentSummary, OccurrenceException
from rookery_core.errors import InvalidArgument
from rookery_core.rules import calendar_time, zones
from rookery_core.rules.recurrence import rule as rules
from rookery_core.rules.recurrence.recurring import Recurring
from rookery_core.rules.recurrence.series import Series
from rookery_core.rules.recurrence.starts import Budget, starts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rookery.v1.calendar_pb2 import CalendarTime, Recurrence
    from rookery_core.rules.recurrence.rule import Rule

_COUNTED = 100_000
"""Starts that are counted to divide a COUNT."""
_COMPARED = 200
"""Starts by which two rules are found to be in step."""
_BACK = (dt.timedelta(hours=1), *(dt.timedelta(days=days) for days in (1, 31, 400, 4000, 40_000)))
"""How far back one looks for the last start before another."""
_SECOND = dt.timedelta(seconds=1)
_DAY = dt.timedelta(days=1)


def split(appointment: AppointmentSummary, at: CalendarTime, field: str) -> tuple[AppointmentSummary, AppointmentSummary]:
    """What comes before an occurrence, and it with all that follow: two series with the same occurrences as the one.

    The second has no ``meeting_id``: it is an appointment of its own. InvalidArgument ``FIELD_INVALID`` unless ``at`` is the
    original start of an occurrence behind the first that the series' rule gives; and where two series could not say the same:
    several rules would fall out of step, or the occurrence has a change of its own beside one that it shares with those around it.
    """
    recurring = _recurring(appointment, field)
    point = recurring.point(at)
    if point is None or point <= recurring.first or not _is_given(recurring, point):
        message = "a series is split at an occurrence behind its first, which its rule gives"
        raise InvalidArgument("FIELD_INVALID", message, field=field)
    before, after = AppointmentSummary(), AppointmentSummary()
    for part in (before, after):
        part.CopyFrom(appointment)
        part.ClearField("recurrence")
        part.ClearField("exceptions")
    after.ClearField("meeting_id")
    after.start.CopyFrom(recurring.clock.time(point))
    if appointment.HasField("end"):
        after.end.CopyFrom(calendar_time.moved(appointment.start, appointment.end, after.start))
    _share_rules(recurring, point, appointment.recurrence, (before.recurrence, after.recurrence), field)
    for name in ("dates", "excluded_dates"):
        for date in getattr(appointment.recurrence, name):
            getattr((before if _is_before(recurring, date, point) else after).recurrence, name).append(date)
    after.exceptions.extend(_carried(appointment, recurring, point, field))
    for exception in appointment.exceptions:
        (before if _is_before(recurring, exception.original_start, point) else after).exceptions.append(exception)
    return before, after


def orphans(before: AppointmentSummary, after: AppointmentSummary, budget: Budget) -> list[OccurrenceException]:
    """Exceptions of ``after`` to occurrences that it has not any more, and that ``before`` had.

    None where the rule and the start are as they were, or where the budget does not suffice to know.
    """
    if not after.exceptions or (before.recurrence == after.recurrence and before.start == after.start):
        return []
    try:
        was, is_now = Recurring(before.start, before.recurrence), Recurring(after.start, after.recurrence)
    except ValueError:
        return []
    found = []
    for exception in after.exceptions:
        old, new = was.point(exception.original_start), is_now.point(exception.original_start)
        if old is not None and was.gives(old, budget) and (new is None or not is_now.gives(new, budget)):
            found.append(exception)
    return [] if budget.is_spent else found


def _recurring(appointment: AppointmentSummary, field: str) -> Recurring:
    try:
        return Recurring(appointment.start, appointment.recurrence)
    except ValueError:
        raise InvalidArgument("FIELD_INVALID", "the appointment has no start that a series could have", field=field) from None


def _share_rules(
    recurring: Recurring, point: dt.datetime, whole: Recurrence, parts: tuple[Recurrence, Recurrence], field: str
) -> None:
    """A rule counts its intervals from the start of its series: where there are several, another start may not suit all of them."""
    before, after = parts
    several = len(whole.rules) + len(whole.exclusion_rules) > 1
    for name in ("rules", "exclusion_rules"):
        for text in getattr(whole, name):
            head, tail = _divided(recurring, text, point, field)
            getattr(before, name).append(head)
            if tail:
                getattr(after, name).append(tail)
            if several and _next(recurring, text, recurring.first, point) != _next(recurring, tail, point, point):
                raise InvalidArgument("FIELD_INVALID", "the series' rules would fall out of step: split it elsewhere", field=field)


def _next(recurring: Recurring, text: str, first: dt.datetime, point: dt.datetime) -> list[dt.datetime]:
    rule = rules.parse(text)
    if rule is None:
        return []
    found = starts(recurring.clock.localized(rule), first, point, dt.datetime.max, Budget(_COUNTED))  # noqa: DTZ901 - wall clock
    return list(itertools.islice(found, _COMPARED))


def _carried(
    appointment: AppointmentSummary, recurring: Recurring, point: dt.datetime, field: str
) -> Iterator[OccurrenceException]:
    """What holds for an occurrence and all that follow since one before it (RANGE=THISANDFUTURE), to be said of it again."""
    lasting = Series(appointment).lasting_at(point)
    if lasting is None or lasting.original == point:
        return
    if lasting.exception.cancelled:
        raise InvalidArgument("FIELD_INVALID", "the occurrence is cancelled, with all that follow", field=field)
    if any(recurring.point(each.original_start) == point for each in appointment.exceptions):
        message = "the occurrence has a change of its own beside one that holds for all that follow: split the series elsewhere"
        raise InvalidArgument("FIELD_INVALID", message, field=field)
    carried = OccurrenceException()
    carried.CopyFrom(lasting.exception)
    for name, wall in (("original_start", point), ("start", point + lasting.shift)):
        getattr(carried, name).CopyFrom(recurring.clock.time(wall))
    carried.ClearField("end")
    if lasting.length is not None:
        carried.end.CopyFrom(recurring.clock.time(point + lasting.shift + lasting.length))
    yield carried


def _is_given(recurring: Recurring, point: dt.datetime) -> bool:
    budget = Budget(_COUNTED)
    return any(point in starts(rule, recurring.first, point, point + _SECOND, budget) for rule in recurring.rules)


def _is_before(recurring: Recurring, time: CalendarTime, point: dt.datetime) -> bool:
    found = recurring.point(time)
    return found is None or found < point


def _divided(recurring: Recurring, text: str, point: dt.datetime, field: str) -> tuple[str, str]:
    """A rule up to a point and from there on; the second is empty if nothing is left of its COUNT."""
    rule = rules.parse(text)
    if rule is None:
        return text, text
    parts = [part for part in text.strip().strip(";").split(";") if part]
    kept = [part for part in parts if part.partition("=")[0].strip().upper() not in {"COUNT", "UNTIL"}]
    head = ";".join([*kept, f"UNTIL={_until(recurring, rule, point)}"])
    if rule.limit is None:
        return head, ";".join(parts)
    budget = Budget(_COUNTED)
    left = rule.limit - sum(1 for _ in starts(recurring.clock.localized(rule), recurring.first, recurring.first, point, budget))
    if budget.is_spent:
        raise InvalidArgument("FIELD_INVALID", f"more than {_COUNTED:,} occurrences come before: too many to count", field=field)
    return head, ";".join([*kept, f"COUNT={left}"]) if left > 0 else ""


def _until(recurring: Recurring, rule: Rule, point: dt.datetime) -> str:
    """The UNTIL of a rule's first part: its last start before a point, as people would set it, where that can be told."""
    last = _last_start(recurring, rule, point)
    if last is None:
        return _last_before(recurring, point)
    if recurring.clock.is_dates:
        return _digits(last.date())
    if not recurring.clock.time_zone:
        return _digits(last)
    shown = calendar_time.instant(recurring.clock.time(last))
    utc = calendar_time.from_instant(shown, zones.UTC) if shown is not None else None
    wall = calendar_time.wall(utc) if utc is not None else None
    if utc is None or wall is None or recurring.clock.read(utc) != last:
        return _last_before(recurring, point)  # what the clocks leave out has no time in UTC that means it
    return f"{_digits(wall)}Z"


def _last_start(recurring: Recurring, rule: Rule, point: dt.datetime) -> dt.datetime | None:
    """A rule's last start before a point; None where it gives none, or none is found soon. Looks further back step by step."""
    budget, localized = Budget(_COUNTED), recurring.clock.localized(rule)
    end = point
    for length in _BACK:
        begin = point - min(length, point - recurring.first)
        found = collections.deque(starts(localized, recurring.first, begin, end, budget), maxlen=1)
        if budget.is_spent:
            return None
        if found or begin == recurring.first:
            return found[0] if found else None
        end = begin
    return None


def _last_before(recurring: Recurring, point: dt.datetime) -> str:
    """An UNTIL that leaves out what begins at a point: a date for dates, floating time as it is, else in UTC (RFC 5545 3.3.10)."""
    if recurring.clock.is_dates:
        return _digits((point - _DAY).date())
    last = point - _SECOND
    if not recurring.clock.time_zone:
        return _digits(last)
    shown = calendar_time.instant(recurring.clock.time(point)) or 0
    utc = calendar_time.from_instant(shown - calendar_time.SECOND, zones.UTC)
    wall = (calendar_time.wall(utc) if utc is not None else None) or last
    return f"{_digits(wall)}Z"


def _digits(value: dt.date) -> str:
    return value.isoformat().replace("-", "").replace(":", "")
