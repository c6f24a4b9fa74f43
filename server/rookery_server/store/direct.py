"""Statements that are run all the time, with as little between them and SQLite's driver as there can be.

SQLAlchemy takes several times as long to run one of these as SQLite does. So each is compiled once, and its parameters go to the
driver as they are: bytes, integers, text, booleans and None need no conversion. What comes back is the driver's too: plain tuples,
with 0 and 1 for truth values. PostgreSQL, which is a journey away, is spoken to as by all others.
"""

from __future__ import annotations

import sqlite3
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, tuple_
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from rookery_server.store.sqlite import driver_connection, forbid_writes_outside_transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Select
    from sqlalchemy.sql.dml import UpdateBase


class Direct:
    """A statement with parameters by name, none of them a list."""

    def __init__(self, statement: Select[Any] | UpdateBase) -> None:
        self._statement = statement

    def first(self, connection: Connection, parameters: dict[str, Any]) -> Sequence[Any] | None:
        """The first row, if there is one."""
        rows = self.all(connection, parameters)
        return rows[0] if rows else None

    def all(self, connection: Connection, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """The rows."""
        if connection.dialect.name == "sqlite":
            return self._run(connection, parameters).fetchall()
        return connection.execute(self._statement, parameters).all()

    def run(self, connection: Connection, parameters: dict[str, Any]) -> None:
        """Runs a statement that gives no rows."""
        if connection.dialect.name == "sqlite":
            self._run(connection, parameters)
        else:
            connection.execute(self._statement, parameters)

    def run_many(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Runs a statement that gives no rows, once for each of the parameters' rows."""
        if connection.dialect.name == "sqlite":
            sql, order, constants = self._compiled
            insert_many(connection, sql, [[(constants | row)[name] for name in order] for row in rows])
        elif rows:
            connection.execute(self._statement, rows)

    def _run(self, connection: Connection, parameters: dict[str, Any]) -> sqlite3.Cursor:
        sql, order, constants = self._compiled
        values = {**constants, **parameters} if constants else parameters
        driver = _begun(connection)
        try:
            return driver.execute(sql, [values[name] for name in order])
        except sqlite3.Error:
            forbid_writes_outside_transaction(driver)
            raise

    @cached_property
    def _compiled(self) -> tuple[str, tuple[str, ...], dict[str, Any]]:
        """The statement for SQLite, the order of its parameters, and those of them that are values of the statement itself."""
        compiled = self._statement.compile(dialect=sqlite_dialect(paramstyle="qmark"))
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return str(compiled), tuple(compiled.positiontup or ()), constants


class ByKeys:
    """A select of what belongs to some keys. On SQLite each key is looked up by itself, on PostgreSQL all are by one statement.

    ``grouped``: rows are made of all that has the same key, rather than being found by it. ``ordered``: by the keys, and locked.
    """

    def __init__(self, statement: Select[Any], *key: ColumnElement[Any], grouped: bool = False, ordered: bool = False) -> None:
        self._width = len(key)
        this = and_(*(column == bindparam(f"key_{place}") for place, column in enumerate(key)))
        of_them = (tuple_(*key) if self._width > 1 else key[0]).in_(bindparam("keys", expanding=True))
        self._one = Direct(statement.where(this).group_by(*key) if grouped else statement.where(this))
        self._many = statement.where(of_them).group_by(*key) if grouped else statement.where(of_them)
        if ordered:
            self._many = self._many.order_by(*key).with_for_update()

    def all(self, connection: Connection, keys: Sequence[Any], parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """The rows; a key of several columns is a tuple. At most 500 keys."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._many, {**parameters, "keys": list(keys)}).all() if keys else []
        found: list[Sequence[Any]] = []
        for key in keys:
            values = zip(range(self._width), key if self._width > 1 else (key,), strict=True)
            found += self._one.all(connection, {**parameters, **{f"key_{place}": value for place, value in values}})
        return found


def insert_many(connection: Connection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """Runs one statement of SQLite's for each of the rows of parameters."""
    driver = _begun(connection)
    try:
        driver.executemany(sql, rows)
    except sqlite3.Error:
        forbid_writes_outside_transaction(driver)
        raise


def _begun(connection: Connection) -> sqlite3.Connection:
    """The driver's connection, in a transaction: SQLAlchemy begins one with the first statement that it sees itself."""
    if not connection.in_transaction():
        connection.begin()
    return driver_connection(connection)
