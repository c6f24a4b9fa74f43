"""The replica's file as SQLite has it: connections, transactions, and what SQLite's errors mean.

One connection writes, guarded by a lock; readers have connections of their own and see the last transaction that was committed.
Other processes may do the same with the same file meanwhile.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import urllib.parse
from typing import TYPE_CHECKING

from rookery_client.replica.storage import schema
from rookery_core.errors import DataLoss, FailedPrecondition, ResourceExhausted, RookeryError, Unavailable

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

PAGE_BYTES = 8192
BUSY_SECONDS = 10.0
"""How long a writer waits for another process's transaction."""
_CHECKPOINT_PAGES = 2048
_PRAGMAS = ("synchronous = FULL", "temp_store = MEMORY", f"journal_size_limit = {32 << 20}")
_WRITER_PRAGMAS = (*_PRAGMAS, "cache_size = -32768", f"wal_autocheckpoint = {_CHECKPOINT_PAGES}")
_READER_PRAGMAS = (*_PRAGMAS, "cache_size = -8192", "query_only = ON", f"mmap_size = {1 << 30}")
_IDLE_READERS = 4
_HEAD_BYTES, _KIND_AT = 100, 68
"""Of a SQLite file: its head, and where in it the application id is."""

# For a type without an adapter of its own the driver looks for one at every value, and that takes longer than binding the value.
sqlite3.register_adapter(bytes, bytes)


class Database:
    """One open file. May be shared between threads."""

    def __init__(self, path: pathlib.Path, writer: sqlite3.Connection) -> None:
        self.path = path
        self._file = _file_of(path)
        self._writer = writer
        self._writing = threading.RLock()
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, path: pathlib.Path, *, create: bool) -> Database:
        """Opens a replica's file, which with ``create`` is made if it is not there.

        FailedPrecondition ``REPLICA_MISSING``; ``REPLICA_FOREIGN`` for a file that is no replica, or one of another version;
        DataLoss ``REPLICA_DAMAGED``, only for a file that is known to have been one: such a file is replaced.
        """
        if not path.exists():
            if not create:
                raise _missing(path)
            with file_errors(path):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.touch(mode=0o600)
        try:
            with translated(path):
                connection = _connect(path, _WRITER_PRAGMAS)
                try:
                    _require_replica(connection, path, create=create)
                except BaseException:
                    connection.close()
                    raise
        except DataLoss as error:
            if _was_replica(path):
                raise
            raise FailedPrecondition("REPLICA_FOREIGN", f"{path} is no replica: name another file") from error
        return cls(path, connection)

    def close(self) -> None:
        """Closes all connections; the last of all processes writes what is in the log into the file."""
        with self._writing, self._idle_lock, translated(self.path):
            self._closed = True
            for connection in (*self._idle, self._writer):
                connection.close()
            self._idle.clear()

    @contextlib.contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction: everything in the block is durable after it, or nothing of it if it raises.

        With ``durable`` off the disk is not waited for: it outlives this process, but a power cut may take it, and what was
        written after it in this way, up to the next durable transaction. For what the server sends again then.

        ResourceExhausted ``REPLICA_FULL``, DataLoss ``REPLICA_DAMAGED``, Unavailable ``REPLICA_IN_USE`` if another process writes
        for longer than ten seconds, or has put another file in the place of this one. Blocks do not nest.
        """
        with self._writing, translated(self.path):
            connection = self._writer
            if not durable:
                connection.execute("PRAGMA synchronous = NORMAL")
            try:
                connection.execute("BEGIN IMMEDIATE")
                self._require_in_place()
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # After a full disk SQLite may have rolled back by itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            finally:
                if not durable:
                    connection.execute("PRAGMA synchronous = FULL")

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One snapshot for all that the block reads."""
        with translated(self.path):
            connection = self._reader()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._give_back(connection)

    def _require_in_place(self) -> None:
        """A damaged file may have been set aside meanwhile: what is written there nobody sends."""
        if _file_of(self.path) != self._file:
            raise Unavailable("REPLICA_IN_USE", f"another program has replaced {self.path}: try again")

    def _reader(self) -> sqlite3.Connection:
        with self._idle_lock:
            if self._closed:
                raise sqlite3.ProgrammingError("the replica is closed")
            if self._idle:
                return self._idle.pop()
        return _connect(self.path, _READER_PRAGMAS)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._idle_lock:
            if not self._closed and len(self._idle) < _IDLE_READERS:
                self._idle.append(connection)
                return
        connection.close()


def _connect(path: pathlib.Path, pragmas: tuple[str, ...], mode: str = "rw") -> sqlite3.Connection:
    """A connection in autocommit mode: transactions are begun by hand."""
    address = f"file:{urllib.parse.quote(str(path))}?mode={mode}"
    connection = sqlite3.connect(
        address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, cached_statements=256, check_same_thread=False
    )
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_salvage(path: pathlib.Path) -> sqlite3.Connection:
    """A connection to a file that is damaged, to read what can be read. Raises what sqlite3 raises."""
    return _connect(path, ("query_only = ON", "writable_schema = ON"))


def _require_replica(connection: sqlite3.Connection, path: pathlib.Path, *, create: bool) -> None:
    version, kind = _number(connection, "user_version"), _number(connection, "application_id")
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not tables and not version:
        if not create:
            raise _missing(path)
        _create(connection)
    elif kind != schema.APPLICATION_ID:
        raise FailedPrecondition("REPLICA_FOREIGN", f"{path} is a database, but no replica: name another file")
    elif version != schema.VERSION:
        raise FailedPrecondition(
            "REPLICA_FOREIGN", f"{path} was made by another version of rookery ({version}): use that version, or another file"
        )


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL").close()
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Two processes may be at it: the second finds what the first has made.
        if not _number(connection, "user_version"):
            for statement in schema.STATEMENTS:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {schema.VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def lock_of(path: pathlib.Path) -> pathlib.Path:
    """The file beside a replica that is locked by who keeps it up to date, by whatever name the replica is called; it stays."""
    real = path.resolve()
    return real.with_name(f"{real.name}.lock")


def _was_replica(path: pathlib.Path) -> bool:
    """Whether a file that can not be read was a replica once: its head says so, or somebody kept it up to date."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if head[_KIND_AT : _KIND_AT + 4] == schema.APPLICATION_ID.to_bytes(4, "big"):
            return True
    return lock_of(path).exists()


def _file_of(path: pathlib.Path) -> tuple[int, int] | None:
    """Which file has this name now."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


@contextlib.contextmanager
def translated(path: pathlib.Path) -> Iterator[None]:
    """Turns SQLite's errors about the file into our own. A mistake in the program (a faulty statement) stays what it is."""
    try:
        yield
    except sqlite3.Error as error:
        found = _meaning(error, path)
        if found is None:
            raise
        raise found from error


def _meaning(error: sqlite3.Error, path: pathlib.Path) -> RookeryError | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    match code & 0xFF:  # the upper bits say which part of the file system failed
        case sqlite3.SQLITE_FULL:
            return ResourceExhausted("REPLICA_FULL", f"there is no room left for {path}: make room and try again")
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_NOMEM | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return ResourceExhausted("REPLICA_FULL", f"{path} can not be written ({error}): see to the disk and try again")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return Unavailable("REPLICA_IN_USE", f"another program is writing in {path}: try again")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return DataLoss("REPLICA_DAMAGED", f"{path} is damaged: `rookery sync` saves what was not sent yet and fills a new one")
    return None


@contextlib.contextmanager
def file_errors(path: pathlib.Path) -> Iterator[None]:
    """Turns the file system's errors into our own: ResourceExhausted ``REPLICA_FULL``."""
    try:
        yield
    except OSError as error:
        raise ResourceExhausted("REPLICA_FULL", f"{path} can not be made: {error.strerror}") from error


def _missing(path: pathlib.Path) -> FailedPrecondition:
    return FailedPrecondition("REPLICA_MISSING", f"there is no replica at {path}: make one with `rookery sync`")
