"""Who belongs to a group: checked and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.admin_service_pb2 import ACCOUNT_KIND_GROUP
from rookery_core.errors import InvalidArgument, NotFound
from rookery_core.rules import checks
from rookery_server.services.accounts import addresses
from rookery_server.store import groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rookery_server.services.accounts.addresses import Address

MOST_MEMBERS = 500
_FIELD = "account.members"


def parse(texts: Sequence[str]) -> dict[str, Address]:
    """The addresses by their keys, each once. InvalidArgument ``ADDRESS_INVALID``, or ``LIMIT_EXCEEDED`` for more than 500."""
    checks.at_most(len(texts), MOST_MEMBERS, _FIELD)
    parsed = [addresses.parse(text, f"{_FIELD}[{index}]") for index, text in enumerate(texts)]
    return {each.key: each for each in parsed}


def assign(connection: Connection, account_id: bytes, kind: int, wanted: dict[str, Address]) -> None:
    """Makes those who have the addresses the members of a group that the caller has locked, and nobody else.

    InvalidArgument ``FIELD_INVALID`` if it is no group, or one is among them; NotFound ``ACCOUNT_NOT_FOUND``.
    """
    if kind != ACCOUNT_KIND_GROUP:
        raise InvalidArgument("FIELD_INVALID", "only groups have members", field=_FIELD)
    held = groups.hold_members(connection, list(wanted))
    for key, each in wanted.items():
        if key not in held:
            raise NotFound("ACCOUNT_NOT_FOUND", f"no account has the address {each.text}", field=_FIELD)
        if held[key][1] == ACCOUNT_KIND_GROUP:
            raise InvalidArgument("FIELD_INVALID", f"{each.text} is a group itself: name its members instead", field=_FIELD)
    groups.set_members(connection, account_id, {member_id for member_id, _ in held.values()})
