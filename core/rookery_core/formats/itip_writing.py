"""Scheduling messages written (RFC 5546), in the forms that Outlook, Google and Apple read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import Attendee, BusyStatus, EventStatus, ResponseStatus
from rookery.v1.item_pb2 import ItemKind
from rookery.v1.task_pb2 import TaskAssignment, TaskStatus
from rookery_core.formats import (
    calendar_event,
    calendar_task,
    calendar_zone_matching,
    calendar_zone_rules,
    calendar_zones,
    contentlines,
    itip_words,
)
from rookery_core.formats import calendar_units as units
from rookery_core.formats import calendar_values as values
from rookery_core.formats.calendar_document import PRODUCT
from rookery_core.formats.calendar_zones import Zones
from rookery_core.formats.contentlines import Component, Line
from rookery_core.formats.item_record import ItemRecord, named, timestamp
from rookery_core.rules import limits, zones

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rookery.v1.calendar_pb2 import CalendarTime, Recurrence
    from rookery_core.rules.scheduling.itip import Itip, Part

_NAMES = {ItemKind.ITEM_KIND_APPOINTMENT: "VEVENT", ItemKind.ITEM_KIND_TASK: "VTODO"}
_TEXT = 200_000
"""Characters of text in a message, shared out among its parts."""
_LEAST_TEXT = 500
_CDO = "X-MICROSOFT-CDO-BUSYSTATUS"
_WORKING = {TaskStatus.TASK_STATUS_IN_PROGRESS: "IN-PROCESS", TaskStatus.TASK_STATUS_COMPLETED: "COMPLETED"}


def write(itip: Itip) -> bytes:
    """The text/calendar part for a scheduling message, in UTF-8; DTSTAMP has whole seconds.

    Of what it says of an item, uid, organizer, version and whether it is called off are as the message has them, not as the item.
    An answer names one attendee, the first (RFC 5546 sections 3.2.3, 3.2.7). Nobody finds more in it than a reader takes: a text
    that is too long is cut, and occurrences go without attendees where those of all parts would be more than 5,000, for these are
    the series'. Times of a zone that nobody knows go in UTC, which is how they are understood here.
    """
    method = units.key_of(itip_words.METHODS, itip.method)
    head = [Line("PRODID", PRODUCT), Line("VERSION", "2.0"), Line("CALSCALE", "GREGORIAN"), Line("METHOD", method)]
    calendar = Component("VCALENDAR", [*head, *_components(itip)])
    years = calendar_zone_matching.years_of(calendar)
    calendar_zones.complete(calendar, lambda name: calendar_zone_rules.definition(name, years) or calendar_zones.generated(name))
    return contentlines.write([calendar])


def _components(itip: Itip) -> Iterator[Component]:
    room = limits.ATTENDEES
    longest = max(_LEAST_TEXT, _TEXT // len(itip.parts))
    for part in itip.parts:
        record = _told(itip, part, longest)
        attendees = record.content.appointment.attendees
        room -= len(attendees)
        if room < 0 and part is not itip.parts[0]:
            del attendees[:]
        yield _component(itip, part, record)


def _told(itip: Itip, part: Part, longest: int) -> ItemRecord:
    """What others are told of an item."""
    record = ItemRecord(part.item.summary, part.item.content, part.item.state).copy()
    record.state.Clear()
    record.summary.ClearField("created")
    body = record.content.body
    body.html = ""
    if len(body.text) > longest:
        body.text = body.text[: longest - 1] + "…"
    if itip.kind == ItemKind.ITEM_KIND_TASK:
        _told_of_task(itip, record)
    else:
        _told_of_meeting(itip, part, record)
    return record


def _told_of_meeting(itip: Itip, part: Part, record: ItemRecord) -> None:
    appointment, attendees = record.summary.appointment, record.content.appointment.attendees
    appointment.meeting_id = itip.uid
    appointment.organizer.CopyFrom(itip.organizer)
    appointment.ClearField("reminder_minutes")
    if part.cancelled:
        appointment.status = EventStatus.EVENT_STATUS_CANCELLED
    for time in (appointment.start, appointment.end):
        _make_known(time)
    _make_known_all(appointment.recurrence)
    told = [_public(attendee) for attendee in attendees if attendee.person.address]
    del attendees[:]
    attendees.extend(told[:1] if itip.method in itip_words.ANSWERS else told)


def _public(attendee: Attendee) -> Attendee:
    """An attendee without what the organizer noted. That the organizer comes needs no word of its own, which others do not know."""
    answer = attendee.response
    if answer == ResponseStatus.RESPONSE_STATUS_ORGANIZER:
        answer = ResponseStatus.RESPONSE_STATUS_ACCEPTED
    return Attendee(person=attendee.person, role=attendee.role, response=answer, response_requested=attendee.response_requested)


def _told_of_task(itip: Itip, record: ItemRecord) -> None:
    task = record.summary.task
    task.task_id = itip.uid
    record.content.task.assigner.CopyFrom(itip.organizer)
    task.ClearField("reminder")
    for time in (task.start, task.due):
        _make_known(time)
    _make_known_all(task.recurrence)


def _make_known_all(recurrence: Recurrence) -> None:
    for time in (*recurrence.dates, *recurrence.excluded_dates):
        _make_known(time)


def _make_known(time: CalendarTime) -> None:
    if time.time_zone and zones.canonical(time.time_zone) is None:
        time.time_zone = zones.UTC


def _component(itip: Itip, part: Part, record: ItemRecord) -> Component:
    component = Component(_NAMES[itip.kind])
    nothing = ItemRecord.empty(itip.kind)
    if itip.kind == ItemKind.ITEM_KIND_TASK:
        calendar_task.edit_task(component, nothing, record, Zones())
        _say_progress(component, record)
    else:
        calendar_event.edit_event(component, nothing, record, Zones())
        component.replace(named(_CDO), _busy_lines(record.summary.appointment.busy_status))
    component.replace(named("SEQUENCE"), [Line("SEQUENCE", str(part.version.sequence))])
    speaker = component.first("ATTENDEE" if itip.method in itip_words.ANSWERS else "ORGANIZER")
    if speaker and itip.sent_by:
        speaker.params["SENT-BY"] = [values.mail_uri(itip.sent_by)]
    component.entries[1:1] = _identity(part)
    component.entries.extend(values.text_lines("COMMENT", part.comment))
    return component


def _identity(part: Part) -> Iterable[Line]:
    yield values.stamp_line("DTSTAMP", timestamp(part.version.stamp))
    if part.occurrence is not None:
        occurrence = type(part.occurrence)()
        occurrence.CopyFrom(part.occurrence)
        _make_known(occurrence)
        line = values.time_line("RECURRENCE-ID", occurrence, Zones())
        if part.this_and_future:
            line.params["RANGE"] = ["THISANDFUTURE"]
        yield line


def _busy_lines(status: BusyStatus.ValueType) -> list[Line]:
    """How the time is to show; Exchange takes one word for the time until the answer, the other for the time after it."""
    word = units.key_of(calendar_event.BUSY, status)
    return [Line(_CDO, word), Line(itip_words.INTENDED, word)] if word else []


def _say_progress(component: Component, record: ItemRecord) -> None:
    """RFC 5545 section 3.2.12: who has begun a task, or is done with it, says so in place of having accepted it."""
    word = _WORKING.get(record.summary.task.status)
    accepted = record.summary.task.assignment == TaskAssignment.TASK_ASSIGNMENT_ACCEPTED
    for line in component.lines("ATTENDEE"):
        if word and accepted:
            line.params["PARTSTAT"] = [word]
