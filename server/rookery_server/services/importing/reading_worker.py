"""A process that reads documents for the server: ``python -m rookery_server.services.importing.reading_worker SOCKET MEMORY``.

Both arguments are descriptors: of the socket on which it is told what to do, and of the memory that it shares with the server
(``reading_workers``, ``worker_memory``). It knows no database, and ends when the server's end of the socket is closed, however that
came.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys

from rookery_server.services.importing.document_readers import read_all
from rookery_server.services.importing.reading_workers import ANSWER, NOT_READ, ORDER
from rookery_server.services.importing.worker_memory import WorkerMemory

_NICENESS = 10
"""How much a worker gives way to the server itself, which answers people and writes what the others have read."""

_GARBAGE_THRESHOLD = 200_000
"""New containers, less those that went, after which a worker looks for cycles: two batches of a hundred messages or so."""


def main() -> None:
    """Reads batches until the socket is closed."""
    _begin()
    line = socket.socket(fileno=int(sys.argv[1]))
    memory = WorkerMemory(int(sys.argv[2]))
    os.close(int(sys.argv[2]))
    with contextlib.suppress(ConnectionError):  # the server went away meanwhile
        line.sendall(ANSWER.pack(NOT_READ))  # it is there
        while order := line.recv(ORDER.size, socket.MSG_WAITALL):
            line.sendall(ANSWER.pack(_carry_out(memory, *ORDER.unpack(order))))


def _carry_out(memory: WorkerMemory, length: int, limit: int, now: int) -> int:
    """Reads the batch in the memory and puts the answers in its place, if there is room for them; gives their length."""
    try:
        return memory.put(read_all(memory.take(length), limit, now))
    except Exception:  # noqa: BLE001 - the server meets it again when it reads the batch itself, and has somebody to tell
        return NOT_READ


def _begin() -> None:
    """Leaves signals to the server, and has the collector look for cycles seldom: reading makes many objects, but hardly any."""
    os.nice(_NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)


if __name__ == "__main__":
    main()
