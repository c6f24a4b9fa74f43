"""SQLite's writer: one thread that commits the waiting operations together.

A durable commit costs a flush of the disk, so whatever waits when one has ended goes into the next transaction, and is answered
after the one COMMIT. An operation that fails before it has changed anything fails alone. If one fails later, the group is rolled
back and run again, each operation in a savepoint of its own: a savepoint copies every page that changes, and hardly ever is it
needed. But SQLite gives up the whole transaction at some errors (a full disk, an I/O error), released savepoints included; and
COMMIT itself may fail. Then nothing of the group has happened, and each member is run again alone, so that only those fail that
must.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from rookery_core.errors import ResourceExhausted, RookeryError
from rookery_server.store.calls import Answers, Call, Inbox
from rookery_server.store.sqlite import driver_connection, open_engine, translated
from rookery_server.store.units import Transaction, tell
from rookery_server.store.wal import WalKeeper

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from rookery_server.store.sqlite_readers import Gate
    from rookery_server.store.units import Notifier

    _Runner = Callable[[Connection, Call[Transaction]], dict[bytes, int]]

GROUP_LIMIT = 256
_STILL_SECONDS = 0.005
"""For how long the event loops hold still at most while a group's statements run."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


class _GroupLostError(Exception):
    """The group's transaction is gone, and with it what its members had done."""


class _HalfDoneError(Exception):
    """A member failed, and what it did before can not be undone without the rest."""


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
        return await self._inbox.call_with_others(work)

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
            with connection.begin(), _held_still((call,)):
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
        try:
            return self._in_one_transaction(calls, _run_member)
        except _HalfDoneError:
            return self._in_one_transaction(calls, _run_guarded)

    def _in_one_transaction(self, calls: Sequence[Call[Transaction]], run: _Runner) -> dict[bytes, int]:
        """``_together``, each member run by ``run``; ``_HalfDoneError`` if it raises that."""
        try:
            connection = self._open()
            begun = connection.begin()
        except (DBAPIError, sqlite3.Error) as error:
            self._reset()
            for call in calls:
                call.error = _meaning(error)
            return {}
        announced: dict[bytes, int] = {}
        try:
            with begun, _held_still(calls):
                for call in calls:
                    for mailbox_uid, revision in run(connection, call).items():
                        announced[mailbox_uid] = max(revision, announced.get(mailbox_uid, 0))
        except _HalfDoneError:
            raise
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


@contextlib.contextmanager
def _held_still(calls: Sequence[Call[Transaction]]) -> Iterator[None]:
    """Holds the calls' event loops still while their statements run, though not for longer than ``_STILL_SECONDS``.

    SQLite's driver lets go of Python's lock several times in each statement. A loop that is busy takes it each time, and the writer
    waits for it each time: its work takes three times as long. The commit, which waits for the disk, is outside.
    """
    over = threading.Event()
    for loop in {call.loop for call in calls}:
        with contextlib.suppress(RuntimeError):  # it is closed
            loop.call_soon_threadsafe(over.wait, _STILL_SECONDS)
    try:
        yield
    finally:
        over.set()


def _run_member(connection: Connection, call: Call[Transaction]) -> dict[bytes, int]:
    """Runs one operation of a group; gives what to announce. ``_HalfDoneError`` if it fails and has changed something before."""
    transaction = Transaction(connection)
    below = driver_connection(connection)
    before = below.total_changes
    call.result = call.error = None
    try:
        call.result = call.work(transaction)
    except BaseException as error:
        _require_standing(connection, error)
        if not isinstance(error, RookeryError) or below.total_changes != before:
            raise _HalfDoneError from error
        call.error = error
        return {}
    _require_standing(connection, None)
    return transaction.announced


def _run_guarded(connection: Connection, call: Call[Transaction]) -> dict[bytes, int]:
    """``_run_member`` in a savepoint, which undoes whatever it did if it fails."""
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
