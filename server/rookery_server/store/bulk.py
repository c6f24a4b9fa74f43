"""Inserting many rows of one table, or putting them in the place of others.

The driver takes the values as they are: bytes, integers, booleans, text and None need no conversion on either engine. What
SQLAlchemy would do for each value of each row costs nearly as much as the insertion itself.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, bindparam, insert
from sqlalchemy.dialects import postgresql, sqlite

from rookery_server.store.direct import Direct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


def insert_rows(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts rows, which all have the same columns."""
    if rows:
        _insertion(table, tuple(rows[0])).run_many(connection, rows)


def put_rows(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts rows, which all have the same columns, each in place of one with the same primary key."""
    if rows:
        _replacement(connection.dialect.name, table, tuple(rows[0])).run_many(connection, rows)


@cache
def _insertion(table: Table, columns: tuple[str, ...]) -> Direct:
    return Direct(insert(table).values({name: bindparam(name) for name in columns}))


@cache
def _replacement(engine: str, table: Table, columns: tuple[str, ...]) -> Direct:
    key = [column.name for column in table.primary_key.columns]
    new: Any = (postgresql.insert if engine == "postgresql" else sqlite.insert)(table)
    new = new.values({name: bindparam(name) for name in columns})
    rest = {name: new.excluded[name] for name in columns if name not in key}
    return Direct(new.on_conflict_do_update(index_elements=key, set_=rest))
