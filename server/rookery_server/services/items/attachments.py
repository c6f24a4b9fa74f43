"""Attachments of items that clients write: uploads and parts of other items that become parts, and parts that stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound
from rookery_core.rules.ids import require_id
from rookery_server.services.items.attachment_sources import AttachmentSources
from rookery_server.store import blobs, item_blobs, uploads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.item_pb2 import Attachment, ItemContent
    from rookery_server.services.change import MailboxChange
    from rookery_server.store.item_blobs import PartRow


def link(change: MailboxChange, content: ItemContent, held: Sequence[PartRow]) -> list[dict[str, Any]]:
    """Turns what the attachments are to be made of into parts; gives the rows of ``item_blob`` that the content needs.

    ``held`` are the parts of the version before: the original, and the attachments that stay.
    """
    parts = {part.part: part for part in held}
    rows = [_row(parts[item_blobs.ORIGINAL])] if item_blobs.ORIGINAL in parts else []
    linked: list[bytes] = []
    sources = AttachmentSources(change)
    following = max(content.next_attachment_id, 1)
    for index, attachment in enumerate(content.attachments):
        field = f"item.content.attachments[{index}]"
        if _is_new(attachment):
            attachment.id = following
            following += 1
            is_upload = bool(attachment.upload_id)
            rows.append(_uploaded(change, attachment, field) if is_upload else _row(sources.take(attachment, field)))
            linked.append(rows[-1]["blob_id"])
        elif attachment.id in parts:
            rows.append(_row(parts[attachment.id]))
        else:
            raise InvalidArgument(
                "FIELD_INVALID",
                "an attachment needs the upload_id of a finished upload, a copy_of, or the id of one that is there",
                field=field,
            )
    if linked:
        blobs.touch(change.connection, linked, change.now)
    content.next_attachment_id = following
    return rows


def _is_new(attachment: Attachment) -> bool:
    return bool(attachment.upload_id) or attachment.HasField("copy_of")


class Brought(NamedTuple):
    """An attachment of another version of the item, under a new id."""

    attachment: Attachment
    part: PartRow
    """Its bytes, under the new id too."""


def relink(
    change: MailboxChange,
    before: ItemContent,
    after: ItemContent,
    held: Sequence[PartRow],
    brought: Sequence[Brought] = (),
) -> list[dict[str, Any]]:
    """``link`` for an update: attachments kept by id keep what the server knows of them."""
    known = {attachment.id: attachment for attachment in (*before.attachments, *(each.attachment for each in brought))}
    seen: set[int] = set()
    for index, attachment in enumerate(after.attachments):
        field = f"item.content.attachments[{index}].id"
        if _is_new(attachment):
            continue
        kept = known.get(attachment.id)
        if kept is None:
            raise NotFound("ATTACHMENT_NOT_FOUND", f"the item has no attachment {attachment.id}", field=field)
        if attachment.id in seen:
            raise InvalidArgument("FIELD_INVALID", f"attachment {attachment.id} is named twice", field=field)
        seen.add(attachment.id)
        attachment.size_bytes, attachment.is_message, attachment.sha256 = kept.size_bytes, kept.is_message, kept.sha256
    after.next_attachment_id = max([before.next_attachment_id, *(number + 1 for number in known)], default=1)
    return link(change, after, [*held, *(each.part for each in brought)])


def _uploaded(change: MailboxChange, attachment: Attachment, field: str) -> dict[str, Any]:
    upload_id = require_id(attachment.upload_id, f"{field}.upload_id")
    upload = uploads.find(change.connection, change.mailbox.id, change.caller.account_id, upload_id)
    if upload is None:
        raise NotFound("UPLOAD_NOT_FOUND", "there is no such upload; uploads are kept for 24 hours", field=f"{field}.upload_id")
    if not upload.complete or upload.sha256 is None:
        raise FailedPrecondition(
            "UPLOAD_INCOMPLETE",
            f"{upload.received_bytes:,} of {upload.total_bytes:,} bytes of the upload are there: send the rest first",
            field=f"{field}.upload_id",
        )
    attachment.ClearField("upload_id")
    attachment.ClearField("is_message")  # the server's to say, and it has not looked inside
    attachment.size_bytes, attachment.sha256 = upload.total_bytes, upload.sha256
    attachment.media_type = attachment.media_type.lower() or "application/octet-stream"
    return {
        "part": attachment.id,
        "blob_id": upload.blob_id,
        "prefix": None,
        "offset": 0,
        "length": upload.total_bytes,
        "encoding": "identity",
        "size_bytes": upload.total_bytes,
    }


def _row(part: PartRow) -> dict[str, Any]:
    row = part._asdict()
    del row["blob_bytes"]
    return row
