"""Uploads that go on after a break."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
from typing import TYPE_CHECKING

import grpc.aio

from rookery.v1 import content_service_pb2 as pb
from rookery_client.connection import Ending
from rookery_core.errors import InvalidArgument, NotFound, RookeryError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from rookery.v1.content_service_pb2_grpc import ContentServiceAsyncStub
    from rookery_client.connection import Connection

PIECE_BYTES = 512 * 1024


async def upload(
    connection: Connection,
    stub: ContentServiceAsyncStub,
    source: bytes | BinaryIO,
    mailbox_id: bytes,
    progress: Callable[[int], None] | None = None,
    upload_id: bytes = b"",
) -> bytes:
    """Uploads all of `source` and gives back the upload's id; see ``Content.upload``."""
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    total = stream.seek(0, os.SEEK_END)
    known, upload_id = bool(upload_id), upload_id or connection.ids.new()
    sending = _Sending(connection, stub, stream, mailbox_id, upload_id, total, progress or (lambda _sent: None))
    attempts = connection.attempts()
    offset = await sending.durable() if known else 0
    while True:
        try:
            response = await sending.send(offset, await attempts.metadata())
            if response.complete:
                return upload_id
            # The server took the stream's end for a pause: some of the bytes did not arrive.
            raise Unavailable("UPLOAD_INCOMPLETE", f"{response.received_bytes} of {total} bytes arrived; try again")
        except RookeryError as error:
            before = offset
            await attempts.failed(error)
            offset = await sending.durable()
            if offset > before:
                attempts.progressed()


class _Sending:
    """One upload, through any number of streams."""

    def __init__(
        self,
        connection: Connection,
        stub: ContentServiceAsyncStub,
        stream: BinaryIO,
        mailbox_id: bytes,
        upload_id: bytes,
        total: int,
        progress: Callable[[int], None],
    ) -> None:
        self._connection = connection
        self._stub = stub
        self._stream = stream
        self._mailbox_id = mailbox_id
        self._upload_id = upload_id
        self._total = total
        self._progress = progress

    async def send(self, offset: int, metadata: tuple[tuple[str, str | bytes], ...]) -> pb.UploadResponse:
        """Sends everything from `offset` on in one stream."""
        call = self._stub.Upload(metadata=metadata)
        ending = Ending(call, self._connection.server)
        try:
            # A write fails when the server ended the stream meanwhile, and does not tell why; the call itself does.
            with contextlib.suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
                await self._write(call, offset)
            return await call
        except grpc.aio.AioRpcError as error:
            raise await ending.error() from error
        finally:
            call.cancel()

    async def _write(self, call: grpc.aio.StreamUnaryCall[pb.UploadRequest, pb.UploadResponse], offset: int) -> None:
        self._stream.seek(offset)
        first = True
        while first or offset < self._total:
            data = self._stream.read(min(PIECE_BYTES, self._total - offset))
            if not data and offset < self._total:
                raise InvalidArgument("UPLOAD_INCOMPLETE", "the file became shorter while it was sent")
            piece = pb.UploadRequest(offset=offset, data=data)
            if first:
                piece.mailbox_id, piece.upload_id, piece.total_bytes = self._mailbox_id, self._upload_id, self._total
            await call.write(piece)
            first = False
            offset += len(data)
            self._progress(offset)
        await call.done_writing()

    async def durable(self) -> int:
        """Where to go on: the server's durable bytes."""
        request = pb.GetUploadRequest(mailbox_id=self._mailbox_id, upload_id=self._upload_id)
        try:
            return (await self._connection.unary(self._stub.GetUpload, request)).received_bytes
        except NotFound:
            return 0
