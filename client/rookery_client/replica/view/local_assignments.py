"""Tasks handed to others and answered here: what the server will make of them, by the same rules. It sends the mail."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import RESPONSE_STATUS_DECLINED
from rookery.v1.folder_pb2 import FOLDER_ROLE_DELETED, FOLDER_ROLE_TASKS
from rookery_client.replica.view import local_meetings
from rookery_client.replica.view.local_item import Life
from rookery_core.errors import FailedPrecondition, InvalidArgument
from rookery_core.rules.scheduling import assigning

if TYPE_CHECKING:
    from rookery.v1.item_pb2 import Item
    from rookery.v1.sync_pb2 import SyncOperation
    from rookery_client.replica.view.local_item import LocalItem, Surroundings
    from rookery_core.rules.scheduling.itip import Self

ACTIONS = frozenset({"assign_task", "respond_to_task"})
"""Actions by which tasks are handed over, of one item each."""


def carried_out(operation: SyncOperation, item: Item, owner: Self, now: int) -> Item:
    """The task after one of ``ACTIONS``; ``item`` has its content, and stays as it is. Raises what the server would refuse with."""
    if operation.WhichOneof("action") == "assign_task":
        request = operation.assign_task
        wants = request.progress_requested
        return assigning.assign(item, request.to, owner, now, comment=request.comment, progress_requested=wants).item
    answer = operation.respond_to_task
    return assigning.respond(item, answer.response, owner, now, comment=answer.comment).item


def apply(operation: SyncOperation, item: LocalItem, around: Surroundings) -> None:
    """Changes an item by one of ``ACTIONS``. What does not fit any more, or whose content is not here, stays as it is."""
    if item.life is not Life.LIVE:
        return
    before, extent = local_meetings.whole(item, around)
    if not before.HasField("content"):
        return
    with suppress(FailedPrecondition, InvalidArgument):
        after = carried_out(operation, before, around.owner, around.edited)
        local_meetings.write(item, before, after, extent, around)
        _bring_home(operation, item, around)


def _bring_home(operation: SyncOperation, item: LocalItem, around: Surroundings) -> None:
    """What is declined goes to Deleted Items; what is accepted comes back from there."""
    deleted, home = around.role_folder(FOLDER_ROLE_DELETED), item.folder_id
    if operation.WhichOneof("action") != "respond_to_task":
        return
    if operation.respond_to_task.response == RESPONSE_STATUS_DECLINED:
        home = deleted
    elif home == deleted:
        home = around.role_folder(FOLDER_ROLE_TASKS)
    if home and home != item.folder_id:
        item.folder_id, item.uid = home, 0
