"""The server's own secret keys: made at the first start, the same for all of its processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from rookery_server.store.tables import secret_key

if TYPE_CHECKING:
    from sqlalchemy import Connection


def find(connection: Connection, purpose: str) -> dict[int, bytes]:
    """The keys for a purpose, 32 bytes each, by key id."""
    rows = connection.execute(select(secret_key.c.key_id, secret_key.c.key).where(secret_key.c.purpose == purpose))
    return {int(row.key_id): bytes(row.key) for row in rows}


def add_missing(connection: Connection, purpose: str, key_id: int, key: bytes, now: int) -> None:
    """Adds a key unless that id is there: of several processes that start at once, one wins."""
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = {"purpose": purpose, "key_id": key_id, "key": key, "created": now}
    connection.execute(insert(secret_key).values(values).on_conflict_do_nothing())
