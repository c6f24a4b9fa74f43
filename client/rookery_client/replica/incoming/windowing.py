"""What is here and outside the window of the scope: the server says nothing of it any more, so the replica drops it by itself.

Items over which operations lie are spared until those have come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, ITEM_KIND_MESSAGE, ItemSummary
from rookery.v1.sync_pb2 import SyncScope
from rookery_client.replica.storage import facts, operations
from rookery_core.rules import calendar_time
from rookery_core.rules.record_paths import FOREVER
from rookery_core.rules.sort_keys import NO_TIME
from rookery_core.rules.sync_windows import Window

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

_OLD_MAIL = f"SELECT id FROM item WHERE folder_id = ? AND fill_key < ? AND kind = {ITEM_KIND_MESSAGE}"
_EVENTS = f"SELECT id, fill_key, summary FROM item WHERE kind = {ITEM_KIND_APPOINTMENT}"


def outside(connection: sqlite3.Connection, window: Window) -> list[bytes]:
    """The items outside a window that nothing spares."""
    found = list(_outside(connection, window))
    over = operations.live_of_items(connection, found)
    facts.put(connection, {facts.SPARED: int(bool(over))})
    return [item_id for item_id in found if item_id not in over]


def spared(connection: sqlite3.Connection) -> list[bytes]:
    """The items outside the window of the scope that were spared, and that nothing spares any more."""
    if not facts.number(connection, facts.SPARED):
        return []
    return outside(connection, Window.of(SyncScope.FromString(facts.data(connection, facts.SCOPE)).window))


def _outside(connection: sqlite3.Connection, window: Window) -> Iterator[bytes]:
    if window.mail_since is not None:
        for (folder_id,) in connection.execute("SELECT id FROM folder").fetchall():
            yield from (row[0] for row in connection.execute(_OLD_MAIL, (folder_id, window.mail_since)))
    if window.events_from is not None or window.events_until is not None:
        for item_id, fill_key, summary in connection.execute(_EVENTS):
            start, end = calendar_time.span(ItemSummary.FromString(summary)) or (NO_TIME, NO_TIME)
            if not window.holds(ITEM_KIND_APPOINTMENT, fill_key, start, FOREVER if end is None else end):
                yield item_id
