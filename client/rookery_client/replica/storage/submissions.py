"""Rows of ``submission``: what became of the mail that was sent, as the server has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.submission_pb2 import (
    DELIVERY_STATE_DEFERRED,
    DELIVERY_STATE_QUEUED,
    SUBMISSION_STATE_CANCELLED,
    SUBMISSION_STATE_HELD,
    SUBMISSION_STATE_PENDING,
    Submission,
)
from rookery_client.replica.storage import operations

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

KEPT_MICROS = 30 * 86_400_000_000
"""For how long a submission is kept, and listed, that is finished."""
NEVER = (1 << 63) - 1
"""A time after all others."""
UNDECIDED = frozenset({SUBMISSION_STATE_HELD, SUBMISSION_STATE_PENDING})
"""Of submissions that can be called back."""
_OPEN = frozenset({DELIVERY_STATE_QUEUED, DELIVERY_STATE_DEFERRED})

_PUT = """INSERT INTO submission (id, item_id, revision, submitted, unfinished, record) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET item_id = excluded.item_id, revision = excluded.revision, submitted = excluded.submitted,
        unfinished = excluded.unfinished, record = excluded.record
    WHERE excluded.revision > revision"""

_OLD = "submission WHERE NOT unfinished AND submitted < ?"


class Wanted(NamedTuple):
    """Which submissions a list has: newest first, behind a place (time and id), so many."""

    item_id: bytes
    """Those of this item; of all where empty."""
    since: int
    """Finished ones, too, that were submitted since then, in microseconds; ``NEVER`` for none of them."""
    after: tuple[int, bytes] | None
    limit: int

    def takes(self, record: Submission) -> bool:
        """Whether a record is among them, however many those are."""
        listed = is_unfinished(record) or record.submitted.ToMicroseconds() >= self.since
        behind = self.after is None or place_of(record) < self.after
        return listed and behind and self.item_id in {b"", record.item_id}


def put(connection: sqlite3.Connection, records: Iterable[Submission]) -> int:
    """Inserts or replaces those that are newer than what is held; gives how many."""
    rows = [
        (each.id, each.item_id, each.revision, place_of(each)[0], is_unfinished(each), each.SerializeToString()) for each in records
    ]
    return connection.executemany(_PUT, rows).rowcount if rows else 0


def find(connection: sqlite3.Connection, submission_id: bytes) -> Submission | None:
    """One of them."""
    row = connection.execute("SELECT record FROM submission WHERE id = ?", (submission_id,)).fetchone()
    return None if row is None else Submission.FromString(row[0])


def untouched(connection: sqlite3.Connection, wanted: Wanted) -> list[Submission]:
    """Those wanted that no operation lies over."""
    conditions = ["(unfinished OR submitted >= ?)", f"id NOT IN ({operations.LIVE_SUBMISSIONS})"]
    values: list[object] = [wanted.since]
    if wanted.item_id:
        conditions.append("item_id = ?")
        values.append(wanted.item_id)
    if wanted.after is not None:
        conditions.append("(submitted, id) < (?, ?)")
        values += wanted.after
    statement = f"SELECT record FROM submission WHERE {' AND '.join(conditions)} ORDER BY submitted DESC, id DESC LIMIT ?"
    return [Submission.FromString(row[0]) for row in connection.execute(statement, (*values, wanted.limit))]


def has_old(connection: sqlite3.Connection, now: int) -> bool:
    """Whether ``forget_old`` would forget any."""
    return connection.execute(f"SELECT 1 FROM {_OLD} LIMIT 1", (now - KEPT_MICROS,)).fetchone() is not None


def forget_old(connection: sqlite3.Connection, now: int) -> int:
    """Forgets those that are finished and were submitted more than 30 days ago, as the server does; gives how many."""
    return connection.execute(f"DELETE FROM {_OLD}", (now - KEPT_MICROS,)).rowcount


def forget_all(connection: sqlite3.Connection) -> None:
    """Forgets all: the server is about to tell them anew."""
    connection.execute("DELETE FROM submission")


def place_of(record: Submission) -> tuple[int, bytes]:
    """Where it is in lists: by the time when it was submitted, in microseconds, and its id."""
    return int(record.submitted.ToMicroseconds()), record.id


def is_unfinished(record: Submission) -> bool:
    """Whether something is still to be done for it."""
    if record.state == SUBMISSION_STATE_CANCELLED:
        return False
    return record.state in UNDECIDED or any(recipient.state in _OPEN for recipient in record.recipients)
