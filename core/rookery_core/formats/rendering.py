"""Items to documents: the message, iCalendar object or vCard that an item without original bytes is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import item_pb2
from rookery_core.formats import icalendar, mime, vcard
from rookery_core.rules import records

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery.v1.item_pb2 import Attachment, Item, ItemContent, ItemSummary

_CALENDAR = frozenset({item_pb2.ITEM_KIND_APPOINTMENT, item_pb2.ITEM_KIND_TASK, item_pb2.ITEM_KIND_JOURNAL})
_CARDS = frozenset({item_pb2.ITEM_KIND_CONTACT, item_pb2.ITEM_KIND_DISTRIBUTION_LIST})


def render(item: Item, attachments: Iterable[tuple[Attachment, bytes]]) -> bytes:
    """The document of an item that has no original bytes.

    iCalendar for appointments, tasks and journal entries, vCard for contacts and lists, a message for messages; and for notes too,
    which have no format of their own.
    """
    summary, content = item.summary, item.content
    if summary.kind in _CALENDAR:
        return icalendar.render(summary, item.state, content)
    if summary.kind in _CARDS:
        return vcard.render(summary, item.state, content)
    return mime.compose(summary, content, attachments, boundary_seed=item.id + item.content_revision.to_bytes(8, "big"))


def media_type(kind: int) -> str:
    """What ``render`` gives for a kind; an original message has the same as a rendered one."""
    if kind in _CALENDAR:
        return "text/calendar; charset=utf-8"
    return "text/vcard; charset=utf-8" if kind in _CARDS else "message/rfc822"


def needs_attachments(kind: int) -> bool:
    """Whether the document of a kind has the attachments' bytes inside."""
    return kind not in _CALENDAR and kind not in _CARDS


def file_name(summary: ItemSummary) -> str:
    """A name to save the document under: the subject without what file systems refuse, at most 100 characters."""
    kept = "".join(letter if letter.isprintable() and letter not in '/\\:*?"<>|' else " " for letter in summary.subject[:300])
    stem = " ".join(kept.split()).strip(". ")[:100].strip(". ")
    ending = "ics" if summary.kind in _CALENDAR else "vcf" if summary.kind in _CARDS else "eml"
    return f"{stem or records.DETAILS.get(summary.kind, 'item').replace('_', ' ')}.{ending}"


def attachment_of(content: ItemContent, attachment_id: int) -> Attachment | None:
    """The attachment with this id."""
    return next((attachment for attachment in content.attachments if attachment.id == attachment_id), None)
