"""Meetings and tasks by what identifies them everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from rookery_server.store.direct import Direct
from rookery_server.store.items import PlaceRow
from rookery_server.store.tables import item

if TYPE_CHECKING:
    from sqlalchemy import Connection

MOST = 50

_of_external = Direct(
    select(*(item.c[name] for name in PlaceRow._fields))
    .where(
        item.c.mailbox_id == bindparam("mailbox"),
        item.c.external_id == bindparam("external"),
        item.c.kind == bindparam("kind"),
    )
    .order_by(item.c.life, item.c.content.desc(), item.c.id)
    .limit(MOST)
)


def find(connection: Connection, mailbox_id: int, kind: int, external_id: str) -> list[PlaceRow]:
    """Up to 50 items of a kind with this UID, as the column has it: the live ones first, of these the latest edited first."""
    rows = _of_external.all(connection, {"mailbox": mailbox_id, "external": external_id, "kind": kind})
    return [PlaceRow._make(row) for row in rows]
