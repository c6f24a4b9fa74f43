"""Uploads: bytes that come in pieces, survive a break, and wait to become an attachment or an imported document.

An upload fills a blob of its own, chunk by chunk; once it is whole the blob gets its hash, or gives way to one with the same
bytes. It is seen by the account that began it, and by nobody else, and forgotten a day after it was last touched.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from rookery.v1 import content_service_pb2
from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound, OutOfRange
from rookery_core.rules.ids import require_id, require_minted
from rookery_server.services import access
from rookery_server.services.change import MailboxChange
from rookery_server.services.content import blob_reading
from rookery_server.store import uploads
from rookery_server.store.blob_chunks import CHUNK_BYTES, decode, encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.store.blob_chunks import Chunk
    from rookery_server.store.database import Database, Transaction
    from rookery_server.store.uploads import UploadRow

PIECE_BYTES = 1 << 20
"""The most that one message carries."""

FLUSH_BYTES = 16 * CHUNK_BYTES
"""How much of an upload may wait in memory before it is written: 4 MiB."""

MEMORY_BYTES = 256 << 20
"""How much of all uploads may wait in memory; beyond it each is written as soon as a chunk of it is there."""

Piece = content_service_pb2.UploadRequest


def require_finished(connection: Connection, mailbox_id: int, account_id: bytes, upload_id: bytes) -> UploadRow:
    """The finished upload; NotFound ``UPLOAD_NOT_FOUND``, FailedPrecondition ``UPLOAD_INCOMPLETE``.

    To hold its blob, touch it first (``store.blobs.touch``) in the same transaction.
    """
    row = uploads.find(connection, mailbox_id, account_id, require_id(upload_id, "upload_id"))
    if row is None:
        raise _not_found()
    if not row.complete:
        raise FailedPrecondition(
            "UPLOAD_INCOMPLETE",
            f"{row.received_bytes:,} of {row.total_bytes:,} bytes of the upload are there: send the rest first",
            metadata={"received_bytes": str(row.received_bytes), "total_bytes": str(row.total_bytes)},
        )
    return row


class UploadService:
    """Carries out the upload calls of ``rookery.v1.ContentService``."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, *, max_message_bytes: int) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._limit = max_message_bytes
        self._waiting = _Waiting()

    async def upload(self, caller: Caller, pieces: AsyncIterator[Piece]) -> content_service_pb2.UploadResponse:
        """Takes pieces until the stream ends. What came before a break is kept, but for the last 4 MiB at the most."""
        filling: _Filling | None = None
        try:
            async for piece in pieces:
                if filling is None:
                    filling = await self._open(caller, piece)
                await filling.add(piece)
            if filling is None:
                raise InvalidArgument("FIELD_INVALID", "an upload begins with a message that names it", field="upload_id")
            return await filling.end()
        finally:
            if filling is not None:
                filling.close()

    async def write_upload(
        self, caller: Caller, request: content_service_pb2.WriteUploadRequest
    ) -> content_service_pb2.WriteUploadResponse:
        """Takes one piece; it is durable when the call returns."""
        filling = await self._open(caller, request.piece)
        try:
            await filling.add(request.piece)
            return content_service_pb2.WriteUploadResponse(upload=await filling.end())
        finally:
            filling.close()

    async def get_upload(
        self, caller: Caller, request: content_service_pb2.GetUploadRequest
    ) -> content_service_pb2.GetUploadResponse:
        """Tells how far an upload is."""
        upload_id = require_id(request.upload_id, "upload_id")

        def work(connection: Connection) -> content_service_pb2.GetUploadResponse:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            row = uploads.find(connection, mailbox.id, caller.account_id, upload_id)
            if row is None:
                raise _not_found()
            return content_service_pb2.GetUploadResponse(
                received_bytes=row.received_bytes,
                total_bytes=row.total_bytes,
                complete=bool(row.complete),
                revision=mailbox.revision,
            )

        return await self._database.read(work)

    async def _open(self, caller: Caller, first: Piece) -> _Filling:
        upload_id = require_minted(first.upload_id, "upload_id")
        if first.total_bytes > self._limit:
            raise InvalidArgument(
                "MESSAGE_TOO_LARGE",
                f"the upload has {first.total_bytes:,} bytes; this server takes {self._limit:,} at most",
                metadata={"limit_bytes": str(self._limit)},
                field="total_bytes",
            )

        def work(connection: Connection) -> tuple[UploadRow | None, bytes, int]:
            mailbox = access.open_mailbox(connection, caller, first.mailbox_id)
            row = uploads.find(connection, mailbox.id, caller.account_id, upload_id)
            if row is None or row.complete or row.received_bytes % CHUNK_BYTES == 0:
                return row, b"", mailbox.revision
            begin = row.received_bytes // CHUNK_BYTES * CHUNK_BYTES
            [tail] = blob_reading.page(connection, row.blob_id, begin, row.received_bytes)
            return row, decode(tail), mailbox.revision

        row, tail, revision = await self._database.read(work)
        if row is not None and row.total_bytes != first.total_bytes:
            raise FailedPrecondition("OPERATION_REUSED", "this upload id was used for bytes of another length: mint a new one")
        blob_id = row.blob_id if row else self._ids.new()
        return _Filling(self._database, self._clock, caller, first, row, blob_id, tail, revision, self._waiting)


class _Waiting:
    """The bytes of all uploads that wait in memory."""

    def __init__(self) -> None:
        self.size = 0


class _Filling:
    """One upload while its pieces come in."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        caller: Caller,
        first: Piece,
        row: UploadRow | None,
        blob_id: bytes,
        tail: bytes,
        revision: int,
        together: _Waiting,
    ) -> None:
        self._database = database
        self._clock = clock
        self._caller = caller
        self._mailbox_uid = first.mailbox_id
        self._upload_id = first.upload_id
        self._total = first.total_bytes
        self._blob_id = blob_id
        self._complete = bool(row and row.complete)
        self._known = row is not None
        self._durable = row.received_bytes if row else 0
        self._waiting = bytearray(tail)  # begins at a whole chunk; what of it is durable already is written again
        self._revision = revision
        self._together = together
        self._counted = 0

    @property
    def _position(self) -> int:
        """Where the next piece begins."""
        return max(self._durable, self._begin + len(self._waiting))

    @property
    def _begin(self) -> int:
        return self._durable // CHUNK_BYTES * CHUNK_BYTES

    async def add(self, piece: Piece) -> None:
        """Takes a piece; one that is there already is passed over in silence."""
        size = len(piece.data)
        if size > PIECE_BYTES:
            raise InvalidArgument(
                "LIMIT_EXCEEDED", f"a piece has at most {PIECE_BYTES:,} bytes, this one has {size:,}", field="data"
            )
        end = piece.offset + size
        if end > self._total:
            raise InvalidArgument("FIELD_INVALID", f"the piece goes beyond the announced {self._total:,} bytes", field="data")
        if end <= self._position and (size or piece.offset < self._position):
            return
        if piece.offset != self._position:
            if self._position > self._durable:
                await self._flush(everything=True)
            raise _wrong_offset(self._durable)
        self._waiting += piece.data
        self._count()
        if len(self._waiting) >= (FLUSH_BYTES if self._together.size <= MEMORY_BYTES else CHUNK_BYTES):
            await self._flush(everything=False)

    async def end(self) -> content_service_pb2.UploadResponse:
        """Writes what waits, and finishes the upload if all is there."""
        await self._flush(everything=True)
        if self._durable == self._total and not self._complete:
            await self._finish()
        return content_service_pb2.UploadResponse(received_bytes=self._durable, complete=self._complete, revision=self._revision)

    def close(self) -> None:
        """Lets go of what still waits; there is no more to come."""
        self._waiting.clear()
        self._count()

    def _count(self) -> None:
        self._together.size += len(self._waiting) - self._counted
        self._counted = len(self._waiting)

    async def _flush(self, *, everything: bool) -> None:
        begin, position = self._begin, self._position
        until = position if everything else position // CHUNK_BYTES * CHUNK_BYTES
        if until <= self._durable and self._known:
            return
        data = bytes(self._waiting[: until - begin])
        chunks = await asyncio.to_thread(encode, data, begin)
        now = self._clock.micros()
        self._revision = await self._database.write(lambda transaction: self._append(transaction, chunks, until, now))
        self._known = True
        self._durable = until
        del self._waiting[: self._begin - begin]
        self._count()

    def _append(self, transaction: Transaction, chunks: list[Chunk], until: int, now: int) -> int:
        connection = transaction.connection
        mailbox = access.open_mailbox(connection, self._caller, self._mailbox_uid, lock=True)
        row = uploads.find(connection, mailbox.id, self._caller.account_id, self._upload_id)
        if row is None:
            if self._known:
                raise _not_found()
            waiting = uploads.waiting_bytes(connection, mailbox.id)
            MailboxChange(transaction, mailbox, self._caller, now).require_room(waiting + self._total)
            uploads.create(
                connection,
                mailbox.id,
                self._caller.account_id,
                self._upload_id,
                blob_id=self._blob_id,
                total=self._total,
                now=now,
            )
        elif row.blob_id == self._blob_id and row.received_bytes == until and until > self._durable:
            return mailbox.revision  # this very write, carried out before an answer was lost
        elif row.blob_id != self._blob_id or row.received_bytes != self._durable:
            raise _wrong_offset(row.received_bytes)
        uploads.append(connection, mailbox.id, self._upload_id, self._blob_id, chunks, received=until, now=now)
        return mailbox.revision

    async def _finish(self) -> None:
        digest = hashlib.sha256()
        async for chunks in blob_reading.pages(self._database, self._blob_id, 0, self._total):
            await asyncio.to_thread(_hash, digest, chunks)
        sha256, now = digest.digest(), self._clock.micros()

        def work(transaction: Transaction) -> int:
            connection = transaction.connection
            mailbox = access.open_mailbox(connection, self._caller, self._mailbox_uid, lock=True)
            row = uploads.find(connection, mailbox.id, self._caller.account_id, self._upload_id)
            if row is None:
                raise _not_found()
            if not row.complete:
                uploads.complete(connection, mailbox.id, self._upload_id, row.blob_id, sha256, now)
            return mailbox.revision

        self._revision = await self._database.write(work)
        self._complete = True


def _hash(digest: hashlib._Hash, chunks: list[Chunk]) -> None:
    for chunk in chunks:
        digest.update(decode(chunk))


def _not_found() -> NotFound:
    return NotFound("UPLOAD_NOT_FOUND", "there is no such upload, or it was not used for a day: send the bytes again")


def _wrong_offset(received: int) -> OutOfRange:
    return OutOfRange(
        "OFFSET_INVALID",
        f"{received:,} bytes are there: go on from there",
        metadata={"received_bytes": str(received)},
        field="offset",
    )
