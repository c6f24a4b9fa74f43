"""Push, for items: create, mark, move, copy, delete, restore. Edits are in ``push_updates``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import item_service_pb2
from rookery_core.errors import AlreadyExists
from rookery_server.services.items import item_editing, item_marks, item_packing, item_places, item_removal
from rookery_server.services.sync import push_returns
from rookery_server.services.sync.push_results import base_of, landing, require_peaceful, result
from rookery_server.store import item_stamps

if TYPE_CHECKING:
    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from rookery_core.rules.ids import Ids
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.sync.push_results import Work

_LASTING = {item_service_pb2.DELETE_MODE_RECOVERABLE, item_service_pb2.DELETE_MODE_PERMANENT}


async def create(operation: SyncOperation, ids: Ids) -> Work:
    """An item made on the device, or one that comes back after a restore.

    AlreadyExists ``ID_TAKEN``, ``ID_RETIRED``: a purged item is not revived.
    """
    request = operation.create_item
    create_in = await item_editing.plan_create(request, ids, returning=bool(request.item.revision))

    def work(change: MailboxChange) -> PushResult:
        if named := request.item.folder_id:
            folder_id, landed = landing(change, named, "item.folder_id")
        else:
            folder_id, landed = item_editing.folder_of(change, request.item), b""
        try:
            row = create_in(change, folder_id)
        except AlreadyExists:
            answer = push_returns.merge(change, operation)
            if answer is None:
                raise
            return answer
        push_returns.stamp(change, operation)
        return result(change, operation, merged=bool(landed), item=item_packing.unpack(row), landed_folder_id=landed)

    return work


async def set_state(operation: SyncOperation, ids: Ids) -> Work:
    """Marks. They never conflict: of two marks the one that arrives last holds."""
    del ids
    mark = item_marks.plan(operation.set_item_state)

    def work(change: MailboxChange) -> PushResult:
        return result(change, operation, missing_ids=mark(change).missing_ids)

    return work


async def move(operation: SyncOperation, ids: Ids) -> Work:
    """A move."""
    del ids
    request = operation.move_items
    move_into = item_places.plan_move(request)

    def work(change: MailboxChange) -> PushResult:
        folder_id, landed = landing(change, request.folder_id, "folder_id")
        response = move_into(change, folder_id)
        return result(change, operation, merged=bool(landed), missing_ids=response.missing_ids, landed_folder_id=landed)

    return work


async def copy(operation: SyncOperation, ids: Ids) -> Work:
    """Copies, under ids that the device minted."""
    request = operation.copy_items
    copy_into = item_places.plan_copy(request, ids)

    def work(change: MailboxChange) -> PushResult:
        folder_id, landed = landing(change, request.folder_id, "folder_id")
        response = copy_into(change, folder_id)
        return result(
            change,
            operation,
            merged=bool(landed),
            copies=response.copies,
            missing_ids=response.missing_ids,
            landed_folder_id=landed,
        )

    return work


async def delete(operation: SyncOperation, ids: Ids) -> Work:
    """A deletion. What others edited meanwhile is deleted softly, however it was asked for: nobody has seen what would be gone."""
    del ids
    request = operation.delete_items
    delete_but = item_removal.plan_delete(request)

    def work(change: MailboxChange) -> PushResult:
        spared: set[bytes] = set()
        if request.mode in _LASTING:
            spared = item_stamps.edited_unseen(
                change.connection,
                change.mailbox.id,
                request.item_ids,
                base=base_of(change, operation),
                device_id=change.caller.session_id,
            )
            require_peaceful(operation, conflicting=bool(spared))
        response = delete_but(change, spared)
        return result(change, operation, merged=bool(spared), missing_ids=response.missing_ids)

    return work


async def restore(operation: SyncOperation, ids: Ids) -> Work:
    """A restore: the only thing that brings an item back."""
    del ids
    request = operation.restore_items
    restore_into = item_removal.plan_restore(request)

    def work(change: MailboxChange) -> PushResult:
        folder_id, landed = landing(change, request.folder_id, "folder_id") if request.folder_id else (b"", b"")
        response, fallen = restore_into(change, folder_id)
        landed = landed or fallen
        return result(change, operation, merged=bool(landed), missing_ids=response.missing_ids, landed_folder_id=landed)

    return work
