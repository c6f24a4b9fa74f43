"""Memory that the server and a worker share: one of them puts a value in and tells the other how long it is, which takes it out.

A batch of messages and what was read of it are megabytes. Through a pipe they would be copied twice more, 64 KiB at a time, and
both sides would wake for each such piece.
"""

from __future__ import annotations

import mmap
import os
import pickle
import sys
import tempfile
from typing import Any

MEMORY_BYTES = 12 << 20
"""What a batch may take, with what goes with each of its documents. Only what was ever written takes real memory."""


class NoRoom(Exception):
    """A value is larger than the memory."""


def create() -> int:
    """A descriptor of new memory, to be closed by the caller. It is gone when nobody has it any more, even after a kill."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("rookery-import")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.truncate(descriptor, MEMORY_BYTES)
    return descriptor


class WorkerMemory:
    """The memory behind a descriptor, which may be closed afterwards. Only one side uses it at a time: they take turns."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, MEMORY_BYTES)
        self._view = memoryview(self._memory)
        self._end = 0

    def put(self, value: Any) -> int:
        """Writes a value over the one before; gives its length. Raises NoRoom."""
        self._end = 0
        pickle.Pickler(self, pickle.HIGHEST_PROTOCOL).dump(value)
        return self._end

    def take(self, length: int) -> Any:
        """The value of this length that was put in."""
        return pickle.loads(self._view[:length])  # noqa: S301 - the other side is the same program

    def write(self, data: bytes) -> None:
        """What ``put`` writes with, as into a file."""
        end = self._end + len(data)
        if end > MEMORY_BYTES:
            raise NoRoom
        self._view[self._end : end] = data
        self._end = end

    def close(self) -> None:
        """Lets go of the memory."""
        self._view.release()
        self._memory.close()
