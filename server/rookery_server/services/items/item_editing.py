"""Creating items from records, and changing fields of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rookery.internal.v1.packed_pb2 import PackedItemResponse
from rookery.v1.item_pb2 import Item, ItemContent, ItemState, ItemSummary
from rookery_core.errors import FailedPrecondition, InvalidArgument, Stale
from rookery_core.rules import ownership, records, units, validation
from rookery_core.rules.ids import require_minted
from rookery_server.services.folders import folders
from rookery_server.services.items import attachments, item_packing, item_writer
from rookery_server.services.items.item_reading import require_item
from rookery_server.services.items.item_writer import NewItem
from rookery_server.store import item_blobs, items

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.descriptor import FieldDescriptor

    from rookery.v1 import item_service_pb2
    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.items.item_writer import EncodedContent, PreparedItem
    from rookery_server.services.operations import Operations
    from rookery_server.store.item_blobs import PartRow
    from rookery_server.store.items import PackedRow

_EDITABLE = ("summary", "content")
_LONG_CONTENT = 1 << 16


class ItemEditing:
    """Carries out CreateItem and UpdateItem."""

    def __init__(self, operations: Operations, ids: Ids) -> None:
        self._operations = operations
        self._ids = ids

    async def create_item(self, caller: Caller, request: item_service_pb2.CreateItemRequest) -> bytes:
        """Creates an item from a record; the encoded CreateItemResponse."""
        item_id = require_minted(request.item.id, "item.id") if request.item.id else self._ids.new()
        item = Item()
        item.CopyFrom(request.item)
        if not request.item.HasField("state"):
            item.state.read = True  # what one writes oneself, one has read
        ownership.clear_server_owned(item)
        categories = validation.validate_state(item.state)
        item.state.ClearField("categories")
        item.state.categories.extend(categories)
        validation.validate_item(item.summary, item.content)
        # A content is completed and encoded before the transaction, which others wait for; one with attachments needs it: what is
        # known of their uploads is there.
        encoded = None if item.content.attachments else await _complete(item, item_id)

        def work(change: MailboxChange) -> PackedItemResponse:
            summary, content = ItemSummary(), item.content
            summary.CopyFrom(item.summary)
            folder_id = _folder_of(change, item)
            item_writer.require_free_ids(change, [item_id])
            blobs: list[dict[str, Any]] = []
            if encoded is None:
                content = ItemContent()
                content.CopyFrom(item.content)
                blobs = attachments.link(change, content, [])
                records.complete(summary, content, item_id)
            prepared = item_writer.prepare(summary, item.state, content, now=change.now, encoded=encoded)
            prepared.blobs = blobs
            change.require_room(prepared.columns["size_bytes"])
            new = NewItem(item_id, folder_id, change.revision, prepared)
            uid = item_writer.insert(change, [new])[0]
            packed = item_packing.pack(item_writer.packed_row(new, uid))
            return PackedItemResponse(item=packed, revision=change.revision)

        return await self._operations.on_mailbox(caller, request.mailbox_id, request.operation_id, "item.create", request, work)

    async def update_item(self, caller: Caller, request: item_service_pb2.UpdateItemRequest) -> bytes:
        """Changes what the mask names; the encoded UpdateItemResponse. Nothing changed: success, and no new revision."""
        fields = {path: ownership.require_writable(Item.DESCRIPTOR, path) for path in request.update_mask.paths}
        if not fields:
            raise InvalidArgument("FIELD_INVALID", "the update mask names no field", field="update_mask")
        for path in fields:
            if not path.startswith(tuple(f"{part}." for part in _EDITABLE)):
                raise InvalidArgument(
                    "FIELD_NOT_WRITABLE",
                    f"“{path[:100]}” is not changed here: name fields below summary and content; marks have SetItemState, "
                    "places MoveItems",
                    field="update_mask",
                )

        def work(change: MailboxChange) -> PackedItemResponse:
            row = require_item(change.connection, change.mailbox.id, request.item.id)
            _require_editable(row, request.etag)
            edited = _edit(change, row, request.item, fields)
            if edited is None:
                return PackedItemResponse(item=item_packing.pack(row), revision=change.current_revision)
            _write(change, row, edited, fields)
            packed = row._replace(revision=change.revision, content=change.revision, summary=edited.columns["summary"])
            return PackedItemResponse(item=item_packing.pack(packed), revision=change.revision)

        return await self._operations.on_mailbox(caller, request.mailbox_id, request.operation_id, "item.update", request, work)


async def _complete(item: Item, item_id: bytes) -> EncodedContent:
    """Completes a new item without attachments; its content as it is stored. A long one is encoded beside the event loop."""
    item.content.next_attachment_id = 1
    records.complete(item.summary, item.content, item_id)
    if item.content.ByteSize() < _LONG_CONTENT:
        return item_writer.encode(item.content)
    return await asyncio.to_thread(item_writer.encode, item.content)


def _folder_of(change: MailboxChange, item: Item) -> bytes:
    if item.folder_id:
        return folders.require(change.connection, change.mailbox.id, item.folder_id, "item.folder_id").id
    role = folders.default_role(item.summary.kind, incoming=False)
    return folders.require_role(change.connection, change.mailbox.id, role).id


def _require_editable(row: PackedRow, etag: int) -> None:
    if row.life != items.LIVE:
        raise FailedPrecondition("ITEM_NOT_LIVE", "the item is deleted: restore it before you change it", field="item.id")
    if etag and etag != row.content:
        raise Stale(
            "STALE_ETAG",
            "the item was changed meanwhile: read it again and decide",
            metadata={"content_revision": str(row.content)},
            field="etag",
        )


def _edit(change: MailboxChange, row: PackedRow, wanted: Item, fields: dict[str, list[FieldDescriptor]]) -> PreparedItem | None:
    """The item with the fields changed, ready to be written; None if that changes nothing."""
    stored = items.content(change.connection, change.mailbox.id, row.id, row.content)
    before = item_packing.unpack(row, item_packing.decompress(stored))
    after = Item()
    after.CopyFrom(before)
    for path in fields.values():
        ownership.apply_mask(after, wanted, path)
    validation.validate_item(after.summary, after.content)
    held = item_blobs.parts(change.connection, change.mailbox.id, row.id, row.content)
    blobs = attachments.relink(change, before.content, after.content, held)
    records.complete(after.summary, after.content, row.id)
    if after.summary == before.summary and after.content == before.content:
        return None
    size = _size_beside_original(before, after, held, blobs)
    prepared = item_writer.prepare(after.summary, ItemState.FromString(row.state), after.content, now=change.now, size=size)
    prepared.blobs = blobs
    growth = prepared.columns["size_bytes"] - before.summary.size_bytes
    if growth > 0:
        change.require_room(growth)
    change.count(row.folder_id, size=growth, held=growth)
    return prepared


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


def _write(change: MailboxChange, row: PackedRow, edited: PreparedItem, fields: dict[str, list[FieldDescriptor]]) -> None:
    connection, mailbox_id, revision = change.connection, change.mailbox.id, change.revision
    values: dict[str, Any] = {**edited.columns, "content": revision, "revision": revision}
    items.change(connection, mailbox_id, [{"id": row.id, **values}])
    items.replace_content(connection, mailbox_id, row.id, revision, edited.codec, edited.content)
    item_blobs.forget_version(connection, mailbox_id, row.id, row.content)
    item_blobs.add(
        connection,
        [{"mailbox_id": mailbox_id, "item_id": row.id, "content_revision": revision, **blob} for blob in edited.blobs],
    )
    touched = set().union(*(units.units_of(path) for path in fields))
    stamp = {"edited": change.now, "device_id": change.caller.session_id, "revision": revision}
    items.stamp(connection, mailbox_id, row.id, touched, stamp)
