"""What belongs to a session of PostgreSQL: statements that it has prepared, and those that wait to be sent.

A statement whose result nobody needs waits for the next one that is asked something, or for the COMMIT, and goes on the same
journey (libpq's pipeline mode). So an error of such a statement is met there. It undoes the transaction as any other does, since
what was sent behind it is not carried out. Whatever SQLAlchemy sends by itself comes behind what waits, and what is taken back is
not sent.
"""

from __future__ import annotations

import contextlib
import select
import time
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

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

T = TypeVar("T")

PLANS_SECONDS = 60.0
"""For how long a session keeps the plans of its statements. PostgreSQL makes new ones where it notices that a table has changed,
but may keep one for good that it made when a table was full already and nothing was known of what is in it. Such a plan can sort
all items of a mailbox for each page."""

_STATEMENTS = 500
_BYTES = 1 << 20
"""That wait, one statement more or less."""
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
        self.at_once = False
        """Nothing waits: in a session that only reads, a statement that changes something is a mistake, which has to be seen."""
        self.alone = False
        """Each statement is to be a transaction of its own."""
        self.last_sql = ""
        """What was sent last: the statement that failed, where one did."""
        self._plans_until = time.monotonic() + PLANS_SECONDS

    def known(self, sql: str) -> Known:
        """The statement, prepared if it is not yet."""
        known = self._known.get(sql)
        if known is None:
            self.last_sql, name = sql, b"rookery_%d" % len(self._known)
            self._pgconn.enter_pipeline_mode()
            self._pgconn.send_prepare(name, sql.encode())
            self._pgconn.send_describe_prepared(name)
            _, described = [_sound(result) for result in self._results()]
            codings = [CODINGS[described.param_type(place)] for place in range(described.nparams)]
            encoders, formats = (tuple(each) for each in zip(*codings, strict=True)) if codings else ((), ())
            known = self._known[sql] = Known(name, sql, encoders, formats)
        return known

    def begin(self) -> None:
        """Begins a transaction, unless there is one, or there is to be none. Now and then has plans made anew."""
        if self._waiting or self._pgconn.transaction_status != TransactionStatus.IDLE:
            return
        if not self.alone:
            self._waiting.append(Command(self.known(_BEGIN[self.driver.isolation_level])))
        if (now := time.monotonic()) >= self._plans_until:
            self._plans_until = now + PLANS_SECONDS
            self._waiting.append(Command(self.known("DISCARD PLANS")))

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
        if self.at_once or len(self._waiting) >= _STATEMENTS or self._bytes >= _BYTES:
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
        """Carries out what waits, and ends the transaction. InFailedSqlTransaction if it had failed: then nothing of it stays."""
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
        results = self._results()
        for (known, _), result in zip(commands, results, strict=True):
            self.last_sql = known.sql
            _sound(result)
        return results[-1]

    def _results(self) -> list[PGresult]:
        """Ends the pipeline; gives a result for each thing that it was told to send."""
        pgconn = self._pgconn
        pgconn.pipeline_sync()
        while pgconn.flush():
            self._wait(select.POLLIN | select.POLLOUT)
        results: list[PGresult] = []
        while (result := self._receive()) is None or result.status != ExecStatus.PIPELINE_SYNC:
            if result is not None:
                results.append(result)
        pgconn.exit_pipeline_mode()
        return results

    def _receive(self) -> PGresult | None:
        """The next result; None behind those of each command."""
        while self._pgconn.is_busy():
            self._wait(select.POLLIN)
        if self._pgconn.status != ConnStatus.OK:
            raise psycopg.OperationalError("the connection was lost")
        return self._pgconn.get_result()

    def _wait(self, what: int) -> None:
        """Waits until the connection is ready, and reads what has come: OperationalError if it is lost.

        ``get_result`` could wait itself, and so could ``describe_prepared``, but no other thread would run meanwhile.
        """
        poll = select.poll()
        poll.register(self._pgconn.socket, what)
        poll.poll()
        self._pgconn.consume_input()

    def raise_as_sqlalchemy(self, connection: Connection, error: psycopg.Error) -> NoReturn:
        """Raises what SQLAlchemy would if it had sent the statement."""
        if error.diag.source_function == "RevalidateCachedQuery":  # a migration has changed what the prepared statement gives
            self.driver.close()
        if self.driver.closed:
            try:  # SQLAlchemy learns of it by a statement of its own, and gives up all connections that are as old
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


def alone(connection: Connection, work: Callable[[Connection], T]) -> T:
    """What work gives whose prepared statements need no transaction around them: the journeys that begin and end it are spared."""
    session = session_of(connection)
    session.alone = True
    try:
        return work(connection)
    finally:
        session.alone = False


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
