"""Whom questions about availability are about: people, groups, rooms, distribution lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rookery.v1.admin_service_pb2 import ACCOUNT_KIND_GROUP
from rookery.v1.item_pb2 import ItemContent, ItemSummary, Recipient
from rookery_core.errors import InvalidArgument, NotFound, RookeryError
from rookery_core.rules import checks, mail_addresses
from rookery_core.rules.ids import require_id
from rookery_server.services import access
from rookery_server.services.accounts import addresses
from rookery_server.services.submission import list_members
from rookery_server.store import calendar_owners, calendars

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from rookery.v1.availability_service_pb2 import Party
    from rookery_server.services.caller import Caller
    from rookery_server.store.calendar_owners import Owner

MOST_PARTIES = 100
MOST_CALENDARS = 500
"""Calendars that are looked at for one question, with the members of groups and lists."""
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Found:
    """One party, and whose calendars it stands for."""

    account: Owner | None = None
    """The account that was named; None for a distribution list."""
    name: str = ""
    owners: list[Owner] = field(default_factory=list)
    """The account, or the members of a group or a list who are on this server."""
    error: RookeryError | None = None
    """Why there is nobody."""

    @property
    def person(self) -> Owner | None:
        """The one whom it stands for, if it is no group and no list."""
        return self.account if self.account is not None and self.account.kind != ACCOUNT_KIND_GROUP else None


def check(parties: Sequence[Party], field: str, suffix: str = "") -> list[str]:
    """The keys of the addresses, empty for lists. InvalidArgument for none, for more than 100, and for what names nobody."""
    if not parties:
        raise checks.invalid(f"say about whom: {field}", field)
    checks.at_most(len(parties), MOST_PARTIES, field)
    keys = []
    for index, party in enumerate(parties):
        path = f"{field}[{index}]{suffix}"
        chosen = party.WhichOneof("party")
        if chosen is None:
            raise checks.invalid("name somebody by address or list_item_id", f"{path}.address")
        if chosen == "list_item_id":
            require_id(party.list_item_id, f"{path}.list_item_id")
        keys.append(addresses.parse(party.address, f"{path}.address").key if chosen == "address" else "")
    return keys


def find(connection: Connection, caller: Caller, parties: Sequence[Party], keys: Sequence[str]) -> list[Found]:
    """The parties, whose ``keys`` come from ``check``. InvalidArgument ``LIMIT_EXCEEDED`` for more than 500 calendars in all."""
    found = [_list(connection, caller, party) if not key else Found() for party, key in zip(parties, keys, strict=True)]
    known = _owners(connection, keys)
    groups = calendar_owners.members(connection, {each.account_id for each in known.values() if each.kind == ACCOUNT_KIND_GROUP})
    for place, key in enumerate(keys):
        if not key:
            continue
        owner = known.get(key)
        if owner is None:
            error = NotFound("ACCOUNT_NOT_FOUND", f"{parties[place].address.strip()} is nobody on this server")
            found[place] = Found(error=error)
        elif owner.kind == ACCOUNT_KIND_GROUP:
            found[place] = Found(owner, owner.display_name, groups.get(owner.account_id, []))
        else:
            found[place] = Found(owner, owner.display_name, [owner])
    if len({owner.mailbox_id for each in found for owner in each.owners}) > MOST_CALENDARS:
        message = f"these are more than {MOST_CALENDARS} calendars, with the members of groups and lists: ask for fewer at once"
        raise InvalidArgument("LIMIT_EXCEEDED", message)
    return found


def _list(connection: Connection, caller: Caller, party: Party) -> Found:
    """A distribution list in the caller's mailbox, with those of its members who are on this server; groups among them too."""
    mailbox = access.open_mailbox(connection, caller, b"")
    content = ItemContent(recipients=[Recipient(list_item_id=party.list_item_id)])
    try:
        list_members.expand(connection, mailbox.id, content)
    except RookeryError as error:
        return Found(error=error)
    known = _owners(connection, [mail_addresses.key_of(each.person.address) for each in content.recipients])
    groups = calendar_owners.members(connection, {each.account_id for each in known.values() if each.kind == ACCOUNT_KIND_GROUP})
    everybody: dict[int, Owner] = {}
    for owner in known.values():
        people = groups.get(owner.account_id, []) if owner.kind == ACCOUNT_KIND_GROUP else [owner]
        everybody |= {each.mailbox_id: each for each in people}
    summary = ItemSummary.FromString(calendars.summaries(connection, mailbox.id, [party.list_item_id])[party.list_item_id])
    return Found(name=summary.subject, owners=list(everybody.values()))


def _owners(connection: Connection, keys: Iterable[str]) -> dict[str, Owner]:
    """Those who have one of the addresses; by key, in the order of the keys."""
    wanted = [key for key in dict.fromkeys(keys) if key]
    known: dict[str, Owner] = {}
    for begin in range(0, len(wanted), _AT_ONCE):
        known |= calendar_owners.by_keys(connection, wanted[begin : begin + _AT_ONCE])
    return {key: known[key] for key in wanted if key in known}
