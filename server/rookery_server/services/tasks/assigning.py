"""Handing tasks to others and answering to it, inside the transaction: TaskService and Push come through here.

The rules of ``rookery_core.rules.scheduling.assigning`` say what becomes of the item and who is told; here it is read, written and
posted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import item_pb2
from rookery.v1.admin_service_pb2 import ACCOUNT_KIND_GROUP
from rookery.v1.calendar_pb2 import RESPONSE_STATUS_DECLINED
from rookery.v1.item_pb2 import ItemSummary
from rookery_core.errors import FailedPrecondition
from rookery_core.rules import mail_addresses
from rookery_core.rules.scheduling import assigning
from rookery_core.rules.scheduling.receiving import Home
from rookery_server.services.items import item_updates
from rookery_server.services.items.item_reading import require_item
from rookery_server.services.scheduling import keeping, posting
from rookery_server.services.tasks import task_reports
from rookery_server.store import groups, incoming, items

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from rookery.v1.item_pb2 import Item
    from rookery.v1.submission_pb2 import Submission
    from rookery.v1.task_service_pb2 import AssignTaskRequest, RespondToTaskRequest
    from rookery_core.rules.scheduling.itip import Self, Sending
    from rookery_server.services.change import MailboxChange
    from rookery_server.store.items import PackedRow


class Handed(NamedTuple):
    """What became of a task."""

    row: PackedRow
    submissions: list[Submission]
    """What was sent."""


def assign(change: MailboxChange, request: AssignTaskRequest) -> Handed:
    """Gives a task to somebody. Errors as the contract has them of AssignTask."""
    row = require_item(change.connection, change.mailbox.id, request.item_id)
    item_updates.require_editable(row, 0)

    def rule(item: Item, owner: Self) -> Sending:
        sending = assigning.assign(
            item, request.to, owner, change.now, comment=request.comment, progress_requested=request.progress_requested
        )
        if sending.letters:
            _require_one_person(change.connection, request.to.address)
        return sending

    return _carry_out(change, row, rule, Home.KEEP)


def respond(change: MailboxChange, request: RespondToTaskRequest, row: PackedRow, *, edited: int | None = None) -> Handed:
    """Answers to a task that was given, which ``given`` has found. Errors as the contract has them of RespondToTask.

    ``edited``: when it was answered, in microseconds, if not now.
    """
    home = Home.DELETED if request.response == RESPONSE_STATUS_DECLINED else Home.CALENDAR

    def rule(item: Item, owner: Self) -> Sending:
        return assigning.respond(item, request.response, owner, change.now, comment=request.comment)

    return _carry_out(change, row, rule, home, edited=edited)


def given(change: MailboxChange, item_id: bytes) -> PackedRow:
    """The task that is named, by itself or by the message that brought it; live or recoverable.

    NotFound ``ITEM_NOT_FOUND``; FailedPrecondition ``NOT_ASSIGNED`` for what is no task and brought none, or one that is gone.
    """
    row = require_item(change.connection, change.mailbox.id, item_id)
    if _kind(row) == item_pb2.ITEM_KIND_MESSAGE:
        message, _ = item_updates.read(change, row)
        about = message.content.message.scheduling.item_id
        row = (items.packed(change.connection, change.mailbox.id, about) if about else None) or row
    if _kind(row) != item_pb2.ITEM_KIND_TASK:
        message_text = "there is no task to this: it brought none, or the task is gone from your mailbox"
        raise FailedPrecondition("NOT_ASSIGNED", message_text, field="item_id")
    return row


def _carry_out(
    change: MailboxChange, row: PackedRow, rule: Callable[[Item, Self], Sending], home: Home, *, edited: int | None = None
) -> Handed:
    """Applies a rule to an item. Where it changes nothing, nothing is written, and no revision taken."""
    owner = posting.me(change.connection, change.mailbox.account_id)
    before, held = item_updates.read(change, row)
    sending = rule(before, owner)
    row = keeping.update(change, row, before, held, sending.item, home, edited=edited)
    return Handed(row, task_reports.post(change, sending.item, owner, sending.letters))


def _require_one_person(connection: Connection, address: str) -> None:
    """FailedPrecondition ``TO_A_GROUP`` for a group whose members are here: each of them would answer, and none of them for it."""
    to = mail_addresses.parse(address, "to.address", underscores=True)
    untagged = mail_addresses.without_tag(to)
    found = incoming.destinations(connection, {to.key, untagged} - {""})
    leads_to = found.get(to.key) or found.get(untagged)
    if leads_to is None or leads_to.kind != ACCOUNT_KIND_GROUP:
        return
    if groups.with_members(connection, [leads_to.account_id]):
        message = f"a task is given to one person, and {address} is a group: name one of its members"
        raise FailedPrecondition("TO_A_GROUP", message, field="to")


def _kind(row: PackedRow) -> int:
    return ItemSummary.FromString(row.summary).kind
