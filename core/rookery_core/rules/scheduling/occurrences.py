"""Occurrences of a series as scheduling speaks of them: which one a RECURRENCE-ID means, what it is like, how it differs."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import AppointmentSummary, OccurrenceException
from rookery.v1.item_pb2 import Item
from rookery_core.errors import InvalidArgument
from rookery_core.rules import body_text, calendar_time
from rookery_core.rules.recurrence.recurring import Recurring
from rookery_core.rules.recurrence.starts import Budget

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery.v1.item_pb2 import Body

_STARTS = 300_000
"""Starts that are looked at to find out which occurrences a series has, of all that are asked about in one message."""
_A_YEAR = 20_000
"""Starts of a year that are looked at to know all that it has."""
_SINGLY = 8
"""Occurrences that are looked for one by one, before those of a year are at once."""


class Timeline:
    """The occurrences of an appointment, by the wall clock of its series: a RECURRENCE-ID may be written in any zone."""

    def __init__(self, appointment: AppointmentSummary) -> None:
        """InvalidArgument ``FIELD_INVALID`` if the start is no time."""
        try:
            self._recurring = Recurring(appointment.start, appointment.recurrence)
        except ValueError:
            raise InvalidArgument("FIELD_INVALID", "the appointment has no start", field="item.summary.appointment.start") from None
        self._appointment = appointment
        self._budget = Budget(_STARTS)
        self._asked = 0
        self._years: dict[int, frozenset[dt.datetime] | None] = {}
        self.is_series = not self._recurring.is_single
        self.exceptions: dict[dt.datetime, OccurrenceException] = {}
        """By the occurrence that each is for."""
        self.look()

    def look(self) -> None:
        """Looks again which exceptions the appointment has."""
        self.exceptions.clear()
        for exception in self._appointment.exceptions:
            point = self.point(exception.original_start)
            if point is not None:
                self.exceptions.setdefault(point, exception)

    def point(self, time: CalendarTime) -> dt.datetime | None:
        """The occurrence that a time names; None if it is malformed. Whether there is one is ``has``' business."""
        return self._recurring.point(time)

    def time(self, point: dt.datetime) -> CalendarTime:
        """The name of an occurrence: the start that the rule gave it."""
        return self._recurring.clock.time(point)

    def gives(self, point: dt.datetime) -> bool:
        """Whether the series has the occurrence without an exception. No, if the work to find out grows too much."""
        self._asked += 1
        known = self._year(point.year) if self._asked > _SINGLY else None
        return point in known if known is not None else self._recurring.gives(point, self._budget)

    def _year(self, year: int) -> frozenset[dt.datetime] | None:
        """The starts of a year; None if they are too many."""
        if year not in self._years:
            budget = Budget(min(_A_YEAR, self._budget.left))
            before = budget.left
            end = dt.datetime.max if year == dt.MAXYEAR else dt.datetime(year + 1, 1, 1)  # noqa: DTZ001, DTZ901 - wall clock
            found = frozenset(self._recurring.between(dt.datetime(year, 1, 1), end, budget))  # noqa: DTZ001
            self._budget.left -= before - budget.left
            self._years[year] = None if budget.is_spent else found
        return self._years[year]

    def has(self, point: dt.datetime) -> bool:
        """Whether there is such an occurrence, be it changed or cancelled."""
        return point in self.exceptions or self.gives(point)

    def is_all(self, time: CalendarTime) -> bool:
        """Whether it names the one occurrence that there is."""
        point = self.point(time)
        return not self.is_series and point is not None and self.gives(point)

    def times(self, point: dt.datetime, exception: OccurrenceException | None) -> tuple[CalendarTime, CalendarTime]:
        """Start and end of an occurrence with what is different about it."""
        start = self.time(point)
        if exception is not None and exception.HasField("start"):
            start = exception.start
        if exception is not None and exception.HasField("end"):
            return start, exception.end
        series = self._appointment
        return start, calendar_time.moved(series.start, series.end if series.HasField("end") else series.start, start)

    def require(self, occurrence: CalendarTime) -> dt.datetime:
        """The occurrence that a caller names. InvalidArgument ``NOT_AN_OCCURRENCE`` if there is none."""
        point = self.point(occurrence)
        if point is None or not self.is_series or not self.has(point):
            raise InvalidArgument("NOT_AN_OCCURRENCE", "the appointment has no such occurrence", field="occurrence")
        return point


def single(item: Item, occurrence: CalendarTime) -> Item:
    """One occurrence of an appointment as one by itself: without rule and exceptions, with its own times, subject, place and text.

    InvalidArgument ``FIELD_INVALID`` if it names none.
    """
    timeline = Timeline(item.summary.appointment)
    point = timeline.point(occurrence)
    if point is None:
        raise InvalidArgument("FIELD_INVALID", "the occurrence is no time", field="occurrence")
    return alone(bare(item), point, timeline.exceptions.get(point), timeline)


def bare(item: Item) -> Item:
    """Summary and content of an appointment, without rule and exceptions: what ``alone`` makes occurrences of."""
    found = Item(summary=item.summary, content=item.content)
    found.summary.appointment.ClearField("recurrence")
    found.summary.appointment.ClearField("exceptions")
    found.content.appointment.ClearField("meeting")
    return found


def alone(series: Item, point: dt.datetime, exception: OccurrenceException | None, timeline: Timeline) -> Item:
    """``single`` for a ``bare`` item, with what is different about the occurrence."""
    found = Item()
    found.CopyFrom(series)
    appointment = found.summary.appointment
    start, end = timeline.times(point, exception)
    appointment.start.CopyFrom(start)
    appointment.end.CopyFrom(end)
    appointment.all_day = calendar_time.is_date(start)
    if exception is None:
        return found
    appointment.busy_status = exception.busy_status or appointment.busy_status
    appointment.my_response = exception.my_response or appointment.my_response
    if exception.HasField("reminder_minutes"):
        appointment.reminder_minutes = exception.reminder_minutes
    if exception.HasField("location"):
        appointment.location = exception.location
    if exception.HasField("subject"):
        found.summary.subject = exception.subject
    if exception.HasField("text"):
        found.content.body.Clear()
        found.content.body.text = exception.text
    return found


def personal(exception: OccurrenceException) -> OccurrenceException:
    """What of an exception is the business of the mailbox's owner alone: busy status, reminder, answer."""
    found = OccurrenceException(
        original_start=exception.original_start, busy_status=exception.busy_status, my_response=exception.my_response
    )
    if exception.HasField("reminder_minutes"):
        found.reminder_minutes = exception.reminder_minutes
    return found


def public(exception: OccurrenceException) -> OccurrenceException:
    """The rest: what everybody is told."""
    found = OccurrenceException()
    found.CopyFrom(exception)
    for name in ("busy_status", "reminder_minutes", "my_response"):
        found.ClearField(name)
    return found


def exception_of(told: Item, point: dt.datetime, series: Item, timeline: Timeline) -> OccurrenceException:
    """How an occurrence differs from its series in what is told to all; without times and text of its own it has the series'."""
    mine, whole = told.summary.appointment, series.summary.appointment
    exception = OccurrenceException(original_start=timeline.time(point))
    start, end = timeline.times(point, None)
    if mine.start.local:
        last = mine.end if mine.HasField("end") else mine.start
        if not (is_same_time(mine.start, start) and is_same_time(last, end)):
            exception.start.CopyFrom(mine.start)
            exception.end.CopyFrom(last)
    if told.summary.subject != series.summary.subject:
        exception.subject = told.summary.subject
    if mine.location != whole.location:
        exception.location = mine.location
    text = text_of(told.content.body)
    if text and text != text_of(series.content.body):
        exception.text = text
    return exception


def text_of(body: Body) -> str:
    """The text of an item, whatever its form. White space at its end says nothing, and messages lose it."""
    return (body.text or body_text.text_of_html(body.html)).rstrip()


def is_same_time(one: CalendarTime, other: CalendarTime) -> bool:
    """Whether two points are one, in whatever zones they are written."""
    if one == other:
        return True
    fixed = bool(one.time_zone and other.time_zone)
    return fixed and calendar_time.instant(one) == calendar_time.instant(other)
