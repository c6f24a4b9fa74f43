"""Applying a batch of Pull: rows, the local view over them, the cursor, all in the caller's transaction.

An entry that is not newer than what is held changes nothing, so that batches may come twice and overlap. Nothing is decoded but
states, and those once each.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery_client.replica.incoming import mass_deletion, refilling, windowing
from rookery_client.replica.outbox import passing
from rookery_client.replica.storage import facts, rows, submissions
from rookery_client.replica.view import overlay
from rookery_core.errors import FailedPrecondition

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from rookery.internal.v1.packed_pb2 import PackedItemChange, PackedPullResponse, PackedSyncItem
    from rookery.v1.folder_pb2 import Folder

_UPDATE_OLDER = f"{rows.UPDATE_ITEM} WHERE id = ? AND revision < ?"
_NOTE_CHANGED = """INSERT OR IGNORE INTO item_changed (number)
    SELECT number FROM item WHERE id = ? AND content_revision < ?"""
_NOTE_MORE = "INSERT OR IGNORE INTO item_changed (number) SELECT number FROM item WHERE id = ?"
_PUT_FOLDER = """INSERT INTO folder (id, revision, contents_revision, record) VALUES (?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, contents_revision = excluded.contents_revision,
        record = excluded.record
    WHERE max(excluded.revision, excluded.contents_revision) > max(revision, contents_revision)"""
_SET_STATE = "UPDATE item SET is_read = ?, flag_status = ?, state = ?, revision = ? WHERE id = ? AND revision < ?"
_SET_PLACE = "UPDATE item SET folder_id = ?, uid = ?, revision = ? WHERE id = ? AND revision < ?"
_SET_BOTH = """UPDATE item SET is_read = ?, flag_status = ?, state = ?, folder_id = ?, uid = ?, revision = ?
    WHERE id = ? AND revision < ?"""

_ANY = (1 << 63) - 1
"""Later than every revision."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch changed in the replica."""

    folders: int = 0
    """Folders that came, or whose record changed."""
    removed_folders: int = 0
    added: int = 0
    """Items that came."""
    changed: int = 0
    """Items whose content, marks or place changed."""
    removed: int = 0
    """Items that were dropped."""
    submissions: int = 0
    """Submissions that came, or that have changed."""
    caught_up: bool = False
    """The replica equals the mailbox now."""
    revision: int = 0
    """The mailbox's revision."""


def apply(connection: sqlite3.Connection, batch: PackedPullResponse, *, now: int, accept_deletions: bool) -> Applied:
    """Applies a batch and stores its cursor.

    FailedPrecondition ``EPOCH_CHANGED`` for a batch of another epoch, ``MASS_DELETION`` (see there).
    """
    _require_epoch(connection, batch)
    if batch.removals or batch.removed_folders:
        mass_deletion.begin(connection, now)
    dropped = mass_deletion.dropped_by(connection, batch)
    if not accept_deletions:
        mass_deletion.require_plausible(connection, dropped)
    folders = _put_folders(connection, batch.folders)
    removed_folders = _remove_folders(connection, [(removal.folder_id, removal.revision) for removal in batch.removed_folders])
    added, changed = _put_items(connection, batch.items)
    if contents := rows.content_rows(batch.items):
        connection.executemany(rows.PUT_CONTENT, contents)
        if added < len(batch.items):  # more of what was here already is here now
            connection.executemany(_NOTE_MORE, [(row[0],) for row in contents])
    changed += _change(connection, batch.changes)
    sent = submissions.put(connection, batch.submissions)
    removed = _remove_items(connection, [(removal.item_id, removal.revision) for removal in batch.removals])
    others: list[bytes] = []
    tree = False
    refilling.mention(connection, batch)
    if batch.caught_up:
        passed = passing.pass_up_to(connection, batch.revision)
        passing.forget_old(connection, now)
        outside = windowing.outside(connection)
        removed += drop_items(connection, outside)
        unseen = refilling.finish(connection)
        mass_deletion.forget_held(connection, len(outside) + len(unseen.outside))
        dropped = mass_deletion.with_unseen(connection, dropped, unseen, accept_deletions=accept_deletions)
        removed += drop_items(connection, [*unseen.deleted, *unseen.outside])
        removed_folders += _remove_folders(connection, [(folder_id, _ANY) for folder_id in unseen.folders])
        others = [*outside, *unseen.deleted, *unseen.outside, *passed.item_ids]
        tree = passed.folders
    facts.add(connection, facts.ITEMS, added - removed)
    tree = bool(tree or folders or removed_folders)
    overlay.refresh(connection, itertools.chain(_mentioned(batch), others), folders=tree)
    _store_position(connection, batch, now)
    mass_deletion.count(connection, dropped, caught_up=batch.caught_up, accepted=accept_deletions, now=now)
    return Applied(folders, removed_folders, added, changed, removed, sent, batch.caught_up, batch.revision)


def _put_folders(connection: sqlite3.Connection, folders: Iterable[Folder]) -> int:
    """Inserts or replaces folders that are newer than what is held; gives how many."""
    records = [(folder.id, folder.revision, folder.contents_revision, folder.SerializeToString()) for folder in folders]
    return connection.executemany(_PUT_FOLDER, records).rowcount if records else 0


def _remove_items(connection: sqlite3.Connection, removals: Sequence[tuple[bytes, int]]) -> int:
    """Drops items (id, revision of the removal) that are older than that, with what is kept of them; gives how many."""
    count = 0
    for item_id, revision in removals:
        if connection.execute("DELETE FROM item WHERE id = ? AND revision < ?", (item_id, revision)).rowcount:
            _forget_contents(connection, item_id)
            count += 1
    return count


def drop_items(connection: sqlite3.Connection, item_ids: Iterable[bytes]) -> int:
    """Drops items, however new, with what is kept of them; gives how many."""
    return _remove_items(connection, [(item_id, _ANY) for item_id in item_ids])


def _forget_contents(connection: sqlite3.Connection, item_id: bytes) -> None:
    """Drops the content and the attachments that are kept of an item."""
    connection.execute("DELETE FROM content WHERE item_id = ?", (item_id,))
    connection.execute("DELETE FROM attachment WHERE item_id = ?", (item_id,))


def _require_epoch(connection: sqlite3.Connection, batch: PackedPullResponse) -> None:
    known = facts.data(connection, facts.EPOCH)
    if known and batch.epoch != known:
        raise FailedPrecondition("EPOCH_CHANGED", "the mailbox was restored from a backup: the replica has to be compared with it")


def _remove_folders(connection: sqlite3.Connection, removals: Sequence[tuple[bytes, int]]) -> int:
    """Drops folders (id, revision of the removal) that are older than that; gives how many.

    Items in them are hidden, until each goes by a removal of its own or comes elsewhere by a move.
    """
    if not removals:
        return 0
    return connection.executemany("DELETE FROM folder WHERE id = ? AND max(revision, contents_revision) < ?", removals).rowcount


def _put_items(connection: sqlite3.Connection, entries: Sequence[PackedSyncItem]) -> tuple[int, int]:
    """Inserts or replaces items that are newer than what is held; gives how many are new, and how many changed."""
    added = rows.insert_items(connection, rows.item_rows(entries))
    if added == len(entries):  # a first fill: nothing was there
        return added, 0
    items = list(rows.item_rows(entries))
    connection.executemany(_NOTE_CHANGED, [(row[0], row[4]) for row in items])
    return added, connection.executemany(_UPDATE_OLDER, [(*row[1:], row[0], row[3]) for row in items]).rowcount


def _change(connection: sqlite3.Connection, changes: Iterable[PackedItemChange]) -> int:
    """Marks and moves items that are held; gives how many."""
    count = 0
    for change in changes:
        place, last = change.place, (change.revision, change.item_id, change.revision)
        done = None
        if change.HasField("state"):
            marks = (*rows.marks_of(change.state), change.state)
            if change.HasField("place"):
                done = connection.execute(_SET_BOTH, (*marks, place.folder_id, place.uid, *last))
            else:
                done = connection.execute(_SET_STATE, (*marks, *last))
        elif change.HasField("place"):
            done = connection.execute(_SET_PLACE, (place.folder_id, place.uid, *last))
        count += done.rowcount if done is not None else 0
    return count


def _mentioned(batch: PackedPullResponse) -> Iterable[bytes]:
    """The items that the batch speaks of. What calls a submission back lies over its item only as long as that can be done."""
    yield from (entry.item.id for entry in batch.items)
    yield from (change.item_id for change in batch.changes)
    yield from (removal.item_id for removal in batch.removals)
    yield from (submission.item_id for submission in batch.submissions)


def _store_position(connection: sqlite3.Connection, batch: PackedPullResponse, now: int) -> None:
    position: dict[str, str | bytes | int] = {
        facts.CURSOR: batch.cursor,
        facts.EPOCH: batch.epoch,
        facts.REVISION: batch.revision,
    }
    if batch.caught_up:
        position |= {facts.CAUGHT_UP_REVISION: batch.revision, facts.CAUGHT_UP_AT: now, facts.DONE: 0, facts.TOTAL: 0}
    else:
        position |= {facts.DONE: batch.progress.done, facts.TOTAL: batch.progress.total}
    facts.put(connection, position)
