"""Counters against what they count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from rookery_server.store import folders, items
from rookery_server.store.tables import address, item, mailbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection


def addresses(connection: Connection) -> dict[int, str]:
    """The numbers of all mailboxes with their primary addresses. One that is being removed has none and is left out."""
    statement = select(mailbox.c.id, address.c.text).join_from(
        mailbox, address, (address.c.account_id == mailbox.c.account_id) & address.c.is_primary
    )
    return {int(row.id): row.text for row in connection.execute(statement.order_by(address.c.key))}


def differences(connection: Connection, mailbox_id: int) -> list[str]:
    """What a mailbox's counters say wrongly, a sentence each; [] if they equal a recount."""
    found: list[str] = []
    counted = items.recount(connection, mailbox_id)
    known = folders.list_all(connection, mailbox_id)
    for row in known:
        real = counted.pop(row.id, (0, 0, 0))
        if (row.item_count, row.unread_count, row.size_bytes) != real:
            kept = f"{row.item_count} items, {row.unread_count} unread, {row.size_bytes} bytes"
            found.append(f"folder “{row.name}” says {kept}; it has {real[0]}, {real[1]} and {real[2]}")
    found.extend(f"{real[0]} items are in a folder that is not there ({folder_id.hex()})" for folder_id, real in counted.items())
    return found + _totals(connection, mailbox_id, len(known))


def _totals(connection: Connection, mailbox_id: int, folder_count: int) -> list[str]:
    kept = connection.execute(
        select(mailbox.c.item_count, mailbox.c.used_bytes, mailbox.c.folder_count).where(mailbox.c.id == mailbox_id)
    ).one()
    live = select(func.count()).where(item.c.mailbox_id == mailbox_id, item.c.life == items.LIVE)
    held = select(func.coalesce(func.sum(item.c.size_bytes), 0)).where(item.c.mailbox_id == mailbox_id)
    real: Mapping[str, int] = {
        "item_count": int(connection.execute(live).scalar_one()),
        "used_bytes": int(connection.execute(held).scalar_one()),
        "folder_count": folder_count,
    }
    wrong = [name for name, number in real.items() if getattr(kept, name) != number]
    return [f"the mailbox's {name} says {getattr(kept, name)}, it is {real[name]}" for name in wrong]
