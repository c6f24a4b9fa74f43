"""Tasks that are handed over without a network: what is refused, what the person sees until the next sync, and what is pushed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1.calendar_pb2 import ResponseStatus
from rookery.v1.folder_pb2 import Folder, FolderRole
from rookery.v1.item_pb2 import ITEM_KIND_TASK, Item
from rookery.v1.item_service_pb2 import UpdateItemRequest
from rookery.v1.person_pb2 import Person
from rookery.v1.sync_pb2 import SyncOperation
from rookery.v1.task_pb2 import AssignmentSide, TaskAssignment
from rookery.v1.task_service_pb2 import AssignTaskRequest, RespondToTaskRequest
from rookery_client.replica.reading.reader import Reader
from rookery_core.errors import RookeryError
from tests.support.replica_filling import DELETED, IDENTITY, NONE, TASKS

if TYPE_CHECKING:
    from rookery_client.replica.replica import Replica
    from tests.support.replica_batches import Sender
    from tests.support.replica_sight import Sight

PLENTY = (500, 1 << 20)
ACCEPTED, TENTATIVE, DECLINED, UNANSWERED = (
    ResponseStatus.RESPONSE_STATUS_ACCEPTED,
    ResponseStatus.RESPONSE_STATUS_TENTATIVE,
    ResponseStatus.RESPONSE_STATUS_DECLINED,
    ResponseStatus.RESPONSE_STATUS_NONE,
)
BEN, CLEO = (Person(name=name, address=f"{name.lower()}@example.org") for name in ("Ben", "Cleo"))


@pytest.fixture
def mailbox(mailbox: Sender) -> Sender:
    """Anna's mailbox, with a folder for tasks."""
    mailbox.send(folders=[Folder(id=TASKS, name="Tasks", role=FolderRole.FOLDER_ROLE_TASKS, revision=1)])
    return mailbox


def task(mailbox: Sender, *, given_by: Person | None = None, response: Any = UNANSWERED, extent: Any = None) -> Item:
    """A task that the server has: Anna's own, or one that was given to her."""
    item = mailbox.message("Report", "By Friday", folder=TASKS)
    item.summary.kind = ITEM_KIND_TASK
    item.summary.task.task_id = f"uid {item.uid}"
    state = item.content.task.assignment
    if given_by is not None:
        state.side, state.response, state.task_id = AssignmentSide.ASSIGNMENT_SIDE_ASSIGNEE, response, item.summary.task.task_id
        state.given_by.CopyFrom(given_by)
        state.taken_as.address = "anna@example.org"
        state.version.stamp.FromSeconds(1_700_000_000)
    if extent is None:
        mailbox.put(item)
    else:
        mailbox.put(item, extent=extent)
    return item


def assign(item: Item, to: Person = BEN, **fields: Any) -> SyncOperation:
    return SyncOperation(assign_task=AssignTaskRequest(item_id=item.id, to=to, **fields))


def respond(item_id: bytes, response: Any, **fields: Any) -> SyncOperation:
    return SyncOperation(respond_to_task=RespondToTaskRequest(item_id=item_id, response=response, **fields))


def test_a_task_that_is_handed_over_shows_that_at_once_and_waits_for_its_edits(replica: Replica, mailbox: Sender) -> None:
    item = task(mailbox)
    request = UpdateItemRequest(item=Item(id=item.id))
    request.item.summary.subject = "The report"
    request.update_mask.paths.append("summary.subject")
    edited = replica.record(SyncOperation(update_item=request))
    recorded = replica.record(assign(item, comment="please", progress_requested=True))
    assert list(recorded.depends_on) == [edited.operation_id]
    assert replica.waiting(*PLENTY) == [edited, recorded]
    shown = Reader(replica).item(item.id)
    assert (shown.summary.task.owner, shown.summary.task.assignment) == (BEN, TaskAssignment.TASK_ASSIGNMENT_REQUESTED)
    assert (shown.content.task.progress_requested, shown.content.body.text) == (True, "By Friday")


def test_a_task_that_was_given_is_answered_by_itself_or_by_its_message(replica: Replica, mailbox: Sender, sight: Sight) -> None:
    first, second = task(mailbox, given_by=BEN), task(mailbox, given_by=BEN)
    message = mailbox.message("Task", "")
    message.content.message.scheduling.item_id = second.id
    mailbox.put(message)
    replica.record(respond(first.id, DECLINED))
    assert sight.folder_of(first.id) == DELETED
    assert sight.summary(first.id).task.assignment == TaskAssignment.TASK_ASSIGNMENT_DECLINED
    recorded = replica.record(respond(message.id, ACCEPTED, comment="gladly"))
    assert recorded.respond_to_task.item_id == second.id
    assert (sight.folder_of(second.id), sight.summary(second.id).task.assignment) == (
        TASKS,
        TaskAssignment.TASK_ASSIGNMENT_ACCEPTED,
    )
    replica.record(assign(second, CLEO))
    assert sight.summary(second.id).task.owner == CLEO


def test_what_the_server_would_refuse_is_refused_here(replica: Replica, mailbox: Sender) -> None:
    own, offered, letter = task(mailbox), task(mailbox, given_by=BEN), mailbox.mail("Hello")
    back, bare = task(mailbox, given_by=BEN, response=ResponseStatus.RESPONSE_STATUS_UNSPECIFIED), task(mailbox, extent=NONE)
    for operation, reason in (
        (assign(own, Person(address="anna@example.org")), "FIELD_INVALID"),
        (assign(own, Person(address="nobody")), "ADDRESS_INVALID"),
        (assign(own, comment="x" * 4097), "FIELD_INVALID"),
        (assign(offered), "TASK_NOT_ACCEPTED"),
        (assign(letter), "NOT_A_TASK"),
        (assign(bare), "NOT_IN_REPLICA"),
        (assign(Item(id=b"x" * 16)), "ITEM_NOT_FOUND"),
        (respond(own.id, ACCEPTED), "NOT_ASSIGNED"),
        (respond(letter.id, ACCEPTED), "NOT_ASSIGNED"),
        (respond(back.id, ACCEPTED), "NOT_ASSIGNED"),
        (respond(offered.id, TENTATIVE), "FIELD_INVALID"),
    ):
        with pytest.raises(RookeryError) as refused:
            replica.record(operation)
        assert refused.value.reason == reason
    assert replica.waiting(*PLENTY) == []


def test_an_answer_that_does_not_fit_any_more_leaves_the_task_as_the_server_has_it(
    replica: Replica, mailbox: Sender, sight: Sight
) -> None:
    item = task(mailbox, given_by=BEN)
    replica.record(respond(item.id, ACCEPTED))
    item.content.task.assignment.response = ResponseStatus.RESPONSE_STATUS_UNSPECIFIED
    item.summary.subject = "Taken back"
    item.revision = item.content_revision = mailbox.next()
    mailbox.put(item)
    assert sight.summary(item.id) == item.summary


def test_what_is_overtaken_before_it_is_sent_is_told_to_nobody(replica: Replica, mailbox: Sender) -> None:
    own, offered, taken = task(mailbox), task(mailbox, given_by=BEN), task(mailbox, given_by=BEN)
    replica.record(assign(own, BEN, comment="please"))
    replica.record(respond(offered.id, ACCEPTED))
    accepted, handed = replica.record(respond(taken.id, ACCEPTED)), replica.record(assign(taken, CLEO))
    kept = [replica.record(assign(own, CLEO)), replica.record(respond(offered.id, DECLINED))]
    declined = replica.record(respond(taken.id, DECLINED))
    assert replica.waiting(*PLENTY) == [accepted, handed, *kept, declined]


def test_nobody_gives_themselves_a_task_by_another_address(replica: Replica, mailbox: Sender) -> None:
    replica.adopt(dataclasses.replace(IDENTITY, aliases=("berg@example.org",)))
    with pytest.raises(RookeryError) as refused:
        replica.record(assign(task(mailbox), Person(address="Berg+work@example.org")))
    assert refused.value.reason == "FIELD_INVALID"
