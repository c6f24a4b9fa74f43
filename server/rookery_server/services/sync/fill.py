"""A fill: everything in scope, newest first.

The first one also has all folders, which come before the items. A later one has what is inside a window that has grown and was
outside the one before. Both have the items as they are now, but only those that were there at the cursor's base: the tail, which
begins there, tells of all later ones, and of what became of these.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from rookery_server.services.folders.folders import to_message
from rookery_server.services.sync import cursors, tail
from rookery_server.services.sync.batches import carried
from rookery_server.store import sync_rows, sync_tail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rookery.internal.v1.packed_pb2 import SyncCursor
    from rookery_core.rules.sync_windows import Window
    from rookery_server.services.sync.batches import Batch, ContentForm, Limits
    from rookery_server.services.sync.scopes import Scope

_SIDE_BY_SIDE = 16
"""Folders that are read each by itself, if they are small, instead of passing by the whole mailbox."""


def set_window(cursor: SyncCursor, window: Window) -> None:
    """Gives the cursor the window that the device asks for now, and a fill if that has grown.

    What was filled before counts as far as the device still has it: it drops by itself what a narrower window leaves out.
    """
    before = cursors.of_message(cursor.window)
    cursor.window.CopyFrom(cursors.to_message(window))
    if before.covers(window):
        return
    first = cursor.HasField("fill") and not cursor.fill.HasField("had")
    had = cursors.of_message(cursor.fill.had).shared(before) if cursor.HasField("fill") else before
    cursor.ClearField("fill")
    if cursor.tail_revision:
        tail.begin_ahead(cursor)  # what it passed by under the narrower window it has to tell now
    cursor.fill.SetInParent()
    if not first:
        cursor.fill.had.CopyFrom(cursors.to_message(had))


def page(
    connection: Connection, mailbox_id: int, cursor: SyncCursor, scope: Scope, form: ContentForm, batch: Batch, limits: Limits
) -> None:
    """Adds the next folders and items of the cursor's fill to an empty batch, and moves it on; at its end it is gone."""
    fill = cursor.fill
    ended = False
    if not fill.HasField("fill_key") and not fill.id:
        fill.total = _total(connection, mailbox_id, fill, scope)
    if fill.HasField("fill_key") or fill.HasField("had") or _add_folders(connection, mailbox_id, cursor, batch):
        ended = _add_items(connection, mailbox_id, cursor, scope, form, batch, limits)
    batch.response.progress.done = fill.done
    batch.response.progress.total = max(fill.done, fill.total)
    if ended:
        cursor.ClearField("fill")


def _total(connection: Connection, mailbox_id: int, fill: SyncCursor.Fill, scope: Scope) -> int:
    """About how many items there are to fill. Appointments are counted without regard to the window."""

    def count(window: Window) -> int:
        return sync_rows.count(connection, mailbox_id, scope.folder_ids, scope.kinds, window.mail_since)

    had = count(cursors.of_message(fill.had)) if fill.HasField("had") else 0
    return max(0, count(scope.window) - had)


def _add_folders(connection: Connection, mailbox_id: int, cursor: SyncCursor, batch: Batch) -> bool:
    """Adds folders by id, behind the one that the fill has got to; gives whether all of the rest fit."""
    for row in sync_tail.folders_by_id(connection, mailbox_id, cursor.fill.id, cursor.base):
        if not batch.add(batch.response.folders, to_message(row)):
            return False
        cursor.fill.id = row.id
    return True


def _add_items(
    connection: Connection, mailbox_id: int, cursor: SyncCursor, scope: Scope, form: ContentForm, batch: Batch, limits: Limits
) -> bool:
    """Adds items behind the one that the fill has got to; gives whether there are no more."""
    fill = cursor.fill
    after = (fill.fill_key, fill.id) if fill.HasField("fill_key") else sync_rows.NEWEST
    had = cursors.of_message(fill.had) if fill.HasField("had") else None
    asked: dict[str, Any] = {"had": had, "created": cursor.base, "after": after, "most": limits.entries}
    floor = None
    if 0 < len(scope.folder_ids) <= _SIDE_BY_SIDE and sync_rows.held(connection, mailbox_id, scope.folder_ids) <= limits.looked_at:
        conditions = sync_rows.in_scope((), scope.kinds, scope.window)
        portions = sync_rows.fill_of_folders(connection, mailbox_id, scope.folder_ids, conditions, **asked)
    else:
        conditions = sync_rows.in_scope(scope.folder_ids, scope.kinds, scope.window)
        if conditions or had is not None:
            floor = sync_rows.place_after(connection, mailbox_id, after, limits.looked_at)
        portions = sync_rows.fill(connection, mailbox_id, conditions, floor=floor, **asked)
    taken, full = 0, False
    with closing(portions):
        for rows in portions:
            fitting = _add_rows(connection, mailbox_id, rows, form, batch)
            if fitting:
                after = (rows[fitting - 1][0], rows[fitting - 1][1])
            taken += fitting
            full = fitting < len(rows)
            if full:
                break
    more = full or taken == limits.entries
    if not more and floor is not None:
        after = floor
    fill.fill_key, fill.id = after
    fill.done += taken
    return not more and floor is None


def _add_rows(connection: Connection, mailbox_id: int, rows: Sequence[Sequence[Any]], form: ContentForm, batch: Batch) -> int:
    """Adds items until one does not fit; gives how many it took."""
    if not form.wants_content:
        return batch.add_summaries(rows)
    taken = 0
    for row, content in carried(connection, mailbox_id, rows, form):
        if not batch.add_item(row, content):
            break
        taken += 1
    return taken
