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
    from rookery_client.replica.incoming.refilling import Unseen

ALLOWED = 100
"""Items that may be deleted in any case."""
SPAN_MICROS = 3_600_000_000
"""What is deleted within an hour is one deletion, in however many steps it comes."""
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
    """FailedPrecondition ``MASS_DELETION`` if more than half of the replica would go, with what went since it was counted.

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


def with_unseen(connection: sqlite3.Connection, dropped: Dropped, unseen: Unseen, *, accept_deletions: bool) -> Dropped:
    """Adds what a fill over an older one did not mention. FailedPrecondition ``MASS_DELETION`` as above."""
    total = Dropped(dropped.items + len(unasked(connection, unseen.deleted)), dropped.in_folders)
    if total != dropped and not accept_deletions:
        require_plausible(connection, total)
    return total


def begin(connection: sqlite3.Connection, now: int) -> None:
    """Begins to count anew if the replica equalled the mailbox when the last batch had come, and that deletion is long over."""
    caught_up = facts.number(connection, facts.REVISION) == facts.number(connection, facts.CAUGHT_UP_REVISION)
    if caught_up and facts.number(connection, facts.DROPPED) and _is_over(connection, now):
        facts.put(connection, {facts.HELD: facts.number(connection, facts.ITEMS), facts.HELD_AT: now, facts.DROPPED: 0})


def forget_held(connection: sqlite3.Connection, count: int) -> None:
    """So many items are not held any more, because nobody wants them here."""
    facts.put(connection, {facts.HELD: max(0, facts.number(connection, facts.HELD) - count)})


def count(connection: sqlite3.Connection, dropped: Dropped, *, caught_up: bool, accepted: bool, now: int) -> None:
    """Counts what a batch has dropped, anew where the replica equals the mailbox, but not in the middle of a deletion."""
    gone = facts.number(connection, facts.DROPPED) + dropped.items
    held = facts.number(connection, facts.ITEMS)
    if not caught_up:
        facts.put(connection, {facts.DROPPED: gone})
    elif accepted or not gone or _is_over(connection, now):
        facts.put(connection, {facts.HELD: held, facts.HELD_AT: now, facts.DROPPED: 0})
    else:
        facts.put(connection, {facts.HELD: max(facts.number(connection, facts.HELD), held + gone), facts.DROPPED: gone})


def _is_over(connection: sqlite3.Connection, now: int) -> bool:
    return not 0 <= now - facts.number(connection, facts.HELD_AT) < SPAN_MICROS


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
