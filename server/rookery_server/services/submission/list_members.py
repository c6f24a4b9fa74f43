"""Distribution lists among a draft's recipients: when it is submitted, their members take their places."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import item_pb2
from rookery.v1.item_pb2 import ItemContent, ItemSummary, Recipient
from rookery.v1.person_pb2 import Person
from rookery_core.errors import InvalidArgument, NotFound
from rookery_core.formats.addressees import MOST_RECIPIENTS
from rookery_core.rules import mail_addresses
from rookery_core.rules.ids import text_of
from rookery_server.services.items import item_packing
from rookery_server.store import items

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from rookery.v1.contact_pb2 import DistributionListMember

MOST_NESTED = 8
"""How deep lists are inside each other, the first one counted."""
MOST_LISTS = 200
"""How many lists are opened for one message."""
_AT_ONCE = 500


class _Known(NamedTuple):
    """What a member of a list refers to."""

    kind: int
    name: str
    email: str
    """Of a contact: the first address."""


def has_lists(content: ItemContent) -> bool:
    """Whether there is a list among the recipients."""
    return any(recipient.list_item_id for recipient in content.recipients)


def expand(connection: Connection, mailbox_id: int, content: ItemContent) -> None:
    """Replaces the lists among the recipients by their members, each address once among the recipients of a type.

    NotFound ``ITEM_NOT_FOUND`` for a list that is not there (any more); InvalidArgument ``ADDRESS_INVALID``, with member and list,
    for a member whom no mail can be sent to, and ``LIMIT_EXCEEDED`` for lists that are too many, too deep or too long.
    """
    if not has_lists(content):
        return
    reader = _Reader(connection, mailbox_id)
    present = {_key(each) for each in content.recipients if not each.list_item_id}
    expanded: list[Recipient] = []
    for recipient in content.recipients:
        if not recipient.list_item_id:
            expanded.append(recipient)
            continue
        for person in reader.people(recipient):
            member = Recipient(type=recipient.type, person=person)
            if (key := _key(member)) not in present:
                present.add(key)
                expanded.append(member)
            if len(present) > MOST_RECIPIENTS:
                name = recipient.person.name[:100]
                raise _too_much(f"with the members of “{name}” the message has more than {MOST_RECIPIENTS:,} recipients")
    whole = ItemContent(recipients=expanded)
    content.ClearField("recipients")
    content.recipients.MergeFrom(whole.recipients)


def _key(recipient: Recipient) -> tuple[int, str]:
    kind = recipient.type or item_pb2.RECIPIENT_TYPE_TO
    return kind, mail_addresses.key_of(recipient.person.address) or recipient.person.name


class _Reader:
    """Reads lists and what their members refer to. Each list is walked through once for each recipient."""

    def __init__(self, connection: Connection, mailbox_id: int) -> None:
        self._connection = connection
        self._mailbox_id = mailbox_id
        self._opened = 0

    def people(self, recipient: Recipient) -> Iterator[Person]:
        """The members of a list among the recipients, and of the lists in it, in order."""
        found = self._open(recipient.list_item_id)
        if found is None:
            message = f"there is no distribution list “{recipient.person.name[:100]}” any more: take it out of the recipients"
            raise NotFound("ITEM_NOT_FOUND", message, metadata={"item_id": text_of(recipient.list_item_id)}, field="item_id")
        yield from self._people(*found, {recipient.list_item_id})

    def _people(self, name: str, members: Sequence[DistributionListMember], seen: set[bytes], depth: int = 1) -> Iterator[Person]:
        known = self._look_up([member.item_id for member in members if member.item_id])
        for member in members:
            meant = known.get(member.item_id)
            if meant is not None and meant.kind == item_pb2.ITEM_KIND_DISTRIBUTION_LIST:
                if member.item_id in seen:
                    continue
                seen.add(member.item_id)
                if depth == MOST_NESTED:
                    raise _too_much(f"“{meant.name[:100]}” is a list inside of {MOST_NESTED} others: that is too deep")
                if (nested := self._open(member.item_id)) is not None:
                    yield from self._people(*nested, seen, depth + 1)
            else:
                yield _person(member, meant, name)

    def _open(self, list_id: bytes) -> tuple[str, Sequence[DistributionListMember]] | None:
        """Name and members of a live list."""
        self._opened += 1
        if self._opened > MOST_LISTS:
            raise _too_much(f"the recipients are more than {MOST_LISTS} distribution lists, one inside of the other")
        row = items.packed(self._connection, self._mailbox_id, list_id)
        summary = ItemSummary.FromString(row.summary) if row is not None else ItemSummary()
        if row is None or row.life != items.LIVE or summary.kind != item_pb2.ITEM_KIND_DISTRIBUTION_LIST:
            return None
        stored = items.content(self._connection, self._mailbox_id, list_id, row.content)
        return summary.subject, ItemContent.FromString(item_packing.decompress(stored)).distribution_list.members

    def _look_up(self, item_ids: Sequence[bytes]) -> dict[bytes, _Known]:
        """Those of the items that are live."""
        known: dict[bytes, _Known] = {}
        for start in range(0, len(item_ids), _AT_ONCE):
            rows = items.packed_many(self._connection, self._mailbox_id, item_ids[start : start + _AT_ONCE])
            for row in rows.values():
                if row.life == items.LIVE:
                    summary = ItemSummary.FromString(row.summary)
                    known[row.id] = _Known(summary.kind, summary.subject, summary.contact.email)
        return known


def _person(member: DistributionListMember, meant: _Known | None, list_name: str) -> Person:
    """A member with the address that the contact has now, or that stands in the list where the contact has none."""
    person = Person(name=member.person.name, address=member.person.address)
    if meant is not None:
        person.name, person.address = person.name or meant.name, meant.email or person.address
    try:
        mail_addresses.parse(person.address, "item_id")
    except InvalidArgument:
        who = person.name or person.address or member.uri or text_of(member.item_id)
        message = f"“{who[:100]}”, a member of “{list_name[:100]}”, has no address that mail can be sent to"
        told = {"address": person.address[:320], "member": who[:320], "list": list_name[:320]}
        raise InvalidArgument("ADDRESS_INVALID", message, metadata=told, field="item_id") from None
    return person


def _too_much(message: str) -> InvalidArgument:
    return InvalidArgument("LIMIT_EXCEEDED", message, field="item_id")
