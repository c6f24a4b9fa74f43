"""Where the bytes of a download come from: slices of blobs as they are stored, or bytes that have to be made first."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, Protocol

from rookery.v1.content_service_pb2 import CONTENT_ENCODING_IDENTITY, CONTENT_ENCODING_ZSTD
from rookery_core.formats import mime
from rookery_server.services import blob_reading, documents

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator, Sequence

    from rookery.v1.item_pb2 import Attachment, Item
    from rookery_server.store.blob_chunks import Chunk
    from rookery_server.store.database import Database
    from rookery_server.store.item_blobs import PartRow


PIECE_BYTES = 1 << 20
"""The most that one piece holds, decoded."""


class Piece(NamedTuple):
    """A piece of a download: the fields of ``rookery.v1.ContentChunk``, with the data still in the parts that it came in."""

    offset: int
    size: int
    encoding: int
    data: Sequence[bytes]


class Source(Protocol):
    """Bytes that can be read from any offset on."""

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def pieces(self, begin: int, end: int, accepted: Collection[int]) -> AsyncIterator[Piece]:
        """The bytes from ``begin`` up to ``end`` (both within them), in order, in encodings that are accepted."""
        ...


class MadeBytes:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """See ``Source``."""
        return len(self._data)

    async def pieces(self, begin: int, end: int, _accepted: Collection[int]) -> AsyncIterator[Piece]:
        """See ``Source``."""
        for start in range(begin, end, PIECE_BYTES):
            data = self._data[start : min(start + PIECE_BYTES, end)]
            yield Piece(start, len(data), CONTENT_ENCODING_IDENTITY, (data,))


class StoredBytes:
    """A slice of a blob, behind its prefix, a page of chunks a time.

    A compressed chunk travels as it is stored where the client takes that; neighbours that travel as they are go together.
    """

    def __init__(self, database: Database, part: PartRow) -> None:
        self._database = database
        self._part = part
        self._prefix = part.prefix or b""

    @property
    def size(self) -> int:
        """See ``Source``."""
        return len(self._prefix) + self._part.length

    async def pieces(self, begin: int, end: int, accepted: Collection[int]) -> AsyncIterator[Piece]:
        """See ``Source``."""
        head = self._prefix[begin:end]
        if head:
            yield Piece(begin, len(head), CONTENT_ENCODING_IDENTITY, (head,))
        shift = self._part.offset - len(self._prefix)  # from a place in the content to its place in the blob
        first, last = max(begin, len(self._prefix)) + shift, end + shift
        compressed = CONTENT_ENCODING_ZSTD in accepted
        async for page in blob_reading.pages(self._database, self._part.blob_id, first, last):
            for piece in _joined(page, first, last, compressed=compressed):
                yield piece._replace(offset=piece.offset - shift)


def _joined(page: Sequence[Chunk], first: int, last: int, *, compressed: bool) -> Iterator[Piece]:
    """A page as pieces, with their places in the blob."""
    run: list[bytes] = []
    begin = at = 0
    for chunk in page:
        if compressed and chunk.codec == CONTENT_ENCODING_ZSTD and first <= chunk.offset and chunk.offset + chunk.size <= last:
            if run:
                yield Piece(begin, at - begin, CONTENT_ENCODING_IDENTITY, run)
                run = []
            yield Piece(chunk.offset, chunk.size, CONTENT_ENCODING_ZSTD, (chunk.data,))
            continue
        data = blob_reading.cut(chunk, first, last)
        if not run:
            begin = at = max(chunk.offset, first)
        run.append(data)
        at += len(data)
    if run:
        yield Piece(begin, at - begin, CONTENT_ENCODING_IDENTITY, run)


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
    return b"".join([data async for piece in source.pieces(0, source.size, ()) for data in piece.data])
