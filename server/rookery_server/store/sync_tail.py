"""What happened in a mailbox after a revision: folders, items and departures, each in the order of (revision, id)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, bindparam, case, select, tuple_

from rookery_server.store.direct import ByKeys, Direct
from rookery_server.store.folders import FolderRow
from rookery_server.store.sync_rows import SyncRow
from rookery_server.store.tables import departure, folder, item

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement, Connection

After = tuple[int, bytes]
"""A revision and an id: the last entry that is known already."""


class FolderEntry(NamedTuple):
    """A folder that changed itself, or whose contents did."""

    revision: int
    id: bytes
    deleted: int
    row: FolderRow


class ItemEntry(NamedTuple):
    """An item that changed, live or recoverable: what travels of it, and what tells whom it concerns."""

    revision: int
    id: bytes
    life: int
    kind: int
    span_start: int
    span_end: int
    created: int
    state_revision: int
    place: int
    row: SyncRow


class DepartureEntry(NamedTuple):
    """An item that left a folder."""

    revision: int
    id: bytes
    created: int
    life: int | None
    """What the item is now; None if it was purged."""


class Candidate(NamedTuple):
    """A folder that an item left, and when it last did."""

    folder_id: bytes
    revision: int


def _behind(revision: ColumnElement[Any], id_: ColumnElement[bytes]) -> ColumnElement[bool]:
    return tuple_(revision, id_) > tuple_(bindparam("revision", type_=revision.type), bindparam("id", type_=id_.type))


_item_columns = tuple(name for name in ItemEntry._fields if name != "row")
_ITEM_WIDTH = len(_item_columns)
_items = Direct(
    select(*(item.c[name] for name in _item_columns), *(item.c[name].label(f"row_{name}") for name in SyncRow._fields))
    .where(item.c.mailbox_id == bindparam("mailbox"), _behind(item.c.revision, item.c.id))
    .order_by(item.c.revision, item.c.id)
    .limit(bindparam("most"))
)
# Mailboxes have few folders: all are looked at, so that no index has to follow the counters.
_changed = case(
    (folder.c.deleted == 1, folder.c.revision),
    (folder.c.contents_revision > folder.c.revision, folder.c.contents_revision),
    else_=folder.c.revision,
)
_folders = Direct(
    select(_changed, folder.c.deleted, *(folder.c[name] for name in FolderRow._fields))
    .where(folder.c.mailbox_id == bindparam("mailbox"), _behind(_changed, folder.c.id))
    .order_by(_changed, folder.c.id)
    .limit(bindparam("most"))
)
_departures = Direct(
    select(departure.c.revision, departure.c.item_id, departure.c.created, item.c.life)
    .outerjoin(item, and_(item.c.mailbox_id == departure.c.mailbox_id, item.c.id == departure.c.item_id))
    .where(departure.c.mailbox_id == bindparam("mailbox"), _behind(departure.c.revision, departure.c.item_id))
    .order_by(departure.c.revision, departure.c.item_id)
    .limit(bindparam("most"))
)
# Without a condition for the revision, lest SQLite read all later departures of the mailbox instead of those of some items.
_left = ByKeys(
    select(departure.c.item_id, departure.c.folder_id, departure.c.revision).where(departure.c.mailbox_id == bindparam("mailbox")),
    departure.c.item_id,
)
_folders_by_id = Direct(
    select(*(folder.c[name] for name in FolderRow._fields))
    .where(folder.c.mailbox_id == bindparam("mailbox"), folder.c.deleted == 0)
    .where(folder.c.created <= bindparam("created"), folder.c.id > bindparam("id"))
    .order_by(folder.c.id)
)


def items(connection: Connection, mailbox_id: int, after: After, most: int) -> list[ItemEntry]:
    """Items whose latest change comes behind ``after``."""
    rows = _items.all(connection, _parameters(mailbox_id, after, most))
    return [ItemEntry(*row[:_ITEM_WIDTH], row=SyncRow(*row[_ITEM_WIDTH:])) for row in rows]  # type: ignore[misc]


def folders(connection: Connection, mailbox_id: int, after: After, most: int) -> list[FolderEntry]:
    """Folders whose latest change, or that of their contents, comes behind ``after``; of deleted ones the deletion."""
    rows = _folders.all(connection, _parameters(mailbox_id, after, most))
    return [FolderEntry(changed, row[0], deleted, FolderRow(*row)) for changed, deleted, *row in rows]


def departures(connection: Connection, mailbox_id: int, after: After, most: int) -> list[DepartureEntry]:
    """Departures behind ``after``."""
    return [DepartureEntry(*row) for row in _departures.all(connection, _parameters(mailbox_id, after, most))]


def left(connection: Connection, mailbox_id: int, item_ids: Collection[bytes], base: int) -> dict[bytes, list[Candidate]]:
    """The folders that items left after a revision, by item; of those that left none there is no entry."""
    found: dict[bytes, list[Candidate]] = {}
    for item_id, folder_id, revision in _left.all(connection, list(item_ids), {"mailbox": mailbox_id}):
        if revision > base:
            found.setdefault(item_id, []).append(Candidate(folder_id, revision))
    return found


def folders_by_id(connection: Connection, mailbox_id: int, after: bytes, created: int) -> list[FolderRow]:
    """Live folders by id, behind one, that were created up to a revision."""
    rows = _folders_by_id.all(connection, {"mailbox": mailbox_id, "id": after, "created": created})
    return [FolderRow(*row) for row in rows]


def _parameters(mailbox_id: int, after: After, most: int) -> dict[str, object]:
    return {"mailbox": mailbox_id, "revision": after[0], "id": after[1], "most": most}
