"""Attachments whose bytes another item of the mailbox holds: what is attached names the same slice of the same blob."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.item_pb2 import ItemContent
from rookery_core.errors import InvalidArgument, NotFound
from rookery_core.rules.ids import require_id
from rookery_server.services.items import item_packing
from rookery_server.store import item_blobs, items

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rookery.v1.item_pb2 import Attachment
    from rookery_server.services.change import MailboxChange
    from rookery_server.store.item_blobs import PartRow

MOST_ITEMS = 100
"""Items that one item takes attachments over from at once: their contents are decoded while others wait for the mailbox."""


class _Source(NamedTuple):
    """An item, live or recoverable, as it is now."""

    attachments: Mapping[int, Attachment]
    parts: Mapping[int, PartRow]


class AttachmentSources:
    """The items that one item takes attachments over from, each read once. No bytes are read."""

    def __init__(self, change: MailboxChange) -> None:
        self._change = change
        self._known: dict[bytes, _Source] = {}

    def take(self, attachment: Attachment, field: str) -> PartRow:
        """Makes the attachment what its ``copy_of`` names, where it does not say itself; gives its bytes, under its id.

        NotFound ``ITEM_NOT_FOUND``, ``ATTACHMENT_NOT_FOUND``; InvalidArgument ``LIMIT_EXCEEDED``, ``ID_INVALID``.
        """
        source, number = self._source(attachment.copy_of.item_id, field), attachment.copy_of.attachment_id
        known, part = source.attachments.get(number), source.parts.get(number)
        if known is None or part is None:
            message = f"the item that it is to be taken from has no attachment {number}"
            raise NotFound("ATTACHMENT_NOT_FOUND", message, field=f"{field}.copy_of.attachment_id")
        attachment.ClearField("copy_of")
        attachment.name = attachment.name or known.name
        attachment.media_type = attachment.media_type.lower() or known.media_type
        attachment.content_id = attachment.content_id or known.content_id
        attachment.disposition = attachment.disposition or known.disposition
        attachment.size_bytes, attachment.is_message, attachment.sha256 = known.size_bytes, known.is_message, known.sha256
        return part._replace(part=attachment.id)

    def _source(self, item_id: bytes, field: str) -> _Source:
        if item_id not in self._known:
            if len(self._known) == MOST_ITEMS:
                message = f"attachments are taken over from at most {MOST_ITEMS} items at once"
                raise InvalidArgument("LIMIT_EXCEEDED", message, field=f"{field}.copy_of")
            self._known[item_id] = self._read(item_id, f"{field}.copy_of.item_id")
        return self._known[item_id]

    def _read(self, item_id: bytes, field: str) -> _Source:
        connection, mailbox_id = self._change.connection, self._change.mailbox.id
        row = items.packed(connection, mailbox_id, require_id(item_id, field))
        if row is None:
            raise NotFound("ITEM_NOT_FOUND", "the mailbox has no item that this could be taken from", field=field)
        content = ItemContent.FromString(item_packing.decompress(items.content(connection, mailbox_id, row.id, row.content)))
        held = item_blobs.parts(connection, mailbox_id, row.id, row.content)
        return _Source({each.id: each for each in content.attachments}, {part.part: part for part in held})
