"""Where the bytes of a download come from: slices of blobs as they are stored, decoded as they come, or made in memory first."""

from __future__ import annotations

import asyncio
import binascii
import bisect
import itertools
from collections import OrderedDict
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from rookery.v1.content_service_pb2 import CONTENT_ENCODING_IDENTITY, CONTENT_ENCODING_ZSTD
from rookery_core.formats import mime, rendering
from rookery_server.services.content import blob_reading
from rookery_server.store.blob_chunks import damaged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence

    from rookery.v1.item_pb2 import Attachment, Item
    from rookery_server.store.blob_chunks import Chunk
    from rookery_server.store.database import Database
    from rookery_server.store.item_blobs import PartRow

T = TypeVar("T")

PIECE_BYTES = 1 << 20
"""The most that one piece holds, decoded."""

_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BLANKS = b"\r\n\t "
_PAGES_AT_ONCE = 2
"""Pages of stored bytes that one read brings."""
_PLACES_OF = 256
"""Parts whose places are remembered."""


class Piece(NamedTuple):
    """A piece of a download: the fields of ``rookery.v1.ContentChunk``, with the data still in the parts that it came in.

    Zstandard is a frame each part.
    """

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

    def pieces(self, begin: int, end: int, accepted: Collection[int], form: Callable[[Piece], T]) -> AsyncIterator[T]:
        """The bytes from ``begin`` up to ``end`` (both within them), in order, in encodings that are accepted.

        Each piece is brought into the form that the caller wants, in a reader's thread where it comes from the store.
        """
        ...


class MadeBytes:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """See ``Source``."""
        return len(self._data)

    async def pieces(self, begin: int, end: int, _accepted: Collection[int], form: Callable[[Piece], T]) -> AsyncIterator[T]:
        """See ``Source``."""
        for start in range(begin, end, PIECE_BYTES):
            data = self._data[start : min(start + PIECE_BYTES, end)]
            yield form(Piece(start, len(data), CONTENT_ENCODING_IDENTITY, (data,)))


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

    async def pieces(self, begin: int, end: int, accepted: Collection[int], form: Callable[[Piece], T]) -> AsyncIterator[T]:
        """See ``Source``."""
        head = self._prefix[begin:end]
        if head:
            yield form(Piece(begin, len(head), CONTENT_ENCODING_IDENTITY, (head,)))
        shift = self._part.offset - len(self._prefix)  # from a place in the content to its place in the blob
        first, last = max(begin, len(self._prefix)) + shift, end + shift
        compressed = CONTENT_ENCODING_ZSTD in accepted

        def make(page: Sequence[Chunk]) -> list[T]:
            pieces = _joined(page, first, last, compressed=compressed)
            return [form(piece._replace(offset=piece.offset - shift)) for piece in pieces]

        reading = blob_reading.made_pages(self._database, self._part.blob_id, first, last, make, at_once=_PAGES_AT_ONCE)
        async with aclosing(reading) as pages:
            async for page in pages:
                for made in page:
                    yield made


def _joined(page: Sequence[Chunk], first: int, last: int, *, compressed: bool) -> Iterator[Piece]:
    """A page as pieces, with their places in the blob: neighbours that travel in the same way are one."""

    def encoding_of(chunk: Chunk) -> int:
        whole = first <= chunk.offset and chunk.offset + chunk.size <= last
        as_stored = compressed and whole and chunk.codec == CONTENT_ENCODING_ZSTD
        return CONTENT_ENCODING_ZSTD if as_stored else CONTENT_ENCODING_IDENTITY

    for encoding, chunks in itertools.groupby(page, encoding_of):
        run = list(chunks)
        begin, end = max(run[0].offset, first), min(run[-1].offset + run[-1].size, last)
        if encoding == CONTENT_ENCODING_IDENTITY:
            data = [blob_reading.cut(chunk, first, last) for chunk in run]
        else:
            data = [chunk.data for chunk in run]
        yield Piece(begin, end - begin, encoding, data)


class Place(NamedTuple):
    """How far the decoding of base64 has come."""

    encoded: int
    """Bytes of the slice that were looked at."""
    decoded: int
    """Bytes that they gave."""
    pending: bytes
    """The digits of a group of four that is not complete, and padding that may have to go with it."""


class Places:
    """Remembers places in parts that were decoded, so that whoever goes on, piece by piece or after a break, does not begin anew.

    A place for each page of the parts used last. It stays true: what a blob holds never changes.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[bytes, int, int], list[Place]] = OrderedDict()

    def before(self, part: PartRow, offset: int) -> Place:
        """The last known place that lies at a decoded offset or before it."""
        known = self._known.get(_key(part), [])
        index = bisect.bisect_right(known, offset, key=lambda place: place.decoded)
        return known[index - 1] if index else Place(0, 0, b"")

    def note(self, part: PartRow, place: Place) -> None:
        """Remembers a place."""
        known = self._known.setdefault(_key(part), [])
        self._known.move_to_end(_key(part))
        if not known or place.encoded > known[-1].encoded:
            known.append(place)
        if len(self._known) > _PLACES_OF:
            self._known.popitem(last=False)


def _key(part: PartRow) -> tuple[bytes, int, int]:
    return part.blob_id, part.offset, part.length


class Base64Bytes:
    """A slice of a blob that is encoded as base64 (RFC 2045 section 6.8), decoded a page a time.

    Gives what ``mime.decode_part`` gives. Where there is more than digits, blanks and line ends, with padding at the end, that
    depends on the whole, and so the whole is read: whatever came before is the same either way.
    """

    def __init__(self, database: Database, part: PartRow, places: Places) -> None:
        self._database = database
        self._part = part
        self._places = places

    @property
    def size(self) -> int:
        """See ``Source``."""
        return self._part.size_bytes

    async def pieces(self, begin: int, end: int, accepted: Collection[int], form: Callable[[Piece], T]) -> AsyncIterator[T]:
        """See ``Source``."""
        first, last = self._part.offset, self._part.offset + self._part.length
        place = self._places.before(self._part, begin)
        async with aclosing(blob_reading.pages(self._database, self._part.blob_id, first + place.encoded, last)) as pages:
            async for page in pages:
                if begin >= end:
                    return
                decoded = await asyncio.to_thread(_decode_page, page, first + place.encoded, last, place.pending)
                if decoded is None:
                    break
                data, pending = decoded
                start = place.decoded
                place = Place(min(page[-1].offset + page[-1].size, last) - first, start + len(data), pending)
                self._places.note(self._part, place)
                data = data[max(begin - start, 0) : max(end - start, 0)]
                if data:
                    yield form(Piece(begin, len(data), CONTENT_ENCODING_IDENTITY, (data,)))
                    begin += len(data)
        if begin < end:
            whole = MadeBytes(await _decoded_whole(self._database, self._part))
            if whole.size != self.size:
                raise damaged()
            async for made in whole.pieces(begin, end, accepted, form):
                yield made


def _decode_page(page: Sequence[Chunk], first: int, last: int, pending: bytes) -> tuple[bytes, bytes] | None:
    """What the slice's bytes in a page give, and what is pending then; None where more than the page has to be known."""
    raw = b"".join(blob_reading.cut(chunk, first, last) for chunk in page)
    text = pending + raw.translate(None, _BLANKS)
    digits = text.rstrip(b"=")
    if digits.translate(None, _DIGITS):
        return None
    if page[-1].offset + page[-1].size >= last:
        return mime.decode_part(text, "base64"), b""
    complete = len(digits) // 4 * 4
    return binascii.a2b_base64(digits[:complete]), digits[complete:] + b"=" * min(len(text) - len(digits), 4)


async def _decoded_whole(database: Database, part: PartRow) -> bytes:
    encoded = await blob_reading.whole(database, part.blob_id, part.offset, part.offset + part.length)
    return await asyncio.to_thread(mime.decode_part, encoded, part.encoding)


async def open_part(database: Database, part: PartRow, places: Places) -> Source:
    """What a part of an item holds, its transfer encoding undone; quoted-printable and uuencode in memory."""
    if part.encoding == "identity":
        return StoredBytes(database, part)
    if part.encoding == "base64":
        return Base64Bytes(database, part, places)
    return MadeBytes(await _decoded_whole(database, part))


async def open_rendered(database: Database, item: Item, parts: Sequence[PartRow], places: Places) -> Source:
    """The document of an item that has no original; ``parts`` hold the bytes of its attachments."""
    attachments: list[tuple[Attachment, bytes]] = []
    if rendering.needs_attachments(item.summary.kind):
        attachments = await read_attachments(database, item, parts, places)
    return MadeBytes(await asyncio.to_thread(rendering.render, item, attachments))


async def read_attachments(
    database: Database, item: Item, parts: Sequence[PartRow], places: Places
) -> list[tuple[Attachment, bytes]]:
    """An item's attachments with their bytes, which ``parts`` hold, in order."""
    held = {part.part: part for part in parts}
    present = [attachment for attachment in item.content.attachments if attachment.id in held]
    return [(attachment, await _whole(await open_part(database, held[attachment.id], places))) for attachment in present]


async def _whole(source: Source) -> bytes:
    return b"".join([data async for data in source.pieces(0, source.size, (), joined)])


def joined(piece: Piece) -> bytes:
    """The bytes of an identity-encoded piece."""
    return b"".join(piece.data)
