"""Reading documents in bulk, in processes of their own.

Reading a document is computing in Python, and one process computes on one core. A bulk import therefore hands whole batches to
worker processes, which give back what is to be written; the server's own process keeps answering meanwhile. Single documents are
read in a thread: the way to a worker and back would cost as much. Workers start with the first bulk import, not before.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.content_service_pb2 import ImportDocument
from rookery_core.errors import RookeryError
from rookery_server.services.importing import documents, import_checks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.process import BaseProcess

BULK_DOCUMENTS = 8
"""From so many documents on a batch goes to a worker."""

_GARBAGE_THRESHOLD = 200_000
"""New containers, less those that went, after which a worker looks for cycles: two batches of a hundred messages or so."""

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
    """Checks and reads documents, one after the other. What a worker runs.

    ``limit`` is the most bytes of a document, ``now`` the time in microseconds.
    """
    return [_read(task, limit, now) for task in tasks]


def _read(task: Task, limit: int, now: int) -> Answer:
    raw = task.raw or b""
    sha256 = hashlib.sha256(raw).digest()
    head = ImportDocument.FromString(task.head)
    try:
        marks = import_checks.check(head, task.raw, limit=limit, now=now)
        document = documents.read(head.format, raw, marks, item_id=task.item_id, sha256=sha256, now=now, blob_id=task.blob_id)
    except RookeryError as error:
        return Answer(sha256, None, error)
    return Answer(sha256, document, None)


class DocumentReaders:
    """Reads batches of documents. ``workers`` processes share the bulk; with 0 everything is read in threads."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._ready: Future[int] | None = None

    async def read(self, tasks: Sequence[Task], limit: int, now: int) -> list[Answer]:
        """What ``read_all`` gives."""
        if len(tasks) >= BULK_DOCUMENTS and self._warm():
            try:
                return await asyncio.wrap_future(self._submit(tasks, limit, now))
            except BrokenProcessPool:
                _log.exception("the workers that read documents ended; new ones are started")
                self._pool = self._ready = None
        return await asyncio.to_thread(read_all, tasks, limit, now)

    def close(self) -> None:
        """Ends the workers."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _submit(self, tasks: Sequence[Task], limit: int, now: int) -> Future[list[Answer]]:
        if self._pool is None:
            raise BrokenProcessPool("there are no workers")
        return self._pool.submit(read_all, tasks, limit, now)

    def _warm(self) -> bool:
        """Whether the workers are there; the first call has them started, which takes about a second."""
        if self._pool is None and self._workers:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._workers, mp_context=context, initializer=_begin_worker)
            self._ready = self._pool.submit(os.getpid)
        return self._ready is not None and self._ready.done()


def _begin_worker() -> None:
    """In a worker: leaves Ctrl-C to the server, and ends when the server is gone, however that came.

    Reading makes many objects and next to no cycles: looking for these seldom saves a quarter of a worker's time.
    """
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_outlast, args=(parent,), name="parent-watch", daemon=True).start()


def _outlast(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
