"""Imports: documents come in, one by one or as a stream, and are answered as they become durable."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from google.rpc import code_pb2, status_pb2

from rookery.v1.content_service_pb2 import ImportItemRequest, ImportItemResponse, ImportRequest, ImportResponse
from rookery.v1.item_pb2 import ItemState
from rookery_core.errors import InvalidArgument, RookeryError
from rookery_core.rules import validation
from rookery_core.rules.enums import require_known_enums
from rookery_core.rules.ids import require_minted
from rookery_server.services import access
from rookery_server.services.content import blob_reading, uploads
from rookery_server.services.content.byte_budget import ByteBudget
from rookery_server.services.importing.documents import Marks
from rookery_server.services.importing.import_batches import ImportBatches
from rookery_server.services.importing.import_commit import Refusal
from rookery_server.services.operations import check_operation_id
from rookery_server.services.refusals import rpc_status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.services.importing.document_readers import DocumentReaders
    from rookery_server.services.importing.import_commit import Outcome
    from rookery_server.store.database import Database

DATA_BYTES = 4 << 20
"""The most that a request carries itself; larger documents are uploaded first."""

STREAM_DOCUMENTS = 256
STREAM_BYTES = 32 << 20
"""What one stream may have unanswered; beyond it the server stops reading, and so the client has to wait."""

MEMORY_BYTES = 256 << 20
"""What all streams and calls together may have unanswered; beyond it they wait for each other, first come, first served."""

UPLOADS_AT_ONCE = 2
"""Uploaded documents that are in memory at the same time."""

_log = logging.getLogger(__name__)
_UNREADABLE = Marks(ItemState(), None)


class ImportService:
    """Carries out the import calls of ``rookery.v1.ContentService``. Belongs to one event loop."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, readers: DocumentReaders, *, max_message_bytes: int) -> None:
        self._database = database
        self._clock = clock
        self._limit = max_message_bytes
        self._batches = ImportBatches(database, clock, ids, readers)
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._memory = ByteBudget(MEMORY_BYTES)

    async def import_item(self, caller: Caller, request: ImportItemRequest) -> ImportItemResponse:
        """Imports one document; a refusal is raised."""
        outcome = await self._import(caller, request.document)
        if outcome.error is not None:
            raise outcome.error
        return ImportItemResponse(result=outcome.response)

    async def import_stream(self, caller: Caller, requests: AsyncIterator[ImportRequest]) -> AsyncIterator[ImportResponse]:
        """Imports what comes, and answers each document once it is durable, in any order; refusals are in the answers.

        What is the whole stream's trouble (no such mailbox, the database's own errors) is told for each document too: the others
        may have been imported.
        """
        stream = _Stream()
        reader = asyncio.ensure_future(self._read(caller, requests, stream))
        reader.add_done_callback(lambda _: stream.wake())
        try:
            while not (reader.done() and stream.idle):
                for response in await stream.answers():
                    yield response
            reader.result()
        finally:
            reader.cancel()

    async def _read(self, caller: Caller, requests: AsyncIterator[ImportRequest], stream: _Stream) -> None:
        async for request in requests:
            size = len(request.data)
            await stream.room(size)
            future = await self._take(caller, request) if size else asyncio.ensure_future(self._import(caller, request))
            stream.expect(request.operation_id, size, future)

    async def _import(self, caller: Caller, request: ImportRequest) -> Outcome:
        if request.WhichOneof("document") != "upload_id":
            return await (await self._take(caller, request))
        async with self._uploads:
            try:
                return await self._submit(caller, request, await self._uploaded(caller, request))
            except RookeryError as error:
                if not error.definitive or error.reason == "MAILBOX_NOT_FOUND":
                    raise
                failure = error
        return await self._submit(caller, request, b"", failure)

    async def _take(self, caller: Caller, request: ImportRequest) -> asyncio.Future[Outcome]:
        """Queues a document that the request carries, as soon as there is memory for it until it is answered."""
        size = len(request.data)
        await self._memory.take(size)
        try:
            future = self._submit(caller, request)
        except BaseException:
            self._memory.give(size)
            raise
        future.add_done_callback(lambda _: self._memory.give(size))
        return future

    def _submit(
        self, caller: Caller, request: ImportRequest, raw: bytes | None = None, failure: RookeryError | None = None
    ) -> asyncio.Future[Outcome]:
        raw = request.data if raw is None else raw
        try:
            marks = self._check(request, raw)
        except RookeryError as error:
            return self._batches.submit(caller, request, b"", _UNREADABLE, Refusal(error, definitive=False))
        refusal = None if failure is None else Refusal(failure, definitive=failure.definitive)
        return self._batches.submit(caller, request, raw, marks, refusal)

    def _check(self, request: ImportRequest, raw: bytes) -> Marks:
        """Gives what to mark the item with. Raises for what is wrong with a request whatever the mailbox and the ledger hold."""
        check_operation_id(request.operation_id, self._clock.micros())
        require_known_enums(request)
        if request.item_id:
            require_minted(request.item_id, "item_id")
        if request.WhichOneof("document") is None:
            raise InvalidArgument("FIELD_INVALID", "an import needs a document: its bytes, or an upload of them", field="document")
        if len(request.data) > DATA_BYTES:
            raise InvalidArgument(
                "LIMIT_EXCEEDED",
                f"a request carries at most {DATA_BYTES:,} bytes, this document has {len(request.data):,}: upload it first",
                field="data",
            )
        if len(raw) > self._limit:
            raise InvalidArgument(
                "MESSAGE_TOO_LARGE",
                f"the document has {len(raw):,} bytes; this server takes {self._limit:,} at most",
                metadata={"limit_bytes": str(self._limit)},
            )
        state = ItemState()
        if request.HasField("state"):
            state.CopyFrom(request.state)
            categories = validation.validate_state(state)
            state.ClearField("categories")
            state.categories.extend(categories)
        if not request.HasField("received"):
            return Marks(state, None)
        try:
            request.received.ToMicroseconds()
        except ValueError:
            raise InvalidArgument("FIELD_INVALID", "a time lies in the years 0001 to 9999", field="received") from None
        return Marks(state, request.received)

    async def _uploaded(self, caller: Caller, request: ImportRequest) -> bytes:
        def work(connection: Connection) -> tuple[bytes, int]:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            row = uploads.require_finished(connection, mailbox.id, caller.account_id, request.upload_id)
            return row.blob_id, row.total_bytes

        blob_id, size = await self._database.read(work)
        return await blob_reading.whole(self._database, blob_id, 0, size)


class _Stream:
    """What one stream has unanswered, and what is ready to be sent."""

    def __init__(self) -> None:
        self._documents = 0
        self._bytes = 0
        self._ready: deque[ImportResponse] = deque()
        self._something = asyncio.Event()
        self._some_room = asyncio.Event()

    @property
    def idle(self) -> bool:
        """Whether everything is answered and sent."""
        return not self._documents and not self._ready

    def wake(self) -> None:
        """Has ``answers`` return, even if with nothing."""
        self._something.set()

    async def room(self, size: int) -> None:
        """Waits until so many bytes more may come."""
        while self._documents and (self._documents >= STREAM_DOCUMENTS or self._bytes + size > STREAM_BYTES):
            self._some_room.clear()
            await self._some_room.wait()

    def expect(self, operation_id: bytes, size: int, future: asyncio.Future[Outcome]) -> None:
        """Counts a document until it is answered."""
        self._documents += 1
        self._bytes += size

        def answered(done: asyncio.Future[Outcome]) -> None:
            self._documents -= 1
            self._bytes -= size
            self._some_room.set()
            if not done.cancelled():
                self._ready.append(_response(operation_id, done))
            self._something.set()

        future.add_done_callback(answered)

    async def answers(self) -> list[ImportResponse]:
        """What is ready, waited for."""
        await self._something.wait()
        self._something.clear()
        ready = list(self._ready)
        self._ready.clear()
        return ready


def _response(operation_id: bytes, done: asyncio.Future[Outcome]) -> ImportResponse:
    failure = done.exception()
    if failure is None:
        outcome = done.result()
        if outcome.error is not None:
            outcome.response.error.CopyFrom(rpc_status(outcome.error))
        return outcome.response
    if isinstance(failure, RookeryError):
        return ImportResponse(operation_id=operation_id, error=rpc_status(failure))
    _log.error("an import failed", exc_info=failure)
    error = status_pb2.Status(code=code_pb2.INTERNAL, message="the server failed on this document; its log tells more")
    return ImportResponse(operation_id=operation_id, error=error)
