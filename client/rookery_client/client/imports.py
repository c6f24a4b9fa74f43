"""Imports: many documents in flight on one stream, which is opened again when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import grpc.aio

from rookery.v1 import content_service_pb2 as pb
from rookery_client.client.uploads import upload
from rookery_client.connection import Ending, error_of_status
from rookery_core.errors import RookeryError, Unavailable

if TYPE_CHECKING:
    from rookery.v1.content_service_pb2_grpc import ContentServiceAsyncStub
    from rookery_client.connection import Connection

    Stream = grpc.aio.StreamStreamCall[pb.ImportRequest, pb.ImportResponse]

IN_FLIGHT = 200
LARGEST_INLINE = 4 * 1024 * 1024
"""Bytes of a document that travel inside its ImportRequest; larger ones are uploaded first."""

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Imported(Generic[Key]):
    """What became of one document: its item, or the error that refused it. ``existed``: it was there already."""

    key: Key
    item_id: bytes
    existed: bool
    error: RookeryError | None


class Import(Generic[Key]):
    """One import, through any number of streams.

    Three parts run at once: the *feeder* takes documents from the source as far as the window allows; the *driver* keeps a
    stream open, sends what is queued, and sends what was not answered again on the next stream; the caller takes results.
    A document's place in the window is given back when its result is taken.
    """

    def __init__(self, connection: Connection, stub: ContentServiceAsyncStub, mailbox_id: bytes) -> None:
        self._connection = connection
        self._stub = stub
        self._mailbox_id = mailbox_id
        self._window = asyncio.Semaphore(IN_FLIGHT)
        self._queue: asyncio.Queue[tuple[Key, pb.ImportRequest] | None] = asyncio.Queue()
        self._fed = False
        self._unanswered: dict[bytes, tuple[Key, pb.ImportRequest]] = {}
        self._results: asyncio.Queue[Imported[Key] | None] = asyncio.Queue()

    async def run(
        self, documents: Iterable[tuple[Key, pb.ImportRequest]] | AsyncIterable[tuple[Key, pb.ImportRequest]]
    ) -> AsyncIterator[Imported[Key]]:
        """Imports `documents`; gives the results as they come."""
        feeder = asyncio.create_task(self._feed(documents))
        driver = asyncio.create_task(self._drive())
        try:
            while (result := await self._results.get()) is not None:
                self._window.release()
                yield result
            await driver
            await feeder
        finally:
            feeder.cancel()
            driver.cancel()
            await asyncio.gather(feeder, driver, return_exceptions=True)

    async def _feed(self, documents: Iterable[tuple[Key, pb.ImportRequest]] | AsyncIterable[tuple[Key, pb.ImportRequest]]) -> None:
        try:
            async for key, document in _each(documents):
                await self._window.acquire()
                request = pb.ImportRequest()
                request.CopyFrom(document)
                request.mailbox_id = self._mailbox_id
                request.operation_id = self._connection.ids.new()
                try:
                    await self._shrink(request)
                except RookeryError as error:
                    self._results.put_nowait(Imported(key, b"", existed=False, error=error))
                else:
                    self._queue.put_nowait((key, request))
        finally:
            self._queue.put_nowait(None)

    async def _shrink(self, request: pb.ImportRequest) -> None:
        """Uploads what is too large for one message."""
        if len(request.data) > LARGEST_INLINE:
            request.upload_id = await upload(self._connection, self._stub, request.data, self._mailbox_id)

    async def _drive(self) -> None:
        attempts = self._connection.attempts()
        try:
            while True:
                try:
                    call = self._stub.Import(metadata=await attempts.metadata())
                    ending = Ending(call, self._connection.server)
                    writer = asyncio.create_task(self._write(call))
                    try:
                        while not await self._answered(call, ending):
                            attempts.progressed()
                        return
                    finally:
                        writer.cancel()
                        await asyncio.gather(writer, return_exceptions=True)
                        call.cancel()
                except RookeryError as error:
                    await attempts.failed(error)
        finally:
            self._results.put_nowait(None)

    async def _write(self, call: Stream) -> None:
        """Sends what earlier streams left unanswered, then what comes. A broken stream is for the reading side to report."""
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            for _key, request in list(self._unanswered.values()):
                await call.write(request)
            while not self._fed:
                entry = await self._queue.get()
                if entry is None:
                    self._fed = True
                else:
                    self._unanswered[entry[1].operation_id] = entry
                    await call.write(entry[1])
            await call.done_writing()

    async def _answered(self, call: Stream, ending: Ending) -> bool:
        """Takes one answer; True at the end of everything. Raises if the stream ended too early."""
        try:
            response = await call.read()
        except grpc.aio.AioRpcError as error:
            raise await ending.error() from error
        if not isinstance(response, pb.ImportResponse):
            if self._fed and not self._unanswered:
                return True
            raise Unavailable("SERVER_UNREACHABLE", f"{self._connection.server} ended the import too early; try again")
        refusal = error_of_status(response.error) if response.HasField("error") else None
        if isinstance(refusal, Unavailable):
            # Not this document's fault: it is sent again, with the others that have no answer, when the server can.
            raise refusal
        entry = self._unanswered.pop(response.operation_id, None)
        if entry is not None:
            self._results.put_nowait(Imported(entry[0], response.item_id, response.existed, refusal))
        return False


async def _each(
    documents: Iterable[tuple[Key, pb.ImportRequest]] | AsyncIterable[tuple[Key, pb.ImportRequest]],
) -> AsyncIterator[tuple[Key, pb.ImportRequest]]:
    if isinstance(documents, AsyncIterable):
        async for document in documents:
            yield document
    else:
        for document in documents:
            yield document
