"""Emptying and deleting folders: long operations, since a folder may hold any number of items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rookery.v1 import folder_pb2
from rookery_core.errors import FailedPrecondition
from rookery_core.rules.ids import require_id
from rookery_server.services.folders import folders as folder_rules
from rookery_server.services.items.item_removal import make_recoverable, purge
from rookery_server.services.long_operations import STEP_ROWS, LongOperation
from rookery_server.store import folders, items

if TYPE_CHECKING:
    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.long_operations import LongOperations
    from rookery_server.store.folders import FolderRow
    from rookery_server.store.items import PlaceRow

Remove = Callable[["MailboxChange", Sequence["PlaceRow"]], None]
"""Removes items from their folders."""


class FolderRemoval:
    """Carries out DeleteFolder and EmptyFolder."""

    def __init__(self, long_operations: LongOperations) -> None:
        self._long_operations = long_operations
        for operation in (DELETE, EMPTY):
            long_operations.register(operation)

    async def delete_folder(self, caller: Caller, request: folder_pb2.DeleteFolderRequest) -> bytes:
        """Deletes a folder with all below it; its items become recoverable. The encoded DeleteFolderResponse."""
        require_id(request.folder_id, "folder_id")
        return await self._long_operations.run(caller, DELETE, request)

    async def empty_folder(self, caller: Caller, request: folder_pb2.EmptyFolderRequest) -> bytes:
        """Deletes all items in a folder. The encoded EmptyFolderResponse."""
        require_id(request.folder_id, "folder_id")
        return await self._long_operations.run(caller, EMPTY, request)


def _step(change: MailboxChange, filled: list[FolderRow], doomed: list[FolderRow], remove: Remove) -> int | None:
    """Removes items first, then folders from the end of ``doomed``; gives how many items. None: one step's folders are left."""
    item_ids: list[bytes] = []
    for row in filled:
        if row.item_count and len(item_ids) < STEP_ROWS:
            limit = STEP_ROWS - len(item_ids)
            item_ids += items.in_folder(change.connection, change.mailbox.id, row.id, life=items.LIVE, limit=limit)
    if item_ids:
        remove(change, list(items.places(change.connection, change.mailbox.id, item_ids).values()))
        return len(item_ids)
    if len(doomed) <= STEP_ROWS:
        return None
    _bury(change, doomed[-STEP_ROWS:])
    return 0


def _bury(change: MailboxChange, rows: list[FolderRow]) -> None:
    """Turns folders into tombstones, which devices need to hear of; their names are free at once."""
    if rows:
        folders.bury(change.connection, change.mailbox.id, [row.id for row in rows], change.revision)
        change.count_folders(-len(rows))


def _check_delete(change: MailboxChange, request: folder_pb2.DeleteFolderRequest) -> None:
    folder_rules.require(change.connection, change.mailbox.id, request.folder_id)
    _doomed(change, request)


def _doomed(change: MailboxChange, request: folder_pb2.DeleteFolderRequest) -> list[FolderRow]:
    """What is to be deleted, parents before children; nothing if somebody deleted it meanwhile.

    FailedPrecondition ``FOLDER_PROTECTED`` if a role folder is among it: looked at before each step, not only before the first.
    """
    rows = folders.subtree(change.connection, change.mailbox.id, request.folder_id)
    for row in rows:
        if row.role:
            raise FailedPrecondition("FOLDER_PROTECTED", f"“{row.name}” is a role folder: it can not be deleted, but emptied")
    return rows


def _step_delete(change: MailboxChange, request: folder_pb2.DeleteFolderRequest) -> int | None:
    rows = _doomed(change, request)
    return _step(change, rows, rows, make_recoverable)


def _respond_delete(change: MailboxChange, request: folder_pb2.DeleteFolderRequest, done: int) -> folder_pb2.DeleteFolderResponse:
    _bury(change, _doomed(change, request))
    return folder_pb2.DeleteFolderResponse(deleted_items=done, revision=change.current_revision)


def _check_empty(change: MailboxChange, request: folder_pb2.EmptyFolderRequest) -> None:
    folder_rules.require(change.connection, change.mailbox.id, request.folder_id)


def _emptied(change: MailboxChange, request: folder_pb2.EmptyFolderRequest) -> list[FolderRow]:
    """The folders to be emptied, parents before children; none if somebody deleted the top one meanwhile."""
    if request.include_subfolders:
        return folders.subtree(change.connection, change.mailbox.id, request.folder_id)
    top = folders.find(change.connection, change.mailbox.id, request.folder_id)
    return [] if top is None else [top]


def step_empty(change: MailboxChange, request: folder_pb2.EmptyFolderRequest, remove: Remove) -> int | None:
    """A step of an emptying, which removes the items in its own way."""
    rows = _emptied(change, request)
    return _step(change, rows, _unneeded(rows), remove)


def _step_empty(change: MailboxChange, request: folder_pb2.EmptyFolderRequest) -> int | None:
    return step_empty(change, request, purge if request.permanent else make_recoverable)


def _respond_empty(change: MailboxChange, request: folder_pb2.EmptyFolderRequest, done: int) -> folder_pb2.EmptyFolderResponse:
    _bury(change, _unneeded(_emptied(change, request)))
    return folder_pb2.EmptyFolderResponse(deleted_items=done, revision=change.current_revision)


def _unneeded(rows: list[FolderRow]) -> list[FolderRow]:
    """Of a subtree (parents first) what an emptying deletes: all but the top, role folders, and what has one below it."""
    kept: set[bytes] = set()
    for row in reversed(rows):
        if row.role or row.id in kept:
            kept.update((row.id, row.parent_id))
    return [row for row in rows[1:] if row.id not in kept]


DELETE = LongOperation("folder.delete", folder_pb2.DeleteFolderRequest, _check_delete, _step_delete, _respond_delete)
EMPTY = LongOperation("folder.empty", folder_pb2.EmptyFolderRequest, _check_empty, _step_empty, _respond_empty)
