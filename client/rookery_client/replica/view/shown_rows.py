"""Rows of the local view: items and folders as the person sees them, with what waits to be pushed laid over them."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.folder_pb2 import Folder
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item, ItemLife, ItemState, ItemSummary
from rookery_client.replica.storage import schema
from rookery_core.rules import names

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

CHUNK = 500
"""Ids that one statement names."""


class ShownItem(NamedTuple):
    """An item but for its content."""

    id: bytes
    folder_id: bytes
    revision: int
    content_revision: int
    uid: int
    fill_key: int
    state: bytes
    summary: bytes

    def item(self) -> Item:
        """The record, as the server gives it in lists."""
        item = Item(
            id=self.id,
            folder_id=self.folder_id,
            revision=self.revision,
            content_revision=self.content_revision,
            uid=self.uid,
            life=ItemLife.ITEM_LIFE_LIVE,
            summary=ItemSummary.FromString(self.summary),
        )
        if self.state:
            item.state.CopyFrom(ItemState.FromString(self.state))
        return item


class FolderBranch(NamedTuple):
    """A folder in the tree (``folder_tree.Branch``)."""

    id: bytes
    parent_id: bytes
    name_key: str
    role: int
    record: Folder


_COLUMNS = ", ".join(ShownItem._fields)
_NOT_LOCAL = "NOT EXISTS (SELECT 1 FROM local_item AS l WHERE l.id = item.id)"
# The view would sort the whole folder. Each of its two halves by itself is a walk along an index, and there is little to merge.
_HALVES = (
    f"SELECT {_COLUMNS} FROM item WHERE folder_id = ? AND {_NOT_LOCAL}",
    f"SELECT {_COLUMNS} FROM local_item WHERE folder_id = ? AND NOT gone",
)


def folders(connection: sqlite3.Connection) -> list[FolderBranch]:
    """All folders that are shown, in no particular order."""
    found = []
    for folder_id, record in connection.execute("SELECT id, record FROM shown_folder"):
        folder = Folder.FromString(record)
        found.append(FolderBranch(folder_id, folder.parent_id, names.key(folder.name), folder.role, folder))
    return found


def folder(connection: sqlite3.Connection, folder_id: bytes) -> Folder | None:
    """One folder, if it is shown."""
    row = connection.execute("SELECT record FROM shown_folder WHERE id = ?", (folder_id,)).fetchone()
    return Folder.FromString(row[0]) if row else None


def by_ids(connection: sqlite3.Connection, item_ids: Sequence[bytes]) -> dict[bytes, ShownItem]:
    """Those of the items that are shown."""
    found: dict[bytes, ShownItem] = {}
    for begin in range(0, len(item_ids), CHUNK):
        some = item_ids[begin : begin + CHUNK]
        marks = ", ".join("?" * len(some))
        rows = connection.execute(f"SELECT {_COLUMNS} FROM shown_item WHERE id IN ({marks})", some)
        found |= {row[0]: ShownItem(*row) for row in rows}
    return found


def in_folder(connection: sqlite3.Connection, folder_id: bytes) -> Iterator[ShownItem]:
    """The items of a shown folder, in no particular order."""
    for half in _HALVES:
        for row in connection.execute(half, (folder_id,)):
            yield ShownItem(*row)


def to_do(connection: sqlite3.Connection) -> Iterator[ShownItem]:
    """All that the list of tasks may hold, in no particular order."""
    for row in connection.execute(f"SELECT {_COLUMNS} FROM shown_item WHERE {schema.TO_DO}"):
        yield ShownItem(*row)


def reminding(connection: sqlite3.Connection) -> Iterator[ShownItem]:
    """All that people may be reminded of, in no particular order."""
    for row in connection.execute(f"SELECT {_COLUMNS} FROM shown_item WHERE kind = {ITEM_KIND_APPOINTMENT} OR {schema.TO_DO}"):
        yield ShownItem(*row)


def walk(
    connection: sqlite3.Connection, folder_id: bytes, *, descending: bool, after: tuple[int, bytes] | None, limit: int
) -> list[ShownItem]:
    """Up to ``limit`` items of a shown folder in the order of received time and id, beginning behind ``after``."""
    way, sign = ("DESC", "<") if descending else ("ASC", ">")
    behind = "" if after is None else f" AND fill_key {sign}= ? AND (fill_key, id) {sign} (?, ?)"
    order = f" ORDER BY fill_key {way}, id {way} LIMIT ?"
    given = (folder_id, *(() if after is None else (after[0], *after)), limit)
    server, local = ([ShownItem(*row) for row in connection.execute(half + behind + order, given)] for half in _HALVES)
    merged = heapq.merge(server, local, key=lambda row: (row.fill_key, row.id), reverse=descending)
    return [row for row, _ in zip(merged, range(limit), strict=False)]
