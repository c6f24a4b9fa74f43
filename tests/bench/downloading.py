"""Downloading one large attachment, to be shown beside a bare gRPC stream of as many bytes."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from rookery.v1 import content_service_pb2, item_pb2, item_service_pb2
from tests.bench.bytestream import ROUNDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rookery_client import Client
    from tests.bench.server import Connection

PIECE = 512 << 10


async def attach(connection: Connection, content: bytes) -> bytes:
    """Uploads the content and makes an item that has it as its only attachment; gives the item's id."""
    upload_id = connection.ids.new()

    async def pieces() -> AsyncIterator[content_service_pb2.UploadRequest]:
        for offset in range(0, len(content), PIECE):
            yield content_service_pb2.UploadRequest(
                upload_id=upload_id, total_bytes=len(content), offset=offset, data=content[offset : offset + PIECE]
            )

    uploaded = await connection.content.Upload(pieces(), metadata=connection.metadata)
    if not uploaded.complete:
        raise RuntimeError(f"the upload stopped at {uploaded.received_bytes:,} bytes")
    summary = item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_MESSAGE, subject="large", message=item_pb2.MessageSummary(draft=True))
    attachment = item_pb2.Attachment(name="large.bin", media_type="application/octet-stream", upload_id=upload_id)
    request = item_service_pb2.CreateItemRequest(
        operation_id=connection.ids.new(),
        item=item_pb2.Item(summary=summary, content=item_pb2.ItemContent(attachments=[attachment])),
    )
    return (await connection.items.CreateItem(request, metadata=connection.metadata)).item.id


async def download(client: Client, item_id: bytes, total: int) -> float:
    """Downloads the attachment several times, as programs do, with the client library; gives the median speed in decoded MB/s."""
    taken = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        came = sum([len(piece) async for piece in client.content.download_attachment(item_id, 1)])
        taken.append(time.perf_counter() - begun)
        if came != total:
            raise RuntimeError(f"{came:,} of {total:,} bytes came")
    return total / statistics.median(taken) / 1e6
