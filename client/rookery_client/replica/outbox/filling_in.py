"""What a device adds to an operation before it records it: ids, what it had seen, what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ItemSummary
from rookery.v1.task_pb2 import TaskSummary
from rookery_client.replica.storage import facts, operations, schema, submissions
from rookery_client.replica.view import local_assignments, local_meetings, overlay
from rookery_core.rules import homes, task_progress

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from rookery.v1.sync_pb2 import SyncOperation
    from rookery_client.replica.storage.operations import Recorded
    from rookery_core.rules.ids import Ids

_OF_ONE = local_meetings.ACTIONS | local_assignments.ACTIONS
"""Actions on one item, which they name by its id."""
_EDITS = _OF_ONE | {"complete_task", "split_series"}
"""Actions that edit an item, besides updates."""
_ABOUT_SUBMISSIONS = frozenset({"submit", "cancel_submission", "resend_submission"})
_NEED = {
    "update_item": frozenset({"submit", "send_meeting", "assign_task"}),
    "cancel_submission": frozenset({"submit", "update_item"}),
    "submit": frozenset({"cancel_submission"}),
}
"""By action on an item: which actions on it make no sense if that one is refused."""
_MOST_PREREQUISITES = 1000
_SEEN = "SELECT max(revision, ?) FROM {table} WHERE id = ?"


def identify(connection: sqlite3.Connection, operation: SyncOperation, ids: Ids) -> None:
    """Gives what the operation creates ids, and a new item a folder. The request inside names neither mailbox nor operation."""
    action = operation.WhichOneof("action")
    if action is None:
        return
    request = getattr(operation, action)
    request.ClearField("mailbox_id")
    request.ClearField("operation_id")
    match action:
        case "create_item":
            item = operation.create_item.item
            item.id = item.id or ids.new()
            item.ClearField("revision")  # which says of an item that it comes back after a restore
            item.folder_id = item.folder_id or overlay.shown_folders(connection).with_role(homes.home_of(item.summary.kind))
        case "copy_items" if not request.new_ids:
            item_ids = list(dict.fromkeys(request.item_ids))
            request.ClearField("item_ids")
            request.item_ids.extend(item_ids)
            request.new_ids.extend(ids.new() for _ in item_ids)
        case "create_folder":
            request.folder.id = request.folder.id or ids.new()
        case "submit":
            request.submission_id = request.submission_id or ids.new()
        case "split_series":
            request.new_item_id = request.new_item_id or ids.new()


def settle(operation: SyncOperation) -> None:
    """Makes a new task agree with itself, as the server will."""
    if operation.create_item.item.summary.HasField("task"):
        edited = operation.edited.ToMicroseconds()
        task_progress.settle(TaskSummary(), operation.create_item.item.summary.task, edited)


def touched(connection: sqlite3.Connection, operation: SyncOperation) -> tuple[list[bytes], list[bytes]]:
    """The items that the operation names, and the folders that it creates, changes, deletes or empties."""
    match operation.WhichOneof("action"):
        case "create_item":
            return [operation.create_item.item.id], []
        case "update_item":
            return [operation.update_item.item.id], []
        case "copy_items" | "complete_task" | "split_series":
            return [item_id for pair in operations.copies_of(operation) for item_id in pair], []
        case "create_folder":
            return [], [operation.create_folder.folder.id]
        case "update_folder":
            return [], [operation.update_folder.folder.id]
        case "delete_folder":
            return [], _tree(connection, operation.delete_folder.folder_id)
        case "empty_folder":
            request = operation.empty_folder
            return [], _tree(connection, request.folder_id) if request.include_subfolders else [request.folder_id]
        case "submit" | "cancel_submission" | "resend_submission":
            return _sent_items(connection, operation), []
        case str(action):
            request = getattr(operation, action)
            return [request.item_id] if action in _OF_ONE else list(request.item_ids), []
        case _:
            return [], []


def submission_of(operation: SyncOperation) -> bytes:
    """The submission that the operation makes, calls back or sends again; empty for other operations."""
    action = operation.WhichOneof("action")
    found: bytes = getattr(operation, action).submission_id if action in _ABOUT_SUBMISSIONS else b""
    return found


def base_revision(connection: sqlite3.Connection, item_ids: Iterable[bytes], folder_ids: Iterable[bytes]) -> int:
    """The greatest revision that this device has seen of everything that is touched.

    Of a row that is here: its own, or the mailbox's when the replica last equalled it. The least of them, where there are several.
    """
    caught_up = facts.number(connection, facts.CAUGHT_UP_REVISION)
    seen = []
    for table, keys in (("item", item_ids), ("folder", folder_ids)):
        found = (connection.execute(_SEEN.format(table=table), (caught_up, key)).fetchone() for key in keys)
        seen += [int(row[0]) for row in found if row is not None]
    return min(seen, default=caught_up)


def last_seen(connection: sqlite3.Connection, operation: SyncOperation) -> int:
    """When what an edit is of was changed last, by the server's clock, as far as this device has seen; 0 for other operations.

    An edit comes after what it was made upon, whatever the device's clock says.
    """
    action = operation.WhichOneof("action") or ""
    edited = operation.update_item.item.id
    if action in _EDITS:
        edited = getattr(operation, action).item_id
    row = connection.execute("SELECT summary FROM item WHERE id = ?", (edited,)).fetchone() if edited else None
    return 0 if row is None else int(ItemSummary.FromString(row[0]).modified.ToMicroseconds())


def prerequisites(connection: sqlite3.Connection, operation: SyncOperation, item_ids: list[bytes]) -> list[bytes]:
    """The ids of waiting operations that create what this one works on, oldest first; of a draft that is sent, its edits too.

    At most 1,000, the latest: each edit rests on the creation itself.
    """
    found: dict[int, bytes] = {}
    action = operation.WhichOneof("action") or ""
    for item_id, seqs in operations.live_of_items(connection, item_ids).items():
        for recorded in (operations.numbered(connection, seq) for seq in seqs):
            needed = _creates_item(recorded, item_id) or action in _NEED.get(recorded.action, ())
            if recorded.status == schema.WAITING and needed:
                found[recorded.seq] = recorded.operation.operation_id
    for folder_id in folders_named(operation):
        for recorded in operations.waiting_of_folder(connection, folder_id):
            if recorded.action == "create_folder" and recorded.operation.create_folder.folder.id == folder_id:
                found[recorded.seq] = recorded.operation.operation_id
    return [operation_id for _, operation_id in sorted(found.items())][-_MOST_PREREQUISITES:]


def folders_named(operation: SyncOperation) -> set[bytes]:
    """The folders that an operation needs."""
    match operation.WhichOneof("action"):
        case "create_item":
            return {operation.create_item.item.folder_id}
        case "create_folder":
            return {operation.create_folder.folder.parent_id}
        case "update_folder":
            return {operation.update_folder.folder.id, operation.update_folder.folder.parent_id}
        case str(action):
            return {getattr(getattr(operation, action), "folder_id", b"")}
        case _:
            return set()


def _tree(connection: sqlite3.Connection, folder_id: bytes) -> list[bytes]:
    """A folder and those below it, as far as they are here."""
    view = overlay.shown_folders(connection)
    return [folder.id for folder in view.subtree(folder_id)] if folder_id in view.folders else [folder_id]


def _sent_items(connection: sqlite3.Connection, operation: SyncOperation) -> list[bytes]:
    """The item that is sent or called back, if it is known here; sending again changes none."""
    if operation.WhichOneof("action") == "submit":
        return [operation.submit.item_id]
    submission_id = operation.cancel_submission.submission_id
    record = submissions.find(connection, submission_id)
    if record is not None:
        return [record.item_id]
    live = operations.live_of_submission(connection, submission_id)
    return [each.operation.submit.item_id for each in live if each.action == "submit"]


def _creates_item(recorded: Recorded, item_id: bytes) -> bool:
    created = recorded.operation.create_item.item.id if recorded.action == "create_item" else b""
    return item_id == created or any(item_id == new for _, new in recorded.copies)
