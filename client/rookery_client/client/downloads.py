"""Downloads that go on after a break, checked to the last byte."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

import grpc.aio
import zstandard

from rookery.v1 import content_service_pb2 as pb
from rookery_core.errors import DataLoss, RookeryError, Stale, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rookery.v1.content_service_pb2_grpc import ContentServiceAsyncStub
    from rookery_client.connection import Connection

    Response = pb.DownloadAttachmentResponse | pb.DownloadDocumentResponse
    Call = (
        grpc.aio.UnaryStreamCall[pb.DownloadAttachmentRequest, pb.DownloadAttachmentResponse]
        | grpc.aio.UnaryStreamCall[pb.DownloadDocumentRequest, pb.DownloadDocumentResponse]
    )

LARGEST_CHUNK = 16 * 1024 * 1024
"""Decoded bytes that a chunk may have; a few compressed bytes must not fill the memory."""

ENCODINGS = (pb.CONTENT_ENCODING_ZSTD,)

_AHEAD = 3
"""Messages that are under way while one is used: one is read, and two are unpacked, so that neither waits for the other."""

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
        stub: ContentServiceAsyncStub,
        mailbox_id: bytes,
        item_id: bytes,
        attachment_id: int,
        offset: int,
    ) -> None:
        self._connection = connection
        self._stub = stub
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
        while True:
            metadata = await attempts.metadata()
            call = self._open(metadata)
            turn = asyncio.Lock()
            fetches = deque(asyncio.ensure_future(self._fetch(call, turn)) for _ in range(_AHEAD))
            try:
                while (fetched := await fetches[0]) is not None:
                    fetches.popleft()
                    fetches.append(asyncio.ensure_future(self._fetch(call, turn)))
                    response, data = fetched
                    if response.HasField("info"):
                        self._begin_stream(response.info)
                    if response.HasField("chunk"):
                        piece = self._rest(response.chunk, data)
                        self._position += len(piece)
                        attempts.progressed()
                        yield piece
                self._check_end()
            except RookeryError as error:
                await attempts.failed(error)
            else:
                return
            finally:
                call.cancel()
                for fetch in fetches:
                    _forget(fetch)

    @abstractmethod
    def _open(self, metadata: tuple[tuple[str, str | bytes], ...]) -> Call:
        """Begins the stream at the piece that is wanted next."""

    async def _fetch(self, call: Call, turn: asyncio.Lock) -> tuple[Response, bytes] | None:
        """The next message with its bytes unpacked; None at the end. It is read when those that were asked for before have been."""
        async with turn:
            response = await self._next(call)
        return None if response is None else (response, await _unpacked(response.chunk))

    async def _next(self, call: Call) -> Response | None:
        """The next message; None at the end. A server that says nothing for the length of a call's deadline has gone."""
        try:
            async with asyncio.timeout(self._connection.deadline):
                response = await call.read()
        except grpc.aio.AioRpcError as error:
            raise self._connection.error_of(error) from error
        except TimeoutError:
            message = f"{self._connection.server} stopped in the middle of a download; try again"
            raise Unavailable("DEADLINE_EXCEEDED", message) from None
        return response if isinstance(response, (pb.DownloadAttachmentResponse, pb.DownloadDocumentResponse)) else None

    def _begin_stream(self, info: pb.ContentInfo) -> None:
        known = self.info
        if known is not None and self._position > self._begin and known.content_revision != info.content_revision:
            raise Stale("STALE_ETAG", "the item changed while it was downloaded; start again")
        self.info = info

    def _rest(self, chunk: pb.ContentChunk, data: bytes) -> bytes:
        """The chunk's bytes from the position on: after a break the first chunk may begin before it."""
        skip = self._position - chunk.offset
        if len(data) != chunk.size_bytes or not 0 <= skip <= len(data):
            raise DataLoss("CONTENT_DAMAGED", f"a piece at byte {chunk.offset} of the download does not fit")
        return data[skip:]

    def _check_end(self) -> None:
        if self.info is None:
            raise Unavailable("SERVER_UNREACHABLE", f"{self._connection.server} sent nothing; try again")
        if self._position > self.info.total_bytes:
            raise DataLoss("CONTENT_DAMAGED", f"more than the {self.info.total_bytes} bytes came that were promised")
        if self._position < self.info.total_bytes:
            message = f"{self._connection.server} stopped at byte {self._position} of {self.info.total_bytes}; try again"
            raise Unavailable("SERVER_UNREACHABLE", message)


async def _unpacked(chunk: pb.ContentChunk) -> bytes:
    """The chunk's bytes, in another thread where that takes long."""
    if chunk.encoding != pb.CONTENT_ENCODING_ZSTD:
        return chunk.data
    if chunk.size_bytes > LARGEST_CHUNK:
        raise DataLoss("CONTENT_DAMAGED", f"a piece of the download would have {chunk.size_bytes:,} bytes")
    if chunk.size_bytes <= _BRIEF:
        return _decompressed(chunk.data, chunk.size_bytes)
    return await asyncio.to_thread(_decompressed, chunk.data, chunk.size_bytes)


def _decompressed(data: bytes, size: int) -> bytes:
    """What the frames hold, but at most one byte more than there should be."""
    try:
        reader = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True)
        return reader.read(size) + reader.read(1)
    except zstandard.ZstdError as error:
        raise DataLoss("CONTENT_DAMAGED", f"a piece of the download can not be unpacked: {error}") from error


def _forget(fetch: asyncio.Task[tuple[Response, bytes] | None]) -> None:
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
        return self._stub.DownloadAttachment(request, metadata=metadata)


class DocumentDownload(Download):
    """The bytes of an item as a document."""

    def _open(self, metadata: tuple[tuple[str, str | bytes], ...]) -> Call:
        request = pb.DownloadDocumentRequest(
            mailbox_id=self._mailbox_id, item_id=self._item_id, offset=self._position, accept_encodings=ENCODINGS
        )
        return self._stub.DownloadDocument(request, metadata=metadata)
