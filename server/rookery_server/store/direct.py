"""Statements that are run all the time, with as little between them and the engines as there can be.

SQLAlchemy takes several times as long to run one of these as SQLite does. So each is compiled once, and its parameters go to the
driver as they are: bytes, integers, text, booleans and None need no conversion. What comes back is the driver's too: plain tuples,
with 0 and 1 for truth values on SQLite. What PostgreSQL does with them is in ``prepared``.
"""

from __future__ import annotations

import sqlite3
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, and_, any_, bindparam, func, select, tuple_
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect

from rookery_server.store.prepared import Prepared
from rookery_server.store.sqlite import driver_connection, forbid_writes_outside_transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, ColumnElement, Connection, Select
    from sqlalchemy.sql.dml import UpdateBase


class Direct:
    """A statement with parameters by name, none of them a list."""

    def __init__(self, statement: Select[Any] | UpdateBase) -> None:
        self.statement = statement
        self._prepared = Prepared(statement)

    def first(self, connection: Connection, parameters: dict[str, Any]) -> Sequence[Any] | None:
        """The first row, if there is one."""
        rows = self.all(connection, parameters)
        return rows[0] if rows else None

    def all(self, connection: Connection, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """The rows."""
        if connection.dialect.name == "sqlite":
            return self._run(connection, parameters).fetchall()
        return self._prepared.rows(connection, parameters)

    def run(self, connection: Connection, parameters: dict[str, Any]) -> None:
        """Runs a statement that gives no rows."""
        self.run_many(connection, (parameters,))

    def run_many(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Runs a statement that gives no rows, once for each of the parameters' rows."""
        if connection.dialect.name != "sqlite":
            self._prepared.run_many(connection, rows)
        elif len(rows) == 1:
            self._run(connection, rows[0])
        elif rows:
            self._run_many(connection, rows)

    def _run(self, connection: Connection, parameters: dict[str, Any]) -> sqlite3.Cursor:
        sql, order, constants = self._compiled
        values = {**constants, **parameters} if constants else parameters
        driver = _begun(connection)
        try:
            return driver.execute(sql, [values[name] for name in order])
        except sqlite3.Error:
            forbid_writes_outside_transaction(driver)
            raise

    def _run_many(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        sql, order, constants = self._compiled
        all_values = ({**constants, **row} for row in rows) if constants else rows
        driver = _begun(connection)
        try:
            driver.executemany(sql, [[values[name] for name in order] for values in all_values])
        except sqlite3.Error:
            forbid_writes_outside_transaction(driver)
            raise

    @cached_property
    def _compiled(self) -> tuple[str, tuple[str, ...], dict[str, Any]]:
        """The statement for SQLite, the order of its parameters, and those of them that are values of the statement itself."""
        dialect = sqlite_dialect(paramstyle="qmark")
        compiled: Any = self.statement.compile(dialect=dialect)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return str(compiled), tuple(compiled.positiontup or ()), constants


class ByKeys:
    """A select of what belongs to some keys. On SQLite each key is looked up by itself, on PostgreSQL all are by one statement.

    ``grouped``: rows are made of all that has the same key, rather than being found by it. ``ordered``: by the keys, and locked.
    """

    def __init__(self, statement: Select[Any], *key: Column[Any], grouped: bool = False, ordered: bool = False) -> None:
        self._names = [f"key_{place}" for place in range(len(key))]
        this = and_(*(column == bindparam(name) for name, column in zip(self._names, key, strict=True)))
        one, many = statement.where(this), statement.where(_among(key, self._names))
        if grouped:
            one, many = one.group_by(*key), many.group_by(*key)
        if ordered:
            one, many = one.with_for_update(), many.order_by(*key).with_for_update()
        self._one, self._many = Direct(one), Direct(many)

    def all(self, connection: Connection, keys: Sequence[Any], parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """The rows; a key of several columns is a tuple. At most 500 keys."""
        tuples = keys if len(self._names) > 1 else [(key,) for key in keys]
        if len(tuples) > 1 and connection.dialect.name != "sqlite":
            columns = zip(*tuples, strict=True)
            return self._many.all(connection, {**parameters, **dict(zip(self._names, columns, strict=True))})
        found: list[Sequence[Any]] = []
        for key in tuples:
            found += self._one.all(connection, {**parameters, **dict(zip(self._names, key, strict=True))})
        return found


def _among(key: Sequence[Column[Any]], names: Sequence[str]) -> ColumnElement[bool]:
    """The condition that a key is one of several, whose columns are parameters with arrays."""
    arrays = [bindparam(name, type_=ARRAY(column.type)) for name, column in zip(names, key, strict=True)]
    if len(key) == 1:
        return key[0] == any_(arrays[0])
    wanted = func.unnest(*arrays).table_valued(*names).render_derived()
    return tuple_(*key).in_(select(*wanted.c))


def _begun(connection: Connection) -> sqlite3.Connection:
    """The driver's connection, in a transaction: SQLAlchemy begins one with the first statement that it sees itself."""
    if not connection.in_transaction():
        connection.begin()
    return driver_connection(connection)
