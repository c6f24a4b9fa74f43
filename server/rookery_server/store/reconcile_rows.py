"""What a mailbox holds in ranges of ids, to be compared with what devices hold.

There is no index for this: reading ids and revisions of a range by the primary key takes half as long again as reading them out of
an index that had them (measured with 200,000 items on SQLite), and every insertion would pay for the index.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, bindparam, func, select

from rookery_server.store.items import LIVE
from rookery_server.store.sync_rows import SYNC_COLUMNS
from rookery_server.store.tables import departure, item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

_held = (
    select(item.c.id, item.c.revision)
    .where(item.c.mailbox_id == bindparam("mailbox"), item.c.life == LIVE)
    .where(item.c.id > bindparam("after"), item.c.id <= bindparam("through"))
    .order_by(item.c.id)
    .limit(bindparam("most"))
)
_wanted: BindParameter[list[bytes]] = bindparam("items", expanding=True)
_whole = select(*SYNC_COLUMNS).where(item.c.mailbox_id == bindparam("mailbox"), item.c.id.in_(_wanted)).order_by(item.c.id)
_alive = select(item.c.id).where(item.c.mailbox_id == bindparam("mailbox"), item.c.life == LIVE, item.c.id.in_(_wanted))
_departed = (
    select(departure.c.item_id, func.max(departure.c.revision))
    .where(departure.c.mailbox_id == bindparam("mailbox"), departure.c.item_id.in_(_wanted))
    .group_by(departure.c.item_id)
)


def held(
    connection: Connection,
    mailbox_id: int,
    conditions: Sequence[ColumnElement[bool]],
    *,
    after: bytes,
    through: bytes,
    most: int,
) -> list[tuple[bytes, int]]:
    """Id and revision of live items under conditions (``sync_rows.in_scope``), by id: those behind ``after`` and up to ``through``.

    At most so many.
    """
    parameters = {"mailbox": mailbox_id, "after": after, "through": through, "most": most}
    with closing(connection.execute(_held.where(*conditions), parameters)) as result:
        cursor: Any = result.cursor  # the driver's own: what SQLAlchemy makes of each row costs as much as reading it
        rows: list[tuple[bytes, int]] = cursor.fetchall()
    return rows


def whole(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes]) -> list[Sequence[Any]]:
    """What travels of items, as tuples like ``SyncRow``, by id; at most 64 ids."""
    return list(connection.execute(_whole, {"mailbox": mailbox_id, "items": list(item_ids)}))


def gone(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes]) -> tuple[set[bytes], dict[bytes, int]]:
    """Which of some items live, wherever; and at which revision they last left a folder, where that is known. At most 500 ids."""
    parameters = {"mailbox": mailbox_id, "items": list(item_ids)}
    alive = set(connection.execute(_alive, parameters).scalars())
    return alive, {row[0]: row[1] for row in connection.execute(_departed, parameters)}
