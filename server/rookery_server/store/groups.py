"""Who belongs to which group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from rookery_server.store.tables import account, address, group_member

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection


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
