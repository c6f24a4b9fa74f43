"""SQLite's readers: some threads, each with a connection of its own, and the gate at which they can be held back."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import DBAPIError

from rookery_server.store.calls import Threads
from rookery_server.store.sqlite import open_engine, translated

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

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
        self._threads: Threads[Connection] = Threads("rookery-reader", size, self._worker)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What the work gives, seen in one snapshot."""
        return await self._threads.call(work)

    def refuse(self) -> None:
        """Takes no more reads."""
        self._threads.refuse()

    def join(self) -> None:
        """Blocks until the reads that were accepted are done, and the connections are closed."""
        self._threads.join()

    def _worker(self) -> tuple[Callable[[Callable[[Connection], Any]], Any], Callable[[], None]]:
        connection: Connection | None = None

        def run(work: Callable[[Connection], Any]) -> Any:
            nonlocal connection
            try:
                if connection is None:
                    connection = self._engine.connect()
                with self._gate:
                    try:
                        return work(connection)
                    finally:
                        connection.rollback()
            except (DBAPIError, sqlite3.Error) as error:
                raise translated(error) or error from error

        def end() -> None:
            if connection is not None:
                connection.close()

        return run, end
