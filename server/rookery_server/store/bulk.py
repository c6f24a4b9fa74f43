"""Inserting many rows of one table, with as little between them and the driver as possible.

The driver takes the values as they are: bytes, integers, booleans, text and None need no conversion on either engine. What
SQLAlchemy would do for each value of each row costs nearly as much as the insertion itself.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, insert

from rookery_server.store.direct import insert_many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Dialect


def insert_rows(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts rows, which all have the same columns, by one statement."""
    if not rows:
        return
    statement, order = _compiled(connection.dialect, table, tuple(rows[0]))
    if order is None:
        connection.exec_driver_sql(statement, list(rows))
    else:
        insert_many(connection, statement, [[row[name] for name in order] for row in rows])


@cache
def _compiled(dialect: Dialect, table: Table, columns: tuple[str, ...]) -> tuple[str, tuple[str, ...] | None]:
    """The statement, and the order of its parameters where the driver takes them by position."""
    compiled = insert(table).compile(dialect=dialect, column_keys=list(columns))
    order = compiled.positiontup if compiled.positional else None
    return compiled.string, tuple(order) if order is not None else None
