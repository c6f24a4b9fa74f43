"""The processes that read documents, seen from the server: who is idle, what waits, and what came of it.

A worker has a socket, and memory that it shares with the server (``worker_memory``). The server puts a batch into the memory and
says so on the socket; the worker puts what it read into the same place and says so. No thread stands between it and the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import subprocess
import sys
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from rookery_server.services.importing import worker_memory
from rookery_server.services.importing.worker_memory import NoRoom, WorkerMemory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_server.services.importing.document_readers import Answer, Task

ORDER = struct.Struct("=qqq")
"""What the server says: the length of the batch in the memory, the most bytes of a document, the time in microseconds."""
ANSWER = struct.Struct("=q")
"""What a worker says: the length of the answers in the memory."""
NOT_READ = 0
"""The length that says that there are none."""


class WorkersEnded(Exception):
    """A worker is gone, and so all are."""


class _Order(NamedTuple):
    tasks: Sequence[Task]
    limit: int
    now: int
    answers: asyncio.Future[list[Answer] | None]


class _Worker:
    """One process, with what connects it to the server."""

    def __init__(self) -> None:
        self.line, theirs = socket.socketpair()
        descriptor = worker_memory.create()
        module = "rookery_server.services.importing.reading_worker"
        try:
            self.memory = WorkerMemory(descriptor)
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-P", "-m", module, str(theirs.fileno()), str(descriptor)],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), descriptor),
            )
        except OSError:
            self.line.close()
            raise
        finally:
            theirs.close()
            os.close(descriptor)
        self.pid = self._process.pid
        self.order: _Order | None = None

    def begin(self, order: _Order) -> None:
        """Has the worker carry out an order. Raises NoRoom if it is too large for that, OSError if the worker is gone."""
        length = self.memory.put(order.tasks)
        self.line.sendall(ORDER.pack(length, order.limit, order.now))
        self.order = order

    def end(self) -> None:
        """Ends the process: it holds nothing that could be lost."""
        self.line.close()
        self._process.kill()
        self._process.wait()
        self.memory.close()


class ReadingWorkers:
    """So many processes, each of which reads one batch at a time. Belongs to one event loop. OSError if none can be started."""

    def __init__(self, count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._workers: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._waiting: deque[_Order] = deque()
        self.ready = False
        """Whether one of them has started, which takes about a second, or they ended."""
        try:
            for _ in range(count):
                worker = _Worker()
                self._workers.append(worker)
                self._loop.add_reader(worker.line, self._heard_of, worker)
        except OSError:
            self.close()
            raise

    @property
    def pids(self) -> list[int]:
        """The processes; none once they ended."""
        return [worker.pid for worker in self._workers]

    async def read(self, tasks: Sequence[Task], limit: int, now: int) -> list[Answer] | None:
        """What ``read_all`` gives, or None if a worker can not do it. Raises WorkersEnded."""
        if not self._workers:
            raise WorkersEnded
        order = _Order(tasks, limit, now, self._loop.create_future())
        self._waiting.append(order)
        self._hand_out()
        return await order.answers

    def close(self) -> None:
        """Ends the processes; what they have not answered is not read."""
        orders = [*self._waiting, *(worker.order for worker in self._workers if worker.order is not None)]
        for worker in self._workers:
            self._loop.remove_reader(worker.line)
            worker.end()
        self._workers, self._idle = [], []
        self._waiting.clear()
        for order in orders:
            if not order.answers.done():
                order.answers.set_exception(WorkersEnded())

    def _hand_out(self) -> None:
        while self._waiting and self._idle:
            order = self._waiting.popleft()
            if order.answers.done():  # nobody waits for it any more
                continue
            try:
                self._idle[-1].begin(order)
            except NoRoom:
                order.answers.set_result(None)
            except OSError:
                self._waiting.append(order)  # to be told with the others
                self.close()
            else:
                self._idle.pop()

    def _heard_of(self, worker: _Worker) -> None:
        """A worker started, or answers, or is gone."""
        self.ready = True
        said = b""
        with contextlib.suppress(OSError):
            said = worker.line.recv(ANSWER.size, socket.MSG_WAITALL)
        if not said:
            self.close()
            return
        (length,) = ANSWER.unpack(said)
        order, worker.order = worker.order, None
        if order is not None and not order.answers.done():
            order.answers.set_result(None if length == NOT_READ else worker.memory.take(length))
        self._idle.append(worker)
        self._hand_out()
