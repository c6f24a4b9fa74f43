"""The sender's own copy of a message, from the drafts to the outbox and on to Sent Items, or back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rookery.v1 import folder_pb2
from rookery.v1.item_pb2 import Item, ItemState
from rookery_core.rules.merging import Merged
from rookery_core.rules.stamps import Edit
from rookery_server.services.folders import folders
from rookery_server.services.items import item_places, item_updates, item_writer
from rookery_server.store import items
from rookery_server.store.folders import find as find_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_server.services.change import MailboxChange
    from rookery_server.services.items.item_writer import PreparedItem
    from rookery_server.store.items import PackedRow


def to_outbox(change: MailboxChange, row: PackedRow, submitted: Item, prepared: PreparedItem | None) -> bytes:
    """Writes what submitting made of a draft, and moves it to the outbox; gives the folder that it returns to if called back.

    ``prepared`` is the submitted item ready to be written, if it holds nothing beside its records, as the draft does not.
    """
    outbox = _known(change, folder_pb2.FOLDER_ROLE_OUTBOX)
    if prepared is not None and row.folder_id != outbox:
        columns = {**prepared.columns, **item_writer.state_columns(submitted.summary, ItemState.FromString(row.state))}
        _write_and_move(change, row, replace(prepared, columns=columns), outbox)
        return row.folder_id
    _write(change, row, submitted)
    if row.folder_id == outbox:
        return folders.require_role(change.connection, change.mailbox.id, folder_pb2.FOLDER_ROLE_DRAFTS).id
    _move(change, row.id, outbox)
    return row.folder_id


def to_sent(change: MailboxChange, item_ids: Sequence[bytes]) -> None:
    """Moves them from the outbox to Sent Items; leaves those where they are that somebody has moved or deleted meanwhile."""
    if not item_ids:
        return
    connection, mailbox_id = change.connection, change.mailbox.id
    outbox = folders.require_role(connection, mailbox_id, folder_pb2.FOLDER_ROLE_OUTBOX).id
    found = items.places(connection, mailbox_id, item_ids)
    waiting = [found[item_id] for item_id in item_ids if item_id in found]
    leaving = [row for row in waiting if row.life == items.LIVE and row.folder_id == outbox]
    if leaving:
        item_places.move(change, leaving, _known(change, folder_pb2.FOLDER_ROLE_SENT))


def back_to_draft(change: MailboxChange, item_id: bytes, origin_id: bytes) -> None:
    """Makes it a draft again, and moves it from the outbox to where it was, or to the drafts where that folder is gone."""
    connection, mailbox_id = change.connection, change.mailbox.id
    row = items.packed(connection, mailbox_id, item_id)
    if row is None or row.life != items.LIVE:
        return
    draft, _ = item_updates.read(change, row)
    draft.summary.message.draft = True
    draft.summary.ClearField("sent")
    _write(change, row, draft)
    if _is_in_outbox(change, row):
        known = find_folder(connection, mailbox_id, origin_id)
        drafts = folders.require_role(connection, mailbox_id, folder_pb2.FOLDER_ROLE_DRAFTS).id
        _move(change, item_id, drafts if known is None else origin_id)


def _known(change: MailboxChange, role: int) -> bytes:
    """The folder with a role, whose row the change knows from now on: something goes there."""
    folder = folders.require_role(change.connection, change.mailbox.id, role)
    change.know(folder)
    return folder.id


def _is_in_outbox(change: MailboxChange, row: PackedRow) -> bool:
    outbox = folders.require_role(change.connection, change.mailbox.id, folder_pb2.FOLDER_ROLE_OUTBOX).id
    return row.life == items.LIVE and row.folder_id == outbox


def _write(change: MailboxChange, row: PackedRow, after: Item) -> None:
    """Gives an item another content. It is the server's edit, not a person's: it leaves no stamps, and can not conflict."""
    before, held = item_updates.read(change, row)
    wanted = Item()
    wanted.CopyFrom(after)
    edit = Edit(change.now, change.caller.session_id, change.current_revision)
    drafted = item_updates.prepare(change, row, before, held, {}, edit, Merged(wanted, set(), set(), {}))
    item_updates.write(change, drafted, change.revision)


def _write_and_move(change: MailboxChange, row: PackedRow, prepared: PreparedItem, folder_id: bytes) -> None:
    """Content and place at once, of an item that holds no blobs."""
    connection, mailbox_id, revision = change.connection, change.mailbox.id, change.revision
    place = items.places(connection, mailbox_id, [row.id])[row.id]
    size = prepared.columns["size_bytes"]
    change.require_room(max(0, size - place.size_bytes))
    unread = 0 if place.is_read else 1
    change.count(row.folder_id, items=-1, unread=-unread, size=-place.size_bytes, held=size - place.size_bytes)
    change.count(folder_id, items=1, unread=unread, size=size)
    uid = change.take_uids(folder_id, 1)
    items.note_departures(connection, mailbox_id, revision, items.MOVED, [place])
    moved = {"folder_id": folder_id, "uid": uid, "place": revision, "content": revision, "revision": revision}
    items.change(connection, mailbox_id, [{"id": row.id, **prepared.columns, **moved}])
    items.replace_content(connection, mailbox_id, row.id, revision, prepared.codec, prepared.content)


def _move(change: MailboxChange, item_id: bytes, folder_id: bytes) -> None:
    place = items.places(change.connection, change.mailbox.id, [item_id])[item_id]
    item_places.move(change, [place], folder_id)
