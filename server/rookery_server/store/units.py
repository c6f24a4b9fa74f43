"""What the rest of the server sees of a database: units of work, and nothing of the engine behind them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sqlalchemy import Connection

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Notifier(Protocol):
    """Where a committed change is told: the edge that wakes the streams waiting on a mailbox."""

    def publish(self, mailbox_uid: bytes, revision: int) -> None:
        """Mailbox ``mailbox_uid`` has reached ``revision``.

        Called from the store's threads, several at once on PostgreSQL: it must be quick, safe to share between threads, and not
        raise. Revisions of one mailbox may arrive out of order there: keep the greatest.
        """
        ...

    def relay(self, mailbox_uid: bytes, revision: int) -> None:
        """``publish`` for what another process on the same database has committed. Only on PostgreSQL are there others."""
        ...

    def relay_gap(self) -> None:
        """Other processes may have committed what nobody heard of here: whoever waits for a mailbox has to look at it again."""
        ...

    def relay_ring(self, domains: Collection[str]) -> None:
        """Another process has something for the queue's workers to do (``Database.ring``)."""
        ...


class Transaction:
    """Handed to the work of ``Database.write``: the connection, and what is to be told once the work is durable."""

    __slots__ = ("announced", "connection")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.announced: dict[bytes, int] = {}

    def announce(self, mailbox_uid: bytes, revision: int) -> None:
        """Has the notifier told that the mailbox is at ``revision``: after the commit, and never if there is none."""
        self.announced[mailbox_uid] = max(revision, self.announced.get(mailbox_uid, 0))


def tell(notifier: Notifier, announced: dict[bytes, int]) -> None:
    """Publishes what was announced. A notifier that raises does not undo a commit: it is logged."""
    for mailbox_uid, revision in announced.items():
        try:
            notifier.publish(mailbox_uid, revision)
        except Exception:  # noqa: BLE001 - code of others, and the commit stands
            _log.exception("a change could not be announced")


class Database(Protocol):
    """One SQL database. Work is synchronous code, run in a thread: SQL and rules only, no network, no clock, no awaiting.

    Errors that are the database's own become ``ResourceExhausted`` ``DATABASE_FULL`` (no room left), ``Unavailable``
    ``DATABASE_BUSY`` (locked, lost or failing: the same operation may be tried again) and ``DataLoss`` ``CONTENT_DAMAGED`` (the
    file is malformed). What work raises itself reaches the caller as it is, and so do violated constraints.
    """

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]:
        """Which SQL is spoken."""
        ...

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Gives what ``work`` gives. It sees one snapshot, can not write, and must have fetched all it needs when it returns.

        Work may run more than once (PostgreSQL: after the loss of a connection).
        """
        ...

    async def peek(self, work: Callable[[Connection], T]) -> T:
        """``read``, for work that is brief for certain: some rows by their keys, and no more than a page of bytes.

        On SQLite it runs where it is called, in the event loop's own thread: under load, handing so little work to another thread
        and back costs twice the work itself.
        """
        ...

    async def glance(self, work: Callable[[Connection], T]) -> T:
        """``peek``, for work that is one statement at most: there is no transaction around it, on PostgreSQL two trips of three."""
        ...

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Gives what ``work`` gives, once everything it wrote is committed and on disk; if it raises, nothing of it stays.

        Work must be repeatable, for it may run more than once: after another member of its group broke the transaction, after a
        deadlock, and after a COMMIT whose outcome nobody knows. So it begins with reading the ledger of operations, and ids,
        times and everything else that would differ come from outside. A caller that is cancelled meanwhile does not take the
        work back: it may still commit.
        """
        ...

    def ring(self, domains: Collection[str] = ()) -> None:
        """Has the other processes told, within moments, that there is something new in the queue of outgoing mail.

        ``domains`` are to be tried at once, even if their hosts do not answer. For what is committed. It may get lost: workers look
        by themselves once in a while. SQLite has no other processes.
        """
        ...

    async def close(self) -> None:
        """Finishes what was accepted; meanwhile and afterwards refuses new work: ``Unavailable`` ``SERVER_STOPPING``."""
        ...
