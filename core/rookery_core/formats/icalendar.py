"""iCalendar (RFC 5545): files to documents, documents to items, items to documents, documents to a file.

A *document* is a VCALENDAR with one item: the components of one UID and the time zones that they use. It stays with the
item (``ItemContent.source``), and ``render`` changes it only where the item changed, so that alarms, custom zones, vendors'
properties and whatever else no field holds come out as they went in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import DocumentFormat, ItemContent, ItemState, ItemSummary, SourceDocument
from rookery_core.errors import InvalidArgument
from rookery_core.formats.calendar_document import KINDS, Document
from rookery_core.formats.calendar_files import Documents, calendar, split
from rookery_core.formats.contentlines import write
from rookery_core.formats.item_record import ItemRecord, Skipped, Split, require_size

if TYPE_CHECKING:
    from rookery.v1.item_pb2 import ItemKind

__all__ = ["Documents", "ItemRecord", "Skipped", "Split", "calendar", "parse", "render", "split"]


def parse(document: bytes) -> ItemRecord:
    """The item of one document, at most 1 MiB; the document becomes its source.

    A VEVENT becomes an appointment, a VTODO a task, a VJOURNAL a journal entry. An optional property that can not be read stays
    in the source and is left out of the fields. InvalidArgument ``DOCUMENT_INVALID`` for anything else, and for an event without
    a start.
    """
    require_size(document)
    record = Document.opened(document).record()
    record.content.source.CopyFrom(SourceDocument(format=DocumentFormat.DOCUMENT_FORMAT_ICALENDAR, data=document))
    return record


def render(summary: ItemSummary, state: ItemState, content: ItemContent) -> bytes:
    """The document of an appointment, a task or a journal entry.

    It is the item's source, changed where the item changed, and the very source if nothing did; a new document where there is none.
    Not written are the owner's own answer (``my_response``), the words and proposals that came with the attendees' answers, what
    the server keeps of a meeting, attachments and extended properties. InvalidArgument ``KIND_MISMATCH`` for other kinds.
    """
    name = next((name for name, kind in KINDS.items() if kind == summary.kind), None)
    if name is None:
        raise InvalidArgument("KIND_MISMATCH", "only appointments, tasks and journal entries have an iCalendar form")
    after = ItemRecord(summary, content, state)
    if content.source.format == DocumentFormat.DOCUMENT_FORMAT_ICALENDAR:
        opened = _source(content.source.data, summary.kind)
        if opened:
            document, before = opened
            return write([document.calendar]) if document.edit(before, after) else content.source.data
    document = Document.empty(name)
    document.edit(ItemRecord.empty(summary.kind), after)
    return write([document.calendar])


def _source(data: bytes, kind: ItemKind.ValueType) -> tuple[Document, ItemRecord] | None:
    """The document that an item came from, None if it is no such document."""
    try:
        document = Document.opened(data)
        before = document.record()
    except InvalidArgument:
        return None
    return (document, before) if before.summary.kind == kind else None
