"""What Reconcile compares: digests over ranges of the items that the server has sent. Local edits are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.rules.digests import RangeDigest

if TYPE_CHECKING:
    import sqlite3

_END = b"\xff" * 17
"""Greater than every id."""
_IN_RANGE = "FROM item WHERE id > ? AND id <= ?"


def bounds(connection: sqlite3.Connection, parts: int, after: bytes, through: bytes) -> list[tuple[bytes, bytes]]:
    """Cuts a range of ids into at most so many, with about as many items each: (after, through) that follow on each other."""
    count = connection.execute(f"SELECT count(*) {_IN_RANGE}", (after, through or _END)).fetchone()[0]
    step = max(1, -(-count // parts))
    cuts: list[bytes] = []
    at = after
    while len(cuts) < parts - 1:
        row = connection.execute(f"SELECT id {_IN_RANGE} ORDER BY id LIMIT 1 OFFSET ?", (at, through or _END, step - 1)).fetchone()
        if row is None or row[0] == through:
            break
        at = row[0]
        cuts.append(at)
    return list(zip([after, *cuts], [*cuts, through], strict=True))


def digest(connection: sqlite3.Connection, after: bytes, through: bytes) -> tuple[int, bytes]:
    """How many items the range has, and SHA-256 over their ids and revisions (rookery.v1.ReconcileRange)."""
    found = RangeDigest()
    found.add(_rows(connection, after, through))
    return found.count, found.digest()


def entries(connection: sqlite3.Connection, after: bytes, through: bytes) -> list[tuple[bytes, int]]:
    """The items of a range with their revisions, by id."""
    return list(_rows(connection, after, through))


def _rows(connection: sqlite3.Connection, after: bytes, through: bytes) -> sqlite3.Cursor:
    return connection.execute(f"SELECT id, revision {_IN_RANGE} ORDER BY id", (after, through or _END))
