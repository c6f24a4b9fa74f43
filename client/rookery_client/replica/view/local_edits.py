"""What an operation makes of an item: the same rules by which the server will carry it out, for the time until then.

``apply`` is pure. It raises InvalidArgument where the server would refuse: who records an operation hands that on, who lays it over
a newer item later leaves out what does not fit any more, as the server's merge does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1.item_pb2 import ItemState, ItemSummary
from rookery_client.replica.view import local_assignments, local_meetings, local_records, local_tasks
from rookery_client.replica.view.local_item import Life
from rookery_core.rules import names, reminder_marks, validation

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery.v1 import submission_service_pb2
    from rookery.v1.sync_pb2 import SyncOperation
    from rookery_client.replica.view.local_item import LocalItem, Surroundings


def apply(operation: SyncOperation, item_id: bytes, item: LocalItem | None, around: Surroundings) -> LocalItem | None:
    """The item after the operation; ``item`` is it before, None if there is none, and may be changed."""
    action = operation.WhichOneof("action") or ""
    if action == "create_item":
        comes_back = operation.create_item.item.revision > 0  # a version that the server has lost
        return local_records.created(operation.create_item, around) if item is None or comes_back else item
    if action == "copy_items":
        return _copied(operation.copy_items, item_id, item, around)
    if action == "complete_task":
        return local_tasks.apply(operation.complete_task, item_id, item, around)
    if action == "split_series":
        return local_meetings.split(operation.split_series, item_id, item, around)
    if item is not None and action in local_meetings.ACTIONS:
        local_meetings.apply(operation, item, around)
    if item is not None and action in local_assignments.ACTIONS:
        local_assignments.apply(operation, item, around)
    if item is not None and (edit := _EDITS.get(action)):
        edit(getattr(operation, action), item, around)
    return item


def _copied(
    request: item_service_pb2.CopyItemsRequest, item_id: bytes, item: LocalItem | None, around: Surroundings
) -> LocalItem | None:
    if item is not None or item_id not in request.new_ids:
        return item  # the one that is copied, or a copy that the server has made already
    source = around.source(request.item_ids[list(request.new_ids).index(item_id)])
    if source is None or source.life is not Life.LIVE:
        return None
    return local_records.duplicate(source, item_id, around.landed or request.folder_id, around)


def _update(request: item_service_pb2.UpdateItemRequest, item: LocalItem, around: Surroundings) -> None:
    if item.life is Life.LIVE:
        local_records.update(item, request, around)


def _mark(request: item_service_pb2.SetItemStateRequest, item: LocalItem, around: Surroundings) -> None:
    del around
    if item.life is not Life.LIVE:
        return
    state = ItemState.FromString(item.state)
    if request.HasField("read"):
        state.read = request.read
    if request.HasField("follow_up"):
        validation.validate_follow_up(request.follow_up, "follow_up")
        state.ClearField("follow_up")
        if request.follow_up.status != item_pb2.FLAG_STATUS_UNSPECIFIED:
            state.follow_up.CopyFrom(request.follow_up)
    if request.HasField("reminder"):
        reminder_marks.validate(request.reminder, "reminder")
        reminder_marks.mark(state, request.reminder)
    if request.add_categories or request.remove_categories:
        removed = {names.key(name) for name in request.remove_categories}
        kept = [name for name in state.categories if names.key(name) not in removed]
        state.ClearField("categories")
        state.categories.extend(names.categories([*kept, *request.add_categories], "add_categories"))
    item.state = state.SerializeToString()


def _move(request: item_service_pb2.MoveItemsRequest, item: LocalItem, around: Surroundings) -> None:
    if item.life is Life.LIVE:
        _place(item, around.landed or request.folder_id)


def _delete(request: item_service_pb2.DeleteItemsRequest, item: LocalItem, around: Surroundings) -> None:
    if request.mode == item_service_pb2.DELETE_MODE_PERMANENT:
        item.life = Life.PURGED
    elif item.life is Life.LIVE:
        thrown = around.role_folder(folder_pb2.FOLDER_ROLE_DELETED)
        if request.mode == item_service_pb2.DELETE_MODE_RECOVERABLE or item.folder_id == thrown:
            item.life = Life.RECOVERABLE
        else:
            _place(item, thrown)


def _restore(request: item_service_pb2.RestoreItemsRequest, item: LocalItem, around: Surroundings) -> None:
    homeless = around.was_deleted(item.folder_id)  # and the item with it
    if item.life is Life.PURGED or (item.life is Life.LIVE and not homeless):
        return
    item.life = Life.LIVE
    target = around.landed or request.folder_id
    if target or homeless:
        _place(item, target or around.role_folder(folder_pb2.FOLDER_ROLE_RECOVERED))


def _empty(request: folder_pb2.EmptyFolderRequest, item: LocalItem, around: Surroundings) -> None:
    if item.life is Life.LIVE and around.emptied(item.folder_id):
        item.life = Life.PURGED if request.permanent else Life.RECOVERABLE


def _submit(request: submission_service_pb2.SubmitRequest, item: LocalItem, around: Surroundings) -> None:
    del request
    summary = ItemSummary.FromString(item.summary)
    if item.life is Life.LIVE and summary.message.draft:
        summary.message.draft = False
        summary.sent.FromSeconds(around.edited // 1_000_000)
        item.summary = summary.SerializeToString()
        _place(item, around.role_folder(folder_pb2.FOLDER_ROLE_OUTBOX) or item.folder_id)


def _call_back(request: submission_service_pb2.CancelSubmissionRequest, item: LocalItem, around: Surroundings) -> None:
    del request
    if item.life is not Life.LIVE or not around.can_be_called_back():
        return
    summary = ItemSummary.FromString(item.summary)
    summary.message.draft = True
    summary.ClearField("sent")
    item.summary = summary.SerializeToString()
    if item.folder_id == around.role_folder(folder_pb2.FOLDER_ROLE_OUTBOX):
        _place(item, around.origin(item.id) or around.role_folder(folder_pb2.FOLDER_ROLE_DRAFTS))


def _place(item: LocalItem, folder_id: bytes) -> None:
    """Puts the item into a folder, where the server is to give it a number."""
    if item.folder_id != folder_id:
        item.folder_id, item.uid = folder_id, 0


_EDITS: dict[str, Callable[..., None]] = {
    "update_item": _update,
    "set_item_state": _mark,
    "move_items": _move,
    "delete_items": _delete,
    "restore_items": _restore,
    "empty_folder": _empty,
    "submit": _submit,
    "cancel_submission": _call_back,
}
"""By action: changes the item in place."""
