"""What a replica is to hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.sync_pb2 import SYNC_DEPTH_SUMMARY, SYNC_DEPTH_TEXT, SyncScope
from rookery_client.replica.incoming import refilling, windowing
from rookery_client.replica.storage import facts
from rookery_core.rules.sync_windows import Window

if TYPE_CHECKING:
    import sqlite3

_DEFAULT_TEXT_BYTES = 4096


def get(connection: sqlite3.Connection) -> SyncScope:
    """What the replica is to hold; everything's summaries where nobody has said."""
    return SyncScope.FromString(facts.data(connection, facts.SCOPE))


def put(connection: sqlite3.Connection, scope: SyncScope) -> bool:
    """Sets what the replica is to hold. What a narrower window leaves outside is dropped when the replica has caught up next.

    True if a new fill is needed, because folders, kinds or depth are others than before: the cursor is forgotten then. A wider
    window needs none. InvalidArgument ``FIELD_INVALID`` for a window that is none.
    """
    window, before = Window.of(scope.window), get(connection)
    facts.put(connection, {facts.SCOPE: scope.SerializeToString(deterministic=True)})
    if not window.covers(Window.of(before.window)):
        windowing.narrowed(connection)
    if facts.text(connection, facts.CURSOR) and _bound(before) != _bound(scope):
        refilling.begin(connection)
        return True
    return False


def _bound(scope: SyncScope) -> tuple[object, ...]:
    """What a cursor is bound to: all of a scope but the window."""
    depth = scope.depth or SYNC_DEPTH_SUMMARY
    text_bytes = (scope.text_bytes or _DEFAULT_TEXT_BYTES) if depth == SYNC_DEPTH_TEXT else 0
    return sorted(set(scope.folder_ids)), sorted(set(scope.kinds)), depth, text_bytes
