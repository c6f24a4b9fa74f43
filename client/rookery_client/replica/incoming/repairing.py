"""Setting right what a comparison found.

What the server has replaces what is here, whichever is newer. What the server lacks was deleted, and goes; but what the server does
not even remember was lost when it was restored from a backup, and is offered back (``lost_items``). So are contents from after that
backup, of items that it has otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery.v1.sync_pb2 import REMOVAL_REASON_LEFT_SCOPE
from rookery_client.replica.incoming import applying, lost_items, mass_deletion, refilling
from rookery_client.replica.storage import facts, operations, rows, submissions
from rookery_client.replica.view import overlay

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from rookery.internal.v1.packed_pb2 import PackedReconcileResponse, PackedSyncItem
    from rookery.v1.folder_pb2 import Folder
    from rookery.v1.sync_pb2 import ItemRemoval
    from rookery_core.rules.ids import Ids

_PUT_FOLDER = "INSERT OR REPLACE INTO folder (id, revision, contents_revision, record) VALUES (?, ?, ?, ?)"
_NOTE_CHANGED = "INSERT OR IGNORE INTO item_changed (number) SELECT number FROM item WHERE id = ? AND content_revision <> ?"


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a response of Reconcile changed in the replica."""

    items: int = 0
    """Items that came, or were replaced."""
    removed: int = 0
    """Items that were dropped."""
    recreated: int = 0
    """Items and folders that operations create again, or bring another version of."""
    lost: int = 0
    """Items among them that could not be created again, and are kept aside."""


def repair(
    connection: sqlite3.Connection,
    response: PackedReconcileResponse,
    *,
    backup_revision: int,
    accept_deletions: bool,
    ids: Ids,
    now: int,
) -> Repaired:
    """Applies what a response tells of leaves and folders. FailedPrecondition ``MASS_DELETION``, and nothing is changed."""
    lost, deleted, left = _sorted_out(connection, response.removals)
    folders = _replace_folders(connection, response.folders, backup_revision) if response.folders else []
    versions = _lost_versions(connection, response.items, backup_revision) if backup_revision else {}
    recreated, kept = lost_items.offer_again(connection, lost, versions, folders, ids=ids, now=now)
    unasked = len(mass_deletion.unasked(connection, deleted)) + kept
    if not accept_deletions:
        mass_deletion.require_plausible(connection, mass_deletion.Dropped(unasked, 0))
    added, replaced = _replace_items(connection, response.items)
    gone = [*lost, *deleted, *left]
    removed = applying.drop_items(connection, gone)
    facts.add(connection, facts.ITEMS, added - removed)
    facts.add(connection, facts.DROPPED, unasked)
    overlay.refresh(connection, [*gone, *(entry.item.id for entry in response.items)], folders=bool(response.folders))
    return Repaired(replaced, removed, recreated, kept)


def finish(connection: sqlite3.Connection, cursor: str, epoch: bytes, revision: int) -> None:
    """The replica is equal to the mailbox but for what the cursor brings, all submissions among it.

    A fill over an older one begins anew.
    """
    submissions.forget_all(connection)
    about = [recorded.seq for recorded in operations.about_submissions(connection)]
    overlay.refresh(connection, operations.items_of(connection, about), folders=False)
    facts.put(
        connection,
        {facts.CURSOR: cursor, facts.EPOCH: epoch, facts.REVISION: revision, facts.DONE: 0, facts.TOTAL: 0},
    )
    if facts.number(connection, facts.REFILLING):
        # It may have been for more of each item, and that is not compared.
        refilling.begin(connection)


def _sorted_out(
    connection: sqlite3.Connection, removals: Iterable[ItemRemoval]
) -> tuple[dict[bytes, int], dict[bytes, bytes], list[bytes]]:
    """What the server lacks: lost items with their revisions, deleted items with their folders, and items that left the scope."""
    lost: dict[bytes, int] = {}
    deleted: dict[bytes, bytes] = {}
    left: list[bytes] = []
    for removal in removals:
        row = connection.execute("SELECT folder_id, revision FROM item WHERE id = ?", (removal.item_id,)).fetchone()
        if row is None:
            continue
        if removal.reason == REMOVAL_REASON_LEFT_SCOPE:
            left.append(removal.item_id)
        elif removal.revision:
            deleted[removal.item_id] = row[0]
        elif lost_items.comes_again(connection, removal.item_id, row[1]):
            left.append(removal.item_id)  # the operation that made it is pushed again, and lies over it
        else:
            lost[removal.item_id] = row[1]
    return lost, deleted, left


def _lost_versions(connection: sqlite3.Connection, entries: Iterable[PackedSyncItem], backup_revision: int) -> dict[bytes, int]:
    """Of the items that come, those whose content was changed after the backup, as they are here: with their revisions here."""
    found: dict[bytes, int] = {}
    for entry in entries:
        row = connection.execute("SELECT revision, content_revision FROM item WHERE id = ?", (entry.item.id,)).fetchone()
        if row is None or row[1] <= backup_revision or row[1] == entry.item.content_revision:
            continue
        if not lost_items.comes_again(connection, entry.item.id, row[0]):
            found[entry.item.id] = row[0]
    return found


def _replace_items(connection: sqlite3.Connection, entries: Sequence[PackedSyncItem]) -> tuple[int, int]:
    """Puts items over whatever is there; gives how many are new, and how many there are."""
    items = list(rows.item_rows(entries))
    versions = [(row[0], row[4]) for row in items]
    added = rows.insert_items(connection, items)
    connection.executemany(_NOTE_CHANGED, versions)
    connection.executemany("DELETE FROM content WHERE item_id = ? AND content_revision <> ?", versions)
    connection.executemany("DELETE FROM attachment WHERE item_id = ? AND content_revision <> ?", versions)
    connection.executemany(f"{rows.UPDATE_ITEM} WHERE id = ?", [(*row[1:], row[0]) for row in items])
    connection.executemany(rows.PUT_CONTENT, rows.content_rows(entries))
    return added, len(items)


def _replace_folders(connection: sqlite3.Connection, folders: Iterable[Folder], backup_revision: int) -> list[Folder]:
    """Makes the folders those of the server; gives those that were lost and are to be created again, parents first."""
    listed = {folder.id: folder for folder in folders}
    lost = [each for each in overlay.server_folders(connection).parents_first() if each.id not in listed]
    connection.execute("DELETE FROM folder")
    connection.executemany(
        _PUT_FOLDER,
        [(each.id, each.revision, each.contents_revision, each.SerializeToString()) for each in listed.values()],
    )
    again = [each for each in lost if each.revision > backup_revision > 0]
    return [each for each in again if not lost_items.creates_folder_again(connection, each.id)]
