"""Answers and forwards: drafts made from items that are there (RFC 5322 section 3.6)."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import item_pb2
from rookery.v1.item_pb2 import Attachment, Body, ItemContent, ItemSummary, MessageContent, MessageSummary, Recipient
from rookery_core.formats import rendering
from rookery_core.formats.composing_text import Words, attribution, attribution_html, forwarded, forwarded_html, html_of_text
from rookery_core.formats.mime_addresses import parse_addresses
from rookery_core.formats.quoting import quoted_html, quoted_text
from rookery_core.rules import limits, mail_addresses, records
from rookery_core.rules.body_text import text_of_html

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable, Sequence

    from rookery.v1.item_pb2 import Item, RecipientType
    from rookery.v1.person_pb2 import Person

WHOLE = 0
"""In ``Kept.part``: the item itself as a document, rather than one of its attachments."""

_REFERENCES = 200
_PREFIX = re.compile(r"\s*+(?:re|aw|antw|sv|fw|fwd|wg|回复|答复|转发)(?:\s?[\[(]\d{1,4}[\])]|\^\d{1,4})?\s?[:：]", re.IGNORECASE)
_TO = item_pb2.RECIPIENT_TYPE_TO
_CC = item_pb2.RECIPIENT_TYPE_CC
_TO_TYPES = {item_pb2.RECIPIENT_TYPE_UNSPECIFIED, _TO}


class Kept(NamedTuple):
    """Where the bytes of a draft's attachment come from."""

    item_id: bytes
    part: int
    """The attachment's id in that item, or ``WHOLE``."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft that is ready to be edited or sent. Its Message-ID and Date are left to whoever stores and sends it."""

    summary: ItemSummary
    content: ItemContent
    kept: tuple[Kept, ...]
    """The source of each of ``content.attachments``, in the same order; their ids and uploads are left to the caller."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and where."""

    person: Person
    """Name and address that the draft is from."""
    own: Collection[str]
    """All addresses of the mailbox: nobody writes to themselves by answering all."""
    zone: dt.tzinfo
    """In which the date of what is answered is told."""


def reply(item: Item, writer: Writer, words: Words | None = None, *, to_all: bool = False) -> Draft:
    """An answer to a message's author, or to all that it went to; ``item`` comes with its content.

    Answers go to Reply-To where there is one. Answering all honours Mail-Followup-To, by which authors, mostly on lists, say
    where further answers belong. An answer to a message of one's own goes to those that it went to. The text is quoted, as HTML
    too if the message or the words have HTML; images that the HTML shows are kept.
    """
    words = words or Words()
    content = ItemContent(recipients=_answered(item, writer, to_all=to_all))
    _thread(content.message, item)
    content.message.in_reply_to = item.summary.message.message_id
    text, source = _texts(item, words)
    date = item.summary.sent if item.summary.HasField("sent") else None
    author = records.author(item.summary.message)
    content.body.text = _limited(words.text_before(f"{attribution(author, date, writer.zone)}\n{quoted_text(text)}\n"))
    if source:
        quotation = f'<blockquote type="cite">{quoted_html(source)}</blockquote>'
        _add_html(content.body, words.html_before(attribution_html(author, date, writer.zone) + quotation))
    shown = [each for each in item.content.attachments if content.body.html and _is_shown(each, source)]
    return _draft(item, "Re", writer, content, shown)


def forward(item: Item, writer: Writer, words: Words | None = None, *, to: Iterable[Person] = ()) -> Draft:
    """A message's text and attachments to somebody else, with who wrote it, when and to whom.

    It stays in the conversation (References), but answers nobody (no In-Reply-To).
    """
    words = words or Words()
    content = ItemContent(recipients=[Recipient(type=_TO, person=person) for person in to])
    _thread(content.message, item)
    text, source = _texts(item, words)
    content.body.text = _limited(words.text_before(f"{forwarded(item, writer.zone)}\n{text}"))
    if source:
        _add_html(content.body, words.html_before(forwarded_html(item, writer.zone) + f"<div>{quoted_html(source)}</div>"))
    return _draft(item, "Fwd", writer, content, item.content.attachments)


def forward_as_attachment(items: Sequence[Item], writer: Writer, words: Words | None = None, *, to: Iterable[Person] = ()) -> Draft:
    """Items as they are, each attached as a document, to somebody else. At least one item."""
    words = words or Words()
    content = ItemContent(recipients=[Recipient(type=_TO, person=person) for person in to])
    content.body.text = words.text_before("")
    if words.html:
        _add_html(content.body, words.html_before(""))
    for item in items:
        content.attachments.add(
            name=rendering.file_name(item.summary),
            media_type=rendering.media_type(item.summary.kind).partition(";")[0],
            disposition=item_pb2.ATTACHMENT_DISPOSITION_ATTACHMENT,
        )
    if len(items) == 1:
        _thread(content.message, items[0])
    summary = _summary(items[0], "Fwd", writer)
    records.derive(summary, content)
    return Draft(summary, content, tuple(Kept(item.id, WHOLE) for item in items))


def subject_of(subject: str, prefix: str) -> str:
    """The subject with one prefix, "Re" or "Fwd", whatever it began with in the usual languages."""
    position = 0
    while (match := _PREFIX.match(subject, position)) is not None:
        position = match.end()
    return f"{prefix}: {subject[position:].strip()}"[: limits.SUBJECT]


def _draft(item: Item, prefix: str, writer: Writer, content: ItemContent, attachments: Iterable[Attachment]) -> Draft:
    kept = []
    for each in attachments:
        kept.append(Kept(item.id, each.id))
        content.attachments.add(
            name=each.name, media_type=each.media_type, content_id=each.content_id, disposition=each.disposition
        )
    summary = _summary(item, prefix, writer)
    records.derive(summary, content)
    return Draft(summary, content, tuple(kept))


def _summary(item: Item, prefix: str, writer: Writer) -> ItemSummary:
    summary = ItemSummary(
        kind=item_pb2.ITEM_KIND_MESSAGE,
        message_class="IPM.Note",
        subject=subject_of(item.summary.subject, prefix),
        sensitivity=item.summary.sensitivity,
        message=MessageSummary(draft=True),
    )
    records.author(summary.message).CopyFrom(writer.person)
    return summary


def _thread(message: MessageContent, item: Item) -> None:
    """References by RFC 5322 section 3.6.4: the parent's, or what it answers, and the parent itself; the oldest stays the first."""
    parent = item.content.message
    known = list(parent.references) or ([parent.in_reply_to] if parent.in_reply_to else [])
    own = item.summary.message.message_id
    known = [each for each in dict.fromkeys([*known, own]) if each]
    del known[1 : len(known) - _REFERENCES + 1]
    message.references.extend(known)


def _answered(item: Item, writer: Writer, *, to_all: bool) -> list[Recipient]:
    """Who an answer goes to, each once, the writer not at all unless nobody else is left."""
    content = item.content
    author = records.author(item.summary.message)
    own = {mail_addresses.key_of(address) for address in [*writer.own, writer.person.address]}
    is_own = mail_addresses.key_of(author.address) in own
    followers = _follow_up(item) if to_all else []
    replies = _of_types(content, {item_pb2.RECIPIENT_TYPE_REPLY_TO})
    recipients: list[tuple[Person, RecipientType.ValueType]]
    if followers and not own.issuperset(mail_addresses.key_of(each.address) for each in followers):
        recipients = [(person, _TO) for person in followers]
    elif is_own and any(recipient.person.address for recipient in content.recipients):
        recipients = [(person, _TO) for person in _of_types(content, _TO_TYPES)]
        recipients += [(person, _CC) for person in _of_types(content, {_CC}) if to_all]
    else:
        recipients = [(person, _TO) for person in replies or [author]]
        if to_all:
            recipients += [(person, _TO) for person in _of_types(content, _TO_TYPES)]
            recipients += [(person, _CC) for person in _of_types(content, {_CC})]
    chosen: dict[str, Recipient] = {}
    for person, kind in recipients:
        key = mail_addresses.key_of(person.address)
        if key and key not in own:
            chosen.setdefault(key, Recipient(type=kind, person=person))
    return list(chosen.values())[: limits.RECIPIENTS] or [Recipient(type=_TO, person=(replies or [author])[0])]


def _follow_up(item: Item) -> list[Person]:
    value = next((each.value for each in item.content.message.headers if each.name.lower() == "mail-followup-to"), "")
    return [person for person in parse_addresses(value, limits.RECIPIENTS) if person.address]


def _of_types(content: ItemContent, types: Collection[int]) -> list[Person]:
    return [recipient.person for recipient in content.recipients if recipient.type in types and recipient.person.address]


def _texts(item: Item, words: Words) -> tuple[str, str]:
    """What a message says as text and as HTML; text is made of HTML where it has no other, HTML of text if it goes below HTML."""
    body = item.content.body
    source = body.html or (html_of_text(body.text.rstrip("\n")) if words.html else "")
    return (body.text or text_of_html(body.html)), source


def _is_shown(attachment: Attachment, source: str) -> bool:
    """Whether the HTML shows the attachment (RFC 2392); addresses in HTML may be escaped."""
    name = attachment.content_id
    escaped = html.escape(name)
    percent = name.replace("%", "%25").replace("@", "%40")
    return bool(name) and any(f"cid:{form}" in source for form in (name, escaped, percent))


def _limited(text: str) -> str:
    """A text cut to what a body holds."""
    data = text.encode()
    return text if len(data) <= limits.BODY_BYTES else data[: limits.BODY_BYTES].decode("utf-8", "ignore")


def _add_html(body: Body, source: str) -> None:
    """HTML of an answer, or none where it is larger than a body holds: cut, it would show rubbish. The text has all of it."""
    if len(source.encode()) <= limits.BODY_BYTES:
        body.html = source
