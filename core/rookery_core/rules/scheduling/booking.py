"""Whether a room, or a piece of equipment, takes a booking: by its rules, and by what it is booked for already."""

from __future__ import annotations

import bisect
from itertools import accumulate, islice
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.calendar_pb2 import ResponseStatus
from rookery_core.rules import calendar_time, zones
from rookery_core.rules.availability import periods, wording, working_hours
from rookery_core.rules.recurrence.series import Series
from rookery_core.rules.recurrence.starts import Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rookery.v1.availability_service_pb2 import BookingRules, CalendarSettings
    from rookery.v1.calendar_pb2 import AppointmentSummary, CalendarTime
    from rookery.v1.item_pb2 import Item
    from rookery_core.rules.recurrence.series import Occurrence

MOST_NAMED = 10
"""Times that a reason names."""
_STARTS = 5_000
"""Starts of a series that are looked at, beside its exceptions."""
_REACH = 1_100 * calendar_time.DAY
"""How far behind its first occurrence a series is looked at, where the rules set no horizon."""
_LOOKS = (30 * calendar_time.DAY, 370 * calendar_time.DAY)
"""How far it is looked for an occurrence before it is looked for everywhere."""
_EVER = 253_402_300_799 * calendar_time.SECOND
_NAME = 60
"""Characters of a name in a reason."""
_MINUTE = 60 * calendar_time.SECOND


class Taken(NamedTuple):
    """Time that is booked already. Instants in microseconds since 1970."""

    start: int
    end: int
    by: str
    """Whose it is: the organiser's name, else address; empty where there is none."""


class Decision(NamedTuple):
    """What the room answers."""

    response: ResponseStatus.ValueType
    """ACCEPTED or DECLINED."""
    comment: str
    """Why, for the organiser; empty where there is nothing to say."""
    declined: tuple[CalendarTime, ...]
    """Of a series that is accepted: the original starts of those occurrences that are declined."""


class _Clash(NamedTuple):
    occurrence: Occurrence
    taken: list[Taken]
    """With what: the first ten, and one more if there is more."""


class _Series:
    """The meeting, laid out where the room's owner is; bounded work, whatever its rules are."""

    def __init__(self, appointment: AppointmentSummary, zone: str) -> None:
        """ValueError if the start is malformed."""
        self._series = Series(appointment)
        self._zone = zone
        self._most = _STARTS + len(appointment.exceptions)
        self.recurs = not self._series.recurring.is_single

    def between(self, begin: int, end: int) -> list[Occurrence] | None:
        """What begins before ``end`` and ends after ``begin``; None if that is too much to look at."""
        budget = Budget(self._most)
        found = self._series.between(begin, end, self._zone, budget)
        return None if budget.is_spent else [each for each in found if each.ends > begin]

    def first(self, begin: int) -> Occurrence | None:
        """The first that begins at ``begin`` or later."""
        for reach in (*_LOOKS, _EVER):
            budget = Budget(self._most)
            for each in self._series.between(begin, min(begin + reach, _EVER), self._zone, budget):
                if each.begins >= begin:
                    return each
        return None


def decide(
    meeting: Item, settings: CalendarSettings, taken: Callable[[int, int], Sequence[Taken]], *, now: int, outsider: bool
) -> Decision:
    """The answer to a request, by the rules in ``settings.booking``; whether they apply at all (``automatic``) the caller has seen.

    ``taken(begin, end)`` tells what is booked then, but for the meeting itself; it is asked once at most. ``outsider``: the
    organiser is not on this server. What has passed is not looked at. Of a series, occurrences that are taken are declined one by
    one, as long as they are no more than ``conflict_percent`` of 100. Where no horizon is set, its next three years are looked at.
    """
    rules, zone = settings.booking, settings.working_hours.time_zone or zones.UTC
    try:
        series = _Series(meeting.summary.appointment, zone)
    except ValueError:
        return _declined("The time of the meeting can not be read.")
    if outsider and not rules.outsiders:
        return _declined("Only people of this organisation can book here.")
    if series.recurs and not rules.recurring:
        return _declined("Series can not be booked here: book each time by itself.")
    shown_in = meeting.summary.appointment.start.time_zone or zone
    coming, refused = _coming(series, rules, now, shown_in)
    refused = refused or _too_long(coming, rules) or _beyond_hours(coming, settings, shown_in)
    if refused:
        return _declined(refused)
    clashes = [] if rules.conflicts else _clashes(coming, taken)
    if not clashes:
        return _accepted()
    times = _named([each for clash in clashes for each in clash.taken], shown_in)
    if series.recurs and len(clashes) < len(coming) and len(clashes) * 100 <= rules.conflict_percent * len(coming):
        declined = tuple(each.occurrence.original_start for each in clashes)
        return _accepted(f"Taken already, and not booked: {times}.", declined)
    return _declined(f"It is taken already: {times}.")


def _coming(series: _Series, rules: BookingRules, now: int, zone: str) -> tuple[list[Occurrence], str]:
    """What is to come, as far as it is looked at; or why it can not be booked."""
    horizon = now + rules.horizon_days * calendar_time.DAY
    if rules.horizon_days and series.first(horizon) is not None:
        return [], _too_far(rules, horizon, zone)
    if not rules.horizon_days:
        first = series.first(now)
        horizon = (first.begins if first is not None else now) + _REACH
    coming = series.between(now, horizon)
    if coming is None:
        return [], "The series has more occurrences than can be booked."
    return coming, "" if coming else "The time of the meeting has passed."


def _too_far(rules: BookingRules, horizon: int, zone: str) -> str:
    ahead = wording.length(rules.horizon_days * working_hours.DAY_MINUTES)
    return f"It can be booked {ahead} ahead, until {wording.day(horizon, zone)}, and no further."


def _too_long(coming: Sequence[Occurrence], rules: BookingRules) -> str:
    """Why its length is not allowed; empty if it is."""
    if not rules.longest_minutes or all(each.ends - each.begins <= rules.longest_minutes * _MINUTE for each in coming):
        return ""
    return f"It can be booked for {wording.length(rules.longest_minutes)} at most."


def _beyond_hours(coming: Sequence[Occurrence], settings: CalendarSettings, zone: str) -> str:
    """Why its hours do not allow it; empty if they do."""
    if not settings.booking.working_hours_only:
        return ""
    hours = settings.working_hours
    open_at = working_hours.periods(hours, coming[0].begins, max(each.ends for each in coming))
    for each in coming:
        if not periods.within(open_at, each.begins, each.ends):
            when = wording.period(each.begins, each.ends, zone)
            return f"It can be booked only at its hours, {working_hours.text(hours)}, not {when}."
    return ""


def _clashes(coming: Sequence[Occurrence], taken: Callable[[int, int], Sequence[Taken]]) -> list[_Clash]:
    """The occurrences at whose time something is booked."""
    booked = sorted(taken(coming[0].begins, max(each.ends for each in coming)))
    latest = list(accumulate((each.end for each in booked), max))  # the latest end of all that begin no later
    found = []
    for each in coming:
        with_it: list[Taken] = []
        for other in islice(booked, bisect.bisect_right(latest, each.begins), None):
            if other.start >= each.ends or len(with_it) > MOST_NAMED:
                break
            if other.end > each.begins:
                with_it.append(other)
        if with_it:
            found.append(_Clash(each, with_it))
    return found


def _named(times: Sequence[Taken], zone: str) -> str:
    """When it is taken, and by whom."""
    named = []
    for each in times[:MOST_NAMED]:
        by = " ".join(each.by.split())[:_NAME]
        named.append(wording.period(each.start, each.end, zone) + (f" ({by})" if by else ""))
    return "; ".join(named) + ("; and more" if len(times) > MOST_NAMED else "")


def _accepted(comment: str = "", declined: tuple[CalendarTime, ...] = ()) -> Decision:
    return Decision(ResponseStatus.RESPONSE_STATUS_ACCEPTED, comment, declined)


def _declined(comment: str) -> Decision:
    return Decision(ResponseStatus.RESPONSE_STATUS_DECLINED, comment, ())
