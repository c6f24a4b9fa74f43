"""SQLite's readers: some threads, each with a connection of its own, and the gate at which they can be held back."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import DBAPIError

from rookery_server.store.calls import Threads
from rookery_server.store.sqlite import driver_connection, open_engine, translated

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

T = TypeVar("T")


class Gate:
    """Lets readers pass freely, until someone shuts it and waits for those inside to leave."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._inside = 0
        self._shut = False

    def __enter__(self) -> None:
        with self._changed:
            while self._shut:
                self._changed.wait()
            self._inside += 1

    def __exit__(self, *exc_info: object) -> None:
        with self._changed:
            self._inside -= 1
            if self._shut:
                self._changed.notify_all()

    def try_enter(self) -> bool:
        """Passes if the gate is open, and does not wait; whoever passed leaves by ``__exit__``."""
        with self._changed:
            if self._shut:
                return False
            self._inside += 1
            return True

    @contextmanager
    def shut(self, seconds: float) -> Iterator[bool]:
        """Holds newcomers back within the block. Gives whether everybody had left within ``seconds``."""
        with self._changed:
            self._shut = True
            empty = self._changed.wait_for(lambda: self._inside == 0, timeout=seconds)
        try:
            yield empty
        finally:
            with self._changed:
                self._shut = False
                self._changed.notify_all()


class SqliteReaders:
    """Runs reads, each in a transaction that is rolled back at its end."""

    def __init__(self, path: pathlib.Path, size: int, gate: Gate) -> None:
        self._engine = open_engine(path, "read")
        self._gate = gate
        self._peeker: _Peeker | None = None
        self._refusing = False
        self._threads: Threads[Connection] = Threads("rookery-reader", size, self._worker)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What the work gives, seen in one snapshot."""
        return await self._threads.call(work)

    async def peek(self, work: Callable[[Connection], T]) -> T:
        """What the work gives, run in the calling thread; or in a reader's, while the gate is shut and where loops differ."""
        peeker = self._entered()
        if peeker is None:
            return await self._threads.call(work)
        try:
            return _with_errors_translated(peeker.connection, peeker.in_transaction(work))
        finally:
            self._gate.__exit__()

    async def glance(self, work: Callable[[Connection], T]) -> T:
        """``peek`` without a transaction around the work."""
        peeker = self._entered()
        if peeker is None:
            return await self._threads.call(work)
        try:
            return _with_errors_translated(peeker.connection, work)
        finally:
            self._gate.__exit__()

    def _entered(self) -> _Peeker | None:
        """The connection of this thread, and the gate passed; None if either can not be."""
        if self._peeker is None and not self._refusing:
            self._peeker = _Peeker(self._engine)
        peeker = self._peeker
        return peeker if peeker is not None and peeker.is_at_home() and self._gate.try_enter() else None

    def refuse(self) -> None:
        """Takes no more reads. To be called in the thread that peeked."""
        self._refusing = True
        self._threads.refuse()
        if self._peeker is not None and self._peeker.is_at_home():
            self._peeker.close()
            self._peeker = None

    def join(self) -> None:
        """Blocks until the reads that were accepted are done, and the connections are closed."""
        self._threads.join()

    def _worker(self) -> tuple[Callable[[Callable[[Connection], Any]], Any], Callable[[], None]]:
        connection: Connection | None = None

        def run(work: Callable[[Connection], Any]) -> Any:
            nonlocal connection
            if connection is None:
                connection = _opened(self._engine)
            with self._gate:
                return _translating(connection, work)

        def end() -> None:
            if connection is not None:
                connection.close()

        return run, end


class _Peeker:
    """The connection of the event loop's thread."""

    def __init__(self, engine: Engine) -> None:
        self.connection = _opened(engine)
        """Its statements run alone: SQLAlchemy believes that a transaction stands and begins none, SQLite knows of none."""
        self.connection.begin()
        self._driver = driver_connection(self.connection)
        self._driver.rollback()
        self._thread = threading.get_ident()

    def in_transaction(self, work: Callable[[Connection], T]) -> Callable[[Connection], T]:
        """The work in a transaction that is rolled back. SQLAlchemy's own way of it takes longer than a brief work itself."""

        def within(connection: Connection) -> T:
            self._driver.execute("BEGIN")
            try:
                return work(connection)
            finally:
                self._driver.rollback()

        return within

    def is_at_home(self) -> bool:
        """Whether this is the thread that opened the connection, the only one that may use it."""
        return threading.get_ident() == self._thread

    def close(self) -> None:
        """Closes it."""
        self.connection.close()


def _opened(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except (DBAPIError, sqlite3.Error) as error:
        raise translated(error) or error from error


def _translating(connection: Connection, work: Callable[[Connection], T]) -> T:
    """Runs the work in a transaction that is rolled back; the engine's own errors become Rookery's."""

    def in_transaction(connection: Connection) -> T:
        try:
            return work(connection)
        finally:
            connection.rollback()

    return _with_errors_translated(connection, in_transaction)


def _with_errors_translated(connection: Connection, work: Callable[[Connection], T]) -> T:
    try:
        return work(connection)
    except (DBAPIError, sqlite3.Error) as error:
        raise translated(error) or error from error
