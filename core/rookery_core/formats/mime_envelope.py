"""What the header of a message says about people, ids, dates and importance, as records. Never raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import (
    IMPORTANCE_HIGH,
    IMPORTANCE_LOW,
    IMPORTANCE_NORMAL,
    IMPORTANCE_UNSPECIFIED,
    RECIPIENT_TYPE_BCC,
    RECIPIENT_TYPE_CC,
    RECIPIENT_TYPE_REPLY_TO,
    RECIPIENT_TYPE_TO,
    SENSITIVITY_CONFIDENTIAL,
    SENSITIVITY_PERSONAL,
    SENSITIVITY_PRIVATE,
    SENSITIVITY_UNSPECIFIED,
    Importance,
    ItemContent,
    MessageContent,
    MessageSummary,
    RecipientType,
    Sensitivity,
)
from rookery_core.formats.mime_addresses import parse_addresses
from rookery_core.formats.mime_dates import parse_date
from rookery_core.formats.mime_headers import HeaderBlock, message_ids, raw_text_of, text_of
from rookery_core.rules import limits

if TYPE_CHECKING:
    from rookery.v1.person_pb2 import Person

HEADERS_LIMIT = 1000
HEADER_VALUE_LIMIT = 64 * 1024
HEADERS_BYTES = 1 << 20
"""Bytes of all header fields together that become records: with the largest texts, attachments and recipients they fit into one."""
REFERENCES_LIMIT = 200

_RECIPIENT_FIELDS: tuple[tuple[str, RecipientType.ValueType], ...] = (
    ("to", RECIPIENT_TYPE_TO),
    ("cc", RECIPIENT_TYPE_CC),
    ("bcc", RECIPIENT_TYPE_BCC),
    ("reply-to", RECIPIENT_TYPE_REPLY_TO),
)


def fill_message_summary(summary: MessageSummary, header: HeaderBlock, charset: str, defects: list[str]) -> None:
    """Authors, sender, Message-ID and list of a message; ``charset`` is what raw bytes are taken for that are no UTF-8."""
    ids = message_ids(text_of(header.first("message-id")), bare=True)
    listed = text_of(header.first("list-id"), charset)
    summary.message_id = ids[0] if ids else ""
    summary.list_id = (message_ids(listed) or [listed.strip("<> ")])[0][:1000] if listed else ""
    if not ids:
        defects.append("no Message-ID")
    authors = _people(header, "from", charset, 1)
    senders = _people(header, "sender", charset, 1)
    author: Person = getattr(summary, "from")
    if authors or senders:
        author.CopyFrom((authors or senders)[0])
    else:
        defects.append("no author")
    if authors and senders and senders[0].address != authors[0].address:
        summary.sender.CopyFrom(senders[0])


def add_recipients(content: ItemContent, header: HeaderBlock, charset: str, defects: list[str]) -> None:
    """The recipients in the order To, Cc, Bcc, Reply-To, at most 10,000."""
    room = limits.RECIPIENTS
    add = content.recipients.add
    for name, kind in _RECIPIENT_FIELDS:
        people = _people(header, name, charset, room + 1) if name in header.index else []
        for person in people[:room]:
            add(type=kind, person=person)
        if len(people) > room:
            defects.append("more than 10,000 recipients; the rest stays unread")
            return
        room -= len(people)


def fill_message_content(content: MessageContent, header: HeaderBlock, charset: str, defects: list[str]) -> None:
    """All fields, what the message answers, and whether a receipt is asked for."""
    content.has_original = True
    replied = message_ids(text_of(header.first("in-reply-to")))
    if replied:
        content.in_reply_to = replied[0]
    references = list(dict.fromkeys(message_ids(" ".join([text_of(value) for value in header.all("references")]))))
    if len(references) > REFERENCES_LIMIT:
        # The root and the nearest ancestors matter most (RFC 5537 section 3.4.4 cuts them likewise).
        del references[1 : len(references) - REFERENCES_LIMIT + 1]
    content.references.extend(references)
    asked = header.first("disposition-notification-to") or header.first("x-confirm-reading-to")
    content.read_receipt_requested = bool(asked.strip())
    _add_headers(content, header, charset, defects)


def _add_headers(content: MessageContent, header: HeaderBlock, charset: str, defects: list[str]) -> None:
    if len(header.fields) > HEADERS_LIMIT:
        defects.append("more than 1,000 header fields; the rest stays unread")
    add = content.headers.add
    if header.is_plain:
        for name, value in header.fields[:HEADERS_LIMIT]:
            add(name=name, value=value.rstrip())
        return
    room = HEADERS_BYTES
    for name, value in header.fields[:HEADERS_LIMIT]:
        cut = value[:HEADER_VALUE_LIMIT]
        room -= len(name) + len(cut)
        if room < 0:
            defects.append("more than 1 MiB of header fields; the rest stays unread")
            return
        add(name=name, value=text_of(cut, charset))


def importance(header: HeaderBlock) -> Importance.ValueType:
    """From Importance, Priority (RFC 2156), X-Priority or X-MSMail-Priority, the first that is understood."""
    for name in ("importance", "priority", "x-priority", "x-msmail-priority"):
        value = header.first(name)
        if value:
            word = value[:100].strip().lower()
            found = _IMPORTANCE.get(word, _IMPORTANCE.get(word[:1], IMPORTANCE_UNSPECIFIED))
            if found != IMPORTANCE_UNSPECIFIED:
                return found
    return IMPORTANCE_UNSPECIFIED


_IMPORTANCE: dict[str, Importance.ValueType] = {
    "high": IMPORTANCE_HIGH,
    "highest": IMPORTANCE_HIGH,
    "urgent": IMPORTANCE_HIGH,
    "1": IMPORTANCE_HIGH,
    "2": IMPORTANCE_HIGH,
    "normal": IMPORTANCE_NORMAL,
    "medium": IMPORTANCE_NORMAL,
    "3": IMPORTANCE_NORMAL,
    "low": IMPORTANCE_LOW,
    "lowest": IMPORTANCE_LOW,
    "non-urgent": IMPORTANCE_LOW,
    "4": IMPORTANCE_LOW,
    "5": IMPORTANCE_LOW,
}


def sensitivity(header: HeaderBlock) -> Sensitivity.ValueType:
    """From Sensitivity (RFC 2156 section 5.3.3)."""
    value = header.first("sensitivity")
    return _SENSITIVITY.get(value[:100].strip().lower(), SENSITIVITY_UNSPECIFIED)


_SENSITIVITY: dict[str, Sensitivity.ValueType] = {
    "personal": SENSITIVITY_PERSONAL,
    "private": SENSITIVITY_PRIVATE,
    "company-confidential": SENSITIVITY_CONFIDENTIAL,
    "confidential": SENSITIVITY_CONFIDENTIAL,
}


def sent_at(header: HeaderBlock, defects: list[str]) -> int | None:
    """Seconds since 1970 of the Date field, or None."""
    value = header.first("date")
    if not value:
        defects.append("no Date")
        return None
    found = parse_date(text_of(value[:1000]))
    if found is None:
        defects.append("the Date can not be understood")
    return found


def received_at(header: HeaderBlock) -> int | None:
    """Seconds since 1970 when the last host took the message: the date of the topmost Received field that has one, or None."""
    for value in header.all("received")[:5]:
        _, semicolon, date = value[-1000:].rpartition(";")
        found = parse_date(text_of(date)) if semicolon else None
        if found is not None:
            return found
    return None


def _people(header: HeaderBlock, name: str, charset: str, limit: int) -> list[Person]:
    people: list[Person] = []
    for value in header.all(name):
        if len(people) >= limit:
            break
        people += parse_addresses(raw_text_of(value, charset), limit - len(people))
    return people
