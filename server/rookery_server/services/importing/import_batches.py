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
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.content_service_pb2 import ImportDocument
from rookery_core.errors import RookeryError
from rookery_server.services.content.blobs import BlobStore
from rookery_server.services.importing.document_readers import Task
from rookery_server.services.importing.import_commit import Member, Outcome, Refusal, commit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.services.importing.document_readers import Answer, DocumentReaders
    from rookery_server.store.database import Database

BATCH_DOCUMENTS = 100
BATCH_BYTES = 8 << 20
BATCHES_AT_ONCE = 4

_LaneKey = tuple["Caller", bytes]


class Asked(NamedTuple):
    """A document that is to be imported."""

    head: ImportDocument
    """The document without its data."""
    encoded: bytes
    """The head, encoded: the same bytes for the same head."""
    raw: bytes | None
    """The document's bytes, wherever they came from; None if it has none at all."""
    refusal: Refusal | None = None
    """Why there are no bytes, where they could not be fetched."""

    @property
    def size(self) -> int:
        """Bytes of the document."""
        return len(self.raw or b"")


def carried(document: ImportDocument) -> Asked:
    """A document that comes with its data, or with nothing. The data are taken out of it."""
    data = document.data if document.HasField("data") else None
    document.ClearField("data")
    return uploaded(document, data)


def uploaded(head: ImportDocument, raw: bytes | None, refusal: Refusal | None = None) -> Asked:
    """A document whose bytes come from elsewhere, or the reason why they can not be had.

    The head is decoded anew: a message that came with others keeps all of these in memory.
    """
    encoded = head.SerializeToString(deterministic=True)
    return Asked(ImportDocument.FromString(encoded), encoded, raw, refusal)


class _Waiting(NamedTuple):
    asked: Asked
    future: asyncio.Future[Outcome]


@dataclass(slots=True)
class _Lane:
    waiting: deque[_Waiting] = field(default_factory=deque)
    running: int = 0


class ImportBatches:
    """Gathers documents and imports them. Belongs to one event loop."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, readers: DocumentReaders, *, max_message_bytes: int) -> None:
        self._database = database
        self._readers = readers
        self._clock = clock
        self._ids = ids
        self._limit = max_message_bytes
        self._blobs = BlobStore(database, clock)
        self._lanes: dict[_LaneKey, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, caller: Caller, mailbox_uid: bytes, documents: Iterable[Asked]) -> list[asyncio.Future[Outcome]]:
        """Queues documents for one mailbox.

        Each future gives its document's outcome once that is durable. It raises what happened to the whole batch (no such
        mailbox, the database's own errors), never another document's error.
        """
        loop = asyncio.get_running_loop()
        key = (caller, mailbox_uid)
        lane = self._lanes.setdefault(key, _Lane())
        futures: list[asyncio.Future[Outcome]] = []
        for asked in documents:
            futures.append(loop.create_future())
            lane.waiting.append(_Waiting(asked, futures[-1]))
        while lane.running < BATCHES_AT_ONCE:
            lane.running += 1
            task = loop.create_task(self._serve(key, lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return futures

    async def _serve(self, key: _LaneKey, lane: _Lane) -> None:
        caller, mailbox_uid = key
        try:
            while lane.waiting:
                await self._import(caller, mailbox_uid, _take(lane.waiting))
        finally:
            lane.running -= 1
            if not lane.running and not lane.waiting:
                self._lanes.pop(key, None)

    async def _import(self, caller: Caller, mailbox_uid: bytes, batch: list[_Waiting]) -> None:
        now = self._clock.micros()
        try:
            members = await self._read(batch, mailbox_uid, now)
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

    async def _read(self, batch: Sequence[_Waiting], mailbox_uid: bytes, now: int) -> list[Member]:
        tasks = [Task(asked.encoded, asked.raw, asked.head.item_id or self._ids.new(), self._ids.new()) for asked, _ in batch]
        readable = [task for task, (asked, _) in zip(tasks, batch, strict=True) if asked.refusal is None]
        answers = iter(await self._readers.read(readable, self._limit, now))
        return [
            _member(asked, task, mailbox_uid, next(answers) if asked.refusal is None else None)
            for task, (asked, _) in zip(tasks, batch, strict=True)
        ]


def _member(asked: Asked, task: Task, mailbox_uid: bytes, answer: Answer | None) -> Member:
    sha256 = answer.sha256 if answer is not None else b""
    refusal = asked.refusal
    if answer is not None and answer.error is not None:
        refusal = Refusal(answer.error, definitive=False)
    request_hash = _request_hash(mailbox_uid, asked.encoded, b"" if asked.head.HasField("upload_id") else sha256)
    return Member(asked.head, task.item_id, request_hash, sha256, answer.document if answer is not None else None, refusal)


def _take(waiting: deque[_Waiting]) -> list[_Waiting]:
    batch: list[_Waiting] = []
    size = 0
    while waiting and len(batch) < BATCH_DOCUMENTS:
        size += waiting[0].asked.size
        if batch and size > BATCH_BYTES:
            break
        batch.append(waiting.popleft())
    return batch


def _request_hash(mailbox_uid: bytes, head: bytes, sha256: bytes) -> bytes:
    """What tells a repeat from another request, without looking at the document again. An upload stands for its bytes."""
    return hashlib.sha256(b"item.import\0%d\0%b%b%b" % (len(mailbox_uid), mailbox_uid, head, sha256)).digest()


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.future.done():
            waiting.future.set_exception(error)
