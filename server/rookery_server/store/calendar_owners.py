"""Whose calendars there are: accounts by their addresses, members of groups, rooms and equipment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, select

from rookery.v1.admin_service_pb2 import ACCOUNT_KIND_EQUIPMENT, ACCOUNT_KIND_ROOM
from rookery_server.store.tables import account, address, group_member, mailbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, FromClause


class Owner(NamedTuple):
    """Somebody with a calendar."""

    account_id: bytes
    kind: int
    display_name: str
    address: str
    """The primary one."""
    mailbox_id: int
    settings: bytes
    """Encoded CalendarSettings; empty where nothing was set."""


_primary = address.alias("primary_address")
_columns = (
    account.c.id,
    account.c.kind,
    account.c.display_name,
    _primary.c.text,
    mailbox.c.id.label("mailbox"),
    mailbox.c.calendar_settings,
)


def _owners(accounts: FromClause) -> FromClause:
    """Accounts with their primary address and mailbox; an account that is being removed has no address any more."""
    primary = (_primary.c.account_id == account.c.id) & _primary.c.is_primary
    return accounts.join(_primary, primary).join(mailbox, mailbox.c.account_id == account.c.id)


_by_keys = (
    select(address.c.key, *_columns)
    .select_from(_owners(address.join(account, account.c.id == address.c.account_id)))
    .where(address.c.key.in_(bindparam("keys", expanding=True)))
)
_members = (
    select(group_member.c.account_id.label("group_id"), *_columns)
    .select_from(_owners(group_member.join(account, account.c.id == group_member.c.member_id)))
    .where(group_member.c.account_id.in_(bindparam("groups", expanding=True)))
    .order_by(_primary.c.key)
)
_bookable = (
    select(*_columns)
    .select_from(_owners(account))
    .where(account.c.kind.in_((ACCOUNT_KIND_ROOM, ACCOUNT_KIND_EQUIPMENT)))
    .order_by(account.c.display_name, _primary.c.key)
    .limit(bindparam("most"))
)


def by_keys(connection: Connection, keys: Iterable[str]) -> dict[str, Owner]:
    """Those who have one of the addresses (at most 500), by the address's key."""
    return {row[0]: _owner(row[1:]) for row in connection.execute(_by_keys, {"keys": list(keys)})}


def members(connection: Connection, group_ids: Iterable[bytes]) -> dict[bytes, list[Owner]]:
    """Those who belong to groups (at most 500), by the group's account and by address."""
    found: dict[bytes, list[Owner]] = {}
    for row in connection.execute(_members, {"groups": list(group_ids)}):
        found.setdefault(row[0], []).append(_owner(row[1:]))
    return found


def bookable(connection: Connection, most: int) -> list[Owner]:
    """Rooms and equipment, by name; at most so many."""
    return [_owner(row) for row in connection.execute(_bookable, {"most": most})]


def _owner(row: Sequence[Any]) -> Owner:
    *values, settings = row
    return Owner._make((*values, bytes(settings or b"")))
