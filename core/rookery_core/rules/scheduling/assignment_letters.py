"""What the people of an assigned task write to each other: requests, answers and reports, and that a task is taken back.

The one who gives a task is its organiser, and the one who gets it its sole attendee (RFC 5546 section 3.4). Who hands on what was
given to them is the organiser towards the next: each pair counts its own versions, and all share the UID.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1.calendar_pb2 import RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED, RESPONSE_STATUS_NONE
from rookery.v1.item_pb2 import ITEM_KIND_TASK, Item
from rookery.v1.scheduling_pb2 import SCHEDULING_METHOD_CANCEL, SCHEDULING_METHOD_REPLY, SCHEDULING_METHOD_REQUEST
from rookery.v1.task_pb2 import TASK_ASSIGNMENT_ACCEPTED, TASK_ASSIGNMENT_DECLINED, TASK_ASSIGNMENT_REQUESTED
from rookery_core.rules import body_text, ownership
from rookery_core.rules.scheduling import people
from rookery_core.rules.scheduling.itip import Itip, Letter, Part, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rookery.v1.calendar_pb2 import ResponseStatus
    from rookery.v1.person_pb2 import Person
    from rookery.v1.scheduling_pb2 import SchedulingMethod
    from rookery.v1.task_pb2 import AssignmentState, TaskAssignment
    from rookery_core.rules.scheduling.itip import Self

_SECOND = 1_000_000
_GREATEST = 2**31 - 1

ASSIGNMENTS: Mapping[ResponseStatus.ValueType, TaskAssignment.ValueType] = {
    RESPONSE_STATUS_NONE: TASK_ASSIGNMENT_REQUESTED,
    RESPONSE_STATUS_ACCEPTED: TASK_ASSIGNMENT_ACCEPTED,
    RESPONSE_STATUS_DECLINED: TASK_ASSIGNMENT_DECLINED,
}
"""What a task shows of an answer."""

TIMES = ("start", "due", "recurrence", "regenerating")
PROGRESS = ("status", "percent_complete", "completed")
_TASK = (*TIMES, *PROGRESS, "location", "task_id")
DETAILS = ("companies", "mileage", "billing", "total_work_minutes", "progress_requested", "report_requested")
"""Those fields of a task's content that go to whom it is given to."""


def stamp_after(now: int, last: int) -> int:
    """The time of something that is sent, in microseconds, later than the last: in whole seconds, as iCalendar has them."""
    return max(now // _SECOND, last // _SECOND + 1) * _SECOND


def following(version: Version, now: int) -> Version:
    """The version of a request that comes after another."""
    return Version(min(version.sequence + 1, _GREATEST), stamp_after(now, version.stamp))


def author(item: Item, me: Self) -> Person:
    """Who writes about a task: the owner, by the address that the task was given to, if it was and they still have it."""
    taken_as = item.content.task.assignment.taken_as
    return people.speaking(taken_as, me) if me.owns(taken_as.address) else me.person


def told(item: Item) -> Item:
    """What somebody is told who is given the task: what it is, when, and how far it has come; nothing of the owner's own."""
    found = Item()
    summary, task = found.summary, found.summary.task
    summary.kind = ITEM_KIND_TASK
    summary.subject = item.summary.subject
    summary.importance = item.summary.importance
    summary.sensitivity = item.summary.sensitivity
    take(task, item.summary.task, _TASK)
    body = item.content.body
    found.content.body.text = body.text or body_text.text_of_html(body.html)
    take(found.content.task, item.content.task, DETAILS)
    return found


def take(target: Any, source: Any, names: Iterable[str]) -> None:
    """Gives a message those fields as another of its type has them: absent where they are absent there."""
    for name in names:
        ownership.apply_mask(target, source, ownership.resolve(target.DESCRIPTOR, name))


def request(item: Item, organizer: Person, comment: str) -> Letter:
    """The letter by which a task is given to ``given_to`` of its state, in the version ``given``."""
    state = item.content.task.assignment
    part = told(item)
    part.summary.task.owner.CopyFrom(state.given_to)
    part.summary.task.assignment = TASK_ASSIGNMENT_REQUESTED
    part.content.task.assigner.CopyFrom(organizer)
    whole = Part(None, Version.of(state.given), part, comment=comment)
    return _letter(SCHEDULING_METHOD_REQUEST, item, organizer, whole, state.given_to)


def cancel(item: Item, organizer: Person, to: Person, version: Version) -> Letter:
    """The letter by which a task is taken back."""
    part = Item()
    part.summary.kind = ITEM_KIND_TASK
    part.summary.subject = item.summary.subject
    part.summary.task.owner.CopyFrom(to)
    return _letter(SCHEDULING_METHOD_CANCEL, item, organizer, Part(None, version, part, cancelled=True), to)


def reply(item: Item, me: Self, comment: str = "") -> Letter:
    """The letter that brings an answer, or a report, to whom the task is from: as the item and its state have it by now."""
    state = item.content.task.assignment
    part = Item()
    part.summary.kind = ITEM_KIND_TASK
    part.summary.subject = item.summary.subject
    take(part.summary.task, item.summary.task, (*TIMES, *PROGRESS))
    part.summary.task.owner.CopyFrom(author(item, me))
    part.summary.task.assignment = ASSIGNMENTS[state.response]
    version = Version(state.version.sequence, state.replied.ToMicroseconds())
    return _letter(SCHEDULING_METHOD_REPLY, item, state.given_by, Part(None, version, part, comment=comment), state.given_by)


def note_reported(state: AssignmentState, item: Item, now: int) -> None:
    """Notes that the one who gave the task is told now how it stands."""
    state.replied.FromMicroseconds(stamp_after(now, state.replied.ToMicroseconds() if state.HasField("replied") else 0))
    state.reported_status = item.summary.task.status
    state.reported_percent = item.summary.task.percent_complete


def _letter(method: SchedulingMethod.ValueType, item: Item, organizer: Person, part: Part, to: Person) -> Letter:
    return Letter(Itip(method, ITEM_KIND_TASK, item.summary.task.task_id, organizer, (part,)), (to,))
