"""Messages (RFC 5322, MIME) to records and back.

``parse`` reads any bytes and never raises: what it had to guess stands in ``content.message.defects``. Attachments stay where
they are: a ``Part`` tells which slice of the raw bytes holds one and how it is encoded.
"""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1.item_pb2 import ITEM_KIND_MESSAGE, ItemContent, ItemSummary
from rookery_core.formats import mime_envelope
from rookery_core.formats.mime_classes import classify
from rookery_core.formats.mime_compose import compose
from rookery_core.formats.mime_headers import text_of
from rookery_core.formats.mime_parts import Part, sort_parts
from rookery_core.formats.mime_structure import scan
from rookery_core.formats.mime_transfer import decode_part
from rookery_core.rules import limits, records

__all__ = ["ParsedMessage", "Part", "compose", "decode_part", "parse"]

DEFECTS_LIMIT = 20


@dataclass(frozen=True, slots=True)
class ParsedMessage:
    """A message as records.

    ``parts`` has one entry for each of ``content.attachments``, in the same order. ``received`` is when the last host took it
    (the topmost Received field), else when it says that it was sent, else None. The summary's ``received``, ``created`` and
    ``modified`` are left to the server.
    """

    summary: ItemSummary
    content: ItemContent
    parts: list[Part]
    received: Timestamp | None


def parse(raw: bytes) -> ParsedMessage:
    """Reads a message; never raises, whatever the bytes. All strings are valid UTF-8 without NUL, texts have LF line ends."""
    # Line ends of bare CR have the length of LF, so that offsets stay true.
    source = raw.replace(b"\r", b"\n") if b"\n" not in raw and b"\r" in raw else raw
    root, defects = scan(source, _first_field(source))
    header, charset = root.header, root.parameters.get("charset", "")
    found = sort_parts(source, root)
    defects += found.defects
    kind = classify(source, root)

    # The records are filled in place: made apart and put together, each text would be copied twice.
    content = ItemContent(attachments=found.attachments)
    content.body.text, content.body.html, content.body.truncated = found.text, found.html, found.truncated
    summary = ItemSummary(
        kind=ITEM_KIND_MESSAGE,
        message_class=kind.message_class,
        subject=text_of(header.first("subject"), charset)[: limits.SUBJECT],
        size_bytes=len(raw),
        importance=mime_envelope.importance(header),
        sensitivity=mime_envelope.sensitivity(header),
    )
    mime_envelope.fill_message_summary(summary.message, header, charset, defects)
    summary.message.has_calendar = kind.has_calendar
    summary.message.is_report = kind.is_report
    mime_envelope.add_recipients(content, header, charset, defects)
    mime_envelope.fill_message_content(content.message, header, charset, defects)
    sent = mime_envelope.sent_at(header, defects)
    content.message.defects.extend(list(dict.fromkeys(defects))[:DEFECTS_LIMIT])
    records.derive(summary, content)
    if sent is not None:
        summary.sent.seconds = sent
    received = mime_envelope.received_at(header)
    received = sent if received is None else received
    return ParsedMessage(summary, content, found.parts, None if received is None else Timestamp(seconds=received))


def _first_field(raw: bytes) -> int:
    """Where the header begins: after empty lines that some tools leave in front of it."""
    if raw[:1] not in {b"\n", b"\r"}:
        return 0
    stripped = raw[:256].lstrip(b"\r\n")
    name, colon, _ = stripped.partition(b":")
    return raw.index(stripped) if colon and name.replace(b"-", b"").isalnum() else 0
