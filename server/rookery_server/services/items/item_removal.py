"""Deleting, purging and restoring items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import folder_pb2, item_service_pb2
from rookery_core.errors import InvalidArgument
from rookery_server.services.caller import NO_ID
from rookery_server.services.folders import folders
from rookery_server.services.items.item_places import move
from rookery_server.services.items.item_reading import require_ids
from rookery_server.store import items, search
from rookery_server.store.folders import find as find_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.operations import Operations
    from rookery_server.store.items import PlaceRow


def make_recoverable(change: MailboxChange, live: Sequence[PlaceRow]) -> None:
    """Soft delete: the items leave their folders and wait for a restore until the retention ends."""
    revision = change.revision
    items.note_departures(change.connection, change.mailbox.id, revision, items.MADE_RECOVERABLE, live)
    gone = {"life": items.RECOVERABLE, "place": revision, "revision": revision, "deleted_at": change.now}
    items.change(change.connection, change.mailbox.id, [{"id": row.id, **gone} for row in live])
    for row in live:
        change.count(row.folder_id, items=-1, unread=0 if row.is_read else -1, size=-row.size_bytes)


def purge(change: MailboxChange, rows: Sequence[PlaceRow]) -> None:
    """Removes items for ever, live or recoverable; their ids stay retired (an id is never used again).

    Edits of theirs that lost in a conflict go with them if it is a person who purges. What the server purges when its time is
    over takes no edit along: that one has a time of its own.
    """
    revision = change.revision
    mailbox_id, item_ids = change.mailbox.id, [row.id for row in rows]
    items.note_departures(change.connection, mailbox_id, revision, items.PURGED, rows)
    search.forget(change.connection, mailbox_id, item_ids)
    items.purge(change.connection, mailbox_id, revision, item_ids, with_conflicts=change.caller.account_id != NO_ID)
    for row in rows:
        live = row.life == items.LIVE
        change.count(
            row.folder_id,
            items=-1 if live else 0,
            unread=-1 if live and not row.is_read else 0,
            size=-row.size_bytes if live else 0,
            held=-row.size_bytes,
        )


def restore(change: MailboxChange, rows: Sequence[PlaceRow], folder_id: bytes) -> bytes:
    """Brings recoverable items back into folders under the same ids: into ``folder_id``, or where each was.

    Where that folder is gone, into ``recovered``; gives its id if any went there for that reason, else "".
    """
    landed = b""
    revision, mailbox_id = change.revision, change.mailbox.id
    items.note_departures(change.connection, mailbox_id, revision, items.RESTORED, rows)
    changes = []
    for row in rows:
        target = folder_id or row.folder_id
        if not folder_id and find_folder(change.connection, mailbox_id, target) is None:
            landed = target = folders.require_role(change.connection, mailbox_id, folder_pb2.FOLDER_ROLE_RECOVERED).id
        uid = change.take_uids(target, 1)
        place = {"folder_id": target, "uid": uid, "life": items.LIVE, "deleted_at": None}
        changes.append({"id": row.id, **place, "place": revision, "revision": revision})
        change.count(target, items=1, unread=0 if row.is_read else 1, size=row.size_bytes)
    items.change(change.connection, mailbox_id, changes)
    return landed


class ItemRemoval:
    """Carries out DeleteItems and RestoreItems."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def delete_items(self, caller: Caller, request: item_service_pb2.DeleteItemsRequest) -> bytes:
        """Deletes items, in one revision. Deleting what is deleted is a success. The encoded DeleteItemsResponse."""
        delete = plan_delete(request)

        def work(change: MailboxChange) -> item_service_pb2.DeleteItemsResponse:
            return delete(change, frozenset())

        return await self._operations.on_mailbox(caller, request.mailbox_id, request.operation_id, "item.delete", request, work)

    async def restore_items(self, caller: Caller, request: item_service_pb2.RestoreItemsRequest) -> bytes:
        """Restores items, in one revision. The encoded RestoreItemsResponse."""
        restore_into = plan_restore(request)

        def work(change: MailboxChange) -> item_service_pb2.RestoreItemsResponse:
            named = request.folder_id
            target = folders.require(change.connection, change.mailbox.id, named).id if named else b""
            return restore_into(change, target)[0]

        return await self._operations.on_mailbox(caller, request.mailbox_id, request.operation_id, "item.restore", request, work)


def plan_delete(
    request: item_service_pb2.DeleteItemsRequest,
) -> Callable[[MailboxChange, AbstractSet[bytes]], item_service_pb2.DeleteItemsResponse]:
    """Checks a request to delete items; gives the work, which is told the items that are to be deleted softly, if at all."""
    wanted = require_ids(request.item_ids)
    mode = request.mode or item_service_pb2.DELETE_MODE_TO_DELETED_ITEMS
    if mode not in item_service_pb2.DeleteMode.values():
        raise InvalidArgument("FIELD_INVALID", f"there is no mode {mode}", field="mode")

    def work(change: MailboxChange, spared: AbstractSet[bytes]) -> item_service_pb2.DeleteItemsResponse:
        found = items.places(change.connection, change.mailbox.id, wanted)
        absent = [item_id for item_id in wanted if item_id not in found]
        retired = items.known(change.connection, change.mailbox.id, absent)[1] if absent else set()
        rows = [found[item_id] for item_id in wanted if item_id in found]
        deleted = _delete(change, [row for row in rows if row.id not in spared], mode)
        deleted += _delete(change, [row for row in rows if row.id in spared], item_service_pb2.DELETE_MODE_RECOVERABLE)
        return item_service_pb2.DeleteItemsResponse(
            deleted=deleted,
            missing_ids=[item_id for item_id in absent if item_id not in retired],
            revision=change.current_revision,
        )

    return work


def plan_restore(
    request: item_service_pb2.RestoreItemsRequest,
) -> Callable[[MailboxChange, bytes], tuple[item_service_pb2.RestoreItemsResponse, bytes]]:
    """Checks a request to restore items; gives the work, which is told the live folder, "" for where each was.

    It gives the response and what ``restore`` gives.
    """
    wanted = require_ids(request.item_ids)

    def work(change: MailboxChange, folder_id: bytes) -> tuple[item_service_pb2.RestoreItemsResponse, bytes]:
        found = items.places(change.connection, change.mailbox.id, wanted)
        waiting = [found[item_id] for item_id in wanted if item_id in found and found[item_id].life == items.RECOVERABLE]
        landed = restore(change, waiting, folder_id) if waiting else b""
        response = item_service_pb2.RestoreItemsResponse(
            restored=len(waiting),
            missing_ids=[item_id for item_id in wanted if item_id not in found],
            revision=change.current_revision,
        )
        return response, landed

    return work


def _delete(change: MailboxChange, rows: Sequence[PlaceRow], mode: int) -> int:
    live = [row for row in rows if row.life == items.LIVE]
    if mode == item_service_pb2.DELETE_MODE_PERMANENT:
        if rows:
            purge(change, rows)
        return len(rows)
    if mode == item_service_pb2.DELETE_MODE_RECOVERABLE:
        if live:
            make_recoverable(change, live)
        return len(live)
    if live:
        bin_id = folders.require_role(change.connection, change.mailbox.id, folder_pb2.FOLDER_ROLE_DELETED).id
        if thrown := [row for row in live if row.folder_id != bin_id]:
            move(change, thrown, bin_id)
        if again := [row for row in live if row.folder_id == bin_id]:
            make_recoverable(change, again)
    return len(live)
