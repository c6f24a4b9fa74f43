"""What is here and outside the window of the scope: the server says nothing of it any more, so the replica drops it by itself.

Not before it has caught up, when the server knows of the window: until then a wider one may be wanted again, and the server takes
it that what was in the window that it knows is here. Items over which operations lie are spared until those have come back.
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


def narrowed(connection: sqlite3.Connection) -> None:
    """Notes that there may be something outside."""
    facts.put(connection, {facts.OUTSIDE: 1})


def outside(connection: sqlite3.Connection) -> list[bytes]:
    """The items outside the window of the scope that nothing spares."""
    if not facts.number(connection, facts.OUTSIDE):
        return []
    found = list(_outside(connection, Window.of(SyncScope.FromString(facts.data(connection, facts.SCOPE)).window)))
    over = operations.live_of_items(connection, found)
    facts.put(connection, {facts.OUTSIDE: int(bool(over))})
    return [item_id for item_id in found if item_id not in over]


def _outside(connection: sqlite3.Connection, window: Window) -> Iterator[bytes]:
    if window.mail_since is not None:
        for (folder_id,) in connection.execute("SELECT id FROM folder").fetchall():
            yield from (row[0] for row in connection.execute(_OLD_MAIL, (folder_id, window.mail_since)))
    if window.events_from is not None or window.events_until is not None:
        for item_id, fill_key, summary in connection.execute(_EVENTS):
            start, end = calendar_time.span(ItemSummary.FromString(summary)) or (NO_TIME, NO_TIME)
            if not window.holds(ITEM_KIND_APPOINTMENT, fill_key, start, FOREVER if end is None else end):
                yield item_id
