"""The server's database for a simulation: real SQLite, in the loop's own thread, which may die around each unit of work."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Literal, TypeVar

from rookery_server.store.sqlite import driver_connection, open_engine
from rookery_server.store.units import Transaction, tell

if TYPE_CHECKING:
    import pathlib
    import random
    from collections.abc import Callable, Collection

    from sqlalchemy import Connection

    from rookery_server.store.units import Notifier
    from tests.simulation.crashes import Fate

T = TypeVar("T")

_TWICE = 0.05
"""How often work is run twice, since it has to be repeatable."""


class MortalDatabase:
    """``rookery_server.store.units.Database`` of one life of a server.

    Each unit of work has its turn after a moment in which others may have theirs. ``on_commit`` is called after each commit.
    """

    dialect: Literal["sqlite", "postgresql"] = "sqlite"

    def __init__(
        self, path: pathlib.Path, notifier: Notifier, fate: Fate, chance: random.Random, on_commit: Callable[[Connection], None]
    ) -> None:
        self._fate = fate
        self._chance = chance
        self._notifier = notifier
        self._on_commit = on_commit
        self._writer = open_engine(path, "write").connect()
        self._reader = open_engine(path, "read").connect()
        # Nothing here outlives the process, so nothing has to be flushed.
        driver_connection(self._writer).execute("PRAGMA synchronous = OFF").close()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """See ``Database``."""
        await self._turn()
        return await self.peek(work)

    async def peek(self, work: Callable[[Connection], T]) -> T:
        """See ``Database``."""
        self._fate.point("read")
        with self._reader.begin() as transaction:
            found = work(self._reader)
            transaction.rollback()
        return found

    async def glance(self, work: Callable[[Connection], T]) -> T:
        """See ``Database``."""
        return await self.peek(work)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """See ``Database``."""
        await self._turn()
        self._fate.point("before")
        if self._chance.random() < _TWICE:
            self._rehearse(work)
        transaction = Transaction(self._writer)
        with self._writer.begin():
            result = work(transaction)
            self._fate.point("uncommitted")
        with self._reader.begin() as reading:
            self._on_commit(self._reader)
            reading.rollback()
        self._fate.point("committed")
        tell(self._notifier, transaction.announced)
        return result

    def ring(self, domains: Collection[str] = ()) -> None:
        """See ``Database``: there are no other processes."""

    async def close(self) -> None:
        """See ``Database``. To be called after death too."""
        self._writer.close()
        self._reader.close()

    def _rehearse(self, work: Callable[[Transaction], T]) -> None:
        """Runs work and takes it back. Whatever comes of it, the second run is the one that counts."""
        with contextlib.suppress(Exception), self._writer.begin() as transaction:
            work(Transaction(self._writer))
            transaction.rollback()

    async def _turn(self) -> None:
        await asyncio.sleep(self._chance.choice((0.0, 0.0, 0.001, 0.02)))
