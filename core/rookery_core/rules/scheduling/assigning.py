"""Handing a task to somebody, answering to one that was given, and reporting what becomes of it.

The model is that of MS-OXOTASK: the one who gives keeps a copy that follows what the other reports; the other's copy is theirs from
the answer on. All that decides who may say what stands in ``content.task.assignment``, which no client writes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from rookery.v1 import task_pb2
from rookery.v1.calendar_pb2 import (
    RESPONSE_STATUS_ACCEPTED,
    RESPONSE_STATUS_DECLINED,
    RESPONSE_STATUS_NONE,
    RESPONSE_STATUS_UNSPECIFIED,
)
from rookery.v1.item_pb2 import ITEM_KIND_TASK, Item
from rookery.v1.task_pb2 import ASSIGNMENT_SIDE_ASSIGNEE, ASSIGNMENT_SIDE_ASSIGNER, ASSIGNMENT_SIDE_BOTH
from rookery_core.errors import FailedPrecondition, InvalidArgument
from rookery_core.rules import checks, mail_addresses
from rookery_core.rules.scheduling import assignment_letters as letters
from rookery_core.rules.scheduling.itip import COMMENT, Letter, Sending, Version

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import ResponseStatus
    from rookery.v1.person_pb2 import Person
    from rookery.v1.task_pb2 import TaskStatus
    from rookery_core.rules.scheduling.itip import Self

TAKEN = frozenset({ASSIGNMENT_SIDE_ASSIGNEE, ASSIGNMENT_SIDE_BOTH})
"""Copies of a task that was given to their owner."""
GIVEN = frozenset({ASSIGNMENT_SIDE_ASSIGNER, ASSIGNMENT_SIDE_BOTH})
"""Copies of a task that their owner has given away."""

_ANSWERS = frozenset({RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED})


def check_assign(to: Person, comment: str) -> None:
    """InvalidArgument ``ADDRESS_INVALID`` or ``FIELD_INVALID`` for what no task can be given to, or with."""
    mail_addresses.parse(to.address, "to.address", underscores=True)
    checks.no_longer(comment, COMMENT, "comment")


def check_respond(response: ResponseStatus.ValueType, comment: str) -> None:
    """InvalidArgument for what is no answer to a task."""
    if response not in _ANSWERS:
        raise InvalidArgument("FIELD_INVALID", "a task that was given is accepted or declined", field="response")
    checks.no_longer(comment, COMMENT, "comment")


def assign(item: Item, to: Person, me: Self, now: int, *, comment: str = "", progress_requested: bool = False) -> Sending:
    """Gives a task to somebody; whoever had it, and has not answered, is told that it is theirs no more.

    Nothing is sent, and nothing changes, if they have just that offer already. InvalidArgument as ``check_assign``, or for one who
    has the task already, as its giver or oneself; FailedPrecondition ``NOT_A_TASK``, ``TASK_ASSIGNED``, ``TASK_NOT_ACCEPTED``.
    """
    check_assign(to, comment)
    _require_assignable(item)
    before = item.content.task.assignment
    if me.owns(to.address) or (is_taken(item) and _same(to, before.given_by)):
        raise InvalidArgument("FIELD_INVALID", "a task is given to somebody else: this is who has it, or gave it", field="to")
    after = Item()
    after.CopyFrom(item)
    after.content.task.progress_requested = progress_requested
    offer = _sha256_of(after)
    is_unanswered = before.side in GIVEN and before.given_response == RESPONSE_STATUS_NONE
    if is_unanswered and _same(to, before.given_to) and offer == before.given_sha256:
        return Sending(item, ())
    sent = _offer(after, to, now, offer)
    author = letters.author(item, me)
    found = [letters.request(after, author, comment)]
    if is_unanswered and not _same(to, before.given_to):
        found.insert(0, letters.cancel(item, author, before.given_to, sent))
    return Sending(after, tuple(found))


def respond(item: Item, response: ResponseStatus.ValueType, me: Self, now: int, *, comment: str = "") -> Sending:
    """Accepts or declines a task that was given to the owner; what was answered so already sends nothing.

    A decline is final, unless the task is given once more; of a task that was handed on the third person is told. InvalidArgument
    as ``check_respond``; FailedPrecondition ``NOT_ASSIGNED``.
    """
    check_respond(response, comment)
    before = item.content.task.assignment
    if not is_taken(item) or before.response == RESPONSE_STATUS_UNSPECIFIED:
        raise FailedPrecondition("NOT_ASSIGNED", "nobody has given you this task, or it was taken back", field="item_id")
    if before.response == response:
        return Sending(item, ())
    if before.response == RESPONSE_STATUS_DECLINED:
        raise FailedPrecondition("NOT_ASSIGNED", "you have declined this task: it has to be given to you again", field="item_id")
    after = Item()
    after.CopyFrom(item)
    state = after.content.task.assignment
    state.response, state.comment = response, comment
    letters.note_reported(state, after, now)
    found = [letters.reply(after, me, comment)]
    if response == RESPONSE_STATUS_DECLINED and state.side == ASSIGNMENT_SIDE_BOTH:
        found += _take_back(after, me, now)
    if state.side == ASSIGNMENT_SIDE_ASSIGNEE:
        after.summary.task.assignment = letters.ASSIGNMENTS[response]
    return Sending(after, tuple(found))


def report(before: Item, after: Item, me: Self, now: int) -> Sending:
    """What follows from a change of a task that was taken on: the report that its giver wants, once for each state.

    ``after`` is what is about to be written. Where it has taken the task back from one who handed it on, the third person is told.
    """
    state = after.content.task.assignment
    if not is_taken(after):
        return Sending(after, ())
    was = before.content.task.assignment.response
    if state.side == ASSIGNMENT_SIDE_BOTH and state.response == RESPONSE_STATUS_UNSPECIFIED != was:
        changed = _copy(after)
        found = _take_back(changed, me, now)
        return Sending(changed, tuple(found))
    if state.response != RESPONSE_STATUS_ACCEPTED or not state.given_by.address or not _has_news(before, after):
        return Sending(after, ())
    changed = _copy(after)
    letters.note_reported(changed.content.task.assignment, changed, now)
    return Sending(changed, (letters.reply(changed, me),))


def is_taken(item: Item) -> bool:
    """Whether it is a copy of a task that was given to its owner."""
    state = item.content.task.assignment
    return item.summary.kind == ITEM_KIND_TASK and state.side in TAKEN and state.task_id == item.summary.task.task_id


def is_given(item: Item) -> bool:
    """Whether it is a copy of a task that its owner has given away."""
    state = item.content.task.assignment
    return item.summary.kind == ITEM_KIND_TASK and state.side in GIVEN and state.task_id == item.summary.task.task_id


def _require_assignable(item: Item) -> None:
    if item.summary.kind != ITEM_KIND_TASK:
        raise FailedPrecondition("NOT_A_TASK", "only a task can be given to somebody", field="item_id")
    state = item.content.task.assignment
    if is_given(item) and state.given_response == RESPONSE_STATUS_ACCEPTED:
        name = state.given_to.name or state.given_to.address
        raise FailedPrecondition("TASK_ASSIGNED", f"{name} has accepted the task: it is theirs", field="item_id")
    if is_taken(item) and state.response != RESPONSE_STATUS_ACCEPTED:
        raise FailedPrecondition(
            "TASK_NOT_ACCEPTED", "a task that was given to you is handed on once you accept it", field="item_id"
        )


def _offer(item: Item, to: Person, now: int, sha256: bytes) -> Version:
    """Makes an item the copy of one who has given it to somebody; gives the version of the offer."""
    task, state = item.summary.task, item.content.task.assignment
    if not (is_given(item) or is_taken(item)):
        state.Clear()  # of a task that this one was copied from
    first = Version(task.sequence, letters.stamp_after(now, 0))
    version = letters.following(Version.of(state.given), now) if state.HasField("given") else first
    state.side = ASSIGNMENT_SIDE_BOTH if state.side in TAKEN else ASSIGNMENT_SIDE_ASSIGNER
    state.task_id = task.task_id
    state.given_to.CopyFrom(to)
    state.given.CopyFrom(version.record())
    state.given_sha256 = sha256
    state.given_response = RESPONSE_STATUS_NONE
    state.ClearField("heard")
    task.sequence = version.sequence
    task.owner.CopyFrom(to)
    task.assignment = letters.ASSIGNMENTS[RESPONSE_STATUS_NONE]
    return version


def _take_back(item: Item, me: Self, now: int) -> list[Letter]:
    """Makes an item that was handed on the owner's own copy again; gives the letter to the third person."""
    task, state = item.summary.task, item.content.task.assignment
    version = letters.following(Version.of(state.given), now)
    found = []
    if state.given_response != RESPONSE_STATUS_DECLINED:
        found.append(letters.cancel(item, letters.author(item, me), _person(state.given_to), version))
    state.side = ASSIGNMENT_SIDE_ASSIGNEE
    state.given.CopyFrom(version.record())
    state.ClearField("given_to")
    state.ClearField("given_response")
    task.owner.CopyFrom(state.taken_as)
    task.assignment = letters.ASSIGNMENTS.get(state.response, task_pb2.TASK_ASSIGNMENT_UNSPECIFIED)
    return found


def _has_news(before: Item, after: Item) -> bool:
    """Whether the giver of the task wants to hear how it stands now."""
    was, state, content = before.content.task.assignment, after.content.task.assignment, after.content.task
    if (state.version, state.replied) != (was.version, was.replied):
        return False  # what changed came from them, or was told with it
    old, new = before.summary.task, after.summary.task
    finished = (new.status == task_pb2.TASK_STATUS_COMPLETED != old.status) or new.occurrence != old.occurrence
    if not (content.progress_requested or (content.report_requested and finished)):
        return False
    moved = _begun(state.reported_status) != _begun(new.status) or state.reported_percent != new.percent_complete
    return moved or finished or new.due != old.due or new.completed != old.completed


def _begun(status: TaskStatus.ValueType) -> TaskStatus.ValueType:
    """The status, where not saying any is saying that nobody has begun."""
    return status or task_pb2.TASK_STATUS_NOT_STARTED


def _sha256_of(item: Item) -> bytes:
    return hashlib.sha256(letters.told(item).SerializeToString(deterministic=True)).digest()


def _same(one: Person, other: Person) -> bool:
    return bool(one.address) and mail_addresses.key_of(one.address) == mail_addresses.key_of(other.address)


def _person(person: Person) -> Person:
    """A copy: what it lies in is about to change."""
    found = type(person)()
    found.CopyFrom(person)
    return found


def _copy(item: Item) -> Item:
    found = Item()
    found.CopyFrom(item)
    return found
