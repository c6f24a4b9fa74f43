"""What comes back: items, and versions of items, that were lost when the server was restored, from a device that has them.

Such a creation says at which revision the device had the item (``item.revision``). Several devices may bring one back, each in the
version that it has. The newest holds, whichever comes first, and edits that wait on devices meet it as if it had never been lost:
those that knew it apply, others compare by their time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import sync_pb2
from rookery.v1.item_service_pb2 import ListEdits
from rookery_core.rules import units
from rookery_core.rules.merging import Changes
from rookery_core.rules.stamps import Edit, Stamp
from rookery_server.services.items import item_updates
from rookery_server.services.sync import push_updates
from rookery_server.services.sync.push_results import edit_of
from rookery_server.store import item_stamps, items

if TYPE_CHECKING:
    from collections.abc import Collection

    from rookery.v1.item_pb2 import Attachment, Item
    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from rookery_server.services.change import MailboxChange

_COUNTED = ("summary.task.occurrence",)
"""What no client edits, and a newer version has come further with."""


def stamp(change: MailboxChange, operation: SyncOperation) -> None:
    """Leaves the stamps of a version that came back, on all of it. Nothing for an item that is new."""
    item = operation.create_item.item
    if item.revision:
        touched = Changes(item, tuple(units.writable_paths(item))).units(item)
        _stamp(change, operation, touched | {units.RULE})


def merge(change: MailboxChange, operation: SyncOperation) -> PushResult | None:
    """Merges a newer version into the one that is there: that of the backup, or one that came back before it.

    None if it is not newer, or the item is new, or not live.

    Attachments that are missing there are added. What is known of a meeting, or of a task that was handed over, is the later.
    Marks and the place stay what they are.
    """
    wanted = operation.create_item.item
    row = items.packed(change.connection, change.mailbox.id, wanted.id) if wanted.revision else None
    if row is None or row.life != items.LIVE:
        return None
    edit = _edit_of(change, operation)
    known = item_stamps.find(change.connection, change.mailbox.id, row.id)
    # Stamps from then on and from before the restore are those of a version that came back.
    if any(edit.base_revision <= each.revision < change.mailbox.oldest_revision for each in known.values()):
        return None
    before, _ = item_updates.read(change, row)
    paths = [path for path in units.writable_paths(wanted) if path != units.ATTACHMENTS.path]
    paths += [path for path in _COUNTED if units.is_set(wanted, path)]
    changes = Changes(wanted, tuple(paths), ListEdits(add_attachments=_missing(before, wanted)))
    drafted = item_updates.draft(change, row, changes, edit, returning=True)
    answer = push_updates.merge(change, operation, drafted, changes)
    _stamp(change, operation, drafted.merged.stamps)
    if answer.outcome == sync_pb2.PUSH_OUTCOME_APPLIED:
        answer.outcome = sync_pb2.PUSH_OUTCOME_MERGED
    return answer


def _edit_of(change: MailboxChange, operation: SyncOperation) -> Edit:
    """The version as an edit of everything, by a device that knew all up to the item's revision."""
    return edit_of(change, operation)._replace(base_revision=min(operation.create_item.item.revision, change.current_revision))


def _stamp(change: MailboxChange, operation: SyncOperation, touched: Collection[str]) -> None:
    """Stamps units as of the version, which is older than the operation that brings it."""
    edit = _edit_of(change, operation)
    noted = dict.fromkeys(touched, Stamp(edit.edited, edit.device_id, edit.base_revision))
    item_stamps.put(change.connection, change.mailbox.id, operation.create_item.item.id, noted)


def _missing(before: Item, wanted: Item) -> list[Attachment]:
    """The attachments that the item lacks: they have other ids there, so they are told apart by name and size."""
    there = [(each.name, each.size_bytes) for each in before.content.attachments]
    missing = []
    for each in wanted.content.attachments:
        if (each.name, each.size_bytes) in there:
            there.remove((each.name, each.size_bytes))
        else:
            missing.append(each)
    return missing
