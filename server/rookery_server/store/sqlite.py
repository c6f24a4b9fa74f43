"""SQLite: how its connections are opened, and what its errors mean.

Connections are autocommitting as far as Python's driver goes (``isolation_level=None``); each transaction is begun by an
explicit BEGIN, which the engine's ``begin`` event sends.
"""

from __future__ import annotations

import sqlite3
import urllib.parse
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool

from rookery_core.errors import DataLoss, ResourceExhausted, RookeryError, Unavailable

if TYPE_CHECKING:
    import pathlib

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.exc import DBAPIError

PAGE_BYTES = 8192
BUSY_SECONDS = 10.0
WAL_CHECKPOINT_PAGES = 2048
"""A commit that finds this many pages (16 MiB) in the WAL copies them to the database: rarely enough for bulk import."""

READ_MAP_BYTES = 8 << 30
"""How much of the file readers map into their address space, so that a large blob is copied once and not read page by page."""

Use = Literal["read", "write", "create"]

_CACHE_KIB = {"read": 8 * 1024, "write": 32 * 1024, "create": 32 * 1024}

# Without an adapter the driver looks for one at every value of this type that is bound, which takes longer than binding it.
sqlite3.register_adapter(bytes, bytes)


def open_engine(path: pathlib.Path, use: Use) -> Engine:
    """An engine without a pool: each ``connect`` opens a connection, which belongs to the thread that opened it.

    "create" makes the file where there is none, readable for its owner alone, and turns WAL on; the other uses need a file that
    is there. ``Unavailable`` ``DATABASE_BUSY`` if it can not be made.
    """
    if use == "create" and not path.exists():
        try:
            path.touch(mode=0o600)
        except OSError as error:
            raise Unavailable("DATABASE_BUSY", f"The database can not be made: {error}.") from error

    def connect() -> sqlite3.Connection:
        address = f"file:{urllib.parse.quote(str(path))}?mode=rw"  # readers too: they write in the index of the log
        connection = sqlite3.connect(
            address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, cached_statements=512, check_same_thread=True
        )
        try:
            for pragma in _pragmas(use):
                connection.execute(f"PRAGMA {pragma}").close()
        except BaseException:
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite+pysqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
    begin = "BEGIN" if use == "read" else "BEGIN IMMEDIATE"
    event.listen(engine, "begin", lambda connection: driver_connection(connection).execute(begin))
    if use != "read":
        event.listen(engine, "handle_error", _on_error)
    return engine


def _pragmas(use: Use) -> list[str]:
    pragmas = ["foreign_keys = ON", "synchronous = FULL", "temp_store = MEMORY", f"cache_size = -{_CACHE_KIB[use]}"]
    if use == "create":
        pragmas = [f"page_size = {PAGE_BYTES}", "journal_mode = WAL", *pragmas]
    if use == "read":
        return [*pragmas, "query_only = ON", f"mmap_size = {READ_MAP_BYTES}"]
    return [*pragmas, f"wal_autocheckpoint = {WAL_CHECKPOINT_PAGES}", f"journal_size_limit = {64 << 20}"]


def driver_connection(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection below SQLAlchemy's."""
    below: Any = connection.connection.dbapi_connection
    if not isinstance(below, sqlite3.Connection):
        raise TypeError(f"not a connection to SQLite: {type(below).__name__}")
    return below


def _on_error(context: ExceptionContext) -> None:
    if context.connection is not None and not context.connection.closed:
        forbid_writes_outside_transaction(driver_connection(context.connection))


def forbid_writes_outside_transaction(below: sqlite3.Connection) -> None:
    """After an error that rolled the transaction back, nothing may be written until the writer has begun another.

    Work that caught the error and went on would commit each further statement on its own.
    """
    if not below.in_transaction:
        below.execute("PRAGMA query_only = ON")


def translated(error: DBAPIError | sqlite3.Error) -> RookeryError | None:
    """What an error of the engine itself means to a caller; None for all others (constraints, faulty statements)."""
    original: Any = error if isinstance(error, sqlite3.Error) else error.orig
    code = getattr(original, "sqlite_errorcode", None)
    if code is None or code == sqlite3.SQLITE_READONLY:  # a read that tries to write is a mistake in the program
        return None
    match code & 0xFF:  # the upper bits say which part of the file system failed
        case sqlite3.SQLITE_FULL:
            return ResourceExhausted("DATABASE_FULL", "The server's disk is full: nothing was changed.")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return Unavailable("DATABASE_BUSY", "The database is locked by another program: try again.")
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_NOMEM:
            return Unavailable("DATABASE_BUSY", f"The database can not be reached ({original}): try again.")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return DataLoss("CONTENT_DAMAGED", "The database file is damaged: restore it from a backup.")
    return None
