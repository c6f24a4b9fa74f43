"""Folder rows: finding, creating, renaming, counting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, func, insert, select, update

from rookery_server.store.tables import folder

if TYPE_CHECKING:
    from sqlalchemy import Connection

TOP = bytes(16)
"""The parent of folders at the top level."""


class FolderRow(NamedTuple):
    """A folder as one transaction sees it."""

    id: bytes
    parent_id: bytes
    name: str
    name_key: str
    role: int
    default_kind: int
    created: int
    revision: int
    contents_revision: int
    item_count: int
    unread_count: int
    size_bytes: int
    next_uid: int
    uid_validity: int


@dataclass(slots=True)
class Counts:
    """Differences to a folder's counters, gathered over an operation."""

    items: int = 0
    unread: int = 0
    size: int = 0
    held: int = 0
    revision: int = 0


_columns = select(*(folder.c[name] for name in FolderRow._fields)).where(
    folder.c.mailbox_id == bindparam("mailbox"), folder.c.deleted == 0
)
_by_id = _columns.where(folder.c.id == bindparam("folder"))
_by_role = _columns.where(folder.c.role == bindparam("role"))
_by_name = _columns.where(folder.c.parent_id == bindparam("parent"), folder.c.name_key == bindparam("name_key"))
_by_parent = _columns.where(folder.c.parent_id == bindparam("parent"))
_this = (folder.c.mailbox_id == bindparam("mailbox")) & (folder.c.id == bindparam("folder"))
_add_counts = (
    update(folder)
    .where(_this)
    .values(
        item_count=folder.c.item_count + bindparam("items"),
        unread_count=folder.c.unread_count + bindparam("unread"),
        size_bytes=folder.c.size_bytes + bindparam("size"),
        contents_revision=bindparam("to"),
    )
)
_take_uids = update(folder).where(_this).values(next_uid=folder.c.next_uid + bindparam("wanted")).returning(folder.c.next_uid)
_exists = select(folder.c.deleted).where(_this)


def find(connection: Connection, mailbox_id: int, folder_id: bytes) -> FolderRow | None:
    """The live folder with this id."""
    row = connection.execute(_by_id, {"mailbox": mailbox_id, "folder": folder_id}).first()
    return FolderRow(*row) if row else None


def find_role(connection: Connection, mailbox_id: int, role: int) -> FolderRow | None:
    """The folder with this role; every mailbox has one for each."""
    row = connection.execute(_by_role, {"mailbox": mailbox_id, "role": role}).first()
    return FolderRow(*row) if row else None


def find_name(connection: Connection, mailbox_id: int, parent_id: bytes, name_key: str) -> FolderRow | None:
    """The live folder with this name (case-folded) below this parent."""
    row = connection.execute(_by_name, {"mailbox": mailbox_id, "parent": parent_id, "name_key": name_key}).first()
    return FolderRow(*row) if row else None


def children(connection: Connection, mailbox_id: int, parent_id: bytes) -> list[FolderRow]:
    """The live folders directly below."""
    return [FolderRow(*row) for row in connection.execute(_by_parent, {"mailbox": mailbox_id, "parent": parent_id})]


def list_all(connection: Connection, mailbox_id: int) -> list[FolderRow]:
    """All live folders of a mailbox, in no particular order."""
    return [FolderRow(*row) for row in connection.execute(_columns, {"mailbox": mailbox_id})]


def is_known(connection: Connection, mailbox_id: int, folder_id: bytes) -> bool:
    """Whether the id names a folder, or a deleted one whose tombstone is still there."""
    return connection.execute(_exists, {"mailbox": mailbox_id, "folder": folder_id}).first() is not None


def add(connection: Connection, mailbox_id: int, rows: list[FolderRow]) -> None:
    """Inserts live folders."""
    connection.execute(insert(folder), [{**row._asdict(), "mailbox_id": mailbox_id, "deleted": 0} for row in rows])


def change(connection: Connection, mailbox_id: int, folder_id: bytes, values: dict[str, Any]) -> None:
    """Sets columns of a folder: a rename, a move, or ``deleted=1``, which makes it a tombstone."""
    connection.execute(update(folder).where(folder.c.mailbox_id == mailbox_id, folder.c.id == folder_id).values(**values))


def add_counts(connection: Connection, mailbox_id: int, folder_id: bytes, counts: Counts) -> None:
    """Adds differences to a folder's counters and notes the revision at which its contents changed."""
    connection.execute(
        _add_counts,
        {
            "mailbox": mailbox_id,
            "folder": folder_id,
            "items": counts.items,
            "unread": counts.unread,
            "size": counts.size,
            "to": counts.revision,
        },
    )


def take_uids(connection: Connection, mailbox_id: int, folder_id: bytes, wanted: int) -> int:
    """Reserves so many uids of a folder; gives the first. Uids only grow (RFC 3501 section 2.3.1.1)."""
    following = connection.execute(_take_uids, {"mailbox": mailbox_id, "folder": folder_id, "wanted": wanted}).scalar_one()
    return int(following) - wanted


def count(connection: Connection, mailbox_id: int) -> int:
    """How many live folders a mailbox has."""
    statement = select(func.count()).select_from(folder).where(folder.c.mailbox_id == mailbox_id, folder.c.deleted == 0)
    return int(connection.execute(statement).scalar_one())
