"""Restoring a version that lost: an edit of the units that lost, which has seen all that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1 import folder_pb2, item_pb2
from rookery.v1.item_pb2 import Item, ItemState
from rookery_core.rules import homes, merging, records, units, validation
from rookery_core.rules.merging import Merged
from rookery_core.rules.stamps import Edit
from rookery_server.services.folders import folders
from rookery_server.services.items import item_removal, item_updates, item_writer
from rookery_server.services.items.attachments import Brought
from rookery_server.services.items.item_writer import NewItem
from rookery_server.services.sync import conflict_versions
from rookery_server.services.sync.conflict_versions import parts_of
from rookery_server.services.tasks import task_reports
from rookery_server.store import item_blobs, item_stamps, items
from rookery_server.store.item_blobs import PartRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rookery_server.services.change import MailboxChange
    from rookery_server.services.sync.conflict_versions import Version
    from rookery_server.store.conflicts import ConflictRow
    from rookery_server.store.items import PackedRow


def restore(change: MailboxChange, row: ConflictRow, new_id: bytes) -> PackedRow:
    """Makes a version that lost the current one, in the units that lost; gives the item's row.

    A recoverable item is restored first. Of a purged one a new item is made, under ``new_id``.
    """
    connection, mailbox_id = change.connection, change.mailbox.id
    version = conflict_versions.load(connection, mailbox_id, row)
    current = items.packed(connection, mailbox_id, row.item_id)
    if current is None:
        return _create(change, version, new_id)
    if current.life != items.LIVE:
        item_removal.restore(change, list(items.places(connection, mailbox_id, [row.item_id]).values()), b"")
        current = items.packed(connection, mailbox_id, row.item_id) or current
    return _edit(change, current, version, row.lost)


def _edit(change: MailboxChange, row: PackedRow, version: Version, lost: set[str]) -> PackedRow:
    before, held = item_updates.read(change, row)
    after = Item()
    after.CopyFrom(before)
    attached = {unit for unit in lost if unit.startswith(units.ATTACHMENTS.prefix)}
    merging.take_units(after, version.item, lost - attached)
    stamped = lost | _take_exceptions(before, after, version.item)
    brought = _take_attachments(after, version, parts_of(held), attached)
    edit = Edit(change.now, change.caller.session_id, change.current_revision)
    known = item_stamps.find(change.connection, change.mailbox.id, row.id)
    drafted = item_updates.prepare(change, row, before, held, known, edit, Merged(after, stamped, set(), {}), brought)
    if drafted.prepared is not None:
        row = task_reports.write(change, drafted, change.revision)
        item_updates.stamp(change, drafted, change.revision)
    return row


def _take_exceptions(before: Item, after: Item, version: Item) -> set[str]:
    """Where the rule of a series comes back, the exceptions made for it come with it, and the others go; gives the units."""
    if after.summary.appointment.recurrence == before.summary.appointment.recurrence:
        return set()
    units.EXCEPTIONS.replace(after, list(units.EXCEPTIONS.entries(version)))
    return {units.RULE, *units.EXCEPTIONS.by_unit(after)}


def _take_attachments(after: Item, version: Version, held: Mapping[int, dict[str, Any]], attached: set[str]) -> list[Brought]:
    """Takes attachments over; gives those that come anew: with an id of their own, since theirs may be another's by now."""
    wanted, brought = units.ATTACHMENTS.by_unit(version.item), []
    following = max([after.content.next_attachment_id, *(each.id + 1 for each in after.content.attachments)], default=1)
    for unit in sorted(attached):
        there = units.ATTACHMENTS.by_unit(after)
        entry = wanted.get(unit)
        if entry is None:
            units.ATTACHMENTS.replace(after, [each for name, each in there.items() if name != unit])
        elif unit in there and held.get(entry.id) == version.parts.get(entry.id):
            there[unit].CopyFrom(entry)
        elif entry.id in version.parts:
            added = after.content.attachments.add()
            added.CopyFrom(entry)
            added.id = following
            part = {**version.parts[entry.id], "part": following}
            brought.append(Brought(added, PartRow(**part, blob_bytes=0)))
            following += 1
    return brought


def _create(change: MailboxChange, version: Version, new_id: bytes) -> PackedRow:
    """A new item as the version has it: in the folder of its kind, or ``recovered`` where that is none of its own."""
    item = version.item
    validation.validate_item(item.summary, item.content)
    attachments = item.content.attachments
    parts = {
        number: part for number, part in version.parts.items() if number in {item_blobs.ORIGINAL, *(a.id for a in attachments)}
    }
    if item_blobs.ORIGINAL not in parts and item.content.HasField("message"):
        item.content.message.has_original = False
    item.content.next_attachment_id = max([item.content.next_attachment_id, *(each.id + 1 for each in attachments)], default=1)
    records.complete(item.summary, item.content, new_id)
    size = item.summary.size_bytes if item_blobs.ORIGINAL in parts else None
    prepared = item_writer.prepare(item.summary, ItemState(read=True), item.content, now=change.now, size=size)
    prepared.blobs = list(parts.values())
    change.require_room(prepared.columns["size_bytes"])
    role = homes.home_of(item.summary.kind)
    if item.summary.kind == item_pb2.ITEM_KIND_MESSAGE:
        role = folder_pb2.FOLDER_ROLE_RECOVERED
    folder_id = folders.require_role(change.connection, change.mailbox.id, role).id
    new = NewItem(new_id, folder_id, change.revision, prepared)
    return item_writer.packed_row(new, item_writer.insert(change, [new])[0])
