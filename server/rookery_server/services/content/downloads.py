"""Downloads: attachments and whole documents, as streams or piece by piece.

Bytes are reached only through an item that the caller may read, live or recoverable; knowing a hash or a blob's id grants nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery.v1.content_service_pb2 import (
    CONTENT_ENCODING_IDENTITY,
    ContentChunk,
    ContentEncoding,
    ContentInfo,
    DownloadAttachmentRequest,
    DownloadDocumentRequest,
    DownloadDocumentResponse,
    ReadContentRequest,
    ReadContentResponse,
)
from rookery_core.errors import InvalidArgument, NotFound, OutOfRange
from rookery_core.formats import rendering
from rookery_server.services import access
from rookery_server.services.content.content_sources import PIECE_BYTES, Places, joined, open_part, open_rendered
from rookery_server.services.items import item_packing
from rookery_server.services.items.item_reading import require_item
from rookery_server.store import item_blobs, items

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from sqlalchemy import Connection

    from rookery.v1.item_pb2 import Item
    from rookery_server.services.caller import Caller
    from rookery_server.services.content.content_sources import Piece, Source
    from rookery_server.store.database import Database
    from rookery_server.store.item_blobs import PartRow

_CHUNK_TAG = bytes([DownloadDocumentResponse.CHUNK_FIELD_NUMBER << 3 | 2])
_DATA_TAG = bytes([ContentChunk.DATA_FIELD_NUMBER << 3 | 2])


@dataclass(frozen=True, slots=True)
class _Wanted:
    mailbox_uid: bytes
    item_id: bytes
    attachment_id: int
    """0 is the item as a document."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What one look at the database tells of a download."""

    info: ContentInfo
    item: Item
    """With content where the item is to be rendered."""
    stored: PartRow | None
    """The wanted bytes; None where the item is to be rendered."""
    parts: Sequence[PartRow] = ()
    """The attachments of an item that is to be rendered."""


class DownloadService:
    """Carries out the download calls of ``rookery.v1.ContentService``.

    NotFound ``ITEM_NOT_FOUND`` and ``ATTACHMENT_NOT_FOUND``; OutOfRange ``OFFSET_INVALID`` for an offset beyond the end; DataLoss
    ``CONTENT_DAMAGED`` where the stored bytes are not what was stored.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._places = Places()

    async def download_attachment(self, caller: Caller, request: DownloadAttachmentRequest) -> AsyncIterator[bytes]:
        """An attachment's bytes from an offset on: encoded DownloadAttachmentResponses."""
        if not request.attachment_id:
            raise _no_attachment(0)
        wanted = _Wanted(request.mailbox_id, request.item_id, request.attachment_id)
        async for response in self._stream(caller, wanted, request.offset, request.accept_encodings):
            yield response

    async def download_document(self, caller: Caller, request: DownloadDocumentRequest) -> AsyncIterator[bytes]:
        """An item as a document, from an offset on: encoded DownloadDocumentResponses."""
        wanted = _Wanted(request.mailbox_id, request.item_id, 0)
        async for response in self._stream(caller, wanted, request.offset, request.accept_encodings):
            yield response

    async def read_content(self, caller: Caller, request: ReadContentRequest) -> ReadContentResponse:
        """One piece of either."""
        limit = request.limit or PIECE_BYTES
        if limit > PIECE_BYTES:
            raise InvalidArgument("LIMIT_EXCEEDED", f"a piece has at most {PIECE_BYTES:,} bytes", field="limit")
        info, source = await self._open(caller, _Wanted(request.mailbox_id, request.item_id, request.attachment_id), request.offset)
        response = ReadContentResponse(info=info)
        end = min(request.offset + limit, source.size)
        data = b"".join([part async for part in source.pieces(request.offset, end, (), joined)])
        if data:
            response.chunk.CopyFrom(
                ContentChunk(offset=request.offset, size_bytes=len(data), encoding=CONTENT_ENCODING_IDENTITY, data=data)
            )
        return response

    async def _stream(self, caller: Caller, wanted: _Wanted, offset: int, accepted: Collection[int]) -> AsyncIterator[bytes]:
        info, source = await self._open(caller, wanted, offset)
        start = DownloadDocumentResponse(info=info).SerializeToString()
        async for response in source.pieces(offset, source.size, accepted, encode_response):
            yield start + response if start else response
            start = b""
        if start:
            yield start

    async def _open(self, caller: Caller, wanted: _Wanted, offset: int) -> tuple[ContentInfo, Source]:
        found = await self._database.read(lambda connection: _find(connection, caller, wanted))
        if found.stored is not None:
            source = await open_part(self._database, found.stored, self._places)
        else:
            source = await open_rendered(self._database, found.item, found.parts, self._places)
        found.info.total_bytes = source.size
        if offset > source.size:
            raise OutOfRange(
                "OFFSET_INVALID",
                f"there are {source.size:,} bytes: the offset lies beyond them",
                metadata={"total_bytes": str(source.size)},
                field="offset",
            )
        return found.info, source


def encode_response(piece: Piece) -> bytes:
    """A DownloadAttachmentResponse or DownloadDocumentResponse (they look alike) with a chunk, encoded with one copy of the data.

    A message on the wire is its fields one after another, so the data, which is ContentChunk's last field, follows what the
    message class encodes of the others.
    """
    size = sum(map(len, piece.data))
    head = ContentChunk(
        offset=piece.offset, size_bytes=piece.size, encoding=ContentEncoding.ValueType(piece.encoding)
    ).SerializeToString()
    data_head = _DATA_TAG + _varint(size)
    chunk_head = _CHUNK_TAG + _varint(len(head) + len(data_head) + size)
    return b"".join([chunk_head, head, data_head, *piece.data])


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _find(connection: Connection, caller: Caller, wanted: _Wanted) -> _Found:
    mailbox = access.open_mailbox(connection, caller, wanted.mailbox_uid)
    row = require_item(connection, mailbox.id, wanted.item_id)
    info = ContentInfo(content_revision=row.content, revision=mailbox.revision)
    stored = item_blobs.part(connection, mailbox.id, row.id, row.content, wanted.attachment_id)
    if stored is not None and not wanted.attachment_id:
        item = item_packing.unpack(row)
        info.name, info.media_type = rendering.file_name(item.summary), rendering.media_type(item.summary.kind)
        return _Found(info, item, stored)
    content = item_packing.decompress(items.content(connection, mailbox.id, row.id, row.content))
    item = item_packing.unpack(row, content)
    if not wanted.attachment_id:
        info.name, info.media_type = rendering.file_name(item.summary), rendering.media_type(item.summary.kind)
        return _Found(info, item, None, item_blobs.parts(connection, mailbox.id, row.id, row.content))
    attachment = rendering.attachment_of(item.content, wanted.attachment_id)
    if attachment is None or stored is None:
        raise _no_attachment(wanted.attachment_id)
    info.name, info.media_type = attachment.name, attachment.media_type
    return _Found(info, item, stored)


def _no_attachment(attachment_id: int) -> NotFound:
    return NotFound("ATTACHMENT_NOT_FOUND", f"the item has no attachment {attachment_id}", field="attachment_id")
