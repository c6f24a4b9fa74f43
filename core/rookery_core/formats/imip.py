"""iMIP (RFC 6047): scheduling messages as mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1.item_pb2 import ItemContent, ItemSummary, MessageSummary, Recipient
from rookery_core.formats import imip_text, itip_words, mime_assembly, mime_calendar
from rookery_core.formats.calendar_units import key_of
from rookery_core.formats.itip_writing import write
from rookery_core.formats.mime_assembly import Block, Boundaries
from rookery_core.formats.mime_compose import message_of
from rookery_core.formats.mime_fields import header_of, mime_field
from rookery_core.formats.mime_structure import scan

if TYPE_CHECKING:
    from rookery.v1.person_pb2 import Person
    from rookery_core.rules.scheduling.itip import Letter

_NAMED = 100
"""Recipients that the header names. Whoever is invited with more people finds them in the invitation itself; thousands of addresses
in the header as well are more than some hosts take, are quoted by every answer to all, and look like a mass mailing."""


def compose(
    letter: Letter, sender: Person, *, message_id: str, date: int, automatic: bool = False, written: bytes | None = None
) -> bytes:
    """The whole message that carries a letter to its recipients, in 7 bits, with CRLF line ends; equal input gives equal bytes.

    ``date`` is in seconds since 1970. What is ``automatic`` says so, lest another program answer it (RFC 3834 section 5).
    ``written`` is what ``itip.write`` makes of the letter, where somebody has it already.
    """
    about = letter.itip.parts[0].item.summary
    summary = ItemSummary(
        subject=imip_text.subject(letter.itip),
        sent=Timestamp(seconds=date),
        importance=about.importance,
        sensitivity=about.sensitivity,
        message=MessageSummary(message_id=message_id),
    )
    getattr(summary.message, "from").CopyFrom(sender)
    named = letter.to if len(letter.to) <= _NAMED else ()
    header = header_of(summary, ItemContent(recipients=[Recipient(person=person) for person in named]), leaving=True)
    if automatic:
        answers = letter.itip.method in itip_words.ANSWERS
        header.append(f"Auto-Submitted: {'auto-replied' if answers else 'auto-generated'}")
    parts = [
        mime_assembly.text(imip_text.text(letter.itip, sender, is_update=letter.is_update), "plain"),
        _calendar(letter, written),
    ]
    return message_of(header, Boundaries(message_id.encode("utf-8", "replace")).multipart("alternative", parts))


def _calendar(letter: Letter, written: bytes | None) -> Block:
    """The part for programs (RFC 6047 section 2.4): base64, for no relay changes it."""
    parameters = {"method": key_of(itip_words.METHODS, letter.itip.method), "charset": "utf-8"}
    header = [*mime_field("Content-Type", "text/calendar", parameters), "Content-Transfer-Encoding: base64"]
    return Block(header, mime_assembly.in_base64(write(letter.itip) if written is None else written))


def calendar_part(data: bytes) -> bytes | None:
    """The scheduling message of a mail, in UTF-8 if that can be told; None if it has none. Never raises.

    The first text/calendar part that has a METHOD, wherever it stands; without one, the first file of a calendar (application/ics,
    or a name that ends in .ics) that asks, answers or calls off. Not what is in a message that is attached.
    """
    root, _ = scan(data)
    found = mime_calendar.find(data, root)
    return mime_calendar.content(data, *found) if found else None
