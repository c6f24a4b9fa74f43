"""Who reads the letters that come in: the event loop, a thread, or a worker process.

Reading is computing in Python, and one process computes on one core. While a crowd of letters is being delivered, the event loop
leaves reading to a worker process: it has enough to do with connections and transactions. The worker gets one batch at a time, and
what comes meanwhile is the next one, so that the way there and back costs each letter little.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import structlog

from rookery_core.errors import RookeryError
from rookery_server.services.incoming import letters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_server.services.importing.document_readers import DocumentReaders
    from rookery_server.services.incoming.letters import Arrival, Letter

CROWD = 4
"""So many deliveries at once are a crowd: with fewer, each would wait longer for the worker than the loop takes for it."""

_BRIEF_BYTES, _BRIEF_HEADER_BYTES = 64 * 1024, 8 * 1024
"""A message of so many bytes, with a header of so many, is read in the event loop's own thread: that costs less than the way to
another thread and back. Longer headers can name ten thousand people, and take a tenth of a second; reports are read twice, and what
may be a meeting can take a second."""
_MEETINGS = (b"calendar", b"octet-stream", b"/ics", b"/x-ics")
"""What stands in messages about meetings, in lower case."""
_TOGETHER = 16

_log = structlog.get_logger(__name__)


class Task(NamedTuple):
    """A letter to be read: what ``letters.read`` takes."""

    arrival: Arrival
    now: int
    blob_id: bytes
    authserv_ids: frozenset[str]

    def read(self) -> Letter:
        """Reads it."""
        return letters.read(self.arrival, now=self.now, blob_id=self.blob_id, authserv_ids=self.authserv_ids)


def read_all(tasks: Sequence[Task]) -> list[Letter | RookeryError]:
    """Reads letters, one after the other. What a worker runs."""
    return [_read(task) for task in tasks]


def _read(task: Task) -> Letter | RookeryError:
    try:
        return task.read()
    except RookeryError as error:
        return error


@dataclass(slots=True)
class _Waiting:
    task: Task
    future: asyncio.Future[Letter]


class LetterReaders:
    """Reads letters. Belongs to one event loop."""

    def __init__(self, workers: DocumentReaders) -> None:
        self._workers = workers
        self._waiting: list[_Waiting] = []
        self._serving: asyncio.Task[None] | None = None

    async def read(self, task: Task, *, crowded: bool) -> Letter:
        """What ``letters.read`` gives or raises. ``crowded``: many others are being delivered just now."""
        if not _is_brief(task.arrival):
            return await asyncio.to_thread(task.read)
        if not (crowded and self._workers.are_ready()):
            return task.read()
        waiting = _Waiting(task, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())
        return await waiting.future

    async def _serve(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
                await self._read_batch(batch)
        finally:
            self._serving = None

    async def _read_batch(self, batch: list[_Waiting]) -> None:
        try:
            read: Sequence[Letter | BaseException] = await self._workers.run(read_all, [waiting.task for waiting in batch])
        except Exception as error:  # noqa: BLE001 - one of them is the cause, which is to find out: the others must not suffer for it
            _log.warning("letters are read one by one", error=repr(error))
            alone = (asyncio.to_thread(waiting.task.read) for waiting in batch)
            read = await asyncio.gather(*alone, return_exceptions=True)
        for waiting, each in zip(batch, read, strict=True):
            if waiting.future.done():
                continue
            if isinstance(each, BaseException):
                waiting.future.set_exception(each)
            else:
                waiting.future.set_result(each)


def _is_brief(arrival: Arrival) -> bool:
    data = arrival.data
    if len(data) > _BRIEF_BYTES or data.find(b"\r\n\r\n", 0, _BRIEF_HEADER_BYTES) < 0 or arrival.sender == "":
        return False
    lower = data.lower()
    return not any(word in lower for word in _MEETINGS)
