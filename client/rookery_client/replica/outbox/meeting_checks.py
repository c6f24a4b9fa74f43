"""What the server would refuse of meetings is refused here: with the same reasons, against what the person sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, ITEM_KIND_MESSAGE
from rookery_client.replica.outbox.recording_checks import require_free, require_shown
from rookery_client.replica.view import local_meetings, shown_rows
from rookery_client.replica.view.item_view import ItemView
from rookery_core.errors import FailedPrecondition, Stale
from rookery_core.rules.scheduling import requests

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from rookery.v1.item_pb2 import Item
    from rookery.v1.sync_pb2 import SyncOperation

_OF_INVITED = frozenset({"respond_to_meeting", "forward_meeting"})
"""Actions that may name the message that invited."""
_CHECKS: dict[str, Callable[[Any], None]] = {
    "send_meeting": requests.check_send,
    "respond_to_meeting": requests.check_respond,
    "cancel_meeting": requests.check_cancel,
    "forward_meeting": requests.check_forward,
    "split_series": requests.check_split,
}


def settle(connection: sqlite3.Connection, operation: SyncOperation) -> None:
    """Makes an answer, or a forward, name the appointment instead of the message that invited.

    NotFound ``ITEM_NOT_FOUND``; FailedPrecondition ``NOT_INVITED``, ``NOT_IN_REPLICA``; InvalidArgument.
    """
    action = operation.WhichOneof("action") or ""
    if action not in _OF_INVITED:
        return
    request = getattr(operation, action)
    _CHECKS[action](request)
    require_shown(connection, [request.item_id], "item_id")
    item = _shown(connection, request.item_id)
    if item.summary.kind == ITEM_KIND_MESSAGE:
        about = item.content.message.scheduling.item_id
        if not about or about not in shown_rows.by_ids(connection, [about]):
            raise _not_invited()
        request.item_id = about


def require_possible(connection: sqlite3.Connection, operation: SyncOperation) -> None:
    """Raises what the server would refuse the operation with; other operations pass."""
    action = operation.WhichOneof("action") or ""
    if action not in _CHECKS:
        return
    request = getattr(operation, action)
    _CHECKS[action](request)
    require_shown(connection, [request.item_id], "item_id")
    if action == "split_series":
        require_free(connection, [request.new_item_id], "new_item_id")
    if action in {"send_meeting", "split_series"}:
        if request.etag and request.etag != ItemView(connection).current(request.item_id).content_revision:
            raise Stale("STALE_ETAG", "the meeting was changed meanwhile: read it again and decide", field="etag")
        request.ClearField("etag")  # the operation's base_revision takes its place
    item = _shown(connection, request.item_id)
    if item.summary.kind != ITEM_KIND_APPOINTMENT:
        raise _no_meeting(action)
    edited = operation.edited.ToMicroseconds()
    local_meetings.carried_out(operation, item, ItemView(connection).owner, edited)


def _shown(connection: sqlite3.Connection, item_id: bytes) -> Item:
    """The item as the person sees it. FailedPrecondition ``NOT_IN_REPLICA`` if its content is not here."""
    view = ItemView(connection)
    item, _ = local_meetings.whole(view.current(item_id), view.trial())
    if not item.HasField("content"):
        message = "who is invited is not here: open it once while online, or `rookery sync --depth full`"
        raise FailedPrecondition("NOT_IN_REPLICA", message)
    return item


def _no_meeting(action: str) -> FailedPrecondition:
    if action in _OF_INVITED:
        return _not_invited()
    if action == "split_series":
        return FailedPrecondition("NOT_A_SERIES", "only a series can be split: the item is no appointment", field="item_id")
    return FailedPrecondition("NOT_ORGANIZER", "the item is no appointment: nobody can be invited to it", field="item_id")


def _not_invited() -> FailedPrecondition:
    message = "there is no meeting to this: it is no invitation, or the appointment is gone from your mailbox"
    return FailedPrecondition("NOT_INVITED", message, field="item_id")
