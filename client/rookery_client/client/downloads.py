"""Downloads that go on after a break, checked to the last byte."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

import grpc.aio
import zstandard

from rookery.v1 import content_service_pb2 as pb
from rookery_client.client import content_pieces
from rookery_core.errors import DataLoss, RookeryError, Stale, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.message import Message

    from rookery_client.client.content_pieces import Arrived, Piece
    from rookery_client.connection import Connection

    Begin = grpc.aio.UnaryStreamMultiCallable[Message, bytes]
    Call = grpc.aio.UnaryStreamCall[Message, bytes]

LARGEST_CHUNK = 16 * 1024 * 1024
"""Decoded bytes that a chunk may have; a few compressed bytes must not fill the memory."""

ENCODINGS = (pb.CONTENT_ENCODING_ZSTD,)

_SERVICE = pb.DESCRIPTOR.services_by_name["ContentService"].full_name

_AHEAD = 3
"""Messages under way while one is used, where unpacking takes long: one is read, and two are unpacked, so that neither waits."""

_BRIEF = 64 * 1024
"""Decoded bytes that are unpacked where they come: taking them to another thread and back would take as long."""


class Download(ABC):
    """Bytes on their way: iterate over it once, or ``read()`` it whole.

    Pieces come in order, decoded. A broken stream is opened again at the next byte. Stale ``STALE_ETAG`` if the item changed in
    between; DataLoss ``CONTENT_DAMAGED`` if pieces do not fit together. ``info`` tells size, media type and name once the first
    piece, or the end, is there.
    """

    def __init__(
        self,
        connection: Connection,
        mailbox_id: bytes,
        item_id: bytes,
        attachment_id: int,
        offset: int,
    ) -> None:
        self._connection = connection
        self._mailbox_id = mailbox_id
        self._item_id = item_id
        self._attachment_id = attachment_id
        self._begin = offset
        self._position = offset
        self.info: pb.ContentInfo | None = None

    async def read(self) -> bytes:
        """All of the bytes at once."""
        return b"".join([piece async for piece in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        attempts = self._connection.attempts()
        _keep_freed_memory()
        while True:
            metadata = await attempts.metadata()
            call = self._open(metadata)
            turn = asyncio.Lock()
            ahead: deque[asyncio.Task[tuple[Arrived, bytes] | None]] = deque()
            try:
                while (fetched := await (ahead.popleft() if ahead else self._fetch(call, turn))) is not None:
                    arrived, data = fetched
                    if arrived.info is not None:
                        self._begin_stream(arrived.info)
                    if arrived.piece is not None:
                        if not _is_brief(arrived.piece):
                            ahead.extend(asyncio.ensure_future(self._fetch(call, turn)) for _ in range(_AHEAD - len(ahead)))
                        rest = self._rest(arrived.piece, data)
                        self._position += len(rest)
                        attempts.progressed()
                        yield rest
                self._check_end()
            except RookeryError as error:
                await attempts.failed(error)
            else:
                return
            finally:
                call.cancel()
                for fetch in ahead:
                    _forget(fetch)

    @abstractmethod
    def _open(self, metadata: tuple[tuple[str, str | bytes], ...]) -> Call:
        """Begins the stream at the piece that is wanted next."""

    def _begun(self, name: str, request: Message, metadata: tuple[tuple[str, str | bytes], ...]) -> Call:
        """The stream, of encoded messages."""
        path = f"/{_SERVICE}/{name}"
        begin: Begin = self._connection.channel.unary_stream(path, request_serializer=type(request).SerializeToString)
        return begin(request, metadata=metadata)

    async def _fetch(self, call: Call, turn: asyncio.Lock) -> tuple[Arrived, bytes] | None:
        """The next message with its bytes unpacked; None at the end. It is read when those that were asked for before have been."""
        async with turn:
            arrived = await self._next(call)
        if arrived is None:
            return None
        if arrived.piece is None or _is_brief(arrived.piece):
            return arrived, _unpacked(arrived.piece)
        return arrived, await asyncio.to_thread(_unpacked, arrived.piece)

    async def _next(self, call: Call) -> Arrived | None:
        """The next message; None at the end. A server that says nothing for the length of a call's deadline has gone."""
        try:
            async with asyncio.timeout(self._connection.deadline):
                encoded = await call.read()
        except grpc.aio.AioRpcError as error:
            raise self._connection.error_of(error) from error
        except TimeoutError:
            message = f"{self._connection.server} stopped in the middle of a download; try again"
            raise Unavailable("DEADLINE_EXCEEDED", message) from None
        return content_pieces.read(encoded) if isinstance(encoded, bytes) else None

    def _begin_stream(self, info: pb.ContentInfo) -> None:
        known = self.info
        if known is not None and self._position > self._begin and known.content_revision != info.content_revision:
            raise Stale("STALE_ETAG", "the item changed while it was downloaded; start again")
        self.info = info

    def _rest(self, piece: Piece, data: bytes) -> bytes:
        """The piece's bytes from the position on: after a break the first piece may begin before it."""
        skip = self._position - piece.offset
        if len(data) != piece.size or not 0 <= skip <= len(data):
            raise DataLoss("CONTENT_DAMAGED", f"a piece at byte {piece.offset} of the download does not fit")
        return data[skip:]

    def _check_end(self) -> None:
        if self.info is None:
            raise Unavailable("SERVER_UNREACHABLE", f"{self._connection.server} sent nothing; try again")
        if self._position > self.info.total_bytes:
            raise DataLoss("CONTENT_DAMAGED", f"more than the {self.info.total_bytes} bytes came that were promised")
        if self._position < self.info.total_bytes:
            message = f"{self._connection.server} stopped at byte {self._position} of {self.info.total_bytes}; try again"
            raise Unavailable("SERVER_UNREACHABLE", message)


def _keep_freed_memory() -> None:
    """Has the C library keep some megabytes that are freed, instead of giving them back to the kernel each time.

    It takes longer to get them again, zeroed, than to fill them. glibc adapts to the largest block that was freed so far
    (mallopt(3), M_MMAP_THRESHOLD), so it is shown one; elsewhere this does nothing.
    """
    bytes(8 << 20)


def _is_brief(piece: Piece) -> bool:
    return piece.encoding != pb.CONTENT_ENCODING_ZSTD or piece.size <= _BRIEF


def _unpacked(piece: Piece | None) -> bytes:
    """The piece's bytes. What frames hold, but at most one byte more than there should be."""
    if piece is None:
        return b""
    if piece.encoding != pb.CONTENT_ENCODING_ZSTD:
        return bytes(piece.data)
    if piece.size > LARGEST_CHUNK:
        raise DataLoss("CONTENT_DAMAGED", f"a piece of the download would have {piece.size:,} bytes")
    try:
        reader = zstandard.ZstdDecompressor().stream_reader(piece.data, read_across_frames=True)
        return reader.read(piece.size) + reader.read(1)
    except zstandard.ZstdError as error:
        raise DataLoss("CONTENT_DAMAGED", f"a piece of the download can not be unpacked: {error}") from error


def _forget(fetch: asyncio.Task[tuple[Arrived, bytes] | None]) -> None:
    """Nobody waits for the message any more, and its error is nobody's."""
    fetch.cancel()
    fetch.add_done_callback(lambda ended: ended.cancelled() or ended.exception())


class AttachmentDownload(Download):
    """The bytes of an attachment."""

    def _open(self, metadata: tuple[tuple[str, str | bytes], ...]) -> Call:
        request = pb.DownloadAttachmentRequest(
            mailbox_id=self._mailbox_id,
            item_id=self._item_id,
            attachment_id=self._attachment_id,
            offset=self._position,
            accept_encodings=ENCODINGS,
        )
        return self._begun("DownloadAttachment", request, metadata)


class DocumentDownload(Download):
    """The bytes of an item as a document."""

    def _open(self, metadata: tuple[tuple[str, str | bytes], ...]) -> Call:
        request = pb.DownloadDocumentRequest(
            mailbox_id=self._mailbox_id, item_id=self._item_id, offset=self._position, accept_encodings=ENCODINGS
        )
        return self._begun("DownloadDocument", request, metadata)
