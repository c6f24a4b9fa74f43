"""Statements that are prepared by the sessions of PostgreSQL, with as little between them and libpq as there can be.

SQLAlchemy and the driver's cursors take ten times as long to run one of these as libpq does. So each is compiled once, and prepared
by each session that meets it, with the types that the server finds for its parameters. What the driver prepares by itself it
forgets with every rollback, and for every width of an integer there would be another: ``postgresql.open_engine`` has it prepare
nothing.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from rookery_server.store.postgresql_session import Command, session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection
    from sqlalchemy.sql.elements import ClauseElement

    from rookery_server.store.postgresql_session import Session

_dialect: Any = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class Prepared:
    """A statement with parameters by name. Values are integers, text, bytes, truth values, None, and lists of some of these."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement

    def rows(self, connection: Connection, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Runs it; gives its rows."""
        session = _begun(connection)
        try:
            session.begin()
            return session.ask(self._command(session, parameters))
        except psycopg.Error as error:
            session.raise_as_sqlalchemy(connection, error)

    def run_many(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Runs it for each of the parameters' rows, for what it changes alone: before the next that gives rows, or at the end."""
        session = _begun(connection)
        try:
            session.begin()
            for parameters in rows:
                session.put(self._command(session, parameters))
        except psycopg.Error as error:
            session.raise_as_sqlalchemy(connection, error)

    def _command(self, session: Session, parameters: dict[str, Any]) -> Command:
        sql, order, constants = self._compiled
        known = session.known(sql)
        values = {**constants, **parameters} if constants else parameters
        encoded = [
            None if (value := values[name]) is None else encode(value) for name, encode in zip(order, known.encoders, strict=True)
        ]
        return Command(known, encoded)

    @cached_property
    def _compiled(self) -> tuple[str, tuple[str, ...], dict[str, Any]]:
        """The statement, the order of its parameters, and those of them that are values of the statement itself."""
        compiled: Any = self._statement.compile(dialect=_dialect)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return str(compiled), tuple(compiled.positiontup or ()), constants


def _begun(connection: Connection) -> Session:
    """The session, in a transaction of SQLAlchemy's: it begins one with the first statement that it sees itself."""
    if not connection.in_transaction():
        connection.begin()
    return session_of(connection)
