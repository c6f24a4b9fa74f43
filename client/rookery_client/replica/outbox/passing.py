"""Operations that have come back: the replica has seen what became of them, so they need not lie over it any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery_client.replica.storage import operations, schema

if TYPE_CHECKING:
    import sqlite3

KEPT_MICROS = 14 * 86_400_000_000
"""How long an answered operation is kept, in case the server is restored from a backup that is older than it."""
_FORGOTTEN_AT_ONCE = 100


class Passed(NamedTuple):
    """What is to be computed anew."""

    item_ids: set[bytes]
    folders: bool


def pass_up_to(connection: sqlite3.Connection, revision: int) -> Passed:
    """Passes what was answered with a revision up to this one, at which the replica equals the mailbox."""
    chosen = (schema.ANSWERED, revision)
    seqs = [row[0] for row in connection.execute("SELECT seq FROM operation WHERE status = ? AND revision <= ?", chosen)]
    connection.executemany("UPDATE operation SET status = ? WHERE seq = ?", [(schema.PASSED, seq) for seq in seqs])
    return Passed(operations.items_of(connection, seqs), operations.changes_folders(connection, seqs))


def forget_old(connection: sqlite3.Connection, now: int) -> None:
    """Forgets some of those that were answered more than 14 days ago. To be called now and then."""
    oldest = connection.execute(
        "SELECT seq, answered FROM operation WHERE status = ? ORDER BY seq LIMIT ?", (schema.PASSED, _FORGOTTEN_AT_ONCE)
    ).fetchall()
    for seq, answered in oldest:
        if answered < now - KEPT_MICROS:
            operations.remove(connection, seq)
