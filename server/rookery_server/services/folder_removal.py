"""Emptying and deleting folders: long operations, since a folder may hold any number of items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import folder_pb2
from rookery_core.errors import FailedPrecondition
from rookery_core.rules.ids import require_id
from rookery_server.services import folders as folder_rules
from rookery_server.services.item_removal import make_recoverable, purge
from rookery_server.services.long_operations import STEP_ROWS, LongOperation
from rookery_server.store import folders, items

if TYPE_CHECKING:
    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.long_operations import LongOperations
    from rookery_server.store.folders import FolderRow


class FolderRemoval:
    """Carries out DeleteFolder and EmptyFolder."""

    def __init__(self, long_operations: LongOperations) -> None:
        self._long_operations = long_operations
        for operation in (_DELETE, _EMPTY):
            long_operations.register(operation)

    async def delete_folder(self, caller: Caller, request: folder_pb2.DeleteFolderRequest) -> bytes:
        """Deletes a folder with all below it; its items become recoverable. The encoded DeleteFolderResponse."""
        require_id(request.folder_id, "folder_id")
        return await self._long_operations.run(caller, _DELETE, request)

    async def empty_folder(self, caller: Caller, request: folder_pb2.EmptyFolderRequest) -> bytes:
        """Deletes all items in a folder. The encoded EmptyFolderResponse."""
        require_id(request.folder_id, "folder_id")
        return await self._long_operations.run(caller, _EMPTY, request)


def _remove_items(change: MailboxChange, folder_id: bytes, *, permanent: bool) -> int:
    item_ids = items.in_folder(change.connection, change.mailbox.id, folder_id, life=items.LIVE, limit=STEP_ROWS)
    if item_ids:
        rows = list(items.places(change.connection, change.mailbox.id, item_ids).values())
        if permanent:
            purge(change, rows)
        else:
            make_recoverable(change, rows)
    return len(item_ids)


def _remove_folders(change: MailboxChange, rows: list[FolderRow]) -> None:
    """Turns folders into tombstones, which devices need to hear of; their names are free at once."""
    for row in rows:
        folders.change(change.connection, change.mailbox.id, row.id, {"deleted": 1, "revision": change.revision})
    change.count_folders(-len(rows))


def _check_delete(change: MailboxChange, request: folder_pb2.DeleteFolderRequest) -> None:
    top = folder_rules.require(change.connection, change.mailbox.id, request.folder_id)
    for row in folder_rules.subtree(change.connection, change.mailbox.id, top):
        if row.role:
            raise FailedPrecondition("FOLDER_PROTECTED", f"“{row.name}” is a role folder: it can not be deleted, but emptied")


def _step_delete(change: MailboxChange, request: folder_pb2.DeleteFolderRequest) -> int:
    top = folders.find(change.connection, change.mailbox.id, request.folder_id)
    if top is None:  # somebody deleted it while this went on
        return 0
    for row in folder_rules.subtree(change.connection, change.mailbox.id, top):
        if done := _remove_items(change, row.id, permanent=False):
            return done
    return 0


def _respond_delete(change: MailboxChange, request: folder_pb2.DeleteFolderRequest, done: int) -> folder_pb2.DeleteFolderResponse:
    top = folders.find(change.connection, change.mailbox.id, request.folder_id)
    if top is not None:
        _remove_folders(change, folder_rules.subtree(change.connection, change.mailbox.id, top))
    return folder_pb2.DeleteFolderResponse(deleted_items=done, revision=change.current_revision)


def _check_empty(change: MailboxChange, request: folder_pb2.EmptyFolderRequest) -> None:
    folder_rules.require(change.connection, change.mailbox.id, request.folder_id)


def _emptied(change: MailboxChange, request: folder_pb2.EmptyFolderRequest) -> list[FolderRow]:
    top = folders.find(change.connection, change.mailbox.id, request.folder_id)
    if top is None:
        return []
    return folder_rules.subtree(change.connection, change.mailbox.id, top) if request.include_subfolders else [top]


def _step_empty(change: MailboxChange, request: folder_pb2.EmptyFolderRequest) -> int:
    for row in _emptied(change, request):
        if done := _remove_items(change, row.id, permanent=request.permanent):
            return done
    return 0


def _respond_empty(change: MailboxChange, request: folder_pb2.EmptyFolderRequest, done: int) -> folder_pb2.EmptyFolderResponse:
    rows = _emptied(change, request)
    kept = _with_role_below(rows)
    if gone := [row for row in rows[1:] if row.id not in kept]:
        _remove_folders(change, gone)
    return folder_pb2.EmptyFolderResponse(deleted_items=done, revision=change.current_revision)


def _with_role_below(rows: list[FolderRow]) -> set[bytes]:
    """Folders of a subtree (parents first) that have a role, or one with a role below them: those stay."""
    kept: set[bytes] = set()
    for row in reversed(rows):
        if row.role or row.id in kept:
            kept.update((row.id, row.parent_id))
    return kept


_DELETE = LongOperation("folder.delete", folder_pb2.DeleteFolderRequest, _check_delete, _step_delete, _respond_delete)
_EMPTY = LongOperation("folder.empty", folder_pb2.EmptyFolderRequest, _check_empty, _step_empty, _respond_empty)
