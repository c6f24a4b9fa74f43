"""Versions of items that lost against others: one for each item and device, the latest hundred a mailbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, bindparam, delete, insert, select

from rookery_server.store import item_versions
from rookery_server.store.tables import conflict, mailbox

if TYPE_CHECKING:
    from sqlalchemy import Connection

MOST = 100
"""Conflicts a mailbox."""


class ConflictRow(NamedTuple):
    """A version that lost. Its content is a version of ``item_content``."""

    item_id: bytes
    device_id: bytes
    content_revision: int
    units: str
    """The merge units that lost, joined by commas."""
    revision: int
    """At which the conflict was noted."""
    created: int
    """When, in microseconds."""
    summary: bytes
    """Of the version that lost."""

    @property
    def lost(self) -> set[str]:
        """The merge units that lost."""
        return set(self.units.split(","))


_columns = select(*(conflict.c[name] for name in ConflictRow._fields)).where(conflict.c.mailbox_id == bindparam("mailbox"))
_this = and_(
    conflict.c.mailbox_id == bindparam("mailbox"),
    conflict.c.item_id == bindparam("item"),
    conflict.c.device_id == bindparam("device"),
)
_find = _columns.where(_this)
_newest = (conflict.c.revision.desc(), conflict.c.item_id, conflict.c.device_id)
_list = _columns.order_by(*_newest).limit(MOST)
_surplus = (
    select(conflict.c.item_id, conflict.c.device_id)
    .where(conflict.c.mailbox_id == bindparam("mailbox"))
    .order_by(*_newest)
    .offset(MOST)
)
_remove = delete(conflict).where(_this)
_old = (
    select(mailbox.c.uid, conflict.c.item_id, conflict.c.device_id)
    .join(mailbox, mailbox.c.id == conflict.c.mailbox_id)
    .where(conflict.c.created < bindparam("before"))
    .limit(bindparam("most"))
)


def find(connection: Connection, mailbox_id: int, item_id: bytes, device_id: bytes) -> ConflictRow | None:
    """The version of an item, by a device, that lost."""
    row = connection.execute(_find, {"mailbox": mailbox_id, "item": item_id, "device": device_id}).first()
    return ConflictRow(*row) if row else None


def list_all(connection: Connection, mailbox_id: int) -> list[ConflictRow]:
    """The conflicts of a mailbox, newest first."""
    return [ConflictRow(*row) for row in connection.execute(_list, {"mailbox": mailbox_id})]


def put(connection: Connection, mailbox_id: int, row: ConflictRow) -> None:
    """Writes a conflict in place of an older one of the same item and device. The oldest beyond ``MOST`` go."""
    _drop(connection, mailbox_id, row.item_id, row.device_id)
    connection.execute(insert(conflict), {"mailbox_id": mailbox_id, **row._asdict()})
    surplus = connection.execute(_surplus, {"mailbox": mailbox_id}).all()
    for each in surplus:
        _drop(connection, mailbox_id, each.item_id, each.device_id)
    if surplus:
        item_versions.sweep(connection, mailbox_id, [each.item_id for each in surplus])


def remove(connection: Connection, mailbox_id: int, item_id: bytes, device_id: bytes) -> None:
    """Forgets a conflict, with the version that nothing else names."""
    _drop(connection, mailbox_id, item_id, device_id)
    item_versions.sweep(connection, mailbox_id, [item_id])


def older_than(connection: Connection, before: int, limit: int) -> list[tuple[bytes, bytes, bytes]]:
    """Up to ``limit`` conflicts noted before a time (microseconds): uid of the mailbox, item, device."""
    rows = connection.execute(_old, {"before": before, "most": limit})
    return [(row.uid, row.item_id, row.device_id) for row in rows]


def _drop(connection: Connection, mailbox_id: int, item_id: bytes, device_id: bytes) -> None:
    connection.execute(_remove, {"mailbox": mailbox_id, "item": item_id, "device": device_id})
