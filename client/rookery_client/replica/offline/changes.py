"""The contract's changing calls: each becomes an operation in the outbox, and is answered with what it makes of things here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1 import folder_pb2
from rookery.v1 import item_service_pb2 as items_pb
from rookery.v1.sync_pb2 import CONFLICT_POLICY_FAIL, SyncOperation
from rookery_client.replica.offline import list_changes
from rookery_core.rules import units

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rookery.v1.calendar_pb2 import OccurrenceException
    from rookery.v1.item_pb2 import Attachment, Item
    from rookery_client.replica.offline.notes import Notes
    from rookery_client.replica.reading.reader import Reader
    from rookery_client.replica.replica import Replica
    from rookery_core.rules.ids import Ids


class OfflineChanges:
    """Records changes. What the server would refuse is refused here, as far as can be told from here."""

    def __init__(self, replica: Replica, reader: Reader, ids: Ids, notes: Notes) -> None:
        self._replica = replica
        self._reader = reader
        self._ids = ids
        self._notes = notes
        self.uploads: dict[bytes, bytes] = {}
        """Bytes that no item has taken yet, by upload id."""

    def create_item(self, request: items_pb.CreateItemRequest) -> items_pb.CreateItemResponse:
        """Makes an item."""
        wanted = _copy(request)
        wanted.item.id = wanted.item.id or self._ids.new()
        self._record("create_item", wanted, uploads=wanted.item.content.attachments)
        return items_pb.CreateItemResponse(item=self._reader.item(wanted.item.id, full=False), revision=self._reader.revision())

    def update_item(self, request: items_pb.UpdateItemRequest) -> items_pb.UpdateItemResponse:
        """Changes an item. With an etag the server is asked to change nothing if it has another version by then."""
        wanted = _copy(request)
        if list_changes.touches_lists(wanted):
            wanted = list_changes.by_entry(wanted, self._reader.item(wanted.item.id))
        uploads = wanted.list_edits.add_attachments
        before = self._exceptions_at_risk(wanted)
        self._record("update_item", wanted, uploads=uploads, only_unchanged=bool(wanted.etag))
        after = self._reader.item(wanted.item.id, full=False)
        stayed = units.EXCEPTIONS.by_unit(after)
        dropped = [exception for unit, exception in before.items() if unit not in stayed]
        return items_pb.UpdateItemResponse(item=after, revision=self._reader.revision(), dropped_exceptions=dropped)

    def set_item_state(self, request: items_pb.SetItemStateRequest) -> items_pb.SetItemStateResponse:
        """Marks items."""
        before, missing = self._split(request.item_ids)
        after = self._record_for(before, "set_item_state", request)
        changed = sum(item.id in after and item.state != after[item.id].state for item in before)
        return items_pb.SetItemStateResponse(changed=changed, missing_ids=missing, revision=self._reader.revision())

    def move_items(self, request: items_pb.MoveItemsRequest) -> items_pb.MoveItemsResponse:
        """Moves items."""
        before, missing = self._split(request.item_ids)
        after = self._record_for(before, "move_items", request)
        moved = sum(item.id in after and item.folder_id != after[item.id].folder_id for item in before)
        return items_pb.MoveItemsResponse(moved=moved, missing_ids=missing, revision=self._reader.revision())

    def copy_items(self, request: items_pb.CopyItemsRequest) -> items_pb.CopyItemsResponse:
        """Copies items; the copies' ids are minted here where the caller has not."""
        before, missing = self._split(request.item_ids)
        given = dict(zip(request.item_ids, request.new_ids, strict=False))
        new_ids = [given.get(item.id) or self._ids.new() for item in before]
        wanted = _copy(request)
        wanted.new_ids[:] = new_ids
        self._record_for(before, "copy_items", wanted)
        copies = [
            items_pb.CopyItemsResponse.Copy(source_id=item.id, item_id=new_id) for item, new_id in zip(before, new_ids, strict=True)
        ]
        return items_pb.CopyItemsResponse(copies=copies, missing_ids=missing, revision=self._reader.revision())

    def delete_items(self, request: items_pb.DeleteItemsRequest) -> items_pb.DeleteItemsResponse:
        """Deletes items."""
        before, missing = self._split(request.item_ids)
        self._record_for(before, "delete_items", request)
        return items_pb.DeleteItemsResponse(deleted=len(before), missing_ids=missing, revision=self._reader.revision())

    def restore_items(self, request: items_pb.RestoreItemsRequest) -> items_pb.RestoreItemsResponse:
        """Restores items. Those that are not here may be recoverable on the server: it is asked."""
        _, gone = self._split(request.item_ids)
        if gone:
            wanted = _copy(request)
            wanted.item_ids[:] = gone
            self._record("restore_items", wanted)
        return items_pb.RestoreItemsResponse(restored=len(gone), revision=self._reader.revision())

    def create_folder(self, request: folder_pb2.CreateFolderRequest) -> folder_pb2.CreateFolderResponse:
        """Makes a folder."""
        wanted = _copy(request)
        wanted.folder.id = wanted.folder.id or self._ids.new()
        self._record("create_folder", wanted)
        return folder_pb2.CreateFolderResponse(folder=self._reader.folder(wanted.folder.id), revision=self._reader.revision())

    def update_folder(self, request: folder_pb2.UpdateFolderRequest) -> folder_pb2.UpdateFolderResponse:
        """Renames or moves a folder."""
        self._record("update_folder", _copy(request))
        return folder_pb2.UpdateFolderResponse(folder=self._reader.folder(request.folder.id), revision=self._reader.revision())

    def delete_folder(self, request: folder_pb2.DeleteFolderRequest) -> folder_pb2.DeleteFolderResponse:
        """Deletes a folder."""
        before = self._count()
        self._record("delete_folder", _copy(request))
        return folder_pb2.DeleteFolderResponse(deleted_items=before - self._count(), revision=self._reader.revision())

    def empty_folder(self, request: folder_pb2.EmptyFolderRequest) -> folder_pb2.EmptyFolderResponse:
        """Empties a folder."""
        before = self._count()
        self._record("empty_folder", _copy(request))
        return folder_pb2.EmptyFolderResponse(deleted_items=before - self._count(), revision=self._reader.revision())

    def _exceptions_at_risk(self, request: items_pb.UpdateItemRequest) -> dict[str, OccurrenceException]:
        """The exceptions of a series whose times an update changes without saying which exceptions there are."""
        paths = request.update_mask.paths
        if not any(unit == units.TIME for path in paths for unit in units.units_of(path).values()):
            return {}
        if any(units.EXCEPTIONS in units.lists_of(path) for path in paths):
            return {}
        return {
            unit: each for item in self._reader.items([request.item.id]) for unit, each in units.EXCEPTIONS.by_unit(item).items()
        }

    def _split(self, item_ids: Sequence[bytes]) -> tuple[list[Item], list[bytes]]:
        """Those of the items that are here, and the ids of the others."""
        wanted = list(dict.fromkeys(item_ids))
        found = self._reader.items(wanted)
        there = {item.id for item in found}
        return found, [item_id for item_id in wanted if item_id not in there]

    def _record_for(self, items: Sequence[Item], action: str, request: Any) -> dict[bytes, Item]:
        """Records an operation on items that are here, if there are any; gives those that are still shown, as they are then."""
        item_ids = [item.id for item in items]
        if not item_ids:
            return {}
        wanted = _copy(request)
        wanted.item_ids[:] = item_ids
        self._record(action, wanted)
        return {item.id: item for item in self._reader.items(item_ids)}

    def _record(self, action: str, request: Any, *, uploads: Iterable[Attachment] = (), only_unchanged: bool = False) -> None:
        """Puts the operation into the outbox, with the uploads that it takes."""
        operation = SyncOperation(operation_id=request.operation_id)
        if only_unchanged:
            operation.conflict_policy = CONFLICT_POLICY_FAIL
        request.ClearField("mailbox_id")
        request.ClearField("operation_id")
        getattr(operation, action).CopyFrom(request)
        taken = {each.upload_id: self.uploads[each.upload_id] for each in uploads if each.upload_id in self.uploads}
        self._replica.record(operation, taken)
        for upload_id in taken:
            del self.uploads[upload_id]
        self._notes.count_change()

    def _count(self) -> int:
        return sum(folder.item_count for folder in self._reader.folders())


def _copy(request: Any) -> Any:
    copied = type(request)()
    copied.CopyFrom(request)
    return copied
