"""What others say, cut to what a record may hold (``rookery_core.rules.limits``): it can be edited here later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import Attendee, CalendarTime, OccurrenceException
from rookery_core.rules import calendar_time, limits, recurrence_rules
from rookery_core.rules.scheduling.itip import COMMENT

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import Recurrence
    from rookery.v1.item_pb2 import Item
    from rookery.v1.person_pb2 import Person

_ADDRESS = 1000
"""Characters of an address: a longer one leads nowhere."""


def clip(item: Item) -> None:
    """Cuts what is too long, and leaves out what is too much or no rule.

    Of the two ends of a time that goes backwards the start stays.
    """
    summary, appointment = item.summary, item.summary.appointment
    summary.subject = summary.subject[: limits.SUBJECT]
    item.content.body.text = _clipped_bytes(item.content.body.text)
    appointment.location = appointment.location[: limits.LOCATION]
    if len(appointment.url) > limits.URL:
        appointment.ClearField("url")
    _clip_person(appointment.organizer)
    if not appointment.HasField("end") or calendar_time.before(appointment.end, appointment.start):
        appointment.end.CopyFrom(appointment.start)
    appointment.all_day = calendar_time.is_date(appointment.start)
    if appointment.HasField("recurrence"):
        _clip_recurrence(appointment.recurrence)
    del appointment.exceptions[limits.EXCEPTIONS :]
    for exception in appointment.exceptions:
        _clip_exception(exception)
    attendees = item.content.appointment.attendees
    del attendees[limits.ATTENDEES :]
    for attendee in attendees:
        clip_attendee(attendee)


def clip_attendee(attendee: Attendee) -> None:
    """Cuts an attendee's name and words."""
    _clip_person(attendee.person)
    attendee.comment = attendee.comment[:COMMENT]


def _clip_person(person: Person) -> None:
    if len(person.name) > limits.DISPLAY:
        person.name = person.name[: limits.DISPLAY]
    if len(person.address) > _ADDRESS:
        person.ClearField("address")


def _clip_recurrence(recurrence: Recurrence) -> None:
    for rules in (recurrence.rules, recurrence.exclusion_rules):
        kept = [rule for rule in rules if recurrence_rules.is_rule(rule)][: limits.RULES]
        if len(kept) < len(rules):
            rules[:] = kept
    for dates in (recurrence.dates, recurrence.excluded_dates):
        kept_dates = [CalendarTime(local=date.local, time_zone=date.time_zone) for date in dates][: limits.DATES]
        if len(kept_dates) < len(dates):
            del dates[:]
            dates.extend(kept_dates)


def _clip_exception(exception: OccurrenceException) -> None:
    if exception.HasField("subject"):
        exception.subject = exception.subject[: limits.SUBJECT]
    if exception.HasField("location"):
        exception.location = exception.location[: limits.LOCATION]
    if exception.HasField("text"):
        exception.text = _clipped_bytes(exception.text)
    start = exception.start if exception.HasField("start") else exception.original_start
    if exception.HasField("end") and calendar_time.before(exception.end, start):
        exception.end.CopyFrom(start)


def _clipped_bytes(text: str) -> str:
    if len(text) * 4 <= limits.BODY_BYTES:
        return text
    return text.encode()[: limits.BODY_BYTES].decode(errors="ignore")
