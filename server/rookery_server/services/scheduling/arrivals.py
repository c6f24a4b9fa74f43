"""What messages that come in say of meetings and tasks, read before any mailbox is looked at (iMIP, RFC 6047)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ItemContent, SchedulingMessage
from rookery.v1.scheduling_pb2 import (
    SCHEDULING_EFFECT_IGNORED,
    SCHEDULING_METHOD_COUNTER,
    SCHEDULING_METHOD_REFRESH,
    SCHEDULING_METHOD_REPLY,
)
from rookery_core.errors import InvalidArgument
from rookery_core.formats import imip, itip, trace
from rookery_core.formats.mime_addresses import parse_addresses
from rookery_core.formats.mime_headers import raw_text_of, read_block
from rookery_core.rules import mail_addresses
from rookery_server.services.items import item_writer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery_core.formats.mime import ParsedMessage
    from rookery_core.rules.scheduling.itip import Itip
    from rookery_server.services.items.item_writer import PreparedItem

_CALENDARS = frozenset({"text/calendar", "application/ics"})
_OF_ATTENDEES = frozenset({SCHEDULING_METHOD_REPLY, SCHEDULING_METHOD_COUNTER, SCHEDULING_METHOD_REFRESH})
"""What attendees say to the organiser; all else the organiser says, whoever passes it on."""
_MOST_AUTHORS = 10
"""Addresses that are read of one From field."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A scheduling message that came in, the same for all who get it."""

    itip: Itip
    sender: str
    """For whom the message speaks: the one address in From, or the organiser's where that is the one in Sender, of the same
    domain as From: DMARC vouches for no other. Empty where several are in From, since hosts differ in which of them they check."""
    unproven: frozenset[str]
    """Domains in whose name it speaks, of From, Sender and the organiser, and for which nobody vouches. If one of them is this
    server's the message changes nothing: whoever sends from here has signed in here."""


def holds_calendar(parsed: ParsedMessage) -> bool:
    """Whether there is something in a message that ``read`` has to look into, which can take a second."""
    return parsed.summary.message.has_calendar or any(each.media_type in _CALENDARS for each in parsed.content.attachments)


def read(data: bytes, parsed: ParsedMessage, *, signed_in: bool = False) -> Arrived | None:
    """What a message says of a meeting or a task; None if it says nothing.

    One that can not be read is marked in ``parsed`` as ignored: to its readers it is a message like any other. ``signed_in``: the
    sender did, and From and Sender are their own. Otherwise who vouches for From is the host in front, by dmarc=pass in what is
    kept of its Authentication-Results. Nobody who signs in here speaks for anybody else (SENT-BY): there are no delegates.
    """
    if not holds_calendar(parsed):
        return None
    part = imip.calendar_part(data)
    if part is None:
        return None
    try:
        found = itip.read(part)
    except InvalidArgument:
        parsed.content.message.scheduling.effect = SCHEDULING_EFFECT_IGNORED
        return None
    authors, sender = _authors(data), parsed.summary.message.sender.address
    author = authors[0] if len(authors) == 1 else ""
    unproven: set[str] = set()
    if signed_in:
        found = dataclasses.replace(found, sent_by="")
    else:
        spoken_for = [*authors, sender, *([] if found.method in _OF_ATTENDEES else [found.organizer.address])]
        unproven = {_domain(address) for address in spoken_for} - {""}
        if _vouched(parsed.content.message.authentication_results, _domain(author)):
            unproven.discard(_domain(author))
    by_organizer = sender and mail_addresses.key_of(sender) == mail_addresses.key_of(found.organizer.address)
    return Arrived(found, sender if by_organizer and _domain(sender) == _domain(author) else author, frozenset(unproven))


def telling(item: PreparedItem, content: ItemContent, message: SchedulingMessage) -> PreparedItem:
    """A message's item, with what came of it: ``content`` is the item's, and stays as it is."""
    whole = ItemContent()
    whole.CopyFrom(content)
    whole.message.scheduling.CopyFrom(message)
    encoded = item_writer.encode(whole)
    return dataclasses.replace(item, codec=encoded.codec, content=encoded.stored)


def _authors(data: bytes) -> list[str]:
    """The addresses in From, each once; of several fields those of all."""
    fields = read_block(data, 0, len(data)).all("from")
    people = (person for value in fields for person in parse_addresses(raw_text_of(value), _MOST_AUTHORS))
    return list({mail_addresses.key_of(person.address): person.address for person in people if person.address}.values())


def _domain(address: str) -> str:
    """The domain, as this server's domains are kept."""
    return mail_addresses.key_of(address).rpartition("@")[2].rstrip(".")


def _vouched(results: Iterable[str], domain: str) -> bool:
    """Whether the host in front says that a message is from the domain of its author (DMARC: RFC 7489 section 11)."""
    for value in results:
        for each in trace.parse_authentication_results(value).results:
            of = each.properties.get("header.from", domain).rstrip(".").lower()
            if each.method == "dmarc" and each.result == "pass" and of == domain:
                return True
    return False
