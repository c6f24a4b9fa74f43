"""Items made or edited here, as records: what the server will make of them, as far as a replica can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item, ItemContent, ItemSummary
from rookery.v1.sync_pb2 import CONTENT_EXTENT_FULL
from rookery_client.replica.view.local_item import LocalItem
from rookery_core.rules import list_edits, ownership, records, task_series, validation
from rookery_core.rules.scheduling import returning, tracking

if TYPE_CHECKING:
    from rookery.v1 import item_service_pb2
    from rookery.v1.item_pb2 import Attachment
    from rookery_client.replica.view.local_item import Surroundings

_BODY = "content.body"
_CONTENT = "content."


def created(request: item_service_pb2.CreateItemRequest, around: Surroundings) -> LocalItem:
    """A new item. InvalidArgument if it can not be."""
    item = Item()
    item.CopyFrom(request.item)
    if not request.item.HasField("state"):
        item.state.read = True  # what one writes oneself, one has read
    ownership.clear_server_owned(item)
    if request.item.revision:  # a version that the server has lost
        returning.keep(item, request.item)
    categories = validation.validate_state(item.state)
    item.state.ClearField("categories")
    item.state.categories.extend(categories)
    validation.validate_item(item.summary, item.content)
    item.content.next_attachment_id = 1
    _number_new(item.content, around)
    records.complete(item.summary, item.content, item.id)
    for name in ("received", "created"):
        if not item.summary.HasField(name):
            getattr(item.summary, name).FromMicroseconds(around.edited)
    item.summary.modified.FromMicroseconds(around.edited)
    attached = sum(attachment.size_bytes for attachment in item.content.attachments)
    item.summary.size_bytes = item.summary.ByteSize() + item.content.ByteSize() + attached
    return LocalItem(
        id=item.id,
        folder_id=around.landed or item.folder_id,
        kind=item.summary.kind,
        revision=0,
        content_revision=0,
        uid=0,
        fill_key=item.summary.received.ToMicroseconds(),
        state=item.state.SerializeToString(),
        summary=item.summary.SerializeToString(),
        content=item.content.SerializeToString(),
    )


def duplicate(source: LocalItem, item_id: bytes, folder_id: bytes, around: Surroundings) -> LocalItem:
    """An item once more, under an id of its own, in a folder."""
    held = around.held(source) if source.content is None else None
    return LocalItem(
        id=item_id,
        folder_id=folder_id,
        kind=source.kind,
        revision=0,
        content_revision=0,
        uid=0,
        fill_key=source.fill_key,
        state=source.state,
        summary=source.summary,
        content=source.content if held is None else held.encoded,
        extent=source.extent if held is None else held.extent,
    )


def update(item: LocalItem, request: item_service_pb2.UpdateItemRequest, around: Surroundings) -> None:
    """Changes an item's fields. InvalidArgument, and nothing changed, if the item can not be so.

    Where the content is not here, what the request does to it is left out.
    """
    after, extent = edited_record(item, request, around)
    after.summary.modified.FromMicroseconds(around.edited)
    if after.HasField("content") and touches_content(request):
        item.content, item.extent = after.content.SerializeToString(), extent
    item.summary = after.summary.SerializeToString()


def edited_record(item: LocalItem, request: item_service_pb2.UpdateItemRequest, around: Surroundings) -> tuple[Item, int]:
    """The item's summary and content after an update, and how much of the content that is. InvalidArgument if it can not be so.

    The content is absent if it is not here.
    """
    before, extent = decoded(item, around)
    after = Item()
    after.CopyFrom(before)
    known = before.HasField("content")
    paths = [path for path in request.update_mask.paths if known or not path.startswith(_CONTENT)]
    for path in paths:
        ownership.apply_mask(after, request.item, ownership.require_writable(Item.DESCRIPTOR, path))
    if known:
        list_edits.apply(after, request.list_edits, provisional=False)
        _keep_attachments(before.content, after.content)
        _number_new(after.content, around)
    if after.summary.HasField("appointment"):
        tracking.keep_answers(before, after)
    if after.summary.HasField("task"):
        task_series.settle_edit(before.summary.task, after.summary.task, around.edited)
    validation.validate_item(after.summary, after.content)
    if known:
        records.complete(after.summary, after.content, item.id)
        if extent != CONTENT_EXTENT_FULL and not any(path.startswith(_BODY) for path in paths):
            after.summary.preview = before.summary.preview  # made of more than is here
    else:
        after.ClearField("content")
        if after.summary.kind == ITEM_KIND_APPOINTMENT:
            after.summary.appointment.all_day = "T" not in after.summary.appointment.start.local
    return after, extent


def decoded(item: LocalItem, around: Surroundings) -> tuple[Item, int]:
    """The item's summary, its content as far as it is here, and how much of it that is."""
    record = Item(id=item.id, summary=ItemSummary.FromString(item.summary))
    content, extent = item.content, item.extent
    if content is None and (held := around.held(item)):
        content, extent = held.encoded, held.extent
    if content is not None:
        record.content.CopyFrom(ItemContent.FromString(content))
    return record, extent


def touches_content(request: item_service_pb2.UpdateItemRequest) -> bool:
    """Whether an update changes anything of the content."""
    return request.HasField("list_edits") or any(path.startswith(_CONTENT) for path in request.update_mask.paths)


def _keep_attachments(before: ItemContent, after: ItemContent) -> None:
    """Ids of attachments are never given twice, so the next one is greater than all that were there."""
    numbers = [attachment.id + 1 for attachment in before.attachments]
    after.next_attachment_id = max([before.next_attachment_id, 1, *numbers])


def _number_new(content: ItemContent, around: Surroundings) -> None:
    """Gives attachments that the server does not have yet the ids that it will most likely give them.

    They keep their upload_id or copy_of, by which their bytes are found here.
    """
    for attachment in content.attachments:
        if (attachment.upload_id or attachment.HasField("copy_of")) and not attachment.id:
            attachment.id = content.next_attachment_id
            if attachment.upload_id:
                attachment.size_bytes = around.upload_size(attachment.upload_id) or 0
            else:
                _take_over(attachment, around)
            attachment.media_type = attachment.media_type.lower() or "application/octet-stream"
            content.next_attachment_id += 1


def _take_over(attachment: Attachment, around: Surroundings) -> None:
    """Tells of an attachment what the server will, who has its source; nothing, where that is not here any more."""
    source = around.source(attachment.copy_of.item_id)
    known = decoded(source, around)[0].content.attachments if source is not None else ()
    for each in known:
        if each.id == attachment.copy_of.attachment_id:
            attachment.size_bytes, attachment.is_message, attachment.sha256 = each.size_bytes, each.is_message, each.sha256
