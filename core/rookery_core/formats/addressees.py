"""Everybody that a message goes to: groups expanded, addresses checked, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import item_pb2
from rookery.v1.item_pb2 import Recipient
from rookery_core.errors import FailedPrecondition, InvalidArgument
from rookery_core.formats.mime_addresses import parse_addresses
from rookery_core.rules import mail_addresses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rookery.v1.item_pb2 import ItemContent
    from rookery.v1.person_pb2 import Person
    from rookery_core.rules.mail_addresses import MailAddress

MOST_RECIPIENTS = 1000
"""Addresses that one message goes to."""


class Addressee(NamedTuple):
    """Somebody that a message goes to."""

    person: Person
    """As the message names them."""
    address: MailAddress


def expand_groups(content: ItemContent) -> None:
    """Replaces groups, written as ``Name: a@example.org, b@example.org;`` (RFC 5322 section 3.4), by their members."""
    if not any(map(_is_group, content.recipients)):
        return
    expanded = [each for recipient in content.recipients for each in _members(recipient)]
    content.ClearField("recipients")
    content.recipients.extend(expanded)


def addressees(content: ItemContent) -> list[Addressee]:
    """Everybody in To, Cc and Bcc, groups expanded before, each address once, in the order of the message.

    InvalidArgument ``ADDRESS_INVALID`` or ``LIMIT_EXCEEDED``; FailedPrecondition ``NO_RECIPIENTS``.
    """
    found: dict[str, Addressee] = {}
    for recipient in ordered(content.recipients):
        addressee = Addressee(recipient.person, _address_of(recipient.person))
        found.setdefault(addressee.address.key, addressee)
    if not found:
        raise FailedPrecondition("NO_RECIPIENTS", "the message has no recipients: name somebody in To, Cc or Bcc")
    if len(found) > MOST_RECIPIENTS:
        message = f"the message has {len(found):,} recipients; at most {MOST_RECIPIENTS:,} are allowed"
        raise InvalidArgument("LIMIT_EXCEEDED", message, field="item_id")
    return list(found.values())


def ordered(recipients: Iterable[Recipient]) -> Iterator[Recipient]:
    """Those that a message goes to: To, then Cc, then Bcc."""
    kinds = ({item_pb2.RECIPIENT_TYPE_UNSPECIFIED, item_pb2.RECIPIENT_TYPE_TO}, {item_pb2.RECIPIENT_TYPE_CC})
    for kind in (*kinds, {item_pb2.RECIPIENT_TYPE_BCC}):
        yield from (recipient for recipient in recipients if recipient.type in kind)


def _address_of(person: Person) -> MailAddress:
    if not person.address:
        message = f"“{person.name[:100]}” has no address: give one, or leave them out"
        raise InvalidArgument("ADDRESS_INVALID", message, metadata={"address": ""}, field="item_id")
    try:
        return mail_addresses.parse(person.address, "item_id")
    except InvalidArgument as error:
        raise InvalidArgument(error.reason, error.message, metadata={"address": person.address[:320]}, field="item_id") from None


def _is_group(recipient: Recipient) -> bool:
    return recipient.person.address.rstrip().endswith(";") and ":" in recipient.person.address


def _members(recipient: Recipient) -> list[Recipient]:
    if not _is_group(recipient):
        return [recipient]
    people = parse_addresses(recipient.person.address, MOST_RECIPIENTS + 1)
    return [Recipient(type=recipient.type, person=person) for person in people if person.address]
