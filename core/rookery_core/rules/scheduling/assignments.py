"""What a message about an assigned task changes in the mailbox that it arrives in (RFC 5546 section 3.4).

Only who gave a task may change it or take it back, and only whom it was given to may report. A task of one's own that was never
handed over is changed by no message. Of a task that was declined or taken back the copy stays as the memory of its versions, and
may be given anew, by anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import task_pb2
from rookery.v1.calendar_pb2 import (
    RESPONSE_STATUS_ACCEPTED,
    RESPONSE_STATUS_DECLINED,
    RESPONSE_STATUS_NONE,
    RESPONSE_STATUS_UNSPECIFIED,
    ResponseStatus,
)
from rookery.v1.item_pb2 import ITEM_KIND_TASK, Item, SchedulingMessage
from rookery.v1.scheduling_pb2 import (
    SCHEDULING_EFFECT_APPLIED,
    SCHEDULING_EFFECT_IGNORED,
    SCHEDULING_EFFECT_OUTDATED,
    SCHEDULING_METHOD_CANCEL,
    SCHEDULING_METHOD_COUNTER,
    SCHEDULING_METHOD_REPLY,
    SCHEDULING_METHOD_REQUEST,
)
from rookery_core.rules import mail_addresses, task_progress, task_series
from rookery_core.rules.scheduling import assigning, assignment_letters, people
from rookery_core.rules.scheduling.itip import COMMENT, Version
from rookery_core.rules.scheduling.receiving import Home, Received

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rookery.v1.person_pb2 import Person
    from rookery.v1.scheduling_pb2 import SchedulingEffect
    from rookery.v1.task_pb2 import TaskAssignment, TaskSummary
    from rookery_core.rules.scheduling.itip import Itip, Part, Self

_RESPONSES: Mapping[TaskAssignment.ValueType, ResponseStatus.ValueType] = {
    assignment: response for response, assignment in assignment_letters.ASSIGNMENTS.items()
}
_OVER = frozenset({RESPONSE_STATUS_UNSPECIFIED, RESPONSE_STATUS_DECLINED})
"""Answers of copies that are no task of their owner's any more."""
_ANSWERING = frozenset({SCHEDULING_METHOD_REPLY, SCHEDULING_METHOD_COUNTER})


class _Outcome(NamedTuple):
    """What comes of a message; the item is as ``Received`` has it."""

    effect: SchedulingEffect.ValueType = SCHEDULING_EFFECT_IGNORED
    item: Item | None = None
    home: Home = Home.KEEP


_IGNORED = _Outcome()
_OUTDATED = _Outcome(SCHEDULING_EFFECT_OUTDATED)


def receive(stored: Item | None, itip: Itip, me: Self, sender: str, now: int) -> Received:
    """What a message about a task does to the item of that UID, if there is one: see ``receiving.receive``, for ITEM_KIND_TASK.

    A REQUEST offers a task, or changes one that was given; a raised sequence asks for the answer anew. CANCEL takes it back: the
    item goes to Deleted Items, and stays there even of a task that is not known yet, so that a late REQUEST finds it. A REPLY
    answers, and reports; other methods only tell.
    """
    part = itip.whole
    outcome = _IGNORED
    if part is not None:
        if itip.method == SCHEDULING_METHOD_REQUEST:
            outcome = _request(stored, itip, part, me, sender, now)
        elif itip.method == SCHEDULING_METHOD_CANCEL:
            outcome = _cancel(stored, itip, part, me, sender, now)
        elif itip.method == SCHEDULING_METHOD_REPLY:
            outcome = _reply(stored, itip, part, me, sender, now)
    return Received(outcome.effect, outcome.item, outcome.home, _message(itip, part or itip.parts[0]))


def _request(stored: Item | None, itip: Itip, part: Part, me: Self, sender: str, now: int) -> _Outcome:
    if not itip.organizer.address or me.owns(itip.organizer.address):
        return _IGNORED
    if stored is None or (assigning.is_taken(stored) and not _is_theirs(stored, itip.organizer)):
        if stored is not None and stored.content.task.assignment.response not in _OVER:
            return _IGNORED  # it is somebody else's to change
        return _Outcome(SCHEDULING_EFFECT_APPLIED, _offered(stored, itip, part, me, now), Home.CALENDAR)
    if not assigning.is_taken(stored) or not _is_from(sender, itip.organizer):
        return _IGNORED
    state = stored.content.task.assignment
    if part.version <= Version.of(state.version):
        return _OUTDATED
    if part.version.sequence > state.version.sequence or state.response in _OVER:
        return _Outcome(SCHEDULING_EFFECT_APPLIED, _offered(stored, itip, part, me, now), Home.CALENDAR)
    after = _copy(stored)
    _follow_request(after, part, now)
    after.content.task.assignment.version.CopyFrom(part.version.record())
    return _Outcome(SCHEDULING_EFFECT_APPLIED, after)


def _cancel(stored: Item | None, itip: Itip, part: Part, me: Self, sender: str, now: int) -> _Outcome:
    if not _is_from(sender, itip.organizer) or me.owns(itip.organizer.address):
        return _IGNORED
    if stored is None:
        after = _offered(None, itip, part, me, now)
    elif assigning.is_taken(stored) and _is_theirs(stored, itip.organizer):
        if part.version <= Version.of(stored.content.task.assignment.version):
            return _OUTDATED
        after = _copy(stored)
    else:
        return _IGNORED
    task, state = after.summary.task, after.content.task.assignment
    state.version.CopyFrom(part.version.record())
    state.response = RESPONSE_STATUS_UNSPECIFIED
    state.comment = part.comment[:COMMENT]
    task.status = task_pb2.TASK_STATUS_CANCELLED
    task_progress.settle(stored.summary.task if stored else task_pb2.TaskSummary(), task, now)
    task.assignment = task_pb2.TASK_ASSIGNMENT_UNSPECIFIED
    return _Outcome(SCHEDULING_EFFECT_APPLIED, after, Home.DELETED)


def _reply(stored: Item | None, itip: Itip, part: Part, me: Self, sender: str, now: int) -> _Outcome:
    told = part.item.summary.task
    if stored is None or not assigning.is_given(stored) or not me.owns(itip.organizer.address):
        return _IGNORED
    state = stored.content.task.assignment
    if not (_is_from(sender, told.owner) and _is_from(sender, state.given_to)):
        return _IGNORED
    is_late = state.HasField("heard") and part.version.stamp <= state.heard.ToMicroseconds()
    if part.version.sequence < state.given.sequence or is_late:
        return _OUTDATED
    after = _copy(stored)
    state = after.content.task.assignment
    state.heard.FromMicroseconds(part.version.stamp)
    for unnamed in (state.given_to, after.summary.task.owner):
        people.fill_name(unnamed, told.owner)
    state.comment = part.comment[:COMMENT]
    if told.assignment in {task_pb2.TASK_ASSIGNMENT_ACCEPTED, task_pb2.TASK_ASSIGNMENT_DECLINED}:
        state.given_response = _RESPONSES[told.assignment]
        after.summary.task.assignment = told.assignment
    if state.given_response == RESPONSE_STATUS_ACCEPTED:
        _follow_report(after.summary.task, told, now)
    return _Outcome(SCHEDULING_EFFECT_APPLIED, after)


def _offered(stored: Item | None, itip: Itip, part: Part, me: Self, now: int) -> Item:
    """The copy of one who is asked whether they take the task on, or asked once more. What they had of it they keep."""
    after = Item() if stored is None else _copy(stored)
    after.summary.kind = ITEM_KIND_TASK
    task, state = after.summary.task, after.content.task.assignment
    if stored is None:
        task.task_id = itip.uid
    addressed = part.item.summary.task.owner
    _follow_request(after, part, now)
    if not (state.side == task_pb2.ASSIGNMENT_SIDE_BOTH and _is_theirs(after, itip.organizer)):
        state.side = task_pb2.ASSIGNMENT_SIDE_ASSIGNEE
        task.owner.CopyFrom(addressed if me.owns(addressed.address) else me.person)
        task.assignment = task_pb2.TASK_ASSIGNMENT_REQUESTED
        task.sequence = part.version.sequence
    state.task_id = task.task_id
    state.version.CopyFrom(part.version.record())
    state.given_by.CopyFrom(itip.organizer)
    state.taken_as.CopyFrom(addressed if me.owns(addressed.address) else me.person)
    state.response = RESPONSE_STATUS_NONE
    state.comment = part.comment[:COMMENT]
    after.content.task.assigner.CopyFrom(itip.organizer)
    return after


def _follow_request(item: Item, part: Part, now: int) -> None:
    """Makes an item what its giver says of it; but reminder, categories and mark are the owner's, and so is accepted progress."""
    task, told = item.summary.task, part.item.summary.task
    assignment_letters.take(item.summary, part.item.summary, ("subject", "importance", "sensitivity"))
    assignment_letters.take(task, told, (*assignment_letters.TIMES, "location"))
    if item.content.task.assignment.response != RESPONSE_STATUS_ACCEPTED:
        assignment_letters.take(task, told, assignment_letters.PROGRESS)
        task_progress.settle(task_pb2.TaskSummary(), task, now)
    item.content.body.Clear()
    item.content.body.text = part.item.content.body.text
    assignment_letters.take(item.content.task, part.item.content.task, assignment_letters.DETAILS)


def _follow_report(task: TaskSummary, told: TaskSummary, now: int) -> None:
    """Makes the giver's copy tell how far the other has come, as far as the report says."""
    before = task_pb2.TaskSummary()
    before.CopyFrom(task)
    if told.status or told.percent_complete or told.HasField("completed"):
        assignment_letters.take(task, told, assignment_letters.PROGRESS)
        task_progress.settle(before, task, now)
    for name in ("start", "due"):
        if told.HasField(name):
            getattr(task, name).CopyFrom(getattr(told, name))
    if task_series.recurs(before) and (task.start, task.due) != (before.start, before.due):
        task.occurrence += 1  # whoever completes the one before on a device that has not heard of this completes nothing
        if task_series.recurs(told):
            task.recurrence.CopyFrom(told.recurrence)
    task_progress.settle_times(before, task)


def _message(itip: Itip, part: Part) -> SchedulingMessage:
    task = part.item.summary.task
    message = SchedulingMessage(method=itip.method, version=part.version.record(), location=task.location)
    message.comment = part.comment[:COMMENT]
    if task.HasField("due"):
        message.start.CopyFrom(task.due)
    answers = itip.method in _ANSWERING
    getattr(message, "from").CopyFrom(task.owner if answers else itip.organizer)
    if answers:
        message.response = _RESPONSES.get(task.assignment, RESPONSE_STATUS_UNSPECIFIED)
    return message


def _is_theirs(item: Item, person: Person) -> bool:
    """Whether a task that was taken on is from somebody."""
    return _is_from(item.content.task.assignment.given_by.address, person)


def _is_from(address: str, person: Person) -> bool:
    return bool(person.address) and mail_addresses.key_of(address) == mail_addresses.key_of(person.address)


def _copy(item: Item) -> Item:
    found = Item()
    found.CopyFrom(item)
    return found
