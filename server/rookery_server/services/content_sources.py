"""Where the bytes of a download come from: slices of blobs as they are stored, or bytes that have to be made first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from rookery.v1.content_service_pb2 import CONTENT_ENCODING_IDENTITY, CONTENT_ENCODING_ZSTD, ContentChunk
from rookery_core.formats import mime
from rookery_server.services import blob_reading, documents
from rookery_server.store.blob_chunks import CHUNK_BYTES, Chunk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from rookery.v1.item_pb2 import Attachment, Item
    from rookery_server.store.database import Database
    from rookery_server.store.item_blobs import PartRow


class Source(Protocol):
    """Bytes that can be read from any offset on."""

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def chunks(self, begin: int, end: int, accepted: Collection[int]) -> AsyncIterator[ContentChunk]:
        """The bytes from ``begin`` up to ``end`` (both within them) in order, in encodings that are accepted."""
        ...


class MadeBytes:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """See ``Source``."""
        return len(self._data)

    async def chunks(self, begin: int, end: int, _accepted: Collection[int]) -> AsyncIterator[ContentChunk]:
        """See ``Source``."""
        for start in range(begin, end, CHUNK_BYTES):
            data = self._data[start : min(start + CHUNK_BYTES, end)]
            yield ContentChunk(offset=start, size_bytes=len(data), encoding=CONTENT_ENCODING_IDENTITY, data=data)


class StoredBytes:
    """A slice of a blob, behind its prefix: a page of chunks a time, each as it is stored where the client takes that."""

    def __init__(self, database: Database, part: PartRow) -> None:
        self._database = database
        self._part = part
        self._prefix = part.prefix or b""

    @property
    def size(self) -> int:
        """See ``Source``."""
        return len(self._prefix) + self._part.length

    async def chunks(self, begin: int, end: int, accepted: Collection[int]) -> AsyncIterator[ContentChunk]:
        """See ``Source``."""
        head = self._prefix[begin:end]
        if head:
            yield ContentChunk(offset=begin, size_bytes=len(head), encoding=CONTENT_ENCODING_IDENTITY, data=head)
        shift = self._part.offset - len(self._prefix)  # from a place in the content to its place in the blob
        first, last = max(begin, len(self._prefix)) + shift, end + shift
        compressed = CONTENT_ENCODING_ZSTD in accepted
        async for page in blob_reading.pages(self._database, self._part.blob_id, first, last):
            for chunk in page:
                if compressed and chunk.codec == CONTENT_ENCODING_ZSTD and _inside(chunk, first, last):
                    start, size, encoding, data = chunk.offset, chunk.size, CONTENT_ENCODING_ZSTD, chunk.data
                else:
                    data = blob_reading.cut(chunk, first, last)
                    start, size, encoding = max(chunk.offset, first), len(data), CONTENT_ENCODING_IDENTITY
                yield ContentChunk(offset=start - shift, size_bytes=size, encoding=encoding, data=data)


def _inside(chunk: Chunk, first: int, last: int) -> bool:
    return first <= chunk.offset and chunk.offset + chunk.size <= last


async def open_part(database: Database, part: PartRow) -> Source:
    """What a part of an item holds, its transfer encoding undone."""
    if part.encoding == "identity":
        return StoredBytes(database, part)
    encoded = await blob_reading.whole(database, part.blob_id, part.offset, part.offset + part.length)
    return MadeBytes(await asyncio.to_thread(mime.decode_part, encoded, part.encoding))


async def open_rendered(database: Database, item: Item, parts: Sequence[PartRow]) -> Source:
    """The document of an item that has no original; ``parts`` hold the bytes of its attachments."""
    attachments: list[tuple[Attachment, bytes]] = []
    if documents.needs_attachments(item.summary.kind):
        held = {part.part: part for part in parts}
        present = [attachment for attachment in item.content.attachments if attachment.id in held]
        attachments = [(attachment, await _whole(await open_part(database, held[attachment.id]))) for attachment in present]
    return MadeBytes(await asyncio.to_thread(documents.render, item, attachments))


async def _whole(source: Source) -> bytes:
    return b"".join([chunk.data async for chunk in source.chunks(0, source.size, ())])
