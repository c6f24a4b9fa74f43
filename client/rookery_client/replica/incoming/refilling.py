"""A fill over what is there already: for another scope, or because the cursor was lost.

The server says what the replica shall have, and nothing of what it has too much. So what is there when the fill begins is written
down, what the fill mentions is crossed off, and the rest is dropped at its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_client.replica.storage import facts

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable


def begin(connection: sqlite3.Connection) -> None:
    """Forgets the cursor; the next batch begins a new fill."""
    facts.forget(connection, facts.CURSOR)
    facts.put(connection, {facts.REFILLING: 1, facts.DONE: 0, facts.TOTAL: 0})
    connection.execute("INSERT OR IGNORE INTO item_unseen (id) SELECT id FROM item")


def mention(connection: sqlite3.Connection, item_ids: Iterable[bytes]) -> None:
    """Crosses items off."""
    if facts.number(connection, facts.REFILLING):
        connection.executemany("DELETE FROM item_unseen WHERE id = ?", [(item_id,) for item_id in item_ids])


def finish(connection: sqlite3.Connection) -> list[bytes]:
    """The items that were not mentioned, and are to be dropped, if a fill over an older one ends here."""
    if not facts.number(connection, facts.REFILLING):
        return []
    unseen = [row[0] for row in connection.execute("SELECT id FROM item_unseen")]
    connection.execute("DELETE FROM item_unseen")
    facts.forget(connection, facts.REFILLING)
    return unseen
