"""Appointments and VEVENT (RFC 5545 section 3.6.1), with their changed occurrences (RECURRENCE-ID)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import AppointmentSummary, BusyStatus, CalendarTime, EventStatus, OccurrenceException, Recurrence
from rookery.v1.item_pb2 import ItemKind
from rookery_core.formats import calendar_alarm
from rookery_core.formats import calendar_units as units
from rookery_core.formats import calendar_values as values
from rookery_core.formats.contentlines import Component, Line
from rookery_core.formats.item_record import ItemRecord, Unit, edit, invalid, named
from rookery_core.rules import calendar_time, limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_core.formats.calendar_zones import Zones

_STATUSES = {
    "TENTATIVE": EventStatus.EVENT_STATUS_TENTATIVE,
    "CONFIRMED": EventStatus.EVENT_STATUS_CONFIRMED,
    "CANCELLED": EventStatus.EVENT_STATUS_CANCELLED,
}
BUSY = {
    "FREE": BusyStatus.BUSY_STATUS_FREE,
    "TENTATIVE": BusyStatus.BUSY_STATUS_TENTATIVE,
    "BUSY": BusyStatus.BUSY_STATUS_BUSY,
    "OOF": BusyStatus.BUSY_STATUS_OUT_OF_OFFICE,
    "WORKINGELSEWHERE": BusyStatus.BUSY_STATUS_WORKING_ELSEWHERE,
}
"""The words for how the time shows (MS-OXCICAL 2.1.3.1.1.20.31)."""
_CDO = "X-MICROSOFT-CDO-BUSYSTATUS"
_NO_COUNTERS = "X-MICROSOFT-DISALLOW-COUNTER"
_REQUESTED = "X-MICROSOFT-ISRESPONSEREQUESTED"
"""Exchange's word for whether answers are asked for; written where it is not what the attendees' RSVP tell."""


def read_event(component: Component, zones: Zones, *, partial: bool = False) -> ItemRecord:
    """The record of one VEVENT, without its changed occurrences.

    InvalidArgument ``DOCUMENT_INVALID`` if it has no start; what is ``partial``, as answers to a meeting are, then has no times.
    """
    record = ItemRecord.empty(ItemKind.ITEM_KIND_APPOINTMENT)
    units.read_common(component, record, zones)
    appointment = record.summary.appointment
    _read_times(component, appointment, zones, partial=partial)
    appointment.location = units.location(component)
    appointment.busy_status = _busy(component)
    appointment.status = _STATUSES.get(units.word(component.first("STATUS")), EventStatus.EVENT_STATUS_UNSPECIFIED)
    organizer = component.first("ORGANIZER")
    if organizer:
        appointment.organizer.CopyFrom(values.person(organizer))
    recurrence = Recurrence()
    units.read_recurrence(component, recurrence, zones)
    if recurrence != Recurrence():
        appointment.recurrence.CopyFrom(recurrence)
    minutes = calendar_alarm.reminder_minutes(component)
    if minutes is not None:
        appointment.reminder_minutes = minutes
    uid = component.first("UID")
    appointment.meeting_id = values.text(uid).strip()
    appointment.sequence = values.integer(component.first("SEQUENCE"))
    url = component.first("URL", "CONFERENCE")
    # Half a link leads nowhere.
    appointment.url = url.value.strip() if url and len(url.value.strip()) <= limits.URL else ""
    attendees = itertools.islice(component.lines("ATTENDEE"), limits.ATTENDEES)
    record.content.appointment.attendees.extend(units.attendee(line, zones) for line in attendees)
    own = units.word(component.first(_REQUESTED))
    appointment.response_requested = own == "TRUE" if own else _asked(record)
    appointment.counters_disallowed = units.word(component.first(_NO_COUNTERS)) == "TRUE"
    return record


def _asked(record: ItemRecord) -> bool:
    return any(attendee.response_requested for attendee in record.content.appointment.attendees)


def _read_times(component: Component, appointment: AppointmentSummary, zones: Zones, *, partial: bool) -> None:
    """RFC 5545 section 3.6.1: without DTEND and DURATION a date lasts a day, a time lasts no time at all."""
    line = component.first("DTSTART")
    start = values.time(line, zones) if line else None
    if line is None or start is None:
        if partial:
            return
        title = values.text(component.first("SUMMARY"))[:60]
        event = f"the event “{title}”" if title else "the event"
        wrong = f"starts at “{line.value[:40]}” (DTSTART), which is no date or time" if line else "has no start (DTSTART)"
        raise invalid(f"{event} {wrong}")
    all_day = calendar_time.is_date(start)
    shortest = values.after(start, 1, 0) if all_day else start
    end = _read_end(component, start, zones)
    if end is None or calendar_time.is_date(end) != all_day or (shortest and calendar_time.before(end, shortest)):
        end = shortest
    appointment.start.CopyFrom(start)
    appointment.end.CopyFrom(end or start)
    appointment.all_day = all_day


def _read_end(component: Component, start: CalendarTime, zones: Zones) -> CalendarTime | None:
    line = component.first("DTEND")
    if line:
        return values.time(line, zones)
    length = component.first("DURATION")
    parts = values.duration(length.value) if length else None
    return values.after(start, *parts) if parts else None


def _busy(component: Component) -> BusyStatus.ValueType:
    """Outlook's word says more than TRANSP, and is believed where they agree on whether the time is taken."""
    transparent = units.word(component.first("TRANSP")) == "TRANSPARENT"
    told = BUSY.get(units.word(component.first(_CDO)))
    if told is not None and transparent == (told == BusyStatus.BUSY_STATUS_FREE):
        return told
    if transparent:
        return BusyStatus.BUSY_STATUS_FREE
    return BusyStatus.BUSY_STATUS_BUSY if component.first("TRANSP") else (told or BusyStatus.BUSY_STATUS_UNSPECIFIED)


def event_units(zones: Zones) -> list[Unit]:
    """The units of a VEVENT, but its alarm and its changed occurrences."""

    def times(record: ItemRecord, _old: Sequence[Line]) -> list[Line]:
        appointment = record.summary.appointment
        lines = [values.time_line("DTSTART", appointment.start, zones)] if appointment.start.local else []
        if appointment.end.local:
            lines.append(values.time_line("DTEND", appointment.end, zones))
        return lines

    return [
        units.text_unit("UID", lambda record: record.summary.appointment.meeting_id),
        Unit(named("DTSTART", "DTEND", "DURATION"), lambda record: _times(record.summary.appointment), times),
        *units.common_units(),
        units.text_unit("LOCATION", lambda record: record.summary.appointment.location),
        Unit(named("TRANSP", _CDO), lambda record: record.summary.appointment.busy_status, _busy_lines),
        units.word_unit("STATUS", lambda record: units.key_of(_STATUSES, record.summary.appointment.status)),
        units.person_unit("ORGANIZER", lambda record: record.summary.appointment, "organizer"),
        *units.recurrence_units(lambda record: record.summary.appointment.recurrence, zones),
        units.word_unit("SEQUENCE", lambda record: str(record.summary.appointment.sequence or "")),
        Unit(named("URL"), lambda record: record.summary.appointment.url, _url_lines),
        Unit(
            named("ATTENDEE"),
            lambda record: list(record.content.appointment.attendees),
            lambda record, old: units.attendee_lines(record.content.appointment.attendees, old, zones),
        ),
        Unit(named(_REQUESTED), lambda record: (record.summary.appointment.response_requested, _asked(record)), _requested_lines),
        units.word_unit(_NO_COUNTERS, lambda record: "TRUE" if record.summary.appointment.counters_disallowed else ""),
    ]


def _times(appointment: AppointmentSummary) -> tuple[CalendarTime, CalendarTime]:
    return appointment.start, appointment.end


def _busy_lines(record: ItemRecord, _old: Sequence[Line]) -> list[Line]:
    status = record.summary.appointment.busy_status
    if not status:
        return []
    free = status == BusyStatus.BUSY_STATUS_FREE
    lines = [Line("TRANSP", "TRANSPARENT" if free else "OPAQUE")]
    if status not in (BusyStatus.BUSY_STATUS_FREE, BusyStatus.BUSY_STATUS_BUSY):
        lines.append(Line(_CDO, units.key_of(BUSY, status)))
    return lines


def _requested_lines(record: ItemRecord, _old: Sequence[Line]) -> list[Line]:
    requested = record.summary.appointment.response_requested
    return [] if requested == _asked(record) else [Line(_REQUESTED, "TRUE" if requested else "FALSE")]


def _url_lines(record: ItemRecord, _old: Sequence[Line]) -> list[Line]:
    url = record.summary.appointment.url
    return [Line("URL", url)] if url else []


def edit_event(component: Component, before: ItemRecord, after: ItemRecord, zones: Zones) -> bool:
    """Writes into a VEVENT what differs between the records; whether anything did."""
    changed = edit(component, event_units(zones), before, after)
    old, new = before.summary.appointment, after.summary.appointment
    if old.url and not new.url:
        component.replace(named("CONFERENCE"), [])
    if _reminder(old) != _reminder(new):
        calendar_alarm.set_reminder_minutes(component, _reminder(new))
        changed = True
    return changed


def _reminder(message: AppointmentSummary | OccurrenceException) -> int | None:
    return message.reminder_minutes if message.HasField("reminder_minutes") else None


def read_exception(component: Component, master: ItemRecord, zones: Zones) -> OccurrenceException | None:
    """How an occurrence differs from its series; None if it does not say which occurrence it is."""
    line = component.first("RECURRENCE-ID")
    original = values.time(line, zones) if line else None
    if line is None or original is None:
        return None
    exception = OccurrenceException(original_start=original, this_and_future=line.param("RANGE").upper() == "THISANDFUTURE")
    if units.word(component.first("STATUS")) == "CANCELLED":
        exception.cancelled = True
        return exception
    own = _own(component, original, master, zones)
    mine, series = own.summary.appointment, master.summary.appointment
    if component.first("DTSTART"):
        exception.start.CopyFrom(mine.start)
        exception.end.CopyFrom(mine.end)
    if component.first("SUMMARY") and own.summary.subject != master.summary.subject:
        exception.subject = own.summary.subject
    if component.first("LOCATION") and mine.location != series.location:
        exception.location = mine.location
    if component.first("DESCRIPTION") and own.content.body.text != master.content.body.text:
        exception.text = own.content.body.text
    if mine.busy_status != series.busy_status:
        exception.busy_status = mine.busy_status
    minutes = _reminder(mine)
    if minutes is not None and minutes != _reminder(series):
        exception.reminder_minutes = minutes
    return exception


def _own(component: Component, original: CalendarTime, master: ItemRecord, zones: Zones) -> ItemRecord:
    """The record of an override by itself; one without a start of its own begins when the series has it."""
    if component.first("DTSTART"):
        return read_event(component, zones)
    series = master.summary.appointment
    end = calendar_time.moved(series.start, series.end, original)
    times = [values.time_line("DTSTART", original, zones), values.time_line("DTEND", end, zones)]
    return read_event(Component("VEVENT", [*times, *component.entries]), zones)


def edit_exception(component: Component, exception: OccurrenceException, master: ItemRecord, zones: Zones) -> None:
    """Makes an override say what the exception says, beside all that it says already."""
    component.replace(named("RECURRENCE-ID"), [_identity(exception, component.first("RECURRENCE-ID"), zones)])
    if exception.cancelled:
        component.replace(named("STATUS"), [Line("STATUS", "CANCELLED")])
        return
    own = _own(component, exception.original_start, master, zones)
    wanted = own.copy()
    mine, series = wanted.summary.appointment, master.summary.appointment
    mine.start.CopyFrom(exception.start if exception.HasField("start") else exception.original_start)
    end = exception.end if exception.HasField("end") else calendar_time.moved(series.start, series.end, mine.start)
    mine.end.CopyFrom(end)
    # What the override leaves out already counts as the series has it, and need not be written.
    if exception.HasField("subject") or component.first("SUMMARY"):
        wanted.summary.subject = exception.subject if exception.HasField("subject") else master.summary.subject
    if exception.HasField("location") or component.first("LOCATION"):
        mine.location = exception.location if exception.HasField("location") else series.location
    if exception.HasField("text") or component.first("DESCRIPTION"):
        wanted.content.body.text = exception.text if exception.HasField("text") else master.content.body.text
    if exception.busy_status or mine.busy_status:
        mine.busy_status = exception.busy_status or series.busy_status
    if exception.HasField("reminder_minutes"):
        mine.reminder_minutes = exception.reminder_minutes
    elif mine.HasField("reminder_minutes"):
        _follow_reminder(mine, series)
    if mine.status == EventStatus.EVENT_STATUS_CANCELLED:
        mine.status = series.status
    edit_event(component, own, wanted, zones)


def _follow_reminder(mine: AppointmentSummary, series: AppointmentSummary) -> None:
    if series.HasField("reminder_minutes"):
        mine.reminder_minutes = series.reminder_minutes
    else:
        mine.ClearField("reminder_minutes")


def _identity(exception: OccurrenceException, old: Line | None, zones: Zones) -> Line:
    later = "THISANDFUTURE" if exception.this_and_future else ""
    if old and old.param("RANGE").upper() == later:
        return old
    line = values.time_line("RECURRENCE-ID", exception.original_start, zones)
    if later:
        line.params["RANGE"] = [later]
    return line


def can_be_written(exception: OccurrenceException) -> bool:
    """Whether the times of an exception are times. Validation sees to it; a document is not to fail for one that came before."""
    given = [time for name, time in exception.ListFields() if name.name in ("start", "end")]
    return all(calendar_time.wall(time) is not None for time in [exception.original_start, *given])


def new_exception(exception: OccurrenceException, master: ItemRecord, stamp: Line, zones: Zones) -> Component:
    """An override made from nothing: what the series says, changed as the exception says."""
    component = Component("VEVENT", [stamp, _identity(exception, None, zones)])
    wanted = master.copy()
    appointment, series = wanted.summary.appointment, master.summary.appointment
    appointment.ClearField("recurrence")
    appointment.ClearField("exceptions")
    appointment.start.CopyFrom(exception.original_start)
    appointment.end.CopyFrom(calendar_time.moved(series.start, series.end, exception.original_start))
    edit_event(component, ItemRecord.empty(ItemKind.ITEM_KIND_APPOINTMENT), wanted, zones)
    edit_exception(component, exception, master, zones)
    return component
