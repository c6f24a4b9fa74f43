"""One server process to a data directory: SQLite's one writer and its gate live in that process."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rookery_core.errors import Unavailable

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

LOCK_NAME = "rookery.lock"


@contextmanager
def locked(directory: pathlib.Path) -> Iterator[None]:
    """Holds the directory's lock within the block; the kernel lets go of it when the process ends, however it ends.

    ``Unavailable`` ``DATABASE_BUSY`` at once if another process holds it, or there is no such directory. The file stays: removing
    it would race with the next owner.
    """
    try:
        descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Unavailable("DATABASE_BUSY", f"The data directory can not be used: {error}.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise Unavailable(
                "DATABASE_BUSY",
                f"Another server process ({owner}) uses {directory}: stop it first.",
                metadata={"process": owner},
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)
