"""Reading documents in bulk, in processes of their own.

Reading a document is computing in Python, and one process computes on one core. A bulk import therefore hands whole batches to
worker processes, which give back what is to be written; the server's own process keeps answering meanwhile. Single documents are
read in a thread: the way to a worker and back would cost as much. Workers start with the first bulk import, not before.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.content_service_pb2 import ImportDocument
from rookery.v1.item_pb2 import DOCUMENT_FORMAT_MESSAGE
from rookery_core.errors import RookeryError
from rookery_server.services.importing import documents, import_checks
from rookery_server.services.importing.reading_workers import ReadingWorkers, WorkersEnded
from rookery_server.store import blob_chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BULK_DOCUMENTS = 8
"""From so many documents on a batch goes to a worker."""

_log = logging.getLogger(__name__)


class Task(NamedTuple):
    """A document to be read. Task and answer travel between processes: bytes and tuples do so at little cost."""

    head: bytes
    """The encoded ``ImportDocument`` without its data."""
    raw: bytes | None
    """Its bytes, wherever they came from; None if it has none at all."""
    item_id: bytes
    blob_id: bytes


class Answer(NamedTuple):
    """A document that was read, or why it can not be."""

    sha256: bytes
    """Of its bytes."""
    document: documents.PreparedDocument | None
    error: RookeryError | None


def read_all(tasks: Sequence[Task], limit: int, now: int) -> list[Answer]:
    """Checks and reads documents. What a worker runs.

    ``limit`` is the most bytes of a document, ``now`` the time in microseconds. It goes stage by stage, each for all documents:
    what a stage works with then stays in the processor's caches, which takes a seventh off the time.
    """
    readings = [_Reading(task, limit, now) for task in tasks]
    for stage in (_Reading.check, _Reading.parse, _Reading.prepare):
        for reading in readings:
            reading.go_through(stage)
    return [reading.answer() for reading in readings]


class _Reading:
    """A document on its way through the stages, as far as it comes."""

    def __init__(self, task: Task, limit: int, now: int) -> None:
        self._task = task
        self._raw = task.raw or b""
        self._limit = limit
        self._now = now
        self._error: RookeryError | None = None

    def go_through(self, stage: Callable[[_Reading], None]) -> None:
        """Goes through a stage, unless it has been refused."""
        if self._error is None:
            try:
                stage(self)
            except RookeryError as error:
                self._error = error

    def check(self) -> None:
        head = ImportDocument.FromString(self._task.head)
        self._marks = import_checks.check(head, self._task.raw, limit=self._limit, now=self._now)
        self._format = head.format

    def parse(self) -> None:
        self._parsed = documents.parse(self._format, self._raw)

    def prepare(self) -> None:
        task, parsed = self._task, self._parsed
        del self._parsed
        self._item = documents.prepare(parsed, self._raw, self._marks, item_id=task.item_id, now=self._now, blob_id=task.blob_id)

    def answer(self) -> Answer:
        """What came of it; of a message that was read, the bytes are made ready to be stored."""
        sha256 = hashlib.sha256(self._raw).digest()
        if self._error is not None:
            return Answer(sha256, None, self._error)
        is_message = self._format == DOCUMENT_FORMAT_MESSAGE
        blob = blob_chunks.prepare(self._raw, self._task.blob_id, sha256=sha256) if is_message else None
        return Answer(sha256, documents.PreparedDocument(self._item, blob), None)


class DocumentReaders:
    """Reads batches of documents. ``workers`` processes share the bulk; with 0 everything is read in threads."""

    def __init__(self, workers: int) -> None:
        self._count = workers
        self.workers: ReadingWorkers | None = None
        """The processes, from the first bulk import on."""

    async def read(self, tasks: Sequence[Task], limit: int, now: int) -> list[Answer]:
        """What ``read_all`` gives."""
        if self._count and len(tasks) >= BULK_DOCUMENTS:
            try:
                if (answers := await self._by_worker(tasks, limit, now)) is not None:
                    return answers
            except (OSError, WorkersEnded):
                _log.exception("the workers that read documents ended; new ones are started with the next bulk")
                if self.workers is not None and not self.workers.pids:
                    self.workers = None
        return await asyncio.to_thread(read_all, tasks, limit, now)

    async def _by_worker(self, tasks: Sequence[Task], limit: int, now: int) -> list[Answer] | None:
        """What a worker reads; None if none is there yet, or it can not do it."""
        self.workers = workers = self.workers or ReadingWorkers(self._count)
        return await workers.read(tasks, limit, now) if workers.ready else None

    def close(self) -> None:
        """Ends the workers."""
        if self.workers is not None:
            self.workers.close()
            self.workers = None
