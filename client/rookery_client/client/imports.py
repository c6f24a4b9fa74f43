"""Imports: many documents in flight on one stream, many in a message; the stream is opened again when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import grpc.aio

from rookery.v1 import content_service_pb2 as pb
from rookery_client.client.uploads import upload
from rookery_client.connection import Ending, error_of_status
from rookery_core.errors import RookeryError, Unavailable

if TYPE_CHECKING:
    from rookery.v1.content_service_pb2_grpc import ContentServiceAsyncStub
    from rookery_client.connection import Connection

    Stream = grpc.aio.StreamStreamCall[pb.ImportRequest, pb.ImportResponse]

IN_FLIGHT, IN_FLIGHT_BYTES = 800, 64 << 20
"""Documents under way at once, and their bytes: enough for the server to read some batches while it writes one."""

BUNDLE_DOCUMENTS = 64
BUNDLE_BYTES = 256 * 1024
"""What a request is filled up to, with documents that are there already: none waits for another. A larger document goes alone."""

TURN_SECONDS, PAUSE_SECONDS = 0.02, 0.002
"""How long a source that blocks the event loop is read from at once, and how long the loop then has for sending what it gave."""

LARGEST_INLINE = 4 * 1024 * 1024
"""Bytes of a document that travel inside a request; larger ones are uploaded first."""

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Imported(Generic[Key]):
    """What became of one document: its item, or the error that refused it. ``existed``: it was there already."""

    key: Key
    item_id: bytes
    existed: bool
    error: RookeryError | None


class _Entry(NamedTuple, Generic[Key]):
    """A document that is under way."""

    key: Key
    document: pb.ImportDocument
    size: int
    """Bytes of data in it."""
    room: int
    """Bytes that it takes of the window."""


class _Window:
    """How much is under way: at most ``IN_FLIGHT`` documents with ``IN_FLIGHT_BYTES``, or one that is larger."""

    def __init__(self) -> None:
        self._documents = 0
        self._bytes = 0
        self._something_left = asyncio.Event()

    async def enter(self, room: int) -> None:
        """Waits until a document of this many bytes fits in. One at a time may wait."""
        while self._documents and (self._documents >= IN_FLIGHT or self._bytes + room > IN_FLIGHT_BYTES):
            self._something_left.clear()
            await self._something_left.wait()
        self._documents += 1
        self._bytes += room

    def leave(self, room: int) -> None:
        """The document is no longer under way."""
        self._documents -= 1
        self._bytes -= room
        self._something_left.set()


class Import(Generic[Key]):
    """One import, through any number of streams.

    Three parts run at once: the *feeder* takes documents from the source as far as the window allows; the *driver* keeps a
    stream open, sends what waits, and sends what was not answered again on the next stream; the caller takes results.
    A document's place in the window is given back when its result is taken.
    """

    def __init__(self, connection: Connection, stub: ContentServiceAsyncStub, mailbox_id: bytes) -> None:
        self._connection = connection
        self._stub = stub
        self._mailbox_id = mailbox_id
        self._window = _Window()
        self._waiting: deque[_Entry[Key]] = deque()
        self._fed = False
        self._news = asyncio.Event()
        self._unanswered: dict[bytes, _Entry[Key]] = {}
        self._results: asyncio.Queue[tuple[Imported[Key], int] | None] = asyncio.Queue()
        """Results, each with the room that its document has taken."""

    async def run(
        self, documents: Iterable[tuple[Key, pb.ImportDocument]] | AsyncIterable[tuple[Key, pb.ImportDocument]]
    ) -> AsyncIterator[Imported[Key]]:
        """Imports `documents`; gives the results as they come."""
        feeder = asyncio.create_task(self._feed(documents))
        driver = asyncio.create_task(self._drive())
        try:
            while (answered := await self._results.get()) is not None:
                result, room = answered
                self._window.leave(room)
                yield result
            await driver
            await feeder
        finally:
            feeder.cancel()
            driver.cancel()
            await asyncio.gather(feeder, driver, return_exceptions=True)

    async def _feed(
        self, documents: Iterable[tuple[Key, pb.ImportDocument]] | AsyncIterable[tuple[Key, pb.ImportDocument]]
    ) -> None:
        try:
            async for key, given in _each(documents):
                room = given.ByteSize()
                await self._window.enter(room)
                document = pb.ImportDocument()
                document.CopyFrom(given)
                document.operation_id = self._connection.ids.new()
                try:
                    size = await self._shrink(document)
                except RookeryError as error:
                    self._results.put_nowait((Imported(key, b"", existed=False, error=error), room))
                else:
                    self._waiting.append(_Entry(key, document, size, room))
                    self._news.set()
        finally:
            self._fed = True
            self._news.set()

    async def _shrink(self, document: pb.ImportDocument) -> int:
        """Uploads what is too large for a request; gives the bytes that are in it then."""
        data = document.data
        if len(data) <= LARGEST_INLINE:
            return len(data)
        document.upload_id = await upload(self._connection, self._stub, data, self._mailbox_id)
        return 0

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
        self._waiting.extendleft(reversed(self._unanswered.values()))
        self._unanswered.clear()
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while self._waiting or not self._fed:
                if self._waiting:
                    await call.write(self._bundle())
                else:
                    self._news.clear()
                    await self._news.wait()
            await call.done_writing()

    def _bundle(self) -> pb.ImportRequest:
        """A request with the first documents that wait, which count as unanswered now."""
        size, request = 0, pb.ImportRequest(mailbox_id=self._mailbox_id)
        while self._waiting and len(request.documents) < BUNDLE_DOCUMENTS:
            size += self._waiting[0].size
            if request.documents and size > BUNDLE_BYTES:
                break
            entry = self._waiting.popleft()
            self._unanswered[entry.document.operation_id] = entry
            request.documents.append(entry.document)
        return request

    async def _answered(self, call: Stream, ending: Ending) -> bool:
        """Takes one response; True at the end of everything. Raises if the stream ended too early."""
        try:
            response = await call.read()
        except grpc.aio.AioRpcError as error:
            raise await ending.error() from error
        if not isinstance(response, pb.ImportResponse):
            if self._fed and not self._waiting and not self._unanswered:
                return True
            raise Unavailable("SERVER_UNREACHABLE", f"{self._connection.server} ended the import too early; try again")
        passing: Unavailable | None = None
        for result in response.results:
            refusal = error_of_status(result.error) if result.HasField("error") else None
            if isinstance(refusal, Unavailable):
                passing = refusal
            elif (entry := self._unanswered.pop(result.operation_id, None)) is not None:
                self._results.put_nowait((Imported(entry.key, result.item_id, result.existed, refusal), entry.room))
        if passing is not None:
            # Not those documents' fault: they are sent again, with the others that have no answer, when the server can.
            raise passing
        return False


async def _each(
    documents: Iterable[tuple[Key, pb.ImportDocument]] | AsyncIterable[tuple[Key, pb.ImportDocument]],
) -> AsyncIterator[tuple[Key, pb.ImportDocument]]:
    if isinstance(documents, AsyncIterable):
        async for document in documents:
            yield document
    else:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for document in documents:
            yield document
            if loop.time() - begun > TURN_SECONDS:
                await asyncio.sleep(PAUSE_SECONDS)
                begun = loop.time()
