"""``rookery.v1.ItemService``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rookery.v1 import item_service_pb2
    from rookery_server.api.context import Call
    from rookery_server.services.items.item_editing import ItemEditing
    from rookery_server.services.items.item_marks import ItemMarks
    from rookery_server.services.items.item_places import ItemPlaces
    from rookery_server.services.items.item_reading import ItemReading
    from rookery_server.services.items.item_removal import ItemRemoval


class ItemServicer:
    """Hands each call to the service that carries it out."""

    def __init__(
        self, reading: ItemReading, editing: ItemEditing, marks: ItemMarks, places: ItemPlaces, removal: ItemRemoval
    ) -> None:
        self._reading = reading
        self._editing = editing
        self._marks = marks
        self._places = places
        self._removal = removal

    async def create_item(self, request: item_service_pb2.CreateItemRequest, call: Call) -> bytes:
        """CreateItem."""
        return await self._editing.create_item(call.caller, request)

    async def get_item(self, request: item_service_pb2.GetItemRequest, call: Call) -> bytes:
        """GetItem."""
        return await self._reading.get_item(call.caller, request)

    async def batch_get_items(self, request: item_service_pb2.BatchGetItemsRequest, call: Call) -> bytes:
        """BatchGetItems."""
        return await self._reading.batch_get_items(call.caller, request)

    async def list_items(self, request: item_service_pb2.ListItemsRequest, call: Call) -> bytes:
        """ListItems."""
        return await self._reading.list_items(call.caller, request)

    async def update_item(self, request: item_service_pb2.UpdateItemRequest, call: Call) -> bytes:
        """UpdateItem."""
        return await self._editing.update_item(call.caller, request)

    async def set_item_state(self, request: item_service_pb2.SetItemStateRequest, call: Call) -> bytes:
        """SetItemState."""
        return await self._marks.set_item_state(call.caller, request)

    async def move_items(self, request: item_service_pb2.MoveItemsRequest, call: Call) -> bytes:
        """MoveItems."""
        return await self._places.move_items(call.caller, request)

    async def copy_items(self, request: item_service_pb2.CopyItemsRequest, call: Call) -> bytes:
        """CopyItems."""
        return await self._places.copy_items(call.caller, request)

    async def delete_items(self, request: item_service_pb2.DeleteItemsRequest, call: Call) -> bytes:
        """DeleteItems."""
        return await self._removal.delete_items(call.caller, request)

    async def restore_items(self, request: item_service_pb2.RestoreItemsRequest, call: Call) -> bytes:
        """RestoreItems."""
        return await self._removal.restore_items(call.caller, request)
