"""Attachments that an item takes over from another one, as far as a replica has to know: where the server will find their bytes.

The server gives attachments their ids. What it has is named by them; but what waits here has one that is only likely, and another
device may be first. So its bytes are sent once more instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_client.replica.view import local_records, shown_rows
from rookery_client.replica.view.item_view import ItemView
from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound
from rookery_core.rules.ids import require_id

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from rookery.v1.item_pb2 import Attachment
    from rookery.v1.sync_pb2 import SyncOperation
    from rookery_core.rules.ids import Ids


def settle(
    connection: sqlite3.Connection, operation: SyncOperation, uploads: Mapping[bytes, bytes], ids: Ids
) -> Mapping[bytes, bytes]:
    """Makes new attachments say of themselves what their sources say; gives the operation's uploads, with those that this adds.

    NotFound ``ITEM_NOT_FOUND``, ``ATTACHMENT_NOT_FOUND``; InvalidArgument ``FIELD_INVALID``; FailedPrecondition ``NOT_IN_REPLICA``.
    """
    added: dict[bytes, bytes] = {}
    view = ItemView(connection)
    for attachment in (*operation.create_item.item.content.attachments, *operation.update_item.list_edits.add_attachments):
        if attachment.HasField("copy_of"):
            _settle(view, attachment, added, ids)
    return {**uploads, **added} if added else uploads


def _settle(view: ItemView, attachment: Attachment, added: dict[bytes, bytes], ids: Ids) -> None:
    if attachment.upload_id:
        message = "an attachment is an upload or taken from another item, not both"
        raise InvalidArgument("FIELD_INVALID", message, field="attachments.copy_of")
    source = _find(view, attachment)
    attachment.name = attachment.name or source.name
    attachment.media_type = attachment.media_type or source.media_type
    attachment.content_id = attachment.content_id or source.content_id
    attachment.disposition = attachment.disposition or source.disposition
    if source.HasField("copy_of"):
        attachment.copy_of.CopyFrom(source.copy_of)
    elif source.upload_id:
        row = view.connection.execute("SELECT data FROM upload WHERE id = ?", (source.upload_id,)).fetchone()
        if row is None:
            raise _not_here()
        attachment.ClearField("copy_of")
        attachment.upload_id = ids.new()
        added[attachment.upload_id] = row[0]


def _find(view: ItemView, attachment: Attachment) -> Attachment:
    """What the attachment is taken over from, as the person sees it."""
    item_id, number = require_id(attachment.copy_of.item_id, "attachments.copy_of.item_id"), attachment.copy_of.attachment_id
    if item_id not in shown_rows.by_ids(view.connection, [item_id]):
        raise NotFound("ITEM_NOT_FOUND", "this device holds no such item", field="attachments.copy_of.item_id")
    record, _ = local_records.decoded(view.current(item_id), view.trial())
    if not record.HasField("content"):
        raise _not_here()
    found = next((each for each in record.content.attachments if each.id == number), None)
    if found is None:
        message = f"the item that it is to be taken from has no attachment {number}"
        raise NotFound("ATTACHMENT_NOT_FOUND", message, field="attachments.copy_of.attachment_id")
    return found


def _not_here() -> FailedPrecondition:
    return FailedPrecondition("NOT_IN_REPLICA", "the attachments of that item are not here: go online, or sync first")
