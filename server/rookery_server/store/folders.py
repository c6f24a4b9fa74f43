"""Folder rows: finding, creating, renaming, counting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, func, literal, literal_column, select, update

from rookery_server.store.bulk import insert_rows
from rookery_server.store.direct import Direct
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
    uids: int = 0
    revision: int = 0


# A literal, no parameter: else the engines do not see that the index of siblings' names, which has live folders only, will do.
_live = (folder.c.mailbox_id == bindparam("mailbox")) & (folder.c.deleted == literal_column("0"))
_columns = select(*(folder.c[name] for name in FolderRow._fields)).where(_live)
_all = Direct(_columns)
_by_id = Direct(_columns.where(folder.c.id == bindparam("folder")))
_by_role = Direct(_columns.where(folder.c.role == bindparam("role")))
_by_name = Direct(_columns.where(folder.c.parent_id == bindparam("parent"), folder.c.name_key == bindparam("name_key")))
_this = (folder.c.mailbox_id == bindparam("mailbox")) & (folder.c.id == bindparam("folder"))
_add_counts = Direct(
    update(folder)
    .where(_this)
    .values(
        item_count=folder.c.item_count + bindparam("items"),
        unread_count=folder.c.unread_count + bindparam("unread"),
        size_bytes=folder.c.size_bytes + bindparam("size"),
        next_uid=folder.c.next_uid + bindparam("uids"),
        contents_revision=bindparam("to"),
    )
)
_next_uid = Direct(select(folder.c.next_uid).where(_this))
_exists = Direct(select(folder.c.deleted).where(_this))
_bury = Direct(update(folder).where(_this).values(deleted=1, revision=bindparam("to")))
_top = select(folder.c.id, literal(1).label("depth")).where(_live, folder.c.id == bindparam("folder")).cte("below", recursive=True)
_below = _top.union_all(select(folder.c.id, _top.c.depth + 1).join(_top, folder.c.parent_id == _top.c.id).where(_live))
_subtree = Direct(
    select(*(folder.c[name] for name in FolderRow._fields))
    .join(_below, folder.c.id == _below.c.id)
    .where(_live)
    .order_by(_below.c.depth, folder.c.id)
)
_height = Direct(select(func.max(_below.c.depth)))
_bottom = select(folder.c.id, folder.c.parent_id).where(_live, folder.c.id == bindparam("folder")).cte("above", recursive=True)
_above = _bottom.union_all(select(folder.c.id, folder.c.parent_id).join(_bottom, folder.c.id == _bottom.c.parent_id).where(_live))
_path = Direct(select(_above.c.id))


def find(connection: Connection, mailbox_id: int, folder_id: bytes) -> FolderRow | None:
    """The live folder with this id."""
    row = _by_id.first(connection, {"mailbox": mailbox_id, "folder": folder_id})
    return FolderRow(*row) if row else None


def find_role(connection: Connection, mailbox_id: int, role: int) -> FolderRow | None:
    """The folder with this role; every mailbox has one for each."""
    row = _by_role.first(connection, {"mailbox": mailbox_id, "role": role})
    return FolderRow(*row) if row else None


def find_name(connection: Connection, mailbox_id: int, parent_id: bytes, name_key: str) -> FolderRow | None:
    """The live folder with this name (case-folded) below this parent."""
    row = _by_name.first(connection, {"mailbox": mailbox_id, "parent": parent_id, "name_key": name_key})
    return FolderRow(*row) if row else None


def subtree(connection: Connection, mailbox_id: int, folder_id: bytes) -> list[FolderRow]:
    """The live folder with this id and all live ones below it, parents before children; empty if there is no such folder."""
    return [FolderRow(*row) for row in _subtree.all(connection, {"mailbox": mailbox_id, "folder": folder_id})]


def height(connection: Connection, mailbox_id: int, folder_id: bytes) -> int:
    """How many levels a live folder and what is below it take: 1 for one without subfolders; 0 if there is no such folder."""
    return int(_height.all(connection, {"mailbox": mailbox_id, "folder": folder_id})[0][0] or 0)


def path(connection: Connection, mailbox_id: int, folder_id: bytes) -> list[bytes]:
    """The ids of a live folder and of all those above it, in no particular order; empty for ``TOP``."""
    return [row[0] for row in _path.all(connection, {"mailbox": mailbox_id, "folder": folder_id})]


def list_all(connection: Connection, mailbox_id: int) -> list[FolderRow]:
    """All live folders of a mailbox, in no particular order."""
    return [FolderRow(*row) for row in _all.all(connection, {"mailbox": mailbox_id})]


def is_known(connection: Connection, mailbox_id: int, folder_id: bytes) -> bool:
    """Whether the id names a folder, or a deleted one whose tombstone is still there."""
    return _exists.first(connection, {"mailbox": mailbox_id, "folder": folder_id}) is not None


def add(connection: Connection, mailbox_id: int, rows: list[FolderRow]) -> None:
    """Inserts live folders."""
    insert_rows(connection, folder, [{**row._asdict(), "mailbox_id": mailbox_id, "deleted": 0} for row in rows])


def change(connection: Connection, mailbox_id: int, folder_id: bytes, values: dict[str, Any]) -> None:
    """Sets columns of a folder: a rename or a move."""
    connection.execute(update(folder).where(folder.c.mailbox_id == mailbox_id, folder.c.id == folder_id).values(**values))


def bury(connection: Connection, mailbox_id: int, folder_ids: list[bytes], revision: int) -> None:
    """Turns live folders into tombstones: they are found no more, and their names are free."""
    _bury.run_many(connection, [{"mailbox": mailbox_id, "folder": folder_id, "to": revision} for folder_id in folder_ids])


def add_counts(connection: Connection, mailbox_id: int, folder_id: bytes, counts: Counts) -> None:
    """Adds differences to a folder's counters and notes the revision at which its contents changed."""
    _add_counts.run(
        connection,
        {
            "mailbox": mailbox_id,
            "folder": folder_id,
            "items": counts.items,
            "unread": counts.unread,
            "size": counts.size,
            "uids": counts.uids,
            "to": counts.revision,
        },
    )


def next_uid(connection: Connection, mailbox_id: int, folder_id: bytes) -> int:
    """The uid that the folder's next item gets. Uids only grow (RFC 3501 section 2.3.1.1)."""
    row = _next_uid.first(connection, {"mailbox": mailbox_id, "folder": folder_id})
    if row is None:
        raise LookupError("uids of a folder that is not there")
    return int(row[0])
