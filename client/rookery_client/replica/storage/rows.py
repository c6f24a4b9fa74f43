"""From entries of a batch to rows, with as little decoding as can be: a first fill passes through here."""

from __future__ import annotations

import functools
import itertools
import operator
from typing import TYPE_CHECKING, Any

from rookery.v1.item_pb2 import ItemState, ItemSummary
from rookery.v1.sync_pb2 import CONTENT_EXTENT_FULL, CONTENT_EXTENT_NONE, CONTENT_EXTENT_TEXT

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from rookery.internal.v1.packed_pb2 import PackedSyncItem

ItemRow = tuple[bytes, bytes, int, int, int, int, int, int, int, bytes, bytes]
"""``COLUMNS``."""
COLUMNS = "id, folder_id, kind, revision, content_revision, uid, fill_key, is_read, flag_status, state, summary"

_ROWS_AT_ONCE = 25
"""What one statement inserts: most of what a statement takes in SQLite and its driver it takes once, however many rows it has."""
_ROW = f"({', '.join('?' * (COLUMNS.count(',') + 1))})"
_INSERT_ONE = f"INSERT OR IGNORE INTO item ({COLUMNS}) VALUES {_ROW}"
_INSERT_MANY = f"INSERT OR IGNORE INTO item ({COLUMNS}) VALUES {', '.join([_ROW] * _ROWS_AT_ONCE)}"
UPDATE_ITEM = """UPDATE item SET folder_id = ?, kind = ?, revision = ?, content_revision = ?, uid = ?, fill_key = ?,
    is_read = ?, flag_status = ?, state = ?, summary = ?"""
"""To be followed by a condition; takes an ``ItemRow`` without its id."""
PUT_CONTENT = """INSERT INTO content (item_id, content_revision, extent, encoding, size, used_at, data) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (item_id) DO UPDATE SET content_revision = excluded.content_revision, extent = excluded.extent,
        encoding = excluded.encoding, size = excluded.size, used_at = excluded.used_at, data = excluded.data
    WHERE excluded.content_revision > content_revision
        OR (excluded.content_revision = content_revision AND excluded.extent > extent)"""
"""Nothing older goes over what is held, and no part over the whole."""

_KIND_TAG = ItemSummary.DESCRIPTOR.fields_by_name["kind"].number << 3
_CARRIED = frozenset({CONTENT_EXTENT_TEXT, CONTENT_EXTENT_FULL})
_fields = operator.attrgetter("id", "folder_id", "revision", "content_revision", "uid", "state", "summary")


def kind_of(summary: bytes) -> int:
    """The kind in an encoded ItemSummary.

    Encoders write fields by number and kind is the first, so it stands in the first two bytes; what begins otherwise is decoded.
    """
    if len(summary) > 1 and summary[0] == _KIND_TAG and summary[1] < 0x80:
        return summary[1]
    return ItemSummary.FromString(summary).kind


@functools.lru_cache(maxsize=1024)
def marks_of(state: bytes) -> tuple[int, int]:
    """Whether an encoded ItemState is read, and the status of its flag. Most states of a mailbox are one of a few."""
    if not state:
        return 0, 0
    decoded = ItemState.FromString(state)
    return int(decoded.read), decoded.follow_up.status


def item_rows(entries: Iterable[PackedSyncItem]) -> Iterator[ItemRow]:
    """Rows of ``item``, each made when it is asked for: so few are alive at a time that their memory is used again and again."""
    for entry in entries:
        item_id, folder_id, revision, content, uid, state, summary = _fields(entry.item)
        read, flag = marks_of(state)
        yield item_id, folder_id, kind_of(summary), revision, content, uid, entry.fill_key, read, flag, state, summary


def insert_items(connection: sqlite3.Connection, items: Iterable[ItemRow]) -> int:
    """Inserts those items that are not held yet; gives how many."""
    added, rest = 0, iter(items)
    while rows := list(itertools.islice(rest, _ROWS_AT_ONCE)):
        if len(rows) == _ROWS_AT_ONCE:
            added += connection.execute(_INSERT_MANY, list(itertools.chain.from_iterable(rows))).rowcount
        else:
            added += connection.executemany(_INSERT_ONE, rows).rowcount
    return added


def content_rows(entries: Sequence[PackedSyncItem]) -> list[tuple[Any, ...]]:
    """Rows of ``content`` for those entries that carry one. It counts as used when its item came: old mail is evicted first."""
    rows: list[tuple[Any, ...]] = []
    if entries and entries[0].extent == CONTENT_EXTENT_NONE:
        return rows  # the depth is that of summaries, so none of them carries any
    for entry in entries:
        if entry.extent in _CARRIED:
            item, data = entry.item, entry.content
            rows.append((item.id, item.content_revision, entry.extent, entry.content_encoding, len(data), entry.fill_key, data))
    return rows
