"""Items: reading, creating, changing. Marking, moving and deleting many at once is in ``item_batches``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.field_mask_pb2 import FieldMask

from rookery.v1 import item_service_pb2 as pb
from rookery.v1.item_pb2 import Item, ItemLife
from rookery.v1.item_service_pb2 import ItemView, SortDirection, SortKey
from rookery_client.client.item_batches import BATCH, ItemBatches

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rookery.v1.restriction_pb2 import Restriction


class Items(ItemBatches):
    """The ItemService."""

    async def get(self, item_id: bytes, *, view: ItemView.ValueType = ItemView.ITEM_VIEW_FULL, mailbox_id: bytes = b"") -> Item:
        """One item, live or recoverable. NotFound ``ITEM_NOT_FOUND``."""
        request = pb.GetItemRequest(mailbox_id=mailbox_id, item_id=item_id, view=view)
        return (await self._connection.unary(self._stub.GetItem, request)).item

    async def batch_get(
        self,
        item_ids: Sequence[bytes],
        *,
        view: ItemView.ValueType = ItemView.ITEM_VIEW_SUMMARY,
        mailbox_id: bytes = b"",
    ) -> pb.BatchGetItemsResponse:
        """Any number of items, in the order asked for, and the ids that name nothing; asks again for what did not fit."""
        whole = pb.BatchGetItemsResponse()
        waiting = list(item_ids)
        while waiting:
            now, waiting = waiting[:BATCH], waiting[BATCH:]
            request = pb.BatchGetItemsRequest(mailbox_id=mailbox_id, item_ids=now, view=view)
            part = await self._connection.unary(self._stub.BatchGetItems, request)
            whole.items.extend(part.items)
            whole.missing_ids.extend(part.missing_ids)
            whole.revision = part.revision
            waiting = [*part.remaining_ids, *waiting]
        return whole

    async def page(
        self,
        folder_id: bytes,
        *,
        sort_key: SortKey.ValueType = SortKey.SORT_KEY_RECEIVED,
        sort_direction: SortDirection.ValueType = SortDirection.SORT_DIRECTION_DESCENDING,
        restriction: Restriction | None = None,
        life: ItemLife.ValueType = ItemLife.ITEM_LIFE_LIVE,
        view: ItemView.ValueType = ItemView.ITEM_VIEW_SUMMARY,
        page_size: int = 0,
        page_token: str = "",
        mailbox_id: bytes = b"",
    ) -> pb.ListItemsResponse:
        """One page of a folder. It may be empty: only an empty ``next_page_token`` ends the list."""
        request = pb.ListItemsRequest(
            mailbox_id=mailbox_id,
            folder_id=folder_id,
            sort_key=sort_key,
            sort_direction=sort_direction,
            restriction=restriction,
            life=life,
            view=view,
            page_size=page_size,
            page_token=page_token,
        )
        return await self._connection.unary(self._stub.ListItems, request)

    async def list(
        self,
        folder_id: bytes,
        *,
        sort_key: SortKey.ValueType = SortKey.SORT_KEY_RECEIVED,
        sort_direction: SortDirection.ValueType = SortDirection.SORT_DIRECTION_DESCENDING,
        restriction: Restriction | None = None,
        life: ItemLife.ValueType = ItemLife.ITEM_LIFE_LIVE,
        view: ItemView.ValueType = ItemView.ITEM_VIEW_SUMMARY,
        page_size: int = 500,
        mailbox_id: bytes = b"",
    ) -> AsyncIterator[Item]:
        """The items of a folder, page after page."""
        token = ""
        while True:
            page = await self.page(
                folder_id,
                sort_key=sort_key,
                sort_direction=sort_direction,
                restriction=restriction,
                life=life,
                view=view,
                page_size=page_size,
                page_token=token,
                mailbox_id=mailbox_id,
            )
            for item in page.items:
                yield item
            token = page.next_page_token
            if not token:
                return

    async def create(self, item: Item, *, mailbox_id: bytes = b"") -> Item:
        """Makes an item from a record: ``summary.kind`` at the least; without a folder it goes to the one of its kind."""
        request = pb.CreateItemRequest(mailbox_id=mailbox_id, operation_id=self._connection.ids.new(), item=item)
        return (await self._connection.unary(self._stub.CreateItem, request)).item

    async def update(self, item: Item, paths: Sequence[str], *, etag: int = 0, mailbox_id: bytes = b"") -> Item:
        """Gives the fields at `paths` (below summary and content) the values that they have in `item`, which has the id.

        `etag`: the content_revision that the change is based on; Stale ``STALE_ETAG`` if the content changed since. 0 changes
        whatever is there.
        """
        return (await self.change(item, paths, etag=etag, mailbox_id=mailbox_id)).item

    async def change(self, item: Item, paths: Sequence[str], *, etag: int = 0, mailbox_id: bytes = b"") -> pb.UpdateItemResponse:
        """The same; the answer names the exceptions of a series that its new rule or start left without an occurrence, too."""
        request = pb.UpdateItemRequest(
            mailbox_id=mailbox_id,
            operation_id=self._connection.ids.new(),
            item=item,
            update_mask=FieldMask(paths=paths),
            etag=etag,
        )
        return await self._connection.unary(self._stub.UpdateItem, request)
