"""Statements that a session of PostgreSQL has prepared, with as little between them and libpq as there can be.

SQLAlchemy and the driver's cursors take ten times as long to run one of these as libpq does. So each is compiled once, and
prepared by each session that meets it, under a name and with the types that the server finds. What the driver itself prepares it
forgets with every rollback, and for every width of an integer there would be another: ``postgresql.open_engine`` has it prepare
nothing.
"""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import psycopg
from psycopg import IsolationLevel
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format, TransactionStatus
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from psycopg.pq.abc import PGconn, PGresult
    from sqlalchemy import Connection
    from sqlalchemy.sql.elements import ClauseElement

_AT_ONCE = 500
"""Statements sent before their results are read: these must fit into the socket's buffers, or both sides would wait."""
_BYTES_AT_ONCE = 1 << 20
"""Sent before results are read, one row more or less: they wait in libpq's memory."""
_BEGIN: dict[IsolationLevel | None, bytes] = {
    None: b"BEGIN",
    **{level: f"BEGIN ISOLATION LEVEL {level.name.replace('_', ' ')}".encode("ascii") for level in IsolationLevel},
}
_dialect: Any = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_names = itertools.count(1)


class _Prepared(NamedTuple):
    """A statement as a session knows it: what turns each of its parameters into what is sent, and the formats of that."""

    name: bytes
    encoders: tuple[Callable[[Any], Any], ...]
    formats: tuple[int, ...]


class _Session:
    """What belongs to a session: its prepared statements, and what reads their results."""

    def __init__(self, driver: psycopg.Connection[Any]) -> None:
        self.driver = driver
        self.pgconn: PGconn = driver.pgconn
        self.known: dict[bytes, _Prepared] = {}
        self._reader = Transformer(driver)

    def rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        """The rows of a result, as Python has them."""
        self._reader.set_pgresult(result)
        rows = self._reader.load_rows(0, result.ntuples, tuple)
        self._reader.set_pgresult(None)
        return rows


class Prepared:
    """A statement with parameters by name. Values are integers, text, bytes, truth values, None, and lists of bytes or integers."""

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        self._name = b"rookery_%d" % next(_names)

    def rows(self, connection: Connection, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Runs it; gives its rows."""
        session = _begun(connection)
        try:
            result = self._run(session, parameters)
            return session.rows(result) if result.ntuples else []
        except psycopg.Error as error:
            self._fail(connection, session, error)

    def run(self, connection: Connection, parameters: dict[str, Any]) -> int:
        """Runs it; gives how many rows it changed."""
        session = _begun(connection)
        try:
            return self._run(session, parameters).command_tuples or 0
        except psycopg.Error as error:
            self._fail(connection, session, error)

    def run_many(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Runs it, whatever it gives, once for each of the parameters' rows; no answer is waited for before the next is sent."""
        session = _begun(connection)
        try:
            prepared = session.known.get(self._name) or self._prepare(session)
            for together in _bounded(self._encoded(prepared, row) for row in rows):
                _pipeline(session.pgconn, prepared, together)
        except psycopg.Error as error:
            self._fail(connection, session, error)

    def _run(self, session: _Session, parameters: dict[str, Any]) -> PGresult:
        prepared = session.known.get(self._name) or self._prepare(session)
        values = self._encoded(prepared, parameters)
        return _sound(session.pgconn.exec_prepared(prepared.name, values, prepared.formats, Format.BINARY))

    def _encoded(self, prepared: _Prepared, parameters: dict[str, Any]) -> list[Any]:
        _, order, constants = self._compiled
        values = {**constants, **parameters} if constants else parameters
        return [
            None if (value := values[name]) is None else encode(value)
            for name, encode in zip(order, prepared.encoders, strict=True)
        ]

    def _prepare(self, session: _Session) -> _Prepared:
        sql, _, _ = self._compiled
        _sound(session.pgconn.prepare(self._name, sql.encode()))
        described = _sound(session.pgconn.describe_prepared(self._name))
        codings = [_CODINGS[described.param_type(place)] for place in range(described.nparams)]
        encoders = tuple(encoder for encoder, _ in codings)
        session.known[self._name] = prepared = _Prepared(self._name, encoders, tuple(format_ for _, format_ in codings))
        return prepared

    def _fail(self, connection: Connection, session: _Session, error: psycopg.Error) -> NoReturn:
        """Raises what SQLAlchemy would."""
        if session.driver.closed:  # it learns of that by a statement of its own, and then opens no connection of this pool's again
            try:
                connection.exec_driver_sql("SELECT 1")
            except DBAPIError as lost:
                raise lost from error
        sql, _, _ = self._compiled
        raise DBAPIError.instance(sql, None, error, psycopg.Error, hide_parameters=True) from error

    @cached_property
    def _compiled(self) -> tuple[str, tuple[str, ...], dict[str, Any]]:
        """The statement, the order of its parameters, and those of them that are values of the statement itself."""
        compiled: Any = self._statement.compile(dialect=_dialect)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return str(compiled), tuple(compiled.positiontup or ()), constants


def _bounded(rows: Iterable[list[Any]]) -> Iterator[list[list[Any]]]:
    """Encoded rows in their order, as many together as are to be sent at once."""
    together: list[list[Any]] = []
    size = 0
    for row in rows:
        together.append(row)
        size += sum(len(value) for value in row if value is not None)
        if len(together) == _AT_ONCE or size >= _BYTES_AT_ONCE:
            yield together
            together, size = [], 0
    if together:
        yield together


def _pipeline(pgconn: PGconn, prepared: _Prepared, rows: Sequence[Sequence[Any]]) -> None:
    """Runs a statement for each row of encoded parameters, all in one journey. The error of the first that fails."""
    pgconn.enter_pipeline_mode()
    for values in rows:
        pgconn.send_query_prepared(prepared.name, values, prepared.formats, Format.BINARY)
    pgconn.pipeline_sync()
    failed: PGresult | None = None
    while (result := pgconn.get_result()) is None or result.status != ExecStatus.PIPELINE_SYNC:
        if result is not None and result.status == ExecStatus.FATAL_ERROR:
            failed = failed or result
        if pgconn.status != ConnStatus.OK:  # nothing more comes
            break
    else:
        pgconn.exit_pipeline_mode()
    if failed is not None:
        _sound(failed)
    if pgconn.status != ConnStatus.OK:
        raise psycopg.OperationalError("the connection was lost")


def _begun(connection: Connection) -> _Session:
    """The session, in a transaction: SQLAlchemy and the driver begin one with the first statement that they see themselves."""
    if not connection.in_transaction():
        connection.begin()
    below = connection.connection
    driver: Any = below.dbapi_connection
    session: _Session | None = below.info.get("session")
    if session is None or session.driver is not driver:
        session = below.info["session"] = _Session(driver)
    if session.pgconn.transaction_status == TransactionStatus.IDLE and not session.driver.autocommit:
        _sound(session.pgconn.exec_(_BEGIN[session.driver.isolation_level]))
    return session


def _sound(result: PGresult) -> PGresult:
    """The result itself, if it is none of an error."""
    if result.status in {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}:
        return result
    raise psycopg.errors.error_from_result(result)


def _integer(value: int) -> bytes:
    return b"%d" % value  # as text: the server says what is out of its range


def _boolean(value: bool) -> bytes:
    return b"t" if value else b"f"


def _itself(value: bytes) -> bytes:
    return value


def _integers(values: Sequence[int]) -> bytes:
    return b"{%s}" % b",".join(map(_integer, values))


def _array(values: Sequence[bytes], element: int) -> bytes:
    """A one-dimensional array in the binary format: dimensions, whether there are nulls, type, length, lower bound; elements."""
    head = b"".join(number.to_bytes(4, "big") for number in (1, 0, element, len(values), 1))
    return head + b"".join(part for value in values for part in (len(value).to_bytes(4, "big"), value))


def _byte_strings(values: Sequence[bytes]) -> bytes:
    return _array(values, _BYTEA)


def _texts(values: Sequence[str]) -> bytes:
    return _array([value.encode() for value in values], _VARCHAR)


# Types by their numbers, see the server's table pg_type. Text goes in the binary format, lest it end at its first NUL.
_BYTEA, _VARCHAR = 17, 1043
_CODINGS: dict[int, tuple[Callable[[Any], Any], Format]] = {
    16: (_boolean, Format.TEXT),
    _BYTEA: (_itself, Format.BINARY),
    **dict.fromkeys((20, 21, 23), (_integer, Format.TEXT)),  # bigint, smallint, integer
    **dict.fromkeys((25, _VARCHAR), (str.encode, Format.BINARY)),  # text, varchar
    **dict.fromkeys((1016, 1005, 1007), (_integers, Format.TEXT)),
    1001: (_byte_strings, Format.BINARY),
    1015: (_texts, Format.BINARY),
}
