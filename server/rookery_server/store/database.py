"""Opens a database, and hands on what its users need."""

from __future__ import annotations

import asyncio
import pathlib
from typing import TYPE_CHECKING, Literal, TypeVar

from sqlalchemy import make_url

from rookery_core.errors import Unavailable
from rookery_server.store.group_commit import GroupCommit
from rookery_server.store.postgresql import PostgresqlDatabase
from rookery_server.store.sqlite_readers import Gate, SqliteReaders
from rookery_server.store.units import Database, Notifier, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sqlalchemy import Connection

__all__ = ["Database", "Notifier", "SqliteDatabase", "Transaction", "open_database"]

T = TypeVar("T")


class SqliteDatabase:
    """``Database`` in one SQLite file: a writer that commits in groups, and readers beside it."""

    def __init__(self, path: pathlib.Path, *, notifier: Notifier, readers: int) -> None:
        gate = Gate()
        self._writer = GroupCommit(path, notifier, gate)
        self._readers = SqliteReaders(path, readers, gate)

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        """Which SQL is spoken."""
        return "sqlite"

    async def read(self, work: Callable[[Connection], T]) -> T:
        """See ``Database.read``."""
        return await self._readers.read(work)

    async def peek(self, work: Callable[[Connection], T]) -> T:
        """See ``Database.peek``."""
        return await self._readers.peek(work)

    async def glance(self, work: Callable[[Connection], T]) -> T:
        """See ``Database.glance``."""
        return await self._readers.glance(work)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """See ``Database.write``."""
        return await self._writer.write(work)

    def ring(self, domains: Collection[str] = ()) -> None:
        """See ``Database.ring``: there is nobody to hear it."""

    async def close(self) -> None:
        """See ``Database.close``."""
        self._readers.refuse()
        self._writer.refuse()
        await asyncio.gather(asyncio.to_thread(self._readers.join), asyncio.to_thread(self._writer.join))


def open_database(url: str, *, notifier: Notifier, readers: int = 4, writers: int = 8) -> Database:
    """Opens the database at ``url``, "sqlite:////path/rookery.db" or "postgresql://…", migrated already (``migrate.upgrade``).

    ``readers`` and ``writers`` are threads (SQLite has one writer always). Nothing is connected before it is needed, but for the
    connection that hears what other processes commit to PostgreSQL, which is opened behind the scenes and kept open.
    ``Unavailable`` ``DATABASE_BUSY`` is raised for a SQLite file that does not exist.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = pathlib.Path(parsed.database or "")
        if not path.is_file():
            raise Unavailable("DATABASE_BUSY", f"There is no database at {path}: “rookeryd db upgrade” makes it.")
        return SqliteDatabase(path, notifier=notifier, readers=readers)
    return PostgresqlDatabase(parsed, notifier=notifier, readers=readers, writers=writers)
