"""Messages that mail programs wrote themselves: made ready to leave as they are, but for what no recipient may see or misses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1.item_pb2 import RECIPIENT_TYPE_BCC, Item, ItemState
from rookery.v1.person_pb2 import Person
from rookery_core.errors import InvalidArgument
from rookery_core.formats import mime, trace
from rookery_core.formats.addressees import MOST_RECIPIENTS, Addressee
from rookery_core.formats.mime_addresses import parse_addresses
from rookery_core.formats.mime_fields import date_text
from rookery_core.formats.mime_headers import raw_text_of, read_block
from rookery_core.formats.trace import Hop
from rookery_core.rules import mail_addresses
from rookery_core.rules.ids import text_of
from rookery_server.services.importing import documents
from rookery_server.services.importing.documents import Marks
from rookery_server.store import blob_chunks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.item_pb2 import ItemContent
    from rookery_core.formats.mime_headers import HeaderBlock
    from rookery_core.rules.mail_addresses import MailAddress
    from rookery_server.services.items.item_writer import PreparedItem
    from rookery_server.store.blob_chunks import PreparedBlob

_SECOND = 1_000_000
_HIDDEN = frozenset({"bcc", "resent-bcc", "return-path"})
_AUTHOR_FIELDS = ("from", "sender", "resent-from", "resent-sender")
_HEADER = re.compile(rb"(?:[!-9;-~]++[ \t]*+:[^\0\n]*+\n?+(?:[ \t][^\0\n]*+\n?+)*+)++(?:\r\n)?+")
"""Fields alone (RFC 5322 section 2.2), and the empty line behind them."""


@dataclass(frozen=True, slots=True)
class Post:
    """A message as a mail program handed it in."""

    sender: str
    """Of the envelope; "" for a receipt or another report."""
    recipients: Sequence[str]
    """Of the envelope."""
    data: bytes
    protocol: str
    """How it came: "ESMTPSA"."""
    host: str
    """This server's name."""


@dataclass(frozen=True, slots=True)
class Readied:
    """A message that is ready to leave."""

    item: Item
    """The sender's own copy. It alone names those who get the message without being named in it."""
    prepared: PreparedItem
    """The same, ready to be written."""
    blob: PreparedBlob
    message: bytes
    """It itself, as it leaves."""
    authors: Sequence[str]
    """Addresses in whose name it is."""
    addressees: Sequence[Addressee]
    eight_bit: bool
    unicode_header: bool


def ready(post: Post, *, now: int, item_id: bytes, blob_id: bytes) -> Readied:
    """Makes a message ready; ``now`` is in microseconds.

    InvalidArgument ``DOCUMENT_INVALID`` for one without an author, and for a header that others may read otherwise than it is read
    here: they might find another author in it, or a Bcc.

    Bcc goes; a date and a Message-ID are added where they are missing (RFC 6409 section 8), and a Received field that does not tell
    where the sender sits. Everything else stays byte for byte, so that signatures hold.
    """
    header = read_block(post.data, 0, len(post.data))
    if header.defects or not _HEADER.fullmatch(post.data, 0, header.body):
        message = "the message's header is not well-formed: it has fields alone, and ends with an empty line"
        raise InvalidArgument("DOCUMENT_INVALID", message, field="document")
    authors = [person.address for name in _AUTHOR_FIELDS for person in _people(header, name)]
    if not header.first("from") or not authors:
        message = "the message names no author: it needs a From field with your address"
        raise InvalidArgument("DOCUMENT_INVALID", message, field="document")
    named = {mail_addresses.key_of(each.address): each for name in ("bcc", "cc", "to") for each in _people(header, name)}
    head = _head(post, header, now, item_id)
    data = head + post.data[header.body :]
    addressees = _addressees(post.recipients, named)
    parsed = mime.parse(data)
    name_hidden(parsed.content, addressees)
    marks = Marks(ItemState(read=True), Timestamp(seconds=now // _SECOND, nanos=now % _SECOND * 1000))
    prepared = documents.prepare_parsed(parsed, data, marks, now=now, blob_id=blob_id)
    item = Item(id=item_id, summary=parsed.summary, content=parsed.content)
    blob = blob_chunks.prepare(data, blob_id)
    return Readied(item, prepared, blob, data, authors, addressees, not data.isascii(), not head.isascii())


def _people(header: HeaderBlock, name: str) -> list[Person]:
    return [person for value in header.all(name) for person in parse_addresses(raw_text_of(value), MOST_RECIPIENTS)]


def _head(post: Post, header: HeaderBlock, now: int, item_id: bytes) -> bytes:
    """The header as it leaves, with the empty line behind it."""
    hop = Hop("", "", post.host, post.protocol, text_of(item_id), now // _SECOND)
    lines = [trace.received_lines(hop)]
    if not header.first("date"):
        lines.append(f"Date: {date_text(now // _SECOND)}\r\n".encode())
    if not header.first("message-id"):
        lines.append(f"Message-ID: <{text_of(item_id)}@{post.host}>\r\n".encode())
    return b"".join([*lines, trace.without_fields(post.data[: header.body], _HIDDEN)])


def _addressees(recipients: Sequence[str], named: dict[str, Person]) -> list[Addressee]:
    """Everybody in the envelope, each address once, by the name that the message has for them."""
    found: dict[str, Addressee] = {}
    for recipient in recipients:
        address: MailAddress = mail_addresses.parse(recipient, "recipient")
        person = Person(name=named[address.key].name if address.key in named else "", address=address.text)
        found.setdefault(address.key, Addressee(person, address))
    return list(found.values())


def name_hidden(content: ItemContent, addressees: Sequence[Addressee]) -> None:
    """Adds to the sender's copy, as Bcc, those in the envelope whom the message does not name."""
    named = {mail_addresses.key_of(recipient.person.address) for recipient in content.recipients}
    for person, address in addressees:
        if address.key not in named:
            content.recipients.add(type=RECIPIENT_TYPE_BCC, person=person)
