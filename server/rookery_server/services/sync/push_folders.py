"""Push, for folders. They carry no stamps: of two renamings, or two moves, the one that arrives last holds.

Deleting and emptying go on in steps, as the unary calls do, under the operation's own id.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rookery.v1 import sync_pb2
from rookery_core.errors import NotFound
from rookery_core.rules import names
from rookery_core.rules.ids import require_id
from rookery_server.services.folders import folder_removal
from rookery_server.services.folders import folders as folder_rules
from rookery_server.services.items.item_removal import make_recoverable, purge
from rookery_server.services.long_operations import LongOperation
from rookery_server.services.sync.push_results import base_of, landing, require_peaceful, result
from rookery_server.store import folders, item_stamps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from rookery_core.rules.ids import Ids
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.sync.push_results import Work
    from rookery_server.store.folders import FolderRow
    from rookery_server.store.items import PlaceRow

_ONE_BY_ONE = 8
"""Numbers behind a name that are tried one after the other, before larger steps are taken."""


async def create(operation: SyncOperation, ids: Ids) -> Work:
    """A folder made on the device; under another name where a sibling has its name."""
    request = operation.create_folder
    planned = folder_rules.plan_create(request, ids)

    def work(change: MailboxChange) -> PushResult:
        parent_id, landed = _parent(change, request.folder.parent_id)
        name = _free_name(change, parent_id, planned.name, b"")
        folder = planned.carry_out(change, parent_id, name).folder
        return result(change, operation, merged=bool(landed) or name != planned.name, folder=folder, landed_folder_id=landed)

    return work


async def update(operation: SyncOperation, ids: Ids) -> Work:
    """A renaming or a move; under another name where a sibling has the name."""
    del ids
    request = operation.update_folder
    planned = folder_rules.plan_update(request)
    require_id(request.folder.id, "folder.id")

    def work(change: MailboxChange) -> PushResult:
        row = folder_rules.require(change.connection, change.mailbox.id, request.folder.id, "folder.id")
        parent_id, landed = row.parent_id, b""
        if planned.moves:
            parent_id, landed = _parent(change, request.folder.parent_id)
        wanted = name = row.name if planned.name is None else planned.name
        if (wanted, parent_id) != (row.name, row.parent_id):
            require_peaceful(operation, conflicting=_renamed_by_others(change, operation, row))
            name = _free_name(change, parent_id, wanted, row.id)
        folder = planned.carry_out(change, row, parent_id, name).folder
        return result(change, operation, merged=bool(landed) or name != wanted, folder=folder, landed_folder_id=landed)

    return work


async def remove(operation: SyncOperation, ids: Ids) -> Work:
    """A deletion or an emptying: done at once where the folder is gone already, else it goes on in steps."""
    del ids
    action = LONG[str(operation.WhichOneof("action"))]
    folder_id = require_id(_folder_of(operation), "folder_id")

    def work(change: MailboxChange) -> PushResult | None:
        if folders.find(change.connection, change.mailbox.id, folder_id) is None:
            if not folders.is_known(change.connection, change.mailbox.id, folder_id):
                raise NotFound("FOLDER_NOT_FOUND", "the mailbox has no such folder", field="folder_id")
            return result(change, operation)
        action.check(change, operation)
        return None

    return work


def _folder_of(operation: SyncOperation) -> bytes:
    if operation.WhichOneof("action") == "delete_folder":
        return operation.delete_folder.folder_id
    return operation.empty_folder.folder_id


def _parent(change: MailboxChange, parent_id: bytes) -> tuple[bytes, bytes]:
    return landing(change, parent_id, "folder.parent_id") if parent_id else (folders.TOP, b"")


def _free_name(change: MailboxChange, parent_id: bytes, name: str, own_id: bytes) -> str:
    """The name, or one of "name (2)", "name (3)" … that no sibling has: mostly the first, and found by few look-ups."""

    def is_free(number: int) -> bool:
        key = names.key(_numbered(name, number))
        sibling = folders.find_name(change.connection, change.mailbox.id, parent_id, key)
        return sibling is None or sibling.id == own_id

    taken, free = 0, 1
    while not is_free(free):
        taken, free = free, free + 1 if free < _ONE_BY_ONE else free * 2
    while free - taken > 1:
        middle = (taken + free) // 2
        taken, free = (taken, middle) if is_free(middle) else (middle, free)
    return _numbered(name, free)


def _numbered(name: str, number: int) -> str:
    if number == 1:
        return name
    end = f" ({number})"
    return name[: names.FOLDER_NAME_LENGTH - len(end)].rstrip() + end


def _renamed_by_others(change: MailboxChange, operation: SyncOperation, row: FolderRow) -> bool:
    base = base_of(change, operation)
    return row.revision > base and item_stamps.is_foreign(
        change.connection, change.mailbox.id, row.revision, change.caller.session_id
    )


def _purge_seen(change: MailboxChange, rows: Sequence[PlaceRow], operation: SyncOperation) -> None:
    """Purges, but deletes softly what the device can not have seen in the folder, or not as it is."""
    item_ids = [row.id for row in rows]
    base, device_id = base_of(change, operation), change.caller.session_id
    unseen = item_stamps.edited_unseen(change.connection, change.mailbox.id, item_ids, base, device_id)
    unseen |= item_stamps.placed_unseen(change.connection, change.mailbox.id, item_ids, base, device_id)
    if seen := [row for row in rows if row.id not in unseen]:
        purge(change, seen)
    if spared := [row for row in rows if row.id in unseen]:
        make_recoverable(change, spared)


def _check_delete(change: MailboxChange, operation: SyncOperation) -> None:
    folder_removal.DELETE.check(change, operation.delete_folder)


def _step_delete(change: MailboxChange, operation: SyncOperation) -> int | None:
    return folder_removal.DELETE.step(change, operation.delete_folder)


def _respond_delete(change: MailboxChange, operation: SyncOperation, done: int) -> PushResult:
    folder_removal.DELETE.respond(change, operation.delete_folder, done)
    return result(change, operation)


def _check_empty(change: MailboxChange, operation: SyncOperation) -> None:
    folder_removal.EMPTY.check(change, operation.empty_folder)


def _step_empty(change: MailboxChange, operation: SyncOperation) -> int | None:
    request = operation.empty_folder
    removal = partial(_purge_seen, operation=operation) if request.permanent else make_recoverable
    return folder_removal.step_empty(change, request, removal)


def _respond_empty(change: MailboxChange, operation: SyncOperation, done: int) -> PushResult:
    folder_removal.EMPTY.respond(change, operation.empty_folder, done)
    return result(change, operation)


def _own_mailbox(operation: SyncOperation) -> bytes:
    """Operations do not name their mailbox; the request around them does, and that was found to be the caller's own."""
    del operation
    return b""


LONG: dict[str, LongOperation] = {
    "delete_folder": LongOperation(
        "sync.delete_folder", sync_pb2.SyncOperation, _check_delete, _step_delete, _respond_delete, _own_mailbox
    ),
    "empty_folder": LongOperation(
        "sync.empty_folder", sync_pb2.SyncOperation, _check_empty, _step_empty, _respond_empty, _own_mailbox
    ),
}
"""The actions that take more than one transaction."""
