"""Edits of items: merged by unit with what is there, made whole, checked, and written.

``UpdateItem``, Push and the restoring of conflicts all come through here, so that the same rules hold on each of these paths.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rookery.v1.item_pb2 import Item, ItemState
from rookery_core.errors import FailedPrecondition, InvalidArgument, Stale
from rookery_core.rules import list_edits, merging, ownership, records, stamps, task_series, units, validation
from rookery_core.rules.merging import Changes
from rookery_core.rules.recurrence import series_edits
from rookery_core.rules.scheduling import returning as returning_items
from rookery_core.rules.scheduling import tracking
from rookery_server.services.items import attachments, item_packing, item_writer
from rookery_server.store import item_blobs, item_stamps, items

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rookery.v1.calendar_pb2 import OccurrenceException
    from rookery.v1.item_service_pb2 import UpdateItemRequest
    from rookery_core.rules.merging import Merged
    from rookery_core.rules.stamps import Edit, Stamp
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.items.attachments import Brought
    from rookery_server.services.items.item_writer import PreparedItem
    from rookery_server.store.item_blobs import PartRow
    from rookery_server.store.items import PackedRow

_EDITABLE = ("summary.", "content.")
_BY_ENTRY = units.KEYED_LISTS.keys() - {units.EXCEPTIONS.path, units.ATTENDEES.path}
"""Lists that devices do not replace whole."""


@dataclass(frozen=True, slots=True)
class PlannedUpdate:
    """An update whose form is right; whether it can be is for the transaction to say."""

    item_id: bytes
    etag: int
    changes: Changes


@dataclass(slots=True)
class Draft:
    """An edit merged with what is there, checked, and ready to be written."""

    row: PackedRow
    """The item as it is."""
    before: Item
    held: list[PartRow]
    """The parts of the version that is there."""
    known: Mapping[str, Stamp]
    edit: Edit
    merged: Merged
    prepared: PreparedItem | None
    """None if the content stays as it is."""

    @property
    def is_concurrent(self) -> bool:
        """Whether others have edited the item, anything of it, without this edit knowing."""
        return any(stamps.is_unseen(stamp, self.edit) for stamp in self.known.values())


def plan(request: UpdateItemRequest, *, offline: bool = False) -> PlannedUpdate:
    """Checks what needs no look at the mailbox. An edit made ``offline`` changes lists by entry only.

    InvalidArgument ``FIELD_UNKNOWN``, ``FIELD_NOT_WRITABLE`` or ``FIELD_INVALID`` for a mask or list edits that can not be.
    """
    paths = tuple(dict.fromkeys(request.update_mask.paths))
    if not paths and list_edits.is_empty(request.list_edits):
        raise InvalidArgument("FIELD_INVALID", "the update mask names no field", field="update_mask")
    for path in paths:
        ownership.require_writable(Item.DESCRIPTOR, path)
        if not path.startswith(_EDITABLE):
            raise InvalidArgument(
                "FIELD_NOT_WRITABLE",
                f"“{path[:100]}” is not changed here: name fields below summary and content; marks have SetItemState, "
                "places MoveItems",
                field="update_mask",
            )
        if offline and path in _BY_ENTRY:
            message = f"“{path}” is edited entry by entry here, by list_edits: others may have edited it meanwhile"
            raise InvalidArgument("FIELD_NOT_WRITABLE", message, field="update_mask")
    list_edits.require_beside(request.list_edits, paths)
    return PlannedUpdate(request.item.id, request.etag, Changes(request.item, paths, request.list_edits))


def require_editable(row: PackedRow, etag: int) -> None:
    """FailedPrecondition ``ITEM_NOT_LIVE``, or Stale ``STALE_ETAG`` if the content is not the one that was read."""
    if row.life != items.LIVE:
        raise FailedPrecondition("ITEM_NOT_LIVE", "the item is deleted: restore it before you change it", field="item.id")
    if etag and etag != row.content:
        raise Stale(
            "STALE_ETAG",
            "the item was changed meanwhile: read it again and decide",
            metadata={"content_revision": str(row.content)},
            field="etag",
        )


def read(change: MailboxChange, row: PackedRow) -> tuple[Item, list[PartRow]]:
    """An item, whole, and the parts that it holds."""
    connection, mailbox_id = change.connection, change.mailbox.id
    stored = items.content(connection, mailbox_id, row.id, row.content)
    held = item_blobs.parts(connection, mailbox_id, row.id, row.content)
    return item_packing.unpack(row, item_packing.decompress(stored)), held


def draft(change: MailboxChange, row: PackedRow, changes: Changes, edit: Edit, *, returning: bool = False) -> Draft:
    """Merges an edit into a live item. InvalidArgument if what comes of it can not be; nothing is written of the item yet.

    ``returning``: it is a version that was lost, and knows what the server knew then of a meeting, or of a task handed over.
    """
    before, held = read(change, row)
    known = item_stamps.find(change.connection, change.mailbox.id, row.id)
    merged = _merged(before, changes, known, edit)
    if returning:
        returning_items.keep(merged.item, changes.wanted)
    return prepare(change, row, before, held, known, edit, merged)


def draft_following_series(
    change: MailboxChange, row: PackedRow, changes: Changes, edit: Edit
) -> tuple[Draft, list[OccurrenceException]]:
    """The same for an edit that has seen all that is there: where it gives a series other occurrences, exceptions follow it.

    Those that have no occurrence any more are dropped, and given beside the draft.
    """
    before, held = read(change, row)
    known = item_stamps.find(change.connection, change.mailbox.id, row.id)
    completed, dropped = series_edits.completed(before, changes)
    merged = _merged(before, completed, known, edit)
    if merged.item.summary.HasField("task"):
        task_series.settle_edit(before.summary.task, merged.item.summary.task, edit.edited)
    return prepare(change, row, before, held, known, edit, merged), dropped


def draft_edit(change: MailboxChange, row: PackedRow, changes: Changes, edit: Edit) -> Draft:
    """``draft`` for what a person edited on a device, rather than a version of the item. InvalidArgument ``TASK_RECURS`` too.

    Devices tell whole units, and have seen to it that these agree with themselves. What one tells otherwise stays so: what became
    of it would depend on what it meets, and so on the order in which edits arrive.
    """
    before, held = read(change, row)
    known = item_stamps.find(change.connection, change.mailbox.id, row.id)
    merged = _merged(before, changes, known, edit)
    if merged.item.summary.HasField("task"):
        task_series.require_not_completing(before.summary.task, merged.item.summary.task)
    return prepare(change, row, before, held, known, edit, merged)


def _merged(before: Item, changes: Changes, known: Mapping[str, Stamp], edit: Edit) -> Merged:
    """What comes of a person's edit. It takes back no answer of a meeting's attendees: those stand in a list that it edits."""
    if units.ATTENDEES in changes.lists:
        wanted = Item()
        wanted.CopyFrom(changes.wanted)
        tracking.keep_answers(before, wanted)
        changes = dataclasses.replace(changes, wanted=wanted)
    return merging.merge(before, changes, known, edit)


def prepare(
    change: MailboxChange,
    row: PackedRow,
    before: Item,
    held: list[PartRow],
    known: Mapping[str, Stamp],
    edit: Edit,
    merged: Merged,
    brought: Sequence[Brought] = (),
) -> Draft:
    """Makes an item that is to be written whole: its attachments linked, what the server computes computed.

    ``brought`` are attachments that come neither by upload nor from the version that is there.
    """
    after = merged.item
    validation.validate_item(after.summary, after.content)
    blobs = attachments.relink(change, before.content, after.content, held, brought)
    records.complete(after.summary, after.content, row.id)
    prepared = None
    if after.summary != before.summary or after.content != before.content:
        size = _size_beside_original(before, after, held, blobs)
        prepared = item_writer.prepare(after.summary, ItemState.FromString(row.state), after.content, now=change.now, size=size)
        prepared.blobs = blobs
    return Draft(row, before, held, known, edit, merged, prepared)


def write(change: MailboxChange, drafted: Draft, revision: int) -> PackedRow:
    """Writes the content that the edit made, under a revision of the operation; gives the item's new row."""
    row, prepared = drafted.row, drafted.prepared
    if prepared is None:
        return row
    growth = prepared.columns["size_bytes"] - drafted.before.summary.size_bytes
    if growth > 0:
        change.require_room(growth)
    change.count(row.folder_id, size=growth, held=growth)
    connection, mailbox_id = change.connection, change.mailbox.id
    items.change(connection, mailbox_id, [{"id": row.id, **prepared.columns, "content": revision, "revision": revision}])
    items.replace_content(connection, mailbox_id, row.id, revision, prepared.codec, prepared.content)
    item_blobs.forget_version(connection, mailbox_id, row.id, row.content)
    key = {"mailbox_id": mailbox_id, "item_id": row.id, "content_revision": revision}
    item_blobs.add(connection, [{**key, **blob} for blob in prepared.blobs])
    return row._replace(revision=revision, content=revision, summary=prepared.columns["summary"])


def stamp(change: MailboxChange, drafted: Draft, revision: int) -> None:
    """Leaves the edit's stamps."""
    new = {unit: stamps.stamped(drafted.known.get(unit), drafted.edit, revision) for unit in drafted.merged.stamps}
    item_stamps.put(change.connection, change.mailbox.id, drafted.row.id, new)


def _size_beside_original(before: Item, after: Item, held: Sequence[PartRow], blobs: Sequence[dict[str, Any]]) -> int | None:
    """size_bytes of an item that keeps the original message it came as; None for the others, which count what they hold.

    Such an item counts its original, which the records and parts of it were taken from. On top of that come the attachments
    that were added, and what the records have grown by; records that shrink leave the original where it is.
    """
    original = next((part for part in held if part.part == item_blobs.ORIGINAL), None)
    if original is None:
        return None
    added_before = sum(part.size_bytes for part in held if part.blob_id != original.blob_id)
    added = sum(int(blob["size_bytes"]) for blob in blobs if blob["blob_id"] != original.blob_id)
    growth = _records_size(after) - _records_size(before) + added - added_before
    return max(original.size_bytes + added, before.summary.size_bytes + growth)


def _records_size(item: Item) -> int:
    return item.summary.ByteSize() + item.content.ByteSize()
