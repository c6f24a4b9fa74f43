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
    from rookery_client.replica.storage.operations import Recorded
    from rookery_core.rules.ids import Ids

_ITEM = "SELECT folder_id, revision, content_revision, state, summary FROM item WHERE id = ?"
_PART = "SELECT encoding, data FROM content WHERE item_id = ?"
_KEEP = f"INSERT OR REPLACE INTO lost ({LOST_COLUMNS}) SELECT id, folder_id, revision, state, summary, ? FROM item WHERE id = ?"
_CONTENT = "SELECT encoding, data FROM content WHERE item_id = ? AND content_revision = ? AND extent = ?"
_BYTES = "SELECT data FROM attachment WHERE item_id = ? AND attachment_id = ?"


def offer_again(
    connection: sqlite3.Connection,
    lost: Mapping[bytes, int],
    versions: Mapping[bytes, int],
    folders: Collection[Folder],
    *,
    ids: Ids,
    now: int,
) -> tuple[int, int]:
    """Records operations that create folders, parents first, and items (id -> revision) again, with the ids they had.

    ``versions`` are items that the server has, but not as they are here: it merges those, and has their attachments.

    An operation that waits and creates an item creates it as it is here, with what others did to it since. Items that are not here
    whole are kept aside, unless such an operation creates them as they were. Gives how many folders and items are created, and how
    many items are not. To be called while the items are still here.
    """
    last = operations.last_number(connection)
    for folder in folders:
        _offer_folder(connection, folder, ids=ids, now=now)
    again = Again(folders={folder.id for folder in folders}, versions=set(versions))
    kept = 0
    for item_id, revision in {**lost, **versions}.items():
        found, creating = _whole(connection, item_id, ids, attachments=item_id in lost), _creating(connection, item_id)
        if found is not None:
            operation_id = _offer_item(connection, *found, creating, ids=ids, now=now)
            again.operations[item_id], again.revisions[item_id] = operation_id, revision
            again.used.add(found[0].folder_id)
        elif creating is None and item_id in lost:
            connection.execute(_KEEP, (_decoded(connection.execute(_PART, (item_id,)).fetchone()), item_id))
            kept += 1
    recreated = len(again.operations)
    if recreated or folders:
        reordering.put_behind(connection, last, again)
    return recreated + len(folders), kept


def _offer_folder(connection: sqlite3.Connection, folder: Folder, *, ids: Ids, now: int) -> None:
    operation = _operation(ids, now)
    wanted = operation.create_folder.folder
    wanted.id, wanted.parent_id, wanted.name, wanted.default_kind = folder.id, folder.parent_id, folder.name, folder.default_kind
    recording.lay_over(connection, operation, {}, now, checked=False)


def _offer_item(
    connection: sqlite3.Connection, item: Item, uploads: dict[bytes, bytes], creating: Recorded | None, *, ids: Ids, now: int
) -> bytes:
    """Lets an operation create the item as it is here: the one that does so already, or a new one. Gives its id."""
    operation = _operation(ids, now) if creating is None else creating.operation
    operation.create_item.item.CopyFrom(item)
    if item.summary.HasField("modified"):
        operation.edited.CopyFrom(item.summary.modified)
    if creating is None:
        recording.lay_over(connection, operation, uploads, now, checked=False)
    else:
        operations.rewrite(connection, creating.seq, operation)
        operations.put_uploads(connection, creating.seq, uploads.items())
    return operation.operation_id


def comes_again(connection: sqlite3.Connection, item_id: bytes, revision: int) -> bool:
    """Whether an operation that waits creates the item already, and nothing is known to have happened to it since."""
    creating = _creating(connection, item_id)
    return creating is not None and (creating.action != "create_item" or revision <= creating.revision)


def _creating(connection: sqlite3.Connection, item_id: bytes) -> Recorded | None:
    """The operation that waits and creates the item, if there is one."""
    for seq in operations.live_of_items(connection, [item_id]).get(item_id, []):
        recorded = operations.numbered(connection, seq)
        if item_id == recorded.operation.create_item.item.id or any(item_id == new for _, new in recorded.copies):
            return recorded
    return None


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


def _whole(
    connection: sqlite3.Connection, item_id: bytes, ids: Ids, *, attachments: bool
) -> tuple[Item, dict[bytes, bytes]] | None:
    """The item with its content, and the bytes of its attachments under new upload ids; None unless all of it is here.

    Without ``attachments`` those are left out. The item's revision tells the server which version it is, if several devices bring
    theirs.
    """
    folder_id, revision, content_revision, state, summary = connection.execute(_ITEM, (item_id,)).fetchone()
    held = _decoded(connection.execute(_CONTENT, (item_id, content_revision, CONTENT_EXTENT_FULL)).fetchone())
    if held is None:
        return None
    item = Item(id=item_id, folder_id=folder_id, revision=revision)
    item.state.CopyFrom(ItemState.FromString(state))
    item.summary.CopyFrom(ItemSummary.FromString(summary))
    item.content.CopyFrom(ItemContent.FromString(held))
    uploads: dict[bytes, bytes] = {}
    if not attachments:
        item.content.ClearField("attachments")
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
