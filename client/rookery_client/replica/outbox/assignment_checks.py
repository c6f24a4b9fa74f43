"""What the server would refuse of tasks that are handed over is refused here, against what the person sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ITEM_KIND_MESSAGE
from rookery_client.replica.outbox.recording_checks import require_shown
from rookery_client.replica.view import local_assignments, local_meetings, shown_rows
from rookery_client.replica.view.item_view import ItemView
from rookery_core.errors import FailedPrecondition
from rookery_core.rules.scheduling.assigning import check_assign, check_respond

if TYPE_CHECKING:
    import sqlite3

    from rookery.v1.item_pb2 import Item
    from rookery.v1.sync_pb2 import SyncOperation


def settle(connection: sqlite3.Connection, operation: SyncOperation) -> None:
    """Makes an answer name the task instead of the message that brought it.

    NotFound ``ITEM_NOT_FOUND``; FailedPrecondition ``NOT_ASSIGNED``, ``NOT_IN_REPLICA``; InvalidArgument.
    """
    if operation.WhichOneof("action") != "respond_to_task":
        return
    request = operation.respond_to_task
    check_respond(request.response, request.comment)
    require_shown(connection, [request.item_id], "item_id")
    item = _shown(connection, request.item_id)
    if item.summary.kind == ITEM_KIND_MESSAGE:
        about = item.content.message.scheduling.item_id
        if not about or about not in shown_rows.by_ids(connection, [about]):
            message = "there is no task to this: it brought none, or the task is gone from your mailbox"
            raise FailedPrecondition("NOT_ASSIGNED", message, field="item_id")
        request.item_id = about


def require_possible(connection: sqlite3.Connection, operation: SyncOperation) -> None:
    """Raises what the server would refuse the operation with; other operations pass."""
    action = operation.WhichOneof("action") or ""
    if action not in local_assignments.ACTIONS:
        return
    if action == "assign_task":
        check_assign(operation.assign_task.to, operation.assign_task.comment)
    request = getattr(operation, action)
    require_shown(connection, [request.item_id], "item_id")
    item, owner = _shown(connection, request.item_id), ItemView(connection).owner
    local_assignments.carried_out(operation, item, owner, operation.edited.ToMicroseconds())


def _shown(connection: sqlite3.Connection, item_id: bytes) -> Item:
    """The item as the person sees it. FailedPrecondition ``NOT_IN_REPLICA`` if its content is not here."""
    view = ItemView(connection)
    item, _ = local_meetings.whole(view.current(item_id), view.trial())
    if not item.HasField("content"):
        message = "who has the task is not here: open it once while online, or `rookery sync --depth full`"
        raise FailedPrecondition("NOT_IN_REPLICA", message)
    return item
