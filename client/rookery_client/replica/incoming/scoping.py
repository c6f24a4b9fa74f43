"""What a replica is to hold, and what it drops by itself when its window moves on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, ITEM_KIND_MESSAGE, ItemSummary
from rookery.v1.sync_pb2 import SYNC_DEPTH_SUMMARY, SYNC_DEPTH_TEXT, SyncScope
from rookery_client.replica.incoming import applying, refilling
from rookery_client.replica.storage import facts, schema
from rookery_core.rules import calendar_time
from rookery_core.rules.record_paths import FOREVER
from rookery_core.rules.sort_keys import NO_TIME
from rookery_core.rules.sync_windows import Window

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

_DEFAULT_TEXT_BYTES = 4096
_UNTOUCHED = f"""NOT EXISTS (SELECT 1 FROM operation_item AS o CROSS JOIN operation USING (seq)
    WHERE o.item_id = item.id AND operation.status IN {schema.LIVE_STATUSES})"""
"""Nothing that was done here lies over the item."""
_OLD_MAIL = f"SELECT id FROM item WHERE folder_id = ? AND fill_key < ? AND kind = {ITEM_KIND_MESSAGE} AND {_UNTOUCHED}"
_EVENTS = f"SELECT id, fill_key, summary FROM item WHERE kind = {ITEM_KIND_APPOINTMENT} AND {_UNTOUCHED}"


def get(connection: sqlite3.Connection) -> SyncScope:
    """What the replica is to hold; everything's summaries where nobody has said."""
    return SyncScope.FromString(facts.data(connection, facts.SCOPE))


def put(connection: sqlite3.Connection, scope: SyncScope) -> bool:
    """Sets what the replica is to hold, and drops what a narrower window leaves outside.

    True if a new fill is needed, because folders, kinds or depth are others than before: the cursor is forgotten then. A wider
    window needs none. InvalidArgument ``FIELD_INVALID`` for a window that is none.
    """
    window, before = Window.of(scope.window), get(connection)
    facts.put(connection, {facts.SCOPE: scope.SerializeToString(deterministic=True)})
    if facts.text(connection, facts.CURSOR) and _bound(before) != _bound(scope):
        refilling.begin(connection)
        return True
    if not window.covers(Window.of(before.window)):
        outside = list(_outside(connection, window))
        facts.add(connection, facts.ITEMS, -applying.drop_items(connection, outside))
    return False


def _bound(scope: SyncScope) -> tuple[object, ...]:
    """What a cursor is bound to: all of a scope but the window."""
    depth = scope.depth or SYNC_DEPTH_SUMMARY
    text_bytes = (scope.text_bytes or _DEFAULT_TEXT_BYTES) if depth == SYNC_DEPTH_TEXT else 0
    return sorted(set(scope.folder_ids)), sorted(set(scope.kinds)), depth, text_bytes


def _outside(connection: sqlite3.Connection, window: Window) -> Iterator[bytes]:
    """The items that are here and outside the window, but for those that operations lie over."""
    if window.mail_since is not None:
        for (folder_id,) in connection.execute("SELECT id FROM folder").fetchall():
            yield from (row[0] for row in connection.execute(_OLD_MAIL, (folder_id, window.mail_since)).fetchall())
    if window.events_from is not None or window.events_until is not None:
        for item_id, fill_key, summary in connection.execute(_EVENTS):
            found = calendar_time.span(ItemSummary.FromString(summary))
            start, end = found or (NO_TIME, NO_TIME)
            if not window.holds(ITEM_KIND_APPOINTMENT, fill_key, start, FOREVER if end is None else end):
                yield item_id
