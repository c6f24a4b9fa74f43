"""SQLite's writer: one thread that commits the waiting operations together.

A durable commit costs a flush of the disk, so whatever waits when one has ended goes into the next transaction: each operation
in a savepoint of its own, all answered after the one COMMIT. An operation that fails is rolled back to its savepoint and fails
alone. But SQLite gives up the whole transaction at some errors (a full disk, an I/O error), released savepoints included; and
COMMIT itself may fail. Then nothing of the group has happened, and each member is run again alone, so that only those fail that
must.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from rookery_core.errors import ResourceExhausted
from rookery_server.store.calls import Answers, Call, Inbox
from rookery_server.store.sqlite import driver_connection, open_engine, translated
from rookery_server.store.units import Transaction, tell
from rookery_server.store.wal import WalKeeper

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from rookery_server.store.sqlite_readers import Gate
    from rookery_server.store.units import Notifier

GROUP_LIMIT = 256

T = TypeVar("T")
_log = logging.getLogger(__name__)


class _GroupLostError(Exception):
    """The group's transaction is gone, and with it what its members had done."""


class GroupCommit:
    """Runs writes in the order in which they came. See ``Database.write`` for what it promises."""

    def __init__(self, path: pathlib.Path, notifier: Notifier, gate: Gate) -> None:
        self._engine = open_engine(path, "write")
        self._notifier = notifier
        self._keeper = WalKeeper(path, gate)
        self._inbox: Inbox[Transaction] = Inbox()
        self._answers = Answers()
        self._connection: Connection | None = None  # the thread's own
        self._thread = threading.Thread(target=self._serve, name="rookery-writer", daemon=True)
        self._thread.start()

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """What the work gives, once it is committed."""
        return await self._inbox.call(work)

    def refuse(self) -> None:
        """Takes no more writes."""
        self._inbox.close(1)

    def join(self) -> None:
        """Blocks until the writes that were accepted are committed, and the connection is closed."""
        self._thread.join()

    def _serve(self) -> None:
        ended = False
        while not ended and (first := self._inbox.next()) is not None:
            others, ended = self._inbox.waiting(GROUP_LIMIT - 1)
            self._commit([call for call in (first, *others) if not call.future.cancelled()])
            del first, others  # what was answered is not to be held until more comes
        if self._connection is not None:
            self._connection.close()

    def _commit(self, calls: Sequence[Call[Transaction]]) -> None:
        if len(calls) > 1:
            try:
                announced = self._together(calls)
            except _GroupLostError as lost:
                _log.warning("a transaction of %d operations was lost, each is run again alone: %s", len(calls), _said(lost))
            else:
                tell(self._notifier, announced)
                self._answers.deliver(calls)
                calls = ()
        for call in calls:
            tell(self._notifier, self._alone(call))
            self._answers.deliver((call,))
        if self._connection is not None:
            self._keeper.keep(driver_connection(self._connection))

    def _alone(self, call: Call[Transaction]) -> dict[bytes, int]:
        """Runs one operation in its own transaction; gives what to announce."""
        call.result = call.error = None
        try:
            connection = self._open()
            transaction = Transaction(connection)
            with connection.begin():
                call.result = call.work(transaction)
                _require_standing(connection, None)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the caller's
            call.error = _meaning(error)
            if isinstance(call.error, ResourceExhausted) and call.error.reason == "DATABASE_FULL":
                self._keeper.make_room()
            self._reset()
            return {}
        return transaction.announced

    def _together(self, calls: Sequence[Call[Transaction]]) -> dict[bytes, int]:
        """Runs a group in one transaction; gives what to announce. ``_GroupLostError``: nothing of it has happened.

        Where not even a transaction can be begun (another program holds the lock), all members get that error at once: each alone
        would wait as long again.
        """
        announced: dict[bytes, int] = {}
        try:
            connection = self._open()
            begun = connection.begin()
        except (DBAPIError, sqlite3.Error) as error:
            self._reset()
            for call in calls:
                call.error = _meaning(error)
            return announced
        try:
            with begun:
                for call in calls:
                    for mailbox_uid, revision in _run_member(connection, call).items():
                        announced[mailbox_uid] = max(revision, announced.get(mailbox_uid, 0))
        except BaseException as error:
            self._reset()
            raise _GroupLostError from error
        return announced

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _reset(self) -> None:
        """Leaves the connection outside of any transaction, ready for the next; or drops it where that fails."""
        connection = self._connection
        if connection is None:
            return
        try:
            connection.rollback()
            below = driver_connection(connection)
            if below.in_transaction:  # after a COMMIT that failed
                below.rollback()
            below.execute("PRAGMA query_only = OFF")
        except (SQLAlchemyError, sqlite3.Error):
            _log.exception("the writer's connection is opened anew")
            self._connection = None
            connection.invalidate()
            connection.close()


def _run_member(connection: Connection, call: Call[Transaction]) -> dict[bytes, int]:
    """Runs one operation of a group; gives what to announce."""
    transaction = Transaction(connection)
    below = driver_connection(connection)
    below.execute("SAVEPOINT member")
    call.result = call.error = None
    try:
        call.result = call.work(transaction)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the caller's, unless the transaction went with it
        _require_standing(connection, error)
        call.error = _meaning(error)
        transaction.announced.clear()
        below.execute("ROLLBACK TO member")
    _require_standing(connection, None)
    below.execute("RELEASE member")
    return transaction.announced


def _require_standing(connection: Connection, error: BaseException | None) -> None:
    """Raises if SQLite has rolled the transaction back on its own, even where work has swallowed the error that did it."""
    if not driver_connection(connection).in_transaction:
        raise sqlite3.OperationalError("the transaction was rolled back at an error within it") from error


def _said(lost: _GroupLostError) -> str:
    """The engine's own words, which name columns but no values."""
    cause = lost.__cause__
    return str(cause.orig if isinstance(cause, DBAPIError) else cause)


def _meaning(error: BaseException) -> BaseException:
    if isinstance(error, (DBAPIError, sqlite3.Error)):
        return translated(error) or error
    return error
