"""Stops before a mass deletion that nobody here asked for: an emptied server must not empty every device without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.sync_pb2 import REMOVAL_REASON_DELETED
from rookery_client.replica.storage import facts, operations
from rookery_core.errors import FailedPrecondition

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from rookery.internal.v1.packed_pb2 import PackedPullResponse

ALLOWED = 100
"""Items that may be deleted in any case."""
_DELETIONS = frozenset({"delete_items", "delete_folder", "empty_folder"})


class Dropped(NamedTuple):
    """What a batch deletes that no operation of this replica asked for."""

    items: int
    """Items that it deletes one by one."""
    in_folders: int
    """Others, in folders that it deletes: their own removals have come, or are to come."""


def dropped_by(connection: sqlite3.Connection, batch: PackedPullResponse) -> Dropped:
    """What a batch would delete. Items that leave the scope live on, and do not count."""
    one_by_one = _deleted_items(connection, batch)
    folder_ids = {removal.folder_id for removal in batch.removed_folders}
    if not one_by_one and not folder_ids:
        return Dropped(0, 0)
    items = unasked(connection, one_by_one)
    asked_items, asked_folders = _asked(connection)
    in_folders: set[bytes] = set()
    for folder_id in folder_ids - asked_folders:
        in_folders.update(row[0] for row in connection.execute("SELECT id FROM item WHERE folder_id = ?", (folder_id,)))
    return Dropped(len(items), len(in_folders - asked_items - items))


def unasked(connection: sqlite3.Connection, deleted: Mapping[bytes, bytes]) -> set[bytes]:
    """Those of deleted items (id -> folder) that no operation of this replica asked to delete."""
    asked_items, asked_folders = _asked(connection)
    return {item_id for item_id, folder_id in deleted.items() if folder_id not in asked_folders} - asked_items


def require_plausible(connection: sqlite3.Connection, dropped: Dropped) -> None:
    """FailedPrecondition ``MASS_DELETION`` if, since the replica last equalled the mailbox, more than half of it would go.

    100 items may always go, and anything may before the first fill is complete.
    """
    held = facts.number(connection, facts.HELD)
    gone = facts.number(connection, facts.DROPPED) + dropped.items + dropped.in_folders
    if gone > ALLOWED and gone * 2 > held > 0:
        raise FailedPrecondition(
            "MASS_DELETION",
            f"the server has deleted {gone:,} of {held:,} items that this device holds; nothing was changed here. If that is what "
            "you want: `rookery sync --accept-deletions`",
            metadata={"deleted": str(gone), "held": str(held)},
        )


def _asked(connection: sqlite3.Connection) -> tuple[set[bytes], set[bytes]]:
    """Items and folders that operations of this replica delete."""
    folder_ids: set[bytes] = set()
    deleting = [each for each in operations.live(connection) if each.action in _DELETIONS]
    for each in deleting:
        if each.action == "delete_folder":
            folder_ids |= operations.folders_of(connection, each.seq)
    return operations.items_of(connection, (each.seq for each in deleting)), folder_ids


def _deleted_items(connection: sqlite3.Connection, batch: PackedPullResponse) -> dict[bytes, bytes]:
    """The items that the batch deletes, and that are here, with their folders."""
    found: dict[bytes, bytes] = {}
    for removal in batch.removals:
        if removal.reason == REMOVAL_REASON_DELETED:
            row = connection.execute(
                "SELECT folder_id FROM item WHERE id = ? AND revision < ?", (removal.item_id, removal.revision)
            ).fetchone()
            if row is not None:
                found[removal.item_id] = row[0]
    return found
