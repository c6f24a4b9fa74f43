"""Imports: documents come in, one by one or as a stream, and are answered as they become durable."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rookery.v1.content_service_pb2 import ImportItemRequest, ImportItemResponse, ImportRequest, ImportResponse
from rookery_core.errors import RookeryError
from rookery_server.services import access
from rookery_server.services.content import blob_reading, uploads
from rookery_server.services.content.byte_budget import ByteBudget
from rookery_server.services.importing.import_batches import Asked, ImportBatches, carried, uploaded
from rookery_server.services.importing.import_checks import check, require_fitting
from rookery_server.services.importing.import_commit import Refusal
from rookery_server.services.importing.import_stream import ImportStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection

    from rookery.v1.content_service_pb2 import ImportDocument
    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.services.importing.document_readers import DocumentReaders
    from rookery_server.services.importing.import_commit import Outcome
    from rookery_server.store.database import Database

MEMORY_BYTES = 256 << 20
"""What all streams and calls together may have unanswered; beyond it they wait for each other, first come, first served."""

UPLOADS_AT_ONCE = 2
"""Uploaded documents that are in memory at the same time."""


class ImportService:
    """Carries out the import calls of ``rookery.v1.ContentService``. Belongs to one event loop."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, readers: DocumentReaders, *, max_message_bytes: int) -> None:
        self._database = database
        self._clock = clock
        self._limit = max_message_bytes
        self._batches = ImportBatches(database, clock, ids, readers, max_message_bytes=max_message_bytes)
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._memory = ByteBudget(MEMORY_BYTES)

    async def import_item(self, caller: Caller, request: ImportItemRequest) -> ImportItemResponse:
        """Imports one document; a refusal is raised."""
        if request.document.HasField("upload_id"):
            outcome = await self._import_upload(caller, request.mailbox_id, request.document)
        else:
            asked = carried(request.document)
            await self._memory.take(asked.size)
            (future,) = self._batches.submit(caller, request.mailbox_id, [asked])
            future.add_done_callback(lambda _: self._memory.give(asked.size))
            outcome = await future
        if outcome.error is not None:
            raise outcome.error
        return ImportItemResponse(result=outcome.result)

    async def import_stream(self, caller: Caller, requests: AsyncIterator[ImportRequest]) -> AsyncIterator[ImportResponse]:
        """Imports what comes, and answers each document once it is durable, in any order; refusals are in the answers.

        What is the whole stream's trouble (no such mailbox, the database's own errors) is told for each document too: the others
        may have been imported. A request that is wrong itself ends the stream, after the answers to what came before it.
        """
        stream = ImportStream(self._memory)
        reader = asyncio.ensure_future(self._read(caller, requests, stream))
        reader.add_done_callback(lambda _: stream.wake())
        try:
            while not (reader.done() and stream.idle):
                if results := await stream.results():
                    yield ImportResponse(results=results)
            reader.result()
        finally:
            reader.cancel()

    async def _read(self, caller: Caller, requests: AsyncIterator[ImportRequest], stream: ImportStream) -> None:
        async for request in requests:
            documents = list(request.documents)
            named = [document for document in documents if document.HasField("upload_id")]
            asked = [carried(document) for document in documents if not document.HasField("upload_id")]
            size = sum(each.size for each in asked)
            require_fitting(len(documents), size)
            await stream.make_room(len(documents), size)
            for each, future in zip(asked, self._batches.submit(caller, request.mailbox_id, asked), strict=True):
                stream.expect(each.head.operation_id, each.size, future)
            for document in named:
                outcome = asyncio.ensure_future(self._import_upload(caller, request.mailbox_id, document))
                stream.expect(document.operation_id, 0, outcome)

    async def _import_upload(self, caller: Caller, mailbox_uid: bytes, document: ImportDocument) -> Outcome:
        async with self._uploads:
            asked = await self._fetched(caller, mailbox_uid, document)
            (future,) = self._batches.submit(caller, mailbox_uid, [asked])
            return await future

    async def _fetched(self, caller: Caller, mailbox_uid: bytes, document: ImportDocument) -> Asked:
        """The document with the bytes that were uploaded, or with the reason why there are none."""
        try:
            check(document, b"", limit=self._limit, now=self._clock.micros())
        except RookeryError as error:
            return uploaded(document, b"", Refusal(error, definitive=False))
        try:
            return uploaded(document, await self._upload(caller, mailbox_uid, document.upload_id))
        except RookeryError as error:
            if not error.definitive or error.reason == "MAILBOX_NOT_FOUND":
                raise
            return uploaded(document, b"", Refusal(error, definitive=True))

    async def _upload(self, caller: Caller, mailbox_uid: bytes, upload_id: bytes) -> bytes:
        def work(connection: Connection) -> tuple[bytes, int]:
            mailbox = access.open_mailbox(connection, caller, mailbox_uid)
            row = uploads.require_finished(connection, mailbox.id, caller.account_id, upload_id)
            return row.blob_id, row.total_bytes

        blob_id, size = await self._database.read(work)
        return await blob_reading.whole(self._database, blob_id, 0, size)
