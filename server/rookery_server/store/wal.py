"""Keeps SQLite's write-ahead log small.

A commit checkpoints from time to time, but the log starts again from its beginning only when no reader is using it, and readers
that overlap without a pause keep it growing for ever. Above a size the writer therefore makes a pause: it holds new readers
back, waits for the running ones (a page each), and empties the log.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

from rookery_server.store.sqlite import BUSY_SECONDS

if TYPE_CHECKING:
    import pathlib

    from rookery_server.store.sqlite_readers import Gate

WAL_LIMIT_BYTES = 64 << 20
PATIENCE_SECONDS = 2.0
"""How long running readers are waited for, while new ones wait at the gate."""

_log = logging.getLogger(__name__)


class WalKeeper:
    """Empties the log of one database when it is too long. Used by the writer's thread, between transactions."""

    def __init__(self, database: pathlib.Path, gate: Gate, limit_bytes: int = WAL_LIMIT_BYTES) -> None:
        self._wal = database.with_name(database.name + "-wal")
        self._gate = gate
        self._limit = limit_bytes
        self._next = limit_bytes

    def keep(self, connection: sqlite3.Connection) -> None:
        """Checkpoints if the log is above the limit.

        Failing harms nothing: the log keeps all that was committed. It is tried again when the log has grown by a quarter of
        the limit.
        """
        size = self._size()
        if size < self._next:
            return
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").close()  # the copying, while readers go on
            with self._gate.shut(PATIENCE_SECONDS) as empty:
                if empty:
                    connection.execute("PRAGMA busy_timeout = 250").close()  # for readers of other programs, a backup
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        except sqlite3.Error as error:
            _log.warning("the write-ahead log could not be emptied: %s", error)
        finally:
            connection.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}").close()
        left = self._size()
        self._next = self._limit if left < self._limit else left + self._limit // 4

    def make_room(self) -> None:
        """Has ``keep`` empty the log next time whatever its size: on a full disk that is room for smaller changes."""
        self._next = 0

    def _size(self) -> int:
        try:
            return self._wal.stat().st_size  # never opened: closing it would drop the locks that SQLite holds in this process
        except FileNotFoundError:
            return 0
