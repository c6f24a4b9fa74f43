"""Downloading one large attachment, beside a bare gRPC stream of as many bytes."""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
import time
from collections import deque
from typing import TYPE_CHECKING

import grpc.aio
import zstandard

from rookery.v1 import content_service_pb2, item_pb2, item_service_pb2
from tests.bench import bytestream
from tests.bench.server import MESSAGE_LIMIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.bench.server import Connection

ROUNDS = 5
AT_ONCE = 2
PIECE = 512 << 10
ZSTD = content_service_pb2.CONTENT_ENCODING_ZSTD


@dataclasses.dataclass(frozen=True, slots=True)
class Download:
    """What downloading an attachment took."""

    mb_per_second: float
    largest_piece: int
    """Decoded bytes of the largest frame, or of the largest message that was not compressed."""


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


async def download(connection: Connection, item_id: bytes, total: int) -> Download:
    """Downloads the attachment several times, unpacking what comes compressed; gives the median speed in decoded MB/s."""
    taken, largest = [], 0
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        came, piece = await _received(connection, item_id)
        taken.append(time.perf_counter() - begun)
        largest = max(largest, piece)
        if came != total:
            raise RuntimeError(f"{came:,} of {total:,} bytes came")
    return Download(total / statistics.median(taken) / 1e6, largest)


async def _received(connection: Connection, item_id: bytes) -> tuple[int, int]:
    """How many bytes came, and the largest piece. As the SDK does, it unpacks two messages at once beside what comes."""
    request = content_service_pb2.DownloadAttachmentRequest(item_id=item_id, attachment_id=1, accept_encodings=[ZSTD])
    unpacking: deque[asyncio.Task[int]] = deque()
    came = largest = 0
    async for answer in connection.content.DownloadAttachment(request, metadata=connection.metadata):
        data = answer.chunk.data
        if answer.chunk.encoding == ZSTD:
            largest = max(largest, zstandard.frame_content_size(data))
            unpacking.append(asyncio.create_task(asyncio.to_thread(_unpacked_size, data, answer.chunk.size_bytes)))
        else:
            largest = max(largest, len(data))
            came += len(data)
        if len(unpacking) > AT_ONCE:
            came += await unpacking.popleft()
    return came + sum([await task for task in unpacking]), largest


def _unpacked_size(data: bytes, size: int) -> int:
    return len(zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read(size))


async def bare_stream(total: int, piece: int) -> float:
    """MB/s of a bare gRPC stream between two processes, in messages of this size."""
    options = [("grpc.max_receive_message_length", MESSAGE_LIMIT)]
    taken = []
    with bytestream.streaming() as target:
        async with grpc.aio.insecure_channel(target, options=options) as channel:
            await bytestream.received(channel, total, piece)
            for _ in range(ROUNDS):
                begun = time.perf_counter()
                if await bytestream.received(channel, total, piece) != total:
                    raise RuntimeError("the bare stream lost bytes")
                taken.append(time.perf_counter() - begun)
    return total / statistics.median(taken) / 1e6
