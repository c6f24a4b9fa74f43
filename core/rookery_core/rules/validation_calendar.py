"""What the records of appointments, tasks and journal entries must keep to: times that are times, rules that are rules, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.rules import calendar_time, checks, limits, recurrence_rules, task_series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.calendar_pb2 import Attendee, CalendarTime, OccurrenceException, Recurrence
    from rookery.v1.item_pb2 import ItemContent, ItemSummary


def validate_appointment(summary: ItemSummary, content: ItemContent) -> None:
    """InvalidArgument with the path of the first field of the appointment that is wrong."""
    appointment, field = summary.appointment, "item.summary.appointment"
    if not appointment.start.local:
        raise checks.invalid("an appointment needs a start", f"{field}.start")
    calendar_time.validate(appointment.start, f"{field}.start")
    if appointment.HasField("end"):
        calendar_time.validate(appointment.end, f"{field}.end")
        _not_before(appointment.end, appointment.start, "an appointment can not end before it starts", f"{field}.end")
    checks.no_longer(appointment.location, limits.LOCATION, f"{field}.location")
    checks.no_longer(appointment.url, limits.URL, f"{field}.url")
    _attendees(content.appointment.attendees, "item.content.appointment.attendees")
    _recurrence(appointment.recurrence, f"{field}.recurrence")
    _exceptions(appointment.exceptions, f"{field}.exceptions")


def validate_task(summary: ItemSummary, content: ItemContent) -> None:
    """InvalidArgument with the path of the first field of the task that is wrong."""
    del content
    task, field = summary.task, "item.summary.task"
    if task.percent_complete > 100:
        raise checks.invalid("percent_complete lies between 0 and 100", f"{field}.percent_complete")
    for name in ("start", "due"):
        if task.HasField(name):
            calendar_time.validate(getattr(task, name), f"{field}.{name}")
    if task.HasField("start") and task.HasField("due"):
        _not_before(task.due, task.start, "a task can not be due before it starts", f"{field}.due")
    checks.moments(task, field, ("completed", "reminder"))
    checks.no_longer(task.location, limits.LOCATION, f"{field}.location")
    _recurrence(task.recurrence, f"{field}.recurrence")
    if task.regenerating and not task_series.is_regenerable(task.recurrence):
        message = "a regenerating task has one rule, of FREQ (DAILY to YEARLY), INTERVAL, and COUNT or UNTIL, e.g. FREQ=WEEKLY"
        raise checks.invalid(message, f"{field}.recurrence")


def validate_journal(summary: ItemSummary, content: ItemContent) -> None:
    """InvalidArgument with the path of the first field of the journal entry that is wrong."""
    del content
    checks.moments(summary.journal, "item.summary.journal", ("start", "end"))


def _not_before(end: CalendarTime, start: CalendarTime, message: str, field: str) -> None:
    if calendar_time.before(end, start):
        raise checks.invalid(message, field)


def _attendees(attendees: Sequence[Attendee], field: str) -> None:
    checks.at_most(len(attendees), limits.ATTENDEES, field)
    for index, attendee in enumerate(attendees):
        checks.moments(attendee, f"{field}[{index}]", ("responded",))


def _recurrence(recurrence: Recurrence, field: str) -> None:
    _rules(recurrence.rules, f"{field}.rules")
    _rules(recurrence.exclusion_rules, f"{field}.exclusion_rules")
    _dates(recurrence.dates, f"{field}.dates")
    _dates(recurrence.excluded_dates, f"{field}.excluded_dates")


def _rules(rules: Sequence[str], field: str) -> None:
    checks.at_most(len(rules), limits.RULES, field)
    for index, rule in enumerate(rules):
        if not recurrence_rules.is_rule(rule):
            message = f"a rule is one of RFC 5545 section 3.3.10 with at most {limits.RULE:,} characters, e.g. FREQ=WEEKLY;BYDAY=MO"
            raise checks.invalid(message, f"{field}[{index}]")


def _dates(dates: Sequence[CalendarTime], field: str) -> None:
    checks.at_most(len(dates), limits.DATES, field)
    for index, date in enumerate(dates):
        calendar_time.validate(date, f"{field}[{index}]")


def _exceptions(exceptions: Sequence[OccurrenceException], field: str) -> None:
    checks.at_most(len(exceptions), limits.EXCEPTIONS, field)
    seen: set[tuple[str, str]] = set()
    for index, exception in enumerate(exceptions):
        _exception(exception, f"{field}[{index}]")
        original = exception.original_start
        if (original.local, original.time_zone) in seen:
            raise checks.invalid("an occurrence has one exception at most", f"{field}[{index}].original_start")
        seen.add((original.local, original.time_zone))


def _exception(exception: OccurrenceException, field: str) -> None:
    calendar_time.validate(exception.original_start, f"{field}.original_start")
    for name in ("start", "end"):
        if exception.HasField(name):
            calendar_time.validate(getattr(exception, name), f"{field}.{name}")
    if exception.HasField("end"):
        start = exception.start if exception.HasField("start") else exception.original_start
        _not_before(exception.end, start, "an occurrence can not end before it starts", f"{field}.end")
    checks.no_longer(exception.subject, limits.SUBJECT, f"{field}.subject")
    checks.no_longer(exception.location, limits.LOCATION, f"{field}.location")
    checks.no_bigger(len(exception.text.encode()), limits.BODY_BYTES, f"{field}.text")
