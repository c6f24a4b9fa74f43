"""Items that were lost when the server was restored from a backup: made again from what is here, or kept aside to be told of."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rookery.v1.item_pb2 import Item, ItemContent, ItemState, ItemSummary
from rookery.v1.sync_pb2 import CONTENT_EXTENT_FULL, SyncOperation
from rookery_client.replica.incoming import reordering
from rookery_client.replica.incoming.reordering import Again
from rookery_client.replica.outbox import recording
from rookery_client.replica.storage import operations
from rookery_client.replica.storage.schema import LOST_COLUMNS
from rookery_client.replica.view import shown_contents
from rookery_core.errors import DataLoss

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping

    from rookery.v1.folder_pb2 import Folder
    from rookery.v1.item_pb2 import Attachment
    from rookery_core.rules.ids import Ids

_ITEM = "SELECT folder_id, content_revision, state, summary FROM item WHERE id = ?"
_PART = "SELECT encoding, data FROM content WHERE item_id = ?"
_KEEP = f"INSERT OR REPLACE INTO lost ({LOST_COLUMNS}) SELECT id, folder_id, revision, state, summary, ? FROM item WHERE id = ?"
_CONTENT = "SELECT encoding, data FROM content WHERE item_id = ? AND content_revision = ? AND extent = ?"
_BYTES = "SELECT data FROM attachment WHERE item_id = ? AND attachment_id = ?"


def offer_again(
    connection: sqlite3.Connection, lost: Mapping[bytes, int], folders: Collection[Folder], *, ids: Ids, now: int
) -> tuple[int, int]:
    """Records operations that create folders, parents first, and items (id -> revision) again, with the ids they had.

    Items that are not here whole are kept aside. Gives how many folders and items are created, and how many items are not. To be
    called while the items are still here.
    """
    last = operations.last_number(connection)
    for folder in folders:
        _offer_folder(connection, folder, ids=ids, now=now)
    again = Again(folders={folder.id for folder in folders})
    for item_id, revision in lost.items():
        found = _whole(connection, item_id, ids)
        if found is None:
            connection.execute(_KEEP, (_decoded(connection.execute(_PART, (item_id,)).fetchone()), item_id))
            continue
        operation = _operation(ids, now)
        operation.create_item.item.CopyFrom(found[0])
        recording.lay_over(connection, operation, found[1], now, checked=False)
        again.operations[item_id], again.revisions[item_id] = operation.operation_id, revision
        again.used.add(found[0].folder_id)
    recreated = len(again.operations)
    if recreated or folders:
        reordering.put_behind(connection, last, again)
    return recreated + len(folders), len(lost) - recreated


def _offer_folder(connection: sqlite3.Connection, folder: Folder, *, ids: Ids, now: int) -> None:
    operation = _operation(ids, now)
    wanted = operation.create_folder.folder
    wanted.id, wanted.parent_id, wanted.name, wanted.default_kind = folder.id, folder.parent_id, folder.name, folder.default_kind
    recording.lay_over(connection, operation, {}, now, checked=False)


def creates_again(connection: sqlite3.Connection, item_id: bytes) -> bool:
    """Whether an operation that waits creates the item already."""
    for seq in operations.live_of_items(connection, [item_id]).get(item_id, []):
        operation = operations.numbered(connection, seq).operation
        if item_id == operation.create_item.item.id or item_id in operation.copy_items.new_ids:
            return True
    return False


def creates_folder_again(connection: sqlite3.Connection, folder_id: bytes) -> bool:
    """Whether an operation that waits creates the folder already."""
    waiting = operations.waiting_of_folder(connection, folder_id)
    return any(each.operation.create_folder.folder.id == folder_id for each in waiting)


def kept_aside(connection: sqlite3.Connection) -> list[Item]:
    """The items that could not be made again, with as much of their contents as there was."""
    found: list[Item] = []
    for item_id, folder_id, revision, state, summary, content in connection.execute(f"SELECT {LOST_COLUMNS} FROM lost ORDER BY id"):
        item = Item(id=item_id, folder_id=folder_id, revision=revision)
        item.state.CopyFrom(ItemState.FromString(state))
        item.summary.CopyFrom(ItemSummary.FromString(summary))
        if content is not None:
            item.content.CopyFrom(ItemContent.FromString(content))
        found.append(item)
    return found


def take_over(connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Keeps those aside that another replica of the mailbox had kept aside, by its rows."""
    connection.executemany(f"INSERT OR IGNORE INTO lost ({LOST_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", rows)


def forget(connection: sqlite3.Connection) -> None:
    """Forgets those."""
    connection.execute("DELETE FROM lost")


def _operation(ids: Ids, now: int) -> SyncOperation:
    operation = SyncOperation(operation_id=ids.new())
    operation.edited.FromMicroseconds(now)
    return operation


def _whole(connection: sqlite3.Connection, item_id: bytes, ids: Ids) -> tuple[Item, dict[bytes, bytes]] | None:
    """The item with its content, and the bytes of its attachments under new upload ids; None unless all of it is here."""
    folder_id, content_revision, state, summary = connection.execute(_ITEM, (item_id,)).fetchone()
    held = _decoded(connection.execute(_CONTENT, (item_id, content_revision, CONTENT_EXTENT_FULL)).fetchone())
    if held is None:
        return None
    item = Item(id=item_id, folder_id=folder_id, state=ItemState.FromString(state), summary=ItemSummary.FromString(summary))
    item.content.CopyFrom(ItemContent.FromString(held))
    uploads: dict[bytes, bytes] = {}
    for attachment in item.content.attachments:
        data = _attached(connection, item_id, attachment)
        if data is None:
            return None
        attachment.upload_id = ids.new()
        uploads[attachment.upload_id] = data
    return item, uploads


def _decoded(row: tuple[int, bytes] | None) -> bytes | None:
    """An encoded ItemContent out of a row; None if there is none, or it is damaged."""
    with suppress(DataLoss):
        return None if row is None else shown_contents.decoded(*row)
    return None


def _attached(connection: sqlite3.Connection, item_id: bytes, attachment: Attachment) -> bytes | None:
    row = connection.execute(_BYTES, (item_id, attachment.id)).fetchone()
    return None if row is None else row[0]
