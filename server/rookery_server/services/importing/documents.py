"""Documents to items: messages, iCalendar objects, vCards. The way back is ``rookery_core.formats.rendering``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import item_pb2
from rookery.v1.item_pb2 import ItemState
from rookery_core.errors import InvalidArgument
from rookery_core.formats import delivery_report_reading, delivery_report_record, icalendar, mime, vcard
from rookery_core.formats.mime import ParsedMessage
from rookery_core.rules import names, records, validation
from rookery_server.services.items import item_writer
from rookery_server.store import item_blobs

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from rookery.v1.item_pb2 import ItemContent, ItemSummary
    from rookery_core.formats.item_record import ItemRecord
    from rookery_server.services.items.item_writer import PreparedItem
    from rookery_server.store.blob_chunks import PreparedBlob

CATEGORIES_MOST = 100


class PreparedDocument(NamedTuple):
    """A document as an item that is ready to be written."""

    item: PreparedItem
    blob: PreparedBlob | None
    """The original bytes of a message; calendar and contact documents stay in the content."""

    @property
    def kind(self) -> int:
        """The item's kind."""
        kind: int = self.item.columns["kind"]
        return kind

    @property
    def external_id(self) -> str | None:
        """Message-ID or UID."""
        found: str | None = self.item.columns["external_id"]
        return found


class Marks(NamedTuple):
    """What comes with a document and is not in it."""

    state: ItemState
    received: Timestamp | None
    """When it came; where None, what the document says, else now."""


def parse(document_format: int, raw: bytes) -> ParsedMessage | ItemRecord:
    """Reads a document.

    InvalidArgument ``DOCUMENT_INVALID`` for a calendar or contact document that can not be read, for empty ones, and for formats
    that nobody knows. A message can always be read.
    """
    if not raw:
        raise InvalidArgument("DOCUMENT_INVALID", "the document is empty", field="document")
    match document_format:
        case item_pb2.DOCUMENT_FORMAT_MESSAGE:
            return mime.parse(raw)
        case item_pb2.DOCUMENT_FORMAT_ICALENDAR:
            return icalendar.parse(raw)
        case item_pb2.DOCUMENT_FORMAT_VCARD:
            return vcard.parse(raw)
        case _:
            raise InvalidArgument("DOCUMENT_INVALID", "say what the document is: a message, iCalendar or vCard", field="format")


def prepare(
    parsed: ParsedMessage | ItemRecord, raw: bytes, marks: Marks, *, item_id: bytes, now: int, blob_id: bytes
) -> PreparedItem:
    """Computes everything of an item that can be computed before the transaction. Its records are filled in.

    A record keeps to what is asked of a client's (``validation``), so that it can be edited later: the parsers see to it, and for
    calendar and contact documents it is looked at once more. InvalidArgument ``DOCUMENT_INVALID`` where it does not.
    """
    if isinstance(parsed, ParsedMessage):
        return prepare_parsed(parsed, raw, marks, now=now, blob_id=blob_id)
    summary = parsed.summary
    state = _merged(marks.state, parsed.state)
    if marks.received is not None:
        summary.received.CopyFrom(marks.received)
    records.complete(summary, parsed.content, item_id)
    _require_valid(summary, parsed.content)
    return item_writer.prepare(summary, state, parsed.content, now=now)


def _require_valid(summary: ItemSummary, content: ItemContent) -> None:
    try:
        validation.validate_item(summary, content)
    except InvalidArgument as error:
        message = f"the document says what an item can not hold: {error.message}"
        raise InvalidArgument("DOCUMENT_INVALID", message, field="document") from error


def prepare_message(
    raw: bytes, marks: Marks, *, now: int, blob_id: bytes, prefix: bytes = b"", reports_on: bytes = b""
) -> PreparedItem:
    """A message as an item that holds a blob of its bytes, behind the trace that only this recipient's copy has, if any.

    ``reports_on``: the submission that it is a delivery report of, where it is one and that is known.
    """
    parsed = mime.parse(raw)
    return prepare_parsed(parsed, raw, marks, now=now, blob_id=blob_id, prefix=prefix, reports_on=reports_on)


def prepare_parsed(
    parsed: ParsedMessage, raw: bytes, marks: Marks, *, now: int, blob_id: bytes, prefix: bytes = b"", reports_on: bytes = b""
) -> PreparedItem:
    """``prepare_message`` for a message that was read already; its records are filled in."""
    if parsed.summary.message.is_report and (report := delivery_report_reading.read(raw)) is not None:
        parsed.content.message.report.CopyFrom(delivery_report_record.to_record(report))
        parsed.content.message.report.submission_id = reports_on
    received = marks.received or parsed.received
    if received is not None:
        parsed.summary.received.CopyFrom(received)
    size = len(prefix) + len(raw)
    item = item_writer.prepare(parsed.summary, marks.state, parsed.content, now=now, size=size)
    original = {
        "part": item_blobs.ORIGINAL,
        "blob_id": blob_id,
        "prefix": prefix or None,
        "offset": 0,
        "length": len(raw),
        "encoding": "identity",
        "size_bytes": size,
    }
    item.blobs.append(original)
    item.blobs.extend(
        {
            **original,
            "prefix": None,
            "part": part.attachment_id,
            "offset": part.offset,
            "length": part.length,
            "encoding": part.encoding,
            "size_bytes": part.size,
        }
        for part in parsed.parts
    )
    return item


def _merged(given: ItemState, found: ItemState) -> ItemState:
    """The importer's marks, with the document's own categories beside the importer's."""
    state = ItemState()
    state.CopyFrom(given)
    known = {names.key(name) for name in state.categories}
    for name in found.categories:
        if names.key(name) not in known and len(known) < CATEGORIES_MOST:
            known.add(names.key(name))
            state.categories.append(name)
    return state
