"""Stamps of merge units, and the log of changes: who did what last, and what of it a device has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, delete, exists, select

from rookery_core.rules.stamps import Stamp
from rookery_server.store.bulk import insert_rows
from rookery_server.store.direct import ByKeys, Direct
from rookery_server.store.tables import change, conflict, item, item_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

_of_item = and_(item_stamp.c.mailbox_id == bindparam("mailbox"), item_stamp.c.item_id == bindparam("item"))
_find = Direct(select(item_stamp.c.unit, *(item_stamp.c[name] for name in Stamp._fields)).where(_of_item))
_remove = Direct(delete(item_stamp).where(_of_item, item_stamp.c.unit == bindparam("of_unit")))
_edited_unseen, _lost_unseen = (
    ByKeys(
        select(table.c.item_id).where(
            table.c.mailbox_id == bindparam("mailbox"),
            table.c.revision > bindparam("base"),
            table.c.device_id != bindparam("device"),
        ),
        table.c.item_id,
    )
    for table in (item_stamp, conflict)
)
_own_move = exists().where(
    change.c.mailbox_id == item.c.mailbox_id, change.c.revision == item.c.place, change.c.device_id == bindparam("device")
)
_placed_unseen = ByKeys(
    select(item.c.id).where(item.c.mailbox_id == bindparam("mailbox"), item.c.place > bindparam("base"), ~_own_move), item.c.id
)
_device = Direct(
    select(change.c.device_id).where(change.c.mailbox_id == bindparam("mailbox"), change.c.revision == bindparam("revision"))
)


def find(connection: Connection, mailbox_id: int, item_id: bytes) -> dict[str, Stamp]:
    """All stamps of an item, by unit."""
    rows = _find.all(connection, {"mailbox": mailbox_id, "item": item_id})
    return {unit: Stamp(*columns) for unit, *columns in rows}


def put(connection: Connection, mailbox_id: int, item_id: bytes, stamps: Mapping[str, Stamp]) -> None:
    """Sets the stamps of units."""
    _remove.run_many(connection, [{"mailbox": mailbox_id, "item": item_id, "of_unit": unit} for unit in stamps])
    key = {"mailbox_id": mailbox_id, "item_id": item_id}
    insert_rows(connection, item_stamp, [{**key, "unit": unit, **stamp._asdict()} for unit, stamp in stamps.items()])


def edited_unseen(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes], base: int, device_id: bytes) -> set[bytes]:
    """Those of the items, at most 500, that another device edited after revision ``base``, even if its edit lost."""
    values = {"mailbox": mailbox_id, "base": base, "device": device_id}
    return {row[0] for by_ids in (_edited_unseen, _lost_unseen) for row in by_ids.all(connection, item_ids, values)}


def placed_unseen(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes], base: int, device_id: bytes) -> set[bytes]:
    """Those of the items, at most 500, that another device made, or moved to where they are, after revision ``base``."""
    values = {"mailbox": mailbox_id, "base": base, "device": device_id}
    return {row[0] for row in _placed_unseen.all(connection, item_ids, values)}


def is_foreign(connection: Connection, mailbox_id: int, revision: int, device_id: bytes) -> bool:
    """Whether a revision was taken by another device."""
    row = _device.first(connection, {"mailbox": mailbox_id, "revision": revision})
    return row is None or row[0] != device_id
