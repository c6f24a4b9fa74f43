"""A fill over what is there already: for another scope, or because the cursor was lost.

The server says what the replica shall have, and nothing of what it has too much. So what is there when the fill begins is written
down, what the fill mentions is crossed off, and the rest is dropped at its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.sync_pb2 import SyncScope
from rookery_client.replica.storage import facts

if TYPE_CHECKING:
    import sqlite3

    from rookery.internal.v1.packed_pb2 import PackedPullResponse

_ITEMS = "SELECT item.id, folder_id, kind FROM item_unseen AS unseen CROSS JOIN item ON item.id = unseen.id"
_FOLDERS = "SELECT id FROM folder WHERE id IN (SELECT id FROM folder_unseen)"


class Unseen(NamedTuple):
    """What a fill did not mention."""

    deleted: dict[bytes, bytes]
    """Items, with their folders, that the scope would take: they are not in the mailbox any more."""
    outside: list[bytes]
    """Items that the scope does not take."""
    folders: list[bytes]


_NOTHING = Unseen({}, [], [])


def begin(connection: sqlite3.Connection) -> None:
    """Forgets the cursor; the next batch begins a new fill."""
    facts.forget(connection, facts.CURSOR)
    facts.put(connection, {facts.REFILLING: 1, facts.DONE: 0, facts.TOTAL: 0})
    for table in ("item", "folder"):
        connection.execute(f"INSERT OR IGNORE INTO {table}_unseen (id) SELECT id FROM {table}")


def mention(connection: sqlite3.Connection, batch: PackedPullResponse) -> None:
    """Crosses off what a batch brings."""
    if (batch.items or batch.folders) and facts.number(connection, facts.REFILLING):
        connection.executemany("DELETE FROM item_unseen WHERE id = ?", [(entry.item.id,) for entry in batch.items])
        connection.executemany("DELETE FROM folder_unseen WHERE id = ?", [(folder.id,) for folder in batch.folders])


def finish(connection: sqlite3.Connection) -> Unseen:
    """What was not mentioned, and is to be dropped, if a fill over an older one ends here."""
    if not facts.number(connection, facts.REFILLING):
        return _NOTHING
    scope = SyncScope.FromString(facts.data(connection, facts.SCOPE))
    folder_ids, kinds = frozenset(scope.folder_ids), frozenset(scope.kinds)
    unseen = Unseen({}, [], [row[0] for row in connection.execute(_FOLDERS)])
    for item_id, folder_id, kind in connection.execute(_ITEMS):
        if (not folder_ids or folder_id in folder_ids) and (not kinds or kind in kinds):
            unseen.deleted[item_id] = folder_id
        else:
            unseen.outside.append(item_id)
    facts.forget(connection, facts.REFILLING)
    for table in ("item", "folder"):
        connection.execute(f"DELETE FROM {table}_unseen")
    return unseen
