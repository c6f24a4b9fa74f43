"""Messages of a download: taken apart without copying what they carry, and unpacked."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import zstandard

from rookery.v1 import content_service_pb2 as pb
from rookery_core.errors import DataLoss

LARGEST_CHUNK = 16 * 1024 * 1024
"""Decoded bytes that a chunk may have; a few compressed bytes must not fill the memory."""

_BRIEF = 64 * 1024
"""Decoded bytes that are unpacked where they come: taking them to another thread and back would take as long."""

_INFO_TAG = pb.DownloadDocumentResponse.INFO_FIELD_NUMBER << 3 | 2
_CHUNK_TAG = pb.DownloadDocumentResponse.CHUNK_FIELD_NUMBER << 3 | 2
_DATA_TAG = pb.ContentChunk.DATA_FIELD_NUMBER << 3 | 2
_NUMBER_TAGS = frozenset(
    number << 3
    for number in (
        pb.ContentChunk.OFFSET_FIELD_NUMBER,
        pb.ContentChunk.SIZE_BYTES_FIELD_NUMBER,
        pb.ContentChunk.ENCODING_FIELD_NUMBER,
    )
)


class Piece(NamedTuple):
    """One message of a download, unpacked."""

    info: pb.ContentInfo | None
    chunk: pb.ContentChunk | None
    """Without its data."""
    data: bytes


async def unpacked(raw: bytes) -> Piece:
    """What a message says and carries. DataLoss ``CONTENT_DAMAGED`` if that is not what it says it is."""
    response, data = split(raw)
    info = response.info if response.HasField("info") else None
    if not response.HasField("chunk"):
        return Piece(info, None, b"")
    chunk = response.chunk
    size = chunk.size_bytes
    if chunk.encoding != pb.CONTENT_ENCODING_ZSTD:
        plain = bytes(data)
    elif size > LARGEST_CHUNK:
        raise DataLoss("CONTENT_DAMAGED", f"a piece of the download would have {size:,} bytes")
    else:
        plain = _decompress(data, size) if size <= _BRIEF else await asyncio.to_thread(_decompress, data, size)
    if len(plain) != size:
        raise DataLoss("CONTENT_DAMAGED", f"a piece at byte {chunk.offset} of the download is not as long as it says")
    return Piece(info, chunk, plain)


def split(raw: bytes) -> tuple[pb.DownloadDocumentResponse, memoryview]:
    """A DownloadAttachmentResponse or DownloadDocumentResponse (they look alike) without its chunk's data, and the data.

    The message class would copy the data twice. Fields in the order in which encoders write them are found by hand; whatever
    else is valid is left to the message class. DataLoss ``CONTENT_DAMAGED`` for what is no such message.
    """
    try:
        found = _chunk_places(raw)
        if found is None:
            response = pb.DownloadDocumentResponse.FromString(raw)
            data = response.chunk.data
            response.chunk.ClearField("data")  # which would make a chunk where there is none, so it is looked for first
            return response, memoryview(data)
        tag, head, data_tag, data_start = found
        response = pb.DownloadDocumentResponse.FromString(raw[:tag])
        response.chunk.MergeFromString(raw[head:data_tag])
    except DecodeError:
        raise DataLoss("CONTENT_DAMAGED", "a message of the download can not be read") from None
    return response, memoryview(raw)[data_start:]
