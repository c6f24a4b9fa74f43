"""What people read of a scheduling message: its subject, and its text, for those who have no calendar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import Recurrence, ResponseStatus
from rookery.v1.item_pb2 import ItemKind
from rookery.v1.scheduling_pb2 import SchedulingMethod
from rookery.v1.task_pb2 import TaskAssignment, TaskStatus
from rookery_core.formats import itip_words, time_words
from rookery_core.formats.recurrence_words import described
from rookery_core.rules import calendar_time, mail_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rookery.v1.person_pb2 import Person
    from rookery.v1.task_pb2 import TaskSummary
    from rookery_core.rules.scheduling.itip import Itip, Part

_NAMED = 20
"""Attendees, and occurrences, that are told one by one."""
_LONGEST = 20_000
"""Characters of the meeting's own text."""
_UNTITLED = "(no subject)"

_REQUEST = SchedulingMethod.SCHEDULING_METHOD_REQUEST
_REPLY = SchedulingMethod.SCHEDULING_METHOD_REPLY
_COUNTER = SchedulingMethod.SCHEDULING_METHOD_COUNTER
_CANCEL = SchedulingMethod.SCHEDULING_METHOD_CANCEL
_TITLES = {
    _COUNTER: "New time proposed",
    _CANCEL: "Canceled",
    SchedulingMethod.SCHEDULING_METHOD_DECLINE_COUNTER: "Proposed time declined",
}
_ANSWER_TITLES = {
    ResponseStatus.RESPONSE_STATUS_ACCEPTED: "Accepted",
    ResponseStatus.RESPONSE_STATUS_TENTATIVE: "Tentative",
    ResponseStatus.RESPONSE_STATUS_DECLINED: "Declined",
}
_ANSWERS = {
    ResponseStatus.RESPONSE_STATUS_ACCEPTED: "accepts",
    ResponseStatus.RESPONSE_STATUS_TENTATIVE: "may come to",
    ResponseStatus.RESPONSE_STATUS_DECLINED: "declines",
}
_DEEDS = {
    _COUNTER: "proposes another time for",
    _CANCEL: "has canceled",
    SchedulingMethod.SCHEDULING_METHOD_DECLINE_COUNTER: "keeps the time of",
    SchedulingMethod.SCHEDULING_METHOD_REFRESH: "asks for the latest version of",
}
_PROGRESS = {
    TaskStatus.TASK_STATUS_NOT_STARTED: "not started",
    TaskStatus.TASK_STATUS_IN_PROGRESS: "in progress",
    TaskStatus.TASK_STATUS_COMPLETED: "completed",
    TaskStatus.TASK_STATUS_WAITING: "waiting for somebody else",
    TaskStatus.TASK_STATUS_DEFERRED: "put off",
    TaskStatus.TASK_STATUS_CANCELLED: "given up",
}
_BEGUN = frozenset({TaskStatus.TASK_STATUS_IN_PROGRESS, TaskStatus.TASK_STATUS_COMPLETED})


def subject(itip: Itip) -> str:
    """The subject line: that of the meeting or task, after what the message is where that is no invitation."""
    title = _task_title(itip) if itip.kind == ItemKind.ITEM_KIND_TASK else _meeting_title(itip)
    return f"{title}: {_subject(itip) or _UNTITLED}" if title else _subject(itip)


def _subject(itip: Itip) -> str:
    return itip.parts[0].item.summary.subject


def _meeting_title(itip: Itip) -> str:
    return _ANSWER_TITLES.get(_response(itip), "Re") if itip.method == _REPLY else _TITLES.get(itip.method, "")


def _task_title(itip: Itip) -> str:
    if itip.method == _CANCEL:
        return "Task canceled"
    if itip.method != _REPLY:
        return "Task"
    return {"accepts": "Task accepted", "declines": "Task declined"}.get(_task_answer(itip), "Task update")


def _response(itip: Itip) -> ResponseStatus.ValueType:
    """What the one who answers a meeting says."""
    attendees = itip.parts[0].item.content.appointment.attendees
    return attendees[0].response if attendees else ResponseStatus.RESPONSE_STATUS_UNSPECIFIED


def _task_answer(itip: Itip) -> str:
    """What the one who was given a task says; who has begun it need not say that it is accepted (``itip_writing``)."""
    task = itip.parts[0].item.summary.task
    if task.assignment == TaskAssignment.TASK_ASSIGNMENT_DECLINED:
        return "declines"
    return "accepts" if task.assignment == TaskAssignment.TASK_ASSIGNMENT_ACCEPTED and task.status not in _BEGUN else "tells of"


def text(itip: Itip, sender: Person, *, is_update: bool = False) -> str:
    """The text: the sender's own words, what it is about, and the text of the meeting or the task.

    ``is_update``: those who read it were invited before.
    """
    first = itip.parts[0]
    told = _task_fields(itip) if itip.kind == ItemKind.ITEM_KIND_TASK else _meeting_fields(itip)
    fields = [(label, lines) for label, lines in told if lines]
    width = max(len(label) for label, _ in fields) + 2
    table = "\n".join(_row(label, lines, width) for label, lines in fields)
    body = "" if itip.method in itip_words.ANSWERS else first.item.content.body.text.strip()
    pieces = (
        first.comment.strip(),
        _lead(itip, sender, is_update=is_update),
        table,
        body if len(body) <= _LONGEST else body[: _LONGEST - 1] + "…",
    )
    return "\n\n".join(piece for piece in pieces if piece) + "\n"


def _row(label: str, lines: Sequence[str], width: int) -> str:
    return "\n".join(f"{f'{label}:' if not number else '':{width}}{line}" for number, line in enumerate(lines))


def _lead(itip: Itip, sender: Person, *, is_update: bool) -> str:
    """Who does what, in a sentence."""
    name, what = sender.name or sender.address, _object(itip)
    if itip.kind == ItemKind.ITEM_KIND_TASK and itip.method == _REQUEST:
        return f"{name} asks you to do {what}:"
    if itip.kind == ItemKind.ITEM_KIND_TASK and itip.method == _REPLY:
        return f"{name} {_task_answer(itip)} {what}:"
    if itip.method == _REPLY:
        return f"{name} {_ANSWERS.get(_response(itip), 'answers about')} {what}:"
    if itip.method != _REQUEST:
        return f"{name} {_DEEDS.get(itip.method, 'writes about')} {what}:"
    if mail_addresses.key_of(sender.address) != mail_addresses.key_of(itip.organizer.address):
        return f"{name} passes on an invitation from {_named(itip.organizer)}:"
    return f"{name} has changed {what}:" if is_update or not itip.whole else f"{name} invites you to {what}:"


def _object(itip: Itip) -> str:
    thing = "task" if itip.kind == ItemKind.ITEM_KIND_TASK else "meeting"
    if itip.whole:
        return f"this {thing}"
    count = len(itip.parts)
    return f"an occurrence of this {thing}" if count == 1 else f"{count:,} occurrences of this {thing}"


def _meeting_fields(itip: Itip) -> Iterator[tuple[str, Sequence[str]]]:
    """The rows of the table that tells of a meeting."""
    first = itip.parts[0].item
    appointment = first.summary.appointment
    yield "What", [first.summary.subject or _UNTITLED]
    yield "Proposed" if itip.method == _COUNTER else "When", list(_when(itip))
    if itip.whole and len(itip.parts) > 1:
        yield "Except", _cut([_difference(part) for part in itip.parts[1:]])
    yield "Where", _line(appointment.location)
    yield "Link", _line(appointment.url)
    if itip.organizer.address:
        yield "Organizer", [_named(itip.organizer)]
    if itip.method not in itip_words.ANSWERS:
        attendees = first.content.appointment.attendees
        yield "Attendees", _cut([_named(attendee.person) for attendee in attendees[: _NAMED + 1]], len(attendees))


def _when(itip: Itip) -> Iterator[str]:
    whole = itip.whole
    if whole is None:
        yield from _cut([_occurrence(part) for part in itip.parts])
        return
    appointment = whole.item.summary.appointment
    if appointment.start.local:
        yield time_words.span(appointment.start, appointment.end)
        yield from _line(described(appointment.recurrence, appointment.start))


def _difference(part: Part) -> str:
    """How an occurrence differs from its series."""
    if part.cancelled and part.occurrence is not None:
        return f"not {time_words.moment(part.occurrence)}"
    return _occurrence(part)


def _occurrence(part: Part) -> str:
    """When an occurrence is, and when it was to be, where that is another time."""
    appointment, original = part.item.summary.appointment, part.occurrence
    if original is None:
        return time_words.span(appointment.start, appointment.end)
    if not appointment.start.local or part.cancelled:
        return time_words.moment(original)
    now = time_words.span(appointment.start, appointment.end)
    same = calendar_time.instant(appointment.start) == calendar_time.instant(original)
    return now if same else f"{now}, instead of {time_words.moment(original)}"


def _task_fields(itip: Itip) -> Iterator[tuple[str, Sequence[str]]]:
    """The rows of the table that tells of a task."""
    first = itip.parts[0].item
    task = first.summary.task
    yield "What", [first.summary.subject or _UNTITLED]
    yield "Start", _line(time_words.moment(task.start))
    yield "Due", _line(time_words.moment(task.due))
    if task.recurrence != Recurrence():
        yield "Again", _line(described(task.recurrence, task.start if task.start.local else task.due))
    yield "Status", _line(_progress(task))
    yield "Where", _line(task.location)
    if itip.organizer.address:
        yield "From", [_named(itip.organizer)]


def _progress(task: TaskSummary) -> str:
    percent = f"{task.percent_complete} percent done" if task.percent_complete else ""
    return ", ".join(word for word in (_PROGRESS.get(task.status, ""), percent) if word)


def _line(value: str) -> list[str]:
    """A value on one line; no line for an empty one."""
    return [" ".join(value.split())] if value.strip() else []


def _cut(lines: list[str], count: int | None = None) -> list[str]:
    """The first of many, and how many more there are; ``count`` in all, where ``lines`` has not all of them."""
    count = len(lines) if count is None else count
    if count <= _NAMED:
        return lines
    more = count - _NAMED
    return [*lines[:_NAMED], f"and {more:,} {'other' if more == 1 else 'others'}"]


def _named(person: Person) -> str:
    return f"{person.name} <{person.address}>" if person.name and person.address else person.name or person.address
