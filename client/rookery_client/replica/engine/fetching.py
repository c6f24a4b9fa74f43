"""Fetching on demand: a body or an attachment that the replica does not hold, kept there for the next time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ItemContent
from rookery.v1.sync_pb2 import ContentExtent

if TYPE_CHECKING:
    from rookery_client.replica.engine.transport import SyncTransport
    from rookery_client.replica.engine.working import Worker
    from rookery_client.replica.reading.contents import Contents


class Fetching:
    """Reads through the cache. Needs no engine, and does not mind one."""

    def __init__(self, contents: Contents, transport: SyncTransport, worker: Worker) -> None:
        self._contents = contents
        self._transport = transport
        self._worker = worker

    async def content(self, item_id: bytes) -> ItemContent:
        """The whole content of an item.

        What was fetched is kept, unless the item changed meanwhile; then the next batch brings it. NotFound ``ITEM_NOT_FOUND``;
        Unavailable if it is not here and the server can not be reached.
        """
        held = await self._worker.do(lambda: self._contents.get(item_id))
        if held is not None and held.extent == ContentExtent.CONTENT_EXTENT_FULL:
            return ItemContent.FromString(held.encoded)
        item = await self._transport.get_item(item_id)
        encoded = item.content.SerializeToString()
        await self._worker.do(lambda: self._contents.put(item_id, item.content_revision, encoded))
        return item.content

    async def attachment(self, item_id: bytes, attachment_id: int) -> bytes:
        """The bytes of an attachment. NotFound ``ITEM_NOT_FOUND``, ``ATTACHMENT_NOT_FOUND``; Unavailable as above."""
        held = await self._worker.do(lambda: self._contents.attachment(item_id, attachment_id))
        if held is not None:
            return held
        data, revision = await self._transport.download_attachment(item_id, attachment_id)
        await self._worker.do(lambda: self._contents.put_attachment(item_id, attachment_id, revision, data))
        return data
