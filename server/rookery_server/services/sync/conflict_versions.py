"""Keeping versions of items that lost: one for each item and device. A later loss of a device is laid over its earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rookery.v1.item_pb2 import Item, ItemContent, ItemSummary
from rookery_core.rules import merging, records
from rookery_server.services.items import item_packing, item_writer
from rookery_server.store import conflicts, item_blobs, item_versions, items
from rookery_server.store.conflicts import ConflictRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from sqlalchemy import Connection

    from rookery_server.services.change import MailboxChange
    from rookery_server.store.item_blobs import PartRow


class Version(NamedTuple):
    """A version of an item."""

    item: Item
    """With summary and content."""
    parts: Mapping[int, dict[str, Any]]
    """What it holds, by part: the columns of ``item_blob`` but those that say whose it is."""
    revision: int | None
    """The revision under which it is stored; None if it is not yet."""


def parts_of(held: Iterable[PartRow]) -> dict[int, dict[str, Any]]:
    """Parts as ``Version`` has them."""
    return {part.part: {name: value for name, value in part._asdict().items() if name != "blob_bytes"} for part in held}


def keep(change: MailboxChange, item_id: bytes, device_id: bytes, lost: AbstractSet[str], version: Version) -> bool:
    """Keeps a version, by a device, that lost in some units; gives whether it had to be written under a revision of its own.

    What the device lost earlier of the same item, in other units, stays restorable with it.
    """
    connection, mailbox_id = change.connection, change.mailbox.id
    prior = conflicts.find(connection, mailbox_id, item_id, device_id)
    if prior is not None and (older := prior.lost - lost):
        version = _laid_over(version, load(connection, mailbox_id, prior), older, item_id)
        lost = lost | older
    revision = version.revision or _write(change, item_id, version)
    conflicts.put(
        connection,
        mailbox_id,
        ConflictRow(
            item_id=item_id,
            device_id=device_id,
            content_revision=revision,
            units=",".join(sorted(lost)),
            revision=change.revision,
            created=change.now,
            summary=version.item.summary.SerializeToString(),
        ),
    )
    item_versions.sweep(connection, mailbox_id, [item_id])
    return version.revision is None


def load(connection: Connection, mailbox_id: int, row: ConflictRow) -> Version:
    """A version that was kept."""
    stored = items.content(connection, mailbox_id, row.item_id, row.content_revision)
    item = Item(id=row.item_id, summary=ItemSummary.FromString(row.summary))
    item.content.CopyFrom(ItemContent.FromString(item_packing.decompress(stored)))
    held = item_blobs.parts(connection, mailbox_id, row.item_id, row.content_revision)
    return Version(item, parts_of(held), row.content_revision)


def _laid_over(newer: Version, older: Version, units: Iterable[str], item_id: bytes) -> Version:
    item = Item()
    item.CopyFrom(newer.item)
    merging.take_units(item, older.item, units)
    if older.item.summary.WhichOneof("detail") or older.item.content.WhichOneof("detail"):
        item.summary.kind = older.item.summary.kind  # of a purged item the later edit alone may not tell the kind
    records.complete(item.summary, item.content, item_id)
    return Version(item, {**older.parts, **newer.parts}, None)


def _write(change: MailboxChange, item_id: bytes, version: Version) -> int:
    revision = change.next_revision()
    encoded = item_writer.encode(version.item.content)
    item_versions.add(change.connection, change.mailbox.id, item_id, revision, encoded.codec, encoded.stored)
    needed = {item_blobs.ORIGINAL, *(attachment.id for attachment in version.item.content.attachments)}
    key = {"mailbox_id": change.mailbox.id, "item_id": item_id, "content_revision": revision}
    item_blobs.add(change.connection, [{**key, **columns} for part, columns in version.parts.items() if part in needed])
    return revision
