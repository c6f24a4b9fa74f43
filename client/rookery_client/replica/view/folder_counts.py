"""Folders' counters with what was changed here: the server counts what it has, and only the differences are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ItemSummary

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from rookery.v1.folder_pb2 import Folder

_CHANGES = """SELECT i.folder_id, -1, i.is_read, i.summary FROM local_item AS l CROSS JOIN item AS i ON i.id = l.id
    UNION ALL SELECT folder_id, 1, is_read, summary FROM local_item WHERE NOT gone"""


@dataclass(slots=True)
class _Difference:
    items: int = 0
    unread: int = 0
    size: int = 0


def adjust(connection: sqlite3.Connection, folders: Iterable[Folder]) -> None:
    """Sets the folders' counters to what the person sees."""
    differences: dict[bytes, _Difference] = {}
    for folder_id, way, is_read, summary in connection.execute(_CHANGES):
        difference = differences.setdefault(folder_id, _Difference())
        difference.items += way
        difference.unread += 0 if is_read else way
        difference.size += way * ItemSummary.FromString(summary).size_bytes
    for folder in folders:
        found = differences.get(folder.id)
        if found is not None:
            # Operations that the server has carried out, and the replica has not seen yet, may be counted already.
            folder.item_count = max(0, folder.item_count + found.items)
            folder.unread_count = max(0, folder.unread_count + found.unread)
            folder.size_bytes = max(0, folder.size_bytes + found.size)
