"""Imports of one mailbox that wait at the same time go into the database together.

Each document is an operation of its own: its own idempotency, its own revision, its own refusal. But a transaction costs more
than a document, so a lane (one caller, one mailbox) takes what waits, up to ``BATCH_DOCUMENTS``, reads it in a thread, and writes
it in one transaction. While one batch is written, the next is read.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rookery.v1.content_service_pb2 import ImportRequest
from rookery_core.errors import InvalidArgument, RookeryError
from rookery_server.services.content.blobs import BlobStore
from rookery_server.services.importing.document_readers import Task
from rookery_server.services.importing.import_commit import Member, Outcome, Refusal, commit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.services.importing import documents
    from rookery_server.services.importing.document_readers import Answer, DocumentReaders
    from rookery_server.store.database import Database

BATCH_DOCUMENTS = 100
BATCH_BYTES = 8 << 20
BATCHES_AT_ONCE = 2

_LaneKey = tuple["Caller", bytes]


@dataclass(slots=True)
class Waiting:
    """A document that waits for its turn."""

    request: ImportRequest
    raw: bytes
    marks: documents.Marks
    refusal: Refusal | None
    future: asyncio.Future[Outcome]


@dataclass(slots=True)
class _Lane:
    waiting: deque[Waiting] = field(default_factory=deque)
    running: int = 0


class ImportBatches:
    """Gathers documents and imports them. Belongs to one event loop."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, readers: DocumentReaders) -> None:
        self._database = database
        self._readers = readers
        self._clock = clock
        self._ids = ids
        self._blobs = BlobStore(database, clock)
        self._lanes: dict[_LaneKey, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(
        self,
        caller: Caller,
        request: ImportRequest,
        raw: bytes,
        marks: documents.Marks,
        refusal: Refusal | None = None,
    ) -> asyncio.Future[Outcome]:
        """Queues a document; ``raw`` are its bytes, wherever they came from; ``refusal`` is why there are none.

        The future gives its outcome once that is durable. It raises what happened to the whole batch (no such mailbox, the
        database's own errors), never another document's error.
        """
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        key = (caller, request.mailbox_id)
        lane = self._lanes.setdefault(key, _Lane())
        lane.waiting.append(Waiting(request, raw, marks, refusal, future))
        if lane.running < BATCHES_AT_ONCE:
            lane.running += 1
            task = asyncio.get_running_loop().create_task(self._serve(key, lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return future

    async def _serve(self, key: _LaneKey, lane: _Lane) -> None:
        caller, mailbox_uid = key
        try:
            while lane.waiting:
                await self._import(caller, mailbox_uid, _take(lane.waiting))
        finally:
            lane.running -= 1
            if not lane.running and not lane.waiting:
                self._lanes.pop(key, None)

    async def _import(self, caller: Caller, mailbox_uid: bytes, batch: list[Waiting]) -> None:
        now = self._clock.micros()
        try:
            members = await self._read(batch, now)
            await self._blobs.stage([member.document.blob for member in members if member.document and member.document.blob])
            outcomes = await self._database.write(lambda transaction: commit(transaction, caller, mailbox_uid, members, now))
        except RookeryError as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to those who wait, and to them alone
            if len(batch) == 1:
                _fail(batch, error)
                return
            for waiting in batch:  # one of them is the cause: the others must not suffer for it
                await self._import(caller, mailbox_uid, [waiting])
        except BaseException:
            for waiting in batch:
                waiting.future.cancel()
            raise
        else:
            for waiting, outcome in zip(batch, outcomes, strict=True):
                if not waiting.future.done():
                    waiting.future.set_result(outcome)

    async def _read(self, batch: Sequence[Waiting], now: int) -> list[Member]:
        item_ids = [waiting.request.item_id or self._ids.new() for waiting in batch]
        readable = [index for index, waiting in enumerate(batch) if waiting.refusal is None]
        tasks = [
            Task(batch[index].request.format, batch[index].raw, batch[index].marks, item_ids[index], self._ids.new(), now)
            for index in readable
        ]
        answers = dict(zip(readable, await self._readers.read(tasks), strict=True))
        return [_member(waiting, item_ids[index], answers.get(index)) for index, waiting in enumerate(batch)]


def _member(waiting: Waiting, item_id: bytes, answer: Answer | None) -> Member:
    sha256 = answer.sha256 if answer is not None else hashlib.sha256(waiting.raw).digest()
    member = Member(waiting.request, item_id, _request_hash(waiting.request, sha256), sha256, refusal=waiting.refusal)
    if answer is not None:
        member.document = answer.document
        if error := answer.error:
            member.refusal = Refusal(error, definitive=error.definitive and not isinstance(error, InvalidArgument))
    return member


def _take(waiting: deque[Waiting]) -> list[Waiting]:
    batch = [waiting.popleft()]
    size = len(batch[0].raw)
    while waiting and len(batch) < BATCH_DOCUMENTS and size + len(waiting[0].raw) <= BATCH_BYTES:
        batch.append(waiting.popleft())
        size += len(batch[-1].raw)
    return batch


def _request_hash(request: ImportRequest, sha256: bytes) -> bytes:
    """What tells a repeat from another request, without encoding the document again. An upload stands for its bytes."""
    head = ImportRequest()
    head.CopyFrom(request)
    if head.HasField("data"):
        head.ClearField("data")
        return hashlib.sha256(b"item.import\0" + head.SerializeToString(deterministic=True) + sha256).digest()
    return hashlib.sha256(b"item.import\0" + head.SerializeToString(deterministic=True)).digest()


def _fail(batch: Sequence[Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.future.done():
            waiting.future.set_exception(error)
