"""What belongs to a session of PostgreSQL: statements that it has prepared, and those that wait to be sent.

A statement whose result nobody needs waits for the next one that is asked something, or for the COMMIT, and goes on the same
journey (libpq's pipeline mode). So an error of such a statement is met there. It undoes the transaction as any other does, since
what was sent behind it is not carried out. Whatever SQLAlchemy sends by itself comes behind what waits, and what is taken back is
not sent.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import psycopg
from psycopg import IsolationLevel
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format, TransactionStatus
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError

from rookery_server.store.postgresql_values import CODINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg.pq.abc import PGconn, PGresult
    from sqlalchemy import Connection

    from rookery_server.store.postgresql_values import Encoder

_STATEMENTS = 500
"""Sent before their results are read: these must fit into the socket's buffers, or both sides would wait."""
_BYTES = 1 << 20
"""That wait, one statement more or less: what can not be sent at once is in libpq's memory."""
_BEGIN: dict[IsolationLevel | None, str] = {
    None: "BEGIN",
    **{level: f"BEGIN ISOLATION LEVEL {level.name.replace('_', ' ')}" for level in IsolationLevel},
}


class Known(NamedTuple):
    """A statement as a session knows it."""

    name: bytes
    sql: str
    encoders: tuple[Encoder, ...]
    """Of its parameters, in their order."""
    formats: tuple[Format, ...]


class Command(NamedTuple):
    """A statement with the values of its parameters, as they are sent."""

    known: Known
    values: Sequence[Any] = ()
    """Bytes, or None."""


class Session:
    """A connection, spoken to below the driver. Errors are the driver's, and SQLAlchemy's by ``raise_as_sqlalchemy``."""

    def __init__(self, driver: psycopg.Connection[Any]) -> None:
        self.driver = driver
        self._pgconn: PGconn = driver.pgconn
        self._known: dict[str, Known] = {}
        self._reader = Transformer(driver)
        self._waiting: list[Command] = []
        self._bytes = 0
        self.last_sql = ""
        """What was sent last: the statement that failed, where one did."""

    def known(self, sql: str) -> Known:
        """The statement, prepared if it is not yet."""
        known = self._known.get(sql)
        if known is None:
            self.last_sql, name = sql, b"rookery_%d" % len(self._known)
            _sound(self._pgconn.prepare(name, sql.encode()))
            described = _sound(self._pgconn.describe_prepared(name))
            codings = [CODINGS[described.param_type(place)] for place in range(described.nparams)]
            encoders, formats = (tuple(each) for each in zip(*codings, strict=True)) if codings else ((), ())
            known = self._known[sql] = Known(name, sql, encoders, formats)
        return known

    def begin(self) -> None:
        """Begins a transaction, unless there is one or the session is to have none."""
        if self._pgconn.transaction_status == TransactionStatus.IDLE and not self._waiting and not self.driver.autocommit:
            self._waiting.append(Command(self.known(_BEGIN[self.driver.isolation_level])))

    def ask(self, command: Command) -> list[tuple[Any, ...]]:
        """Carries it out behind all that waits; gives its rows."""
        result = self._send(command)
        if not result.ntuples:
            return []
        self._reader.set_pgresult(result)
        rows = self._reader.load_rows(0, result.ntuples, tuple)
        self._reader.set_pgresult(None)  # it may be large
        return rows

    def put(self, command: Command) -> None:
        """Has it carried out behind all that waits, before anything else is or at the end of the transaction."""
        self._waiting.append(command)
        self._bytes += sum(len(value) for value in command.values if value is not None)
        if self.driver.autocommit or len(self._waiting) >= _STATEMENTS or self._bytes >= _BYTES:
            self.flush()

    def flush(self) -> None:
        """Carries out what waits."""
        if self._waiting:
            self._send()

    def forget(self) -> None:
        """What waits is not to be carried out any more."""
        self._waiting.clear()
        self._bytes = 0

    def commit(self) -> None:
        """Carries out what waits, and ends the transaction. InFailedSqlTransaction if it had failed, so that nothing of it stays."""
        if self._waiting or self._pgconn.transaction_status != TransactionStatus.IDLE:
            result = self._send(Command(self.known("COMMIT")))
            if result.command_status != b"COMMIT":
                raise psycopg.errors.InFailedSqlTransaction("the transaction was rolled back: a statement of it had failed")

    def roll_back(self) -> None:
        """Ends the transaction, if there is one, and nothing of it stays."""
        self.forget()
        if self._pgconn.transaction_status != TransactionStatus.IDLE:
            self._send(Command(self.known("ROLLBACK")))

    def _send(self, *last: Command) -> PGresult:
        commands = [*self._waiting, *last]
        self.forget()
        if len(commands) > 1:
            return self._exchange(commands)
        known, values = commands[0]
        self.last_sql = known.sql
        return _sound(self._pgconn.exec_prepared(known.name, values, known.formats, Format.BINARY))

    def _exchange(self, commands: Sequence[Command]) -> PGresult:
        """All of the commands on one journey; gives the result of the last. The error of the first that fails."""
        pgconn = self._pgconn
        pgconn.enter_pipeline_mode()
        for known, values in commands:
            pgconn.send_query_prepared(known.name, values, known.formats, Format.BINARY)
        pgconn.pipeline_sync()
        results: list[PGresult] = []
        while (result := pgconn.get_result()) is None or result.status != ExecStatus.PIPELINE_SYNC:
            if result is not None:
                results.append(result)
            if pgconn.status != ConnStatus.OK:  # nothing more comes
                break
        else:
            pgconn.exit_pipeline_mode()
        for (known, _), result in zip(commands, results, strict=False):
            self.last_sql = known.sql
            _sound(result)
        if len(results) < len(commands):
            raise psycopg.OperationalError("the connection was lost")
        return results[-1]

    def raise_as_sqlalchemy(self, connection: Connection, error: psycopg.Error) -> NoReturn:
        """Raises what SQLAlchemy would if it had sent the statement."""
        if (
            self.driver.closed
        ):  # SQLAlchemy learns of it by a statement of its own, and uses no connection of the pool that is as old
            try:
                connection.exec_driver_sql("SELECT 1")
            except DBAPIError as lost:
                raise lost from error
        raise DBAPIError.instance(self.last_sql, None, error, psycopg.Error, hide_parameters=True) from error


def attend(engine: Engine) -> None:
    """Gives each connection of an engine its session, and sees that what waits is sent in its time."""
    event.listen(engine, "connect", _connected)
    event.listen(engine, "before_cursor_execute", lambda connection, *_: _carefully(connection, Session.flush))
    event.listen(engine, "rollback_savepoint", _forget)
    event.listen(engine, "commit", lambda connection: _carefully(connection, Session.commit))
    event.listen(engine, "rollback", _roll_back)


def session_of(connection: Connection) -> Session:
    """The session of a connection whose engine is attended."""
    session: Session = connection.connection.info["session"]
    return session


def _connected(driver: psycopg.Connection[Any], record: Any) -> None:
    record.info["session"] = Session(driver)


def _carefully(connection: Connection, action: Callable[[Session], None]) -> None:
    session = session_of(connection)
    try:
        action(session)
    except psycopg.Error as error:
        if not session.driver.closed:  # else what SQLAlchemy is about to do fails, and it knows what to make of that
            session.raise_as_sqlalchemy(connection, error)


def _forget(connection: Connection, *_: object) -> None:
    if not connection.invalidated:
        session_of(connection).forget()


def _roll_back(connection: Connection) -> None:
    if not connection.invalidated:
        with contextlib.suppress(psycopg.Error):  # SQLAlchemy is about to do the same, and knows what to make of it
            session_of(connection).roll_back()


def _sound(result: PGresult) -> PGresult:
    """The result itself, if it is none of an error."""
    if result.status in {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}:
        return result
    raise psycopg.errors.error_from_result(result)
