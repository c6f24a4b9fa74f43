"""Creating items from records, and changing fields of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rookery.internal.v1.packed_pb2 import PackedItemResponse, PackedUpdateItemResponse
from rookery.v1.item_pb2 import Item, ItemContent, ItemSummary
from rookery.v1.task_pb2 import TaskSummary
from rookery_core.rules import homes, ownership, records, task_progress, validation
from rookery_core.rules.ids import require_minted
from rookery_core.rules.scheduling import returning as returning_items
from rookery_core.rules.stamps import Edit
from rookery_server.services.folders import folders
from rookery_server.services.items import attachments, item_packing, item_updates, item_writer
from rookery_server.services.items.item_reading import require_item
from rookery_server.services.items.item_writer import NewItem
from rookery_server.services.tasks import task_reports

if TYPE_CHECKING:
    from rookery.v1 import item_service_pb2
    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.items.item_writer import EncodedContent
    from rookery_server.services.operations import Operations
    from rookery_server.store.items import PackedRow

CreateWork = Callable[["MailboxChange", bytes], "PackedRow"]
"""Creates an item in a live folder; gives its row."""

_LONG_CONTENT = 1 << 16


class ItemEditing:
    """Carries out CreateItem and UpdateItem.

    ``wake`` is called after an edit that gave the queue of outgoing mail something to do: who gave a task hears how it stands.
    """

    def __init__(self, operations: Operations, ids: Ids, *, wake: Callable[[], None]) -> None:
        self._operations = operations
        self._ids = ids
        self._wake = wake

    async def create_item(self, caller: Caller, request: item_service_pb2.CreateItemRequest) -> bytes:
        """Creates an item from a record; the encoded CreateItemResponse."""
        create = await plan_create(request, self._ids)

        def work(change: MailboxChange) -> PackedItemResponse:
            row = create(change, folder_of(change, request.item))
            return PackedItemResponse(item=item_packing.pack(row), revision=change.revision)

        return await self._operations.on_mailbox(caller, request.mailbox_id, request.operation_id, "item.create", request, work)

    async def update_item(self, caller: Caller, request: item_service_pb2.UpdateItemRequest) -> bytes:
        """Changes what the mask and the list edits name; the encoded UpdateItemResponse.

        Nothing changed: success, and no new revision. It has seen whatever is there: the etag is what guards against the rest.
        """
        planned = item_updates.plan(request)
        has_posted = False

        def work(change: MailboxChange) -> PackedUpdateItemResponse:
            nonlocal has_posted
            row = require_item(change.connection, change.mailbox.id, request.item.id)
            item_updates.require_editable(row, planned.etag)
            edit = Edit(change.now, change.caller.session_id, change.current_revision)
            drafted, dropped = item_updates.draft_following_series(change, row, planned.changes, edit)
            if drafted.prepared is not None:
                row = task_reports.write(change, drafted, change.revision)
                item_updates.stamp(change, drafted, change.revision)
                has_posted = change.has_posted
            packed = item_packing.pack(row)
            return PackedUpdateItemResponse(item=packed, revision=change.current_revision, dropped_exceptions=dropped)

        try:
            return await self._operations.on_mailbox(caller, request.mailbox_id, request.operation_id, "item.update", request, work)
        finally:  # whoever hangs up meanwhile may have posted
            if has_posted:
                self._wake()


async def plan_create(request: item_service_pb2.CreateItemRequest, ids: Ids, *, returning: bool = False) -> CreateWork:
    """Checks and prepares an item from a record. What is left to look at in the transaction: the id, the room, the uploads.

    ``returning``: it is an item that was lost, and keeps what the server knew of its meeting or its assignment.
    AlreadyExists ``ID_TAKEN``, ``ID_RETIRED``.
    """
    item_id = require_minted(request.item.id, "item.id") if request.item.id else ids.new()
    item = Item()
    item.CopyFrom(request.item)
    if not request.item.HasField("state"):
        item.state.read = True  # what one writes oneself, one has read
    ownership.clear_server_owned(item)
    if returning:
        returning_items.keep(item, request.item)
    categories = validation.validate_state(item.state)
    item.state.ClearField("categories")
    item.state.categories.extend(categories)
    validation.validate_item(item.summary, item.content)
    # A content is completed and encoded before the transaction, which others wait for; one with attachments needs it: what is
    # known of their uploads is there.
    encoded = None if item.content.attachments else await _complete(item, item_id)

    def work(change: MailboxChange, folder_id: bytes) -> PackedRow:
        summary, content = ItemSummary(), item.content
        summary.CopyFrom(item.summary)
        if summary.HasField("task"):
            task_progress.settle(TaskSummary(), summary.task, change.now)
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
        return item_writer.packed_row(new, uid)

    return work


def folder_of(change: MailboxChange, item: Item) -> bytes:
    """Where an item that is to be created goes: its folder, or the role folder of its kind. NotFound ``FOLDER_NOT_FOUND``."""
    if item.folder_id:
        return folders.require(change.connection, change.mailbox.id, item.folder_id, "item.folder_id").id
    return folders.require_role(change.connection, change.mailbox.id, homes.home_of(item.summary.kind)).id


async def _complete(item: Item, item_id: bytes) -> EncodedContent:
    """Completes a new item without attachments; its content as it is stored. A long one is encoded beside the event loop."""
    item.content.next_attachment_id = 1
    records.complete(item.summary, item.content, item_id)
    if item.content.ByteSize() < _LONG_CONTENT:
        return item_writer.encode(item.content)
    return await asyncio.to_thread(item_writer.encode, item.content)
