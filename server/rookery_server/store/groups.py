"""Who belongs to which group."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, delete, insert, or_, select

from rookery_server.store.direct import ByKeys, Direct
from rookery_server.store.tables import account, address, group_member, mailbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection


class Member(NamedTuple):
    """Somebody who gets what a group gets."""

    account_id: bytes
    mailbox_uid: bytes


_members = Direct(
    select(account.c.id, mailbox.c.uid)
    .select_from(group_member)
    .join(account, account.c.id == group_member.c.member_id)
    .join(address, (address.c.account_id == account.c.id) & address.c.is_primary)
    .join(mailbox, mailbox.c.account_id == account.c.id)
    .where(group_member.c.account_id == bindparam("group"), account.c.disabled.is_(False))
    .order_by(address.c.key)
)
_with_members = ByKeys(select(group_member.c.account_id), group_member.c.account_id, grouped=True)
_with_room = ByKeys(
    select(group_member.c.account_id)
    .join(account, account.c.id == group_member.c.member_id)
    .join(address, (address.c.account_id == account.c.id) & address.c.is_primary)
    .join(mailbox, mailbox.c.account_id == account.c.id)
    .where(
        account.c.disabled.is_(False),
        or_(mailbox.c.quota_bytes == 0, mailbox.c.used_bytes + bindparam("size") <= mailbox.c.quota_bytes),
    ),
    group_member.c.account_id,
    grouped=True,
)


def members(connection: Connection, group_id: bytes) -> list[Member]:
    """A group's members, by address; without those who are disabled or being removed."""
    return [Member(*row) for row in _members.all(connection, {"group": group_id})]


def with_members(connection: Connection, account_ids: Sequence[bytes]) -> set[bytes]:
    """Those of the accounts (at most 500) that somebody belongs to."""
    return {row[0] for row in _with_members.all(connection, account_ids, {})}


def with_room(connection: Connection, account_ids: Sequence[bytes], size: int) -> set[bytes]:
    """Those of the accounts (at most 500) that have a member, as ``members`` knows them, with room for so many bytes."""
    return {row[0] for row in _with_room.all(connection, account_ids, {"size": size})}


def member_addresses(connection: Connection, group_ids: Iterable[bytes]) -> dict[bytes, list[str]]:
    """The primary addresses of groups' members, in order, by the group's account; at most 500 groups."""
    statement = (
        select(group_member.c.account_id, address.c.text)
        .join_from(group_member, address, (address.c.account_id == group_member.c.member_id) & address.c.is_primary)
        .where(group_member.c.account_id.in_(list(group_ids)))
        .order_by(address.c.key)
    )
    found: dict[bytes, list[str]] = {}
    for group_id, text in connection.execute(statement):
        found.setdefault(group_id, []).append(text)
    return found


def hold_members(connection: Connection, keys: Sequence[str]) -> dict[str, tuple[bytes, int]]:
    """Account and kind of those who have one of the addresses (at most 500), by its key. They stay until the transaction ends."""
    statement = (
        select(address.c.key, account.c.id, account.c.kind)
        .join_from(address, account, account.c.id == address.c.account_id)
        .where(address.c.key.in_(list(keys)))
        .order_by(account.c.id)
        .with_for_update(read=True, key_share=True, of=account)
    )
    return {key: (account_id, kind) for key, account_id, kind in connection.execute(statement)}


def set_members(connection: Connection, group_id: bytes, member_ids: Iterable[bytes]) -> None:
    """Makes these accounts the members of a group, and nobody else. The caller holds all of them."""
    connection.execute(delete(group_member).where(group_member.c.account_id == group_id))
    rows = [{"account_id": group_id, "member_id": member_id} for member_id in sorted(member_ids)]
    if rows:
        connection.execute(insert(group_member), rows)
