"""What people do to items and folders, in one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1 import folder_pb2, item_service_pb2

if TYPE_CHECKING:
    from tests.support.world import Person, World

TO_BIN = item_service_pb2.DELETE_MODE_TO_DELETED_ITEMS
SOFTLY = item_service_pb2.DELETE_MODE_RECOVERABLE
FOR_EVER = item_service_pb2.DELETE_MODE_PERMANENT


async def move(world: World, person: Person, item_ids: list[bytes], folder_id: bytes) -> None:
    request = item_service_pb2.MoveItemsRequest(operation_id=world.ids.new(), item_ids=item_ids, folder_id=folder_id)
    await world.places.move_items(person.caller, request)


async def mark(world: World, person: Person, item_ids: list[bytes], **state: Any) -> None:
    request = item_service_pb2.SetItemStateRequest(operation_id=world.ids.new(), item_ids=item_ids, **(state or {"read": True}))
    await world.marks.set_item_state(person.caller, request)


async def rename(world: World, person: Person, item_id: bytes, subject: str) -> None:
    request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new())
    request.item.id, request.item.summary.subject = item_id, subject
    request.update_mask.paths.append("summary.subject")
    await world.editing.update_item(person.caller, request)


async def restore(world: World, person: Person, item_ids: list[bytes], folder_id: bytes = b"") -> None:
    request = item_service_pb2.RestoreItemsRequest(operation_id=world.ids.new(), item_ids=item_ids, folder_id=folder_id)
    await world.removal.restore_items(person.caller, request)


async def rename_folder(world: World, person: Person, folder_id: bytes, name: str) -> None:
    request = folder_pb2.UpdateFolderRequest(operation_id=world.ids.new(), folder=folder_pb2.Folder(id=folder_id, name=name))
    request.update_mask.paths.append("name")
    await world.folders.update_folder(person.caller, request)


async def delete_folder(world: World, person: Person, folder_id: bytes) -> None:
    request = folder_pb2.DeleteFolderRequest(operation_id=world.ids.new(), folder_id=folder_id)
    await world.folder_removal.delete_folder(person.caller, request)
