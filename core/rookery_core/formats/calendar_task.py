"""Tasks and VTODO (RFC 5545 section 3.6.2). What iCalendar has no word for travels in X-ROOKERY properties."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import CalendarTime, Recurrence
from rookery.v1.item_pb2 import ItemKind
from rookery.v1.task_pb2 import TaskAssignment, TaskContent, TaskStatus, TaskSummary
from rookery_core.formats import calendar_alarm
from rookery_core.formats import calendar_units as units
from rookery_core.formats import calendar_values as values
from rookery_core.formats.contentlines import Component, Line, escaped, split, unescaped
from rookery_core.formats.item_record import ItemRecord, Unit, edit, named
from rookery_core.rules import calendar_time, task_series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.timestamp_pb2 import Timestamp

    from rookery_core.formats.calendar_zones import Zones

_STATUSES = {
    "NEEDS-ACTION": TaskStatus.TASK_STATUS_NOT_STARTED,
    "IN-PROCESS": TaskStatus.TASK_STATUS_IN_PROGRESS,
    "COMPLETED": TaskStatus.TASK_STATUS_COMPLETED,
    "CANCELLED": TaskStatus.TASK_STATUS_CANCELLED,
}
_OWN_STATUSES = {
    "WAITING": (TaskStatus.TASK_STATUS_WAITING, "IN-PROCESS"),
    "DEFERRED": (TaskStatus.TASK_STATUS_DEFERRED, "NEEDS-ACTION"),
}
_STATUS = "X-ROOKERY-TASK-STATUS"
_ASSIGNMENTS = {
    "NEEDS-ACTION": TaskAssignment.TASK_ASSIGNMENT_REQUESTED,
    "ACCEPTED": TaskAssignment.TASK_ASSIGNMENT_ACCEPTED,
    "DECLINED": TaskAssignment.TASK_ASSIGNMENT_DECLINED,
    # RFC 5545 section 3.2.12: who accepted a task goes on to say how far it is.
    "IN-PROCESS": TaskAssignment.TASK_ASSIGNMENT_ACCEPTED,
    "COMPLETED": TaskAssignment.TASK_ASSIGNMENT_ACCEPTED,
}


def read_task(component: Component, zones: Zones) -> ItemRecord:
    """The record of one VTODO."""
    record = ItemRecord.empty(ItemKind.ITEM_KIND_TASK)
    units.read_common(component, record, zones)
    task = record.summary.task
    task.status = _status(component)
    task.percent_complete = values.integer(component.first("PERCENT-COMPLETE"), 0, 100)
    _read_times(component, task, zones)
    completed = values.stamp(component.first("COMPLETED"), zones)
    if completed:
        task.completed.CopyFrom(completed)
    reminder = calendar_alarm.reminder(component, task.start, task.due, zones)
    if reminder:
        task.reminder.CopyFrom(reminder)
    recurrence = Recurrence()
    units.read_recurrence(component, recurrence, zones)
    if recurrence != Recurrence():
        task.recurrence.CopyFrom(recurrence)
    regenerating = units.word(component.first("X-ROOKERY-REGENERATING")) == "TRUE"
    task.regenerating = regenerating and task_series.is_regenerable(recurrence)
    task.task_id = values.text(component.first("UID")).strip()
    task.sequence = values.integer(component.first("SEQUENCE"))
    task.location = units.location(component)
    _read_people(component, record)
    _read_work(component, record.content.task)
    return record


def _status(component: Component) -> TaskStatus.ValueType:
    status = units.word(component.first("STATUS"))
    own = _OWN_STATUSES.get(units.word(component.first(_STATUS)))
    if own and own[1] == status:
        return own[0]
    return _STATUSES.get(status, TaskStatus.TASK_STATUS_UNSPECIFIED)


def _read_times(component: Component, task: TaskSummary, zones: Zones) -> None:
    line = component.first("DTSTART")
    start = values.time(line, zones) if line else None
    if start:
        task.start.CopyFrom(start)
    line = component.first("DUE")
    due = values.time(line, zones) if line else None
    length = component.first("DURATION")
    if line is None and start and length:
        parts = values.duration(length.value)
        due = values.after(start, *parts) if parts else None
    if due:
        task.due.CopyFrom(start if start and calendar_time.before(due, start) else due)


def _read_people(component: Component, record: ItemRecord) -> None:
    assigner = component.first("ORGANIZER")
    if assigner:
        record.content.task.assigner.CopyFrom(values.person(assigner))
    attendees = list(component.lines("ATTENDEE"))
    if len(attendees) == 1:
        record.summary.task.owner.CopyFrom(values.person(attendees[0]))
        answer = attendees[0].param("PARTSTAT").upper()
        record.summary.task.assignment = _ASSIGNMENTS.get(answer, TaskAssignment.TASK_ASSIGNMENT_UNSPECIFIED)


def _read_work(component: Component, content: TaskContent) -> None:
    content.actual_work_minutes = values.integer(component.first("X-ROOKERY-ACTUAL-WORK"))
    content.total_work_minutes = values.integer(component.first("X-ROOKERY-TOTAL-WORK"))
    content.progress_requested = units.word(component.first("X-ROOKERY-PROGRESS-REQUESTED")) == "TRUE"
    content.report_requested = units.word(component.first("X-ROOKERY-REPORT-REQUESTED")) == "TRUE"
    for line in component.lines("X-ROOKERY-COMPANIES"):
        content.companies.extend(unescaped(part) for part in split(line.value, ","))
    content.mileage = values.text(component.first("X-ROOKERY-MILEAGE"))
    content.billing = values.text(component.first("X-ROOKERY-BILLING"))


def task_units(zones: Zones) -> list[Unit]:
    """The units of a VTODO, but its alarm."""

    def times(record: ItemRecord, _old: Sequence[Line]) -> list[Line]:
        task = record.summary.task
        pairs = (("DTSTART", task.start), ("DUE", task.due))
        return [values.time_line(name, value, zones) for name, value in pairs if value.local]

    return [
        units.text_unit("UID", lambda record: record.summary.task.task_id),
        Unit(named("DTSTART", "DUE", "DURATION"), lambda record: _times(record.summary.task), times),
        *units.common_units(),
        Unit(named("STATUS", _STATUS), lambda record: record.summary.task.status, _status_lines),
        units.word_unit("PERCENT-COMPLETE", lambda record: str(record.summary.task.percent_complete or "")),
        units.stamp_unit("COMPLETED", lambda record: record.summary.task, "completed"),
        *units.recurrence_units(lambda record: record.summary.task.recurrence, zones),
        units.word_unit("X-ROOKERY-REGENERATING", lambda record: "TRUE" if record.summary.task.regenerating else ""),
        units.word_unit("SEQUENCE", lambda record: str(record.summary.task.sequence or "")),
        units.text_unit("LOCATION", lambda record: record.summary.task.location),
        units.person_unit("ORGANIZER", lambda record: record.content.task, "assigner"),
        Unit(named("ATTENDEE"), lambda record: _owner(record.summary.task), _owner_lines),
        *_work_units(),
    ]


def _work_units() -> list[Unit]:
    return [
        units.word_unit("X-ROOKERY-ACTUAL-WORK", lambda record: str(record.content.task.actual_work_minutes or "")),
        units.word_unit("X-ROOKERY-TOTAL-WORK", lambda record: str(record.content.task.total_work_minutes or "")),
        units.word_unit("X-ROOKERY-PROGRESS-REQUESTED", lambda record: "TRUE" if record.content.task.progress_requested else ""),
        units.word_unit("X-ROOKERY-REPORT-REQUESTED", lambda record: "TRUE" if record.content.task.report_requested else ""),
        units.word_unit("X-ROOKERY-COMPANIES", lambda record: ",".join(map(escaped, record.content.task.companies))),
        units.text_unit("X-ROOKERY-MILEAGE", lambda record: record.content.task.mileage),
        units.text_unit("X-ROOKERY-BILLING", lambda record: record.content.task.billing),
    ]


def _times(task: TaskSummary) -> tuple[CalendarTime, CalendarTime]:
    return task.start, task.due


def _owner(task: TaskSummary) -> tuple[object, int]:
    return (task.owner if task.HasField("owner") else None), task.assignment


def _status_lines(record: ItemRecord, _old: Sequence[Line]) -> list[Line]:
    status = record.summary.task.status
    for own, (meaning, word) in _OWN_STATUSES.items():
        if status == meaning:
            return [Line("STATUS", word), Line(_STATUS, own)]
    return [Line("STATUS", units.key_of(_STATUSES, status))] if status else []


def _owner_lines(record: ItemRecord, old: Sequence[Line]) -> list[Line]:
    task = record.summary.task
    if not task.HasField("owner"):
        return []
    same = next((line for line in old if values.person(line).address == task.owner.address), None)
    answer = units.key_of(_ASSIGNMENTS, task.assignment)
    return [values.person_line("ATTENDEE", task.owner, same, PARTSTAT=answer)]


def edit_task(component: Component, before: ItemRecord, after: ItemRecord, zones: Zones) -> bool:
    """Writes into a VTODO what differs between the records; whether anything did."""
    old, new = before.summary.task, after.summary.task
    if _reminder(old) != _reminder(new):
        # Before the times change: which alarm it is depends on them.
        calendar_alarm.set_reminder(component, _reminder(new), old.start, old.due, zones)
        edit(component, task_units(zones), before, after)
        return True
    changed = edit(component, task_units(zones), before, after)
    moved = calendar_alarm.reminder(component, new.start, new.due, zones)
    if changed and moved != _reminder(new):
        calendar_alarm.set_reminder(component, _reminder(new), new.start, new.due, zones)
    return changed


def _reminder(task: TaskSummary) -> Timestamp | None:
    return task.reminder if task.HasField("reminder") else None
