"""Figures of the whole server."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select, text

from rookery_server.store.tables import blob, mailbox

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Figures(NamedTuple):
    """Counts and bytes."""

    item_count: int
    item_bytes: int
    blob_count: int
    blob_bytes: int
    blob_stored_bytes: int
    database_bytes: int


def collect(connection: Connection) -> Figures:
    """Adds up all mailboxes and all blobs."""
    items = connection.execute(
        select(func.coalesce(func.sum(mailbox.c.item_count), 0), func.coalesce(func.sum(mailbox.c.used_bytes), 0))
    ).one()
    blobs = connection.execute(
        select(
            func.count(), func.coalesce(func.sum(blob.c.size_bytes), 0), func.coalesce(func.sum(blob.c.stored_bytes), 0)
        ).select_from(blob)
    ).one()
    return Figures._make(int(value) for value in (*items, *blobs, _database_bytes(connection)))


def _database_bytes(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    pages = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())
    return pages * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
