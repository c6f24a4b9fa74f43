"""PostgreSQL: threads with pooled connections, and the errors after which work is run again."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from rookery_core.errors import ResourceExhausted, RookeryError, Unavailable
from rookery_server.store.calls import Threads
from rookery_server.store.postgresql_notices import Notices
from rookery_server.store.postgresql_session import alone, attend
from rookery_server.store.units import Transaction, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sqlalchemy.pool import ConnectionPoolEntry

    from rookery_server.store.units import Notifier

T = TypeVar("T")

ATTEMPTS = 5
PAUSE_SECONDS = 0.02
"""Before the second attempt; doubled before each further one."""

LIMITS = {
    "lock_timeout": "10s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "application_name": "rookery",
}
"""Settings of each session, so that nothing waits for ever and an abandoned transaction frees its locks."""

_NOTICES = {
    "application_name": "rookery-notices",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""Of the connection that mostly listens: a server that vanished without a word is missed within a minute."""

_CONFLICTS = {"40001", "40P01"}  # serialization failure, deadlock: run again
_ENDING = {"57P01", "57P02", "57P03", "57P05", "25P03"}  # the server or the session was shut down


def open_engine(url: URL, pool_size: int, **options: Any) -> Engine:
    """An engine whose sessions are limited by ``LIMITS``. ``url`` is any postgresql URL; psycopg 3 is the driver."""
    engine = create_engine(
        _limited(url),
        pool_size=pool_size,
        max_overflow=0,
        hide_parameters=True,  # errors are logged, people's mail is not
        connect_args={"prepare_threshold": None},  # see ``prepared``
        **options,
    )
    event.listen(engine, "connect", _require_durable_commits)
    attend(engine)
    return engine


def _limited(url: URL) -> URL:
    settings = " ".join(f"-c {name}={value}" for name, value in LIMITS.items())
    given = url.query.get("options", "")
    return url.set(drivername="postgresql+psycopg").update_query_dict({"options": f"{settings} {given}".strip()})


def _connect_for_notices(url: URL) -> psycopg.Connection[Any]:
    own = _limited(url).update_query_dict({name: value for name, value in _NOTICES.items() if name not in url.query})
    positional, named = own.get_dialect()().create_connect_args(own)
    return psycopg.connect(*positional, **named, autocommit=True)


def _require_durable_commits(connection: psycopg.Connection[Any], _record: object) -> None:
    """Acknowledged means durable: a server set to asynchronous commits is overruled; stronger settings stay."""
    connection.execute("SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")
    connection.commit()


class PostgresqlDatabase:
    """``Database`` on PostgreSQL. Reads are REPEATABLE READ and read only, writes READ COMMITTED.

    What is committed here is told to the other processes on this database, and what they commit to the notifier here.
    """

    def __init__(self, url: URL, *, notifier: Notifier, readers: int, writers: int) -> None:
        self._notifier = notifier
        self._read_engine = open_engine(url, readers, isolation_level="REPEATABLE READ")
        event.listen(self._read_engine, "connect", _make_read_only)
        self._write_engine = open_engine(url, writers, isolation_level="READ COMMITTED")
        self._readers: Threads[Connection] = Threads("rookery-reader", readers, lambda: (self._read, _nothing))
        self._writers: Threads[Transaction] = Threads("rookery-writer", writers, lambda: (self._write, _nothing))
        self._notices = Notices(partial(_connect_for_notices, url), notifier)

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        """Which SQL is spoken."""
        return "postgresql"

    async def read(self, work: Callable[[Connection], T]) -> T:
        """See ``Database.read``."""
        return await self._readers.call(work)

    async def peek(self, work: Callable[[Connection], T]) -> T:
        """See ``Database.peek``: the network takes longer than a thread does, so it is a ``read``."""
        return await self.read(work)

    async def glance(self, work: Callable[[Connection], T]) -> T:
        """See ``Database.glance``."""
        return await self._readers.call(lambda connection: alone(connection, work))

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """See ``Database.write``.

        A connection that is lost during COMMIT leaves its outcome unknown. Work is run again then too: it begins with
        reading the ledger of operations, where it finds its own result if that COMMIT had landed.
        """
        return await self._writers.call(work)

    def ring(self, domains: Collection[str] = ()) -> None:
        """See ``Database.ring``."""
        self._notices.ring(domains)

    async def close(self) -> None:
        """See ``Database.close``."""
        self._readers.refuse()
        self._writers.refuse()
        await asyncio.gather(asyncio.to_thread(self._readers.join), asyncio.to_thread(self._writers.join))
        await asyncio.to_thread(self._notices.close)
        self._read_engine.dispose()
        self._write_engine.dispose()

    def _read(self, work: Callable[[Connection], Any]) -> Any:
        def once() -> Any:
            with self._read_engine.connect() as connection:
                return work(connection)

        return _persistently(once)

    def _write(self, work: Callable[[Transaction], Any]) -> Any:
        def once() -> tuple[Any, dict[bytes, int]]:
            with self._write_engine.begin() as connection:
                transaction = Transaction(connection)
                return work(transaction), transaction.announced

        result, announced = _persistently(once)
        tell(self._notifier, announced)
        self._notices.announce(announced)
        return result


def _make_read_only(connection: psycopg.Connection[Any], record: ConnectionPoolEntry) -> None:
    connection.execute("SET default_transaction_read_only = on")
    connection.commit()
    record.info["session"].at_once = True


def _nothing() -> None:
    """The pool closes the connections, not the threads."""


def _persistently(once: Callable[[], T]) -> T:
    """Runs ``once``, again after conflicts and lost connections, and gives errors of the server their meaning."""
    for attempt in range(ATTEMPTS):
        try:
            return once()
        except DBAPIError as error:
            if not _passing(error):
                raise translated(error) or error from error
            if attempt == ATTEMPTS - 1:
                raise Unavailable("DATABASE_BUSY", "The database does not answer: try again.") from error
        time.sleep(PAUSE_SECONDS * 2**attempt)
    raise AssertionError  # the last attempt has returned or raised


def _passing(error: DBAPIError) -> bool:
    """Whether the same work may succeed a moment later: a conflict with another transaction, or a lost connection."""
    state = _state(error)
    if state is None:
        return error.connection_invalidated or isinstance(error.orig, psycopg.OperationalError)
    return error.connection_invalidated or state in _CONFLICTS or state in _ENDING or state.startswith("08")


def translated(error: DBAPIError) -> RookeryError | None:
    """What an error of the server itself means to a caller; None for all others (constraints, faulty statements)."""
    state = _state(error) or ""
    if state == "53100":
        return ResourceExhausted("DATABASE_FULL", "The database's disk is full: nothing was changed.")
    if state in {"55P03", "57014"}:  # lock_timeout, statement_timeout
        return Unavailable("DATABASE_BUSY", "The database is too busy to answer in time: try again.")
    if state[:2] in {"53", "57", "58"}:  # resources, intervention, system errors
        return Unavailable("DATABASE_BUSY", "The database can not do this now: try again.")
    return None


def _state(error: DBAPIError) -> str | None:
    """The SQLSTATE, where the server gave one."""
    return error.orig.sqlstate if isinstance(error.orig, psycopg.Error) else None
