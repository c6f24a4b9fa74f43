"""Stamps of merge units, and the log of changes: who did what last, and what of it a device has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, delete, exists, insert, select

from rookery_core.rules.stamps import Stamp
from rookery_server.store.tables import change, conflict, item, item_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

_of_item = and_(item_stamp.c.mailbox_id == bindparam("mailbox"), item_stamp.c.item_id == bindparam("item"))
_find = select(item_stamp.c.unit, *(item_stamp.c[name] for name in Stamp._fields)).where(_of_item)
_remove = delete(item_stamp).where(_of_item, item_stamp.c.unit.in_(bindparam("units", expanding=True)))
_edited_unseen = select(item_stamp.c.item_id).where(
    item_stamp.c.mailbox_id == bindparam("mailbox"),
    item_stamp.c.item_id.in_(bindparam("items", expanding=True)),
    item_stamp.c.revision > bindparam("base"),
    item_stamp.c.device_id != bindparam("device"),
)
_lost_unseen = select(conflict.c.item_id).where(
    conflict.c.mailbox_id == bindparam("mailbox"),
    conflict.c.item_id.in_(bindparam("items", expanding=True)),
    conflict.c.revision > bindparam("base"),
    conflict.c.device_id != bindparam("device"),
)
_unseen = _edited_unseen.union(_lost_unseen)
_own_move = exists().where(
    change.c.mailbox_id == item.c.mailbox_id, change.c.revision == item.c.place, change.c.device_id == bindparam("device")
)
_placed_unseen = select(item.c.id).where(
    item.c.mailbox_id == bindparam("mailbox"),
    item.c.id.in_(bindparam("items", expanding=True)),
    item.c.place > bindparam("base"),
    ~_own_move,
)
_device = select(change.c.device_id).where(change.c.mailbox_id == bindparam("mailbox"), change.c.revision == bindparam("revision"))


def find(connection: Connection, mailbox_id: int, item_id: bytes) -> dict[str, Stamp]:
    """All stamps of an item, by unit."""
    rows = connection.execute(_find, {"mailbox": mailbox_id, "item": item_id})
    return {row.unit: Stamp(row.edited, row.device_id, row.revision) for row in rows}


def put(connection: Connection, mailbox_id: int, item_id: bytes, stamps: Mapping[str, Stamp]) -> None:
    """Sets the stamps of units."""
    if not stamps:
        return
    connection.execute(_remove, {"mailbox": mailbox_id, "item": item_id, "units": list(stamps)})
    key = {"mailbox_id": mailbox_id, "item_id": item_id}
    connection.execute(insert(item_stamp), [{**key, "unit": unit, **stamp._asdict()} for unit, stamp in stamps.items()])


def edited_unseen(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes], base: int, device_id: bytes) -> set[bytes]:
    """Those of the items, at most 500, that another device edited after revision ``base``, even if its edit lost."""
    values = {"mailbox": mailbox_id, "items": list(item_ids), "base": base, "device": device_id}
    return set(connection.execute(_unseen, values).scalars())


def placed_unseen(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes], base: int, device_id: bytes) -> set[bytes]:
    """Those of the items, at most 500, that another device made, or moved to where they are, after revision ``base``."""
    values = {"mailbox": mailbox_id, "items": list(item_ids), "base": base, "device": device_id}
    return set(connection.execute(_placed_unseen, values).scalars())


def is_foreign(connection: Connection, mailbox_id: int, revision: int, device_id: bytes) -> bool:
    """Whether a revision was taken by another device."""
    actor = connection.execute(_device, {"mailbox": mailbox_id, "revision": revision}).scalar()
    return actor != device_id
