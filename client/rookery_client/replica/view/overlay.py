"""The local view kept up to date: ``local_item`` and ``local_folder`` hold what the person sees otherwise than the server has it.

They follow from the other tables alone, so they can be computed anew at any time, for any item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.folder_pb2 import Folder
from rookery_client.replica.storage import operations
from rookery_client.replica.view.folder_view import FolderView
from rookery_client.replica.view.item_view import ItemView
from rookery_client.replica.view.local_item import LOCAL_COLUMNS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

_PUT = f"INSERT OR REPLACE INTO local_item ({LOCAL_COLUMNS}) VALUES ({', '.join('?' * (LOCAL_COLUMNS.count(',') + 1))})"
_DROP = "DELETE FROM local_item WHERE id = ?"
_HIDE = f"""INSERT OR REPLACE INTO local_item ({LOCAL_COLUMNS})
    SELECT id, 1, folder_id, kind, revision, content_revision, uid, fill_key, 0, 0, x'', x'', 0, NULL
    FROM shown_item WHERE folder_id = ?"""


def refresh(connection: sqlite3.Connection, item_ids: Iterable[bytes], *, folders: bool) -> None:
    """Computes items anew, those of them over which operations lie or lay; with ``folders`` the tree too, before them."""
    if folders:
        refresh_folders(connection)
    if operations.any_live(connection) or connection.execute("SELECT 1 FROM local_item LIMIT 1").fetchone():
        refresh_items(connection, list(item_ids))


def refresh_items(connection: sqlite3.Connection, item_ids: Sequence[bytes], *, checked: int = 0) -> None:
    """Computes items anew, and the copies that were made of them here.

    InvalidArgument for what does not fit of the operation with the number ``checked``, if one is given.
    """
    view = ItemView(connection)
    waiting = list(dict.fromkeys(item_ids))
    done: set[bytes] = set()
    while waiting:
        over = operations.live_of_items(connection, waiting)
        _write(connection, view, waiting, over, checked)
        done.update(waiting)
        waiting = [each for each in _copies(view, over) if each not in done]


def refresh_folders(connection: sqlite3.Connection) -> None:
    """Computes the tree of folders anew."""
    over = operations.live_of_folders(connection)
    if not over:
        connection.execute("DELETE FROM local_folder")
        return
    before = dict(connection.execute("SELECT id, record FROM folder").fetchall())
    view = server_folders(connection)
    for recorded in over:
        view.replay(recorded)
    rows = [(folder_id, 1, record) for folder_id, record in before.items() if folder_id not in view.folders]
    for folder_id, folder in view.folders.items():
        record = folder.SerializeToString()
        if record != before.get(folder_id):
            rows.append((folder_id, 0, record))
    connection.execute("DELETE FROM local_folder")
    connection.executemany("INSERT INTO local_folder (id, gone, record) VALUES (?, ?, ?)", rows)


def server_folders(connection: sqlite3.Connection) -> FolderView:
    """The folders as the server has them."""
    return FolderView(Folder.FromString(row[0]) for row in connection.execute("SELECT record FROM folder"))


def shown_folders(connection: sqlite3.Connection) -> FolderView:
    """The folders as the person sees them."""
    return FolderView(Folder.FromString(row[0]) for row in connection.execute("SELECT record FROM shown_folder"))


def hide_items_in(connection: sqlite3.Connection, folder_ids: Iterable[bytes]) -> None:
    """Hides all items in folders: what computing each one anew gives after an emptying, in one statement a folder."""
    connection.executemany(_HIDE, [(folder_id,) for folder_id in folder_ids])


def _write(
    connection: sqlite3.Connection, view: ItemView, item_ids: Sequence[bytes], over: dict[bytes, list[int]], checked: int
) -> None:
    rows, dropped = [], []
    for item_id in item_ids:
        shown = view.shown(item_id, over[item_id], checked=checked) if item_id in over else None
        if shown is None:
            dropped.append((item_id,))
        else:
            rows.append(shown.row())
    connection.executemany(_DROP, dropped)
    connection.executemany(_PUT, rows)


def _copies(view: ItemView, over: dict[bytes, list[int]]) -> Iterable[bytes]:
    """The items that are copied here from those that operations lie over."""
    for item_id, seqs in over.items():
        for seq in seqs:
            yield from (new for old, new in view.operation(seq).copies if old == item_id)
