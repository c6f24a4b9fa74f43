"""Changes to many items at once: any number, in batches of 500, each batch with an operation id of its own.

The answers of the batches are added up. When a batch fails, those before it have been done: all of these changes may be
repeated without harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import item_service_pb2 as pb
from rookery.v1.item_service_pb2 import DeleteMode
from rookery.v1.item_service_pb2_grpc import ItemServiceStub

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rookery.v1.item_pb2 import FollowUp, ReminderMarks
    from rookery_client.connection import Connection

BATCH = 500
"""The most ids that one call takes."""


class ItemBatches:
    """The calls of the ItemService that take many ids."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = ItemServiceStub(connection.channel)

    async def set_state(
        self,
        item_ids: Sequence[bytes],
        *,
        read: bool | None = None,
        follow_up: FollowUp | None = None,
        add_categories: Sequence[str] = (),
        remove_categories: Sequence[str] = (),
        reminder: ReminderMarks | None = None,
        mailbox_id: bytes = b"",
    ) -> pb.SetItemStateResponse:
        """Marks items; what is None stays. A `follow_up` without a status takes the flag off; for `reminder` see ``reminders``."""
        whole = pb.SetItemStateResponse()
        for batch in _batches(item_ids):
            request = pb.SetItemStateRequest(
                mailbox_id=mailbox_id,
                operation_id=self._connection.ids.new(),
                item_ids=batch,
                read=read,
                follow_up=follow_up,
                add_categories=add_categories,
                remove_categories=remove_categories,
                reminder=reminder,
            )
            part = await self._connection.unary(self._stub.SetItemState, request)
            whole.changed += part.changed
            whole.missing_ids.extend(part.missing_ids)
            whole.revision = part.revision
        return whole

    async def move(self, item_ids: Sequence[bytes], folder_id: bytes, *, mailbox_id: bytes = b"") -> pb.MoveItemsResponse:
        """Moves items into a folder; they keep their ids."""
        whole = pb.MoveItemsResponse()
        for batch in _batches(item_ids):
            request = pb.MoveItemsRequest(
                mailbox_id=mailbox_id, operation_id=self._connection.ids.new(), item_ids=batch, folder_id=folder_id
            )
            part = await self._connection.unary(self._stub.MoveItems, request)
            whole.moved += part.moved
            whole.missing_ids.extend(part.missing_ids)
            whole.revision = part.revision
        return whole

    async def copy(
        self, item_ids: Sequence[bytes], folder_id: bytes, *, new_ids: Sequence[bytes] = (), mailbox_id: bytes = b""
    ) -> pb.CopyItemsResponse:
        """Copies items into a folder. `new_ids`: the copies' ids in the order of `item_ids`, if the caller mints them."""
        whole = pb.CopyItemsResponse()
        for index, batch in enumerate(_batches(item_ids)):
            request = pb.CopyItemsRequest(
                mailbox_id=mailbox_id,
                operation_id=self._connection.ids.new(),
                item_ids=batch,
                folder_id=folder_id,
                new_ids=new_ids[index * BATCH : index * BATCH + len(batch)],
            )
            part = await self._connection.unary(self._stub.CopyItems, request)
            whole.copies.extend(part.copies)
            whole.missing_ids.extend(part.missing_ids)
            whole.revision = part.revision
        return whole

    async def delete(
        self,
        item_ids: Sequence[bytes],
        *,
        mode: DeleteMode.ValueType = DeleteMode.DELETE_MODE_TO_DELETED_ITEMS,
        mailbox_id: bytes = b"",
    ) -> pb.DeleteItemsResponse:
        """Deletes items: into Deleted Items, recoverably, or for good."""
        whole = pb.DeleteItemsResponse()
        for batch in _batches(item_ids):
            request = pb.DeleteItemsRequest(
                mailbox_id=mailbox_id, operation_id=self._connection.ids.new(), item_ids=batch, mode=mode
            )
            part = await self._connection.unary(self._stub.DeleteItems, request)
            whole.deleted += part.deleted
            whole.missing_ids.extend(part.missing_ids)
            whole.revision = part.revision
        return whole

    async def restore(
        self, item_ids: Sequence[bytes], *, folder_id: bytes = b"", mailbox_id: bytes = b""
    ) -> pb.RestoreItemsResponse:
        """Brings recoverable items back under the same ids, to where they were unless a folder is given."""
        whole = pb.RestoreItemsResponse()
        for batch in _batches(item_ids):
            request = pb.RestoreItemsRequest(
                mailbox_id=mailbox_id, operation_id=self._connection.ids.new(), item_ids=batch, folder_id=folder_id
            )
            part = await self._connection.unary(self._stub.RestoreItems, request)
            whole.restored += part.restored
            whole.missing_ids.extend(part.missing_ids)
            whole.revision = part.revision
        return whole


def _batches(item_ids: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(item_ids), BATCH):
        yield item_ids[start : start + BATCH]
