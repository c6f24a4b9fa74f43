"""Items that were lost when the server was restored from a backup: made again from what is here, or kept aside to be told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import Item, ItemContent, ItemState, ItemSummary
from rookery.v1.sync_pb2 import CONTENT_EXTENT_FULL, SyncOperation
from rookery_client.replica.outbox import recording
from rookery_client.replica.storage import operations
from rookery_client.replica.view import shown_contents

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from rookery.v1.folder_pb2 import Folder
    from rookery.v1.item_pb2 import Attachment
    from rookery_core.rules.ids import Ids

_ITEM = "SELECT folder_id, revision, content_revision, state, summary FROM item WHERE id = ?"
_KEEP = """INSERT OR REPLACE INTO lost (id, folder_id, revision, state, summary)
    SELECT id, folder_id, revision, state, summary FROM item WHERE id = ?"""
_CONTENT = "SELECT encoding, data FROM content WHERE item_id = ? AND content_revision = ? AND extent = ?"
_BYTES = "SELECT data FROM attachment WHERE item_id = ? AND attachment_id = ?"


def offer_again(connection: sqlite3.Connection, item_ids: Iterable[bytes], *, ids: Ids, now: int) -> tuple[int, int]:
    """Records operations that create the items again, with the ids they had; keeps aside those that are not here whole.

    Gives how many of each. To be called while they are still here.
    """
    recreated = kept = 0
    for item_id in item_ids:
        found = _whole(connection, item_id, ids)
        if found is None:
            connection.execute(_KEEP, (item_id,))
            kept += 1
        else:
            operation = _operation(ids, now)
            operation.create_item.item.CopyFrom(found[0])
            recording.lay_over(connection, operation, found[1], now, checked=False)
            recreated += 1
    return recreated, kept


def offer_folder_again(connection: sqlite3.Connection, folder: Folder, *, ids: Ids, now: int) -> None:
    """Records an operation that creates a folder again, with the id it had."""
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
    """The items that could not be made again, without content."""
    rows = connection.execute("SELECT id, folder_id, revision, state, summary FROM lost ORDER BY id")
    return [
        Item(
            id=row[0], folder_id=row[1], revision=row[2], state=ItemState.FromString(row[3]), summary=ItemSummary.FromString(row[4])
        )
        for row in rows
    ]


def forget(connection: sqlite3.Connection) -> None:
    """Forgets those."""
    connection.execute("DELETE FROM lost")


def _operation(ids: Ids, now: int) -> SyncOperation:
    operation = SyncOperation(operation_id=ids.new())
    operation.edited.FromMicroseconds(now)
    return operation


def _whole(connection: sqlite3.Connection, item_id: bytes, ids: Ids) -> tuple[Item, dict[bytes, bytes]] | None:
    """The item with its content, and the bytes of its attachments under new upload ids; None unless all of it is here."""
    folder_id, _, content_revision, state, summary = connection.execute(_ITEM, (item_id,)).fetchone()
    held = connection.execute(_CONTENT, (item_id, content_revision, CONTENT_EXTENT_FULL)).fetchone()
    if held is None:
        return None
    item = Item(id=item_id, folder_id=folder_id, state=ItemState.FromString(state), summary=ItemSummary.FromString(summary))
    item.content.CopyFrom(ItemContent.FromString(shown_contents.decoded(*held)))
    uploads: dict[bytes, bytes] = {}
    for attachment in item.content.attachments:
        data = _attached(connection, item_id, attachment)
        if data is None:
            return None
        attachment.upload_id = ids.new()
        uploads[attachment.upload_id] = data
    return item, uploads


def _attached(connection: sqlite3.Connection, item_id: bytes, attachment: Attachment) -> bytes | None:
    row = connection.execute(_BYTES, (item_id, attachment.id)).fetchone()
    return None if row is None else row[0]
