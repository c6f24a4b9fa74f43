"""Rows for tests of the engine that do not care what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from rookery_server.store.database import Transaction

PATIENCE = 30
"""Seconds that a test waits for what must happen."""


def add(name: str, created: int = 0) -> Callable[[Transaction], str]:
    """Work that writes one row and gives its name."""

    def work(transaction: Transaction) -> str:
        transaction.connection.execute(text("INSERT INTO domain VALUES (:name, :created)"), {"name": name, "created": created})
        return name

    return work


def names(connection: Connection) -> list[str]:
    """The names of all rows that ``add`` has written, sorted."""
    return list(connection.execute(text("SELECT name FROM domain ORDER BY name")).scalars())
