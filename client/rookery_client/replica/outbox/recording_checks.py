"""What the server would refuse is refused here, before it is recorded: with the same reasons, against what the person sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import item_service_pb2
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item
from rookery.v1.sync_pb2 import CONTENT_EXTENT_FULL
from rookery_client.replica.storage import operations
from rookery_client.replica.view import local_records, overlay
from rookery_client.replica.view.item_view import ItemView
from rookery_core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Stale
from rookery_core.rules import checks, enums, list_edits, names, ownership, units
from rookery_core.rules.ids import require_id, require_minted
from rookery_core.rules.recurrence import series_edits

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from rookery.v1.item_service_pb2 import UpdateItemRequest
    from rookery.v1.sync_pb2 import SyncOperation

MOST_ITEMS = 500
"""Items of one operation."""
MOST_BYTES = (4 << 20) - 1024
"""Of an operation, encoded: a PushRequest takes 4 MiB."""
_LISTS = (units.RECIPIENTS.path, units.ATTACHMENTS.path, units.PROPERTIES.path)


def require_sound(connection: sqlite3.Connection, operation: SyncOperation, uploads: Mapping[bytes, bytes]) -> None:
    """Raises what the server would refuse the operation with. An update is widened to whole merge units."""
    action = operation.WhichOneof("action")
    if action is None:
        raise InvalidArgument("FIELD_INVALID", "the operation holds no action", field="action")
    enums.require_known_enums(operation)
    if action.endswith("_folder"):
        overlay.shown_folders(connection).apply(operation, other_names=False)
    if action == "empty_folder":
        overlay.shown_folders(connection).require(operation.empty_folder.folder_id)
    if action == "update_item":
        _update(connection, operation.update_item, operation.edited.ToMicroseconds())
    elif check := _CHECKS.get(action):
        check(connection, getattr(operation, action))
    _require_uploads(connection, operation, uploads)
    checks.no_bigger(operation.ByteSize(), MOST_BYTES, "the operation")


def _create(connection: sqlite3.Connection, request: item_service_pb2.CreateItemRequest) -> None:
    item_id = require_minted(request.item.id, "item.id")
    require_free(connection, [item_id], "item.id")
    _require_folder(connection, request.item.folder_id, "item.folder_id")


def _update(connection: sqlite3.Connection, request: UpdateItemRequest, edited: int) -> None:
    _require_mask(request)
    require_shown(connection, [request.item.id], "item.id")
    view = ItemView(connection)
    item = view.current(request.item.id)
    if request.etag and request.etag != item.content_revision:
        raise Stale("STALE_ETAG", "the item was changed meanwhile: read it again and decide", field="etag")
    request.ClearField("etag")  # the operation's base_revision takes its place
    around = view.trial(edited)
    before, extent = local_records.decoded(item, around)
    _require_content(request, before, extent)
    after, _ = local_records.edited_record(item, request, around)
    _follow_series(request, before, after)
    _widen(request, after)


def _mark(connection: sqlite3.Connection, request: item_service_pb2.SetItemStateRequest) -> None:
    marks = request.HasField("read") or request.HasField("follow_up") or request.HasField("reminder")
    if not (marks or request.add_categories or request.remove_categories):
        message = "say what to change: read, follow_up, add_categories, remove_categories or reminder"
        raise InvalidArgument("FIELD_INVALID", message)
    names.categories(list(request.add_categories), "add_categories")
    require_shown(connection, request.item_ids)


def _move(connection: sqlite3.Connection, request: item_service_pb2.MoveItemsRequest) -> None:
    _require_folder(connection, request.folder_id)
    require_shown(connection, request.item_ids)


def _copy(connection: sqlite3.Connection, request: item_service_pb2.CopyItemsRequest) -> None:
    _require_folder(connection, request.folder_id)
    require_shown(connection, request.item_ids)
    if len(set(request.item_ids)) != len(request.item_ids):
        raise InvalidArgument("FIELD_INVALID", "with new_ids, item_ids names each item once", field="item_ids")
    minted = [require_minted(item_id, "new_ids") for item_id in request.new_ids]
    if len(minted) != len(request.item_ids):
        raise InvalidArgument("FIELD_INVALID", "new_ids holds one id for each item, or none at all", field="new_ids")
    if len(set(minted)) != len(minted):
        raise InvalidArgument("FIELD_INVALID", "new_ids holds an id twice", field="new_ids")
    require_free(connection, minted, "new_ids")


def _delete(connection: sqlite3.Connection, request: item_service_pb2.DeleteItemsRequest) -> None:
    if request.mode == item_service_pb2.DELETE_MODE_PERMANENT:
        _require_known(connection, request.item_ids)
    else:
        require_shown(connection, request.item_ids)


def _restore(connection: sqlite3.Connection, request: item_service_pb2.RestoreItemsRequest) -> None:
    """Which items are recoverable only the server knows: a replica holds none."""
    _require_ids(request.item_ids, "item_ids")
    if request.folder_id:
        _require_folder(connection, request.folder_id)


def _require_mask(request: UpdateItemRequest) -> None:
    paths = list(request.update_mask.paths)
    if not paths and list_edits.is_empty(request.list_edits):
        raise InvalidArgument("FIELD_INVALID", "the update names no field", field="update_mask")
    for path in paths:
        ownership.require_writable(Item.DESCRIPTOR, path)
        if not path.startswith(("summary.", "content.")) or path in _LISTS:
            raise InvalidArgument(
                "FIELD_NOT_WRITABLE",
                f"“{path[:100]}” is not changed here: name fields below summary and content; recipients, attachments and properties"
                " have list_edits, marks SetItemState, places MoveItems",
                field="update_mask",
            )
    list_edits.require_beside(request.list_edits, paths)


def _require_content(request: UpdateItemRequest, record: Item, extent: int) -> None:
    """FailedPrecondition ``NOT_IN_REPLICA`` if what is to be edited is not here, or only a part of it."""
    part_of_body = any(path.startswith("content.body.") for path in request.update_mask.paths)
    missing = local_records.touches_content(request) and not record.HasField("content")
    if missing or (part_of_body and extent != CONTENT_EXTENT_FULL):
        raise FailedPrecondition(
            "NOT_IN_REPLICA",
            "the text of the item is not here: open it once while online, or `rookery sync --depth full`",
        )


def _follow_series(request: UpdateItemRequest, before: Item, after: Item) -> None:
    """Makes an update that gives a series other occurrences tell which of its exceptions stay."""
    replaced = {each.path for path in request.update_mask.paths for each in units.lists_of(path)}
    if after.summary.kind != ITEM_KIND_APPOINTMENT or units.EXCEPTIONS.path in replaced or not after.summary.appointment.exceptions:
        return
    found = series_edits.staying(before.summary.appointment, after.summary.appointment)
    if found is not None:
        units.EXCEPTIONS.replace(after, found[0])
        request.update_mask.paths.append(units.EXCEPTIONS.path)


def _widen(request: UpdateItemRequest, after: Item) -> None:
    """Makes an update tell all of each merge unit that it touches, with the rest of the unit as the person sees it."""
    whole = units.whole_units(list(request.update_mask.paths))
    told = Item(id=request.item.id)
    for path in whole:
        ownership.apply_mask(told, after, units.fields_of(path))
    request.item.CopyFrom(told)
    request.update_mask.paths[:] = whole


def _require_uploads(connection: sqlite3.Connection, operation: SyncOperation, uploads: Mapping[bytes, bytes]) -> None:
    """NotFound ``UPLOAD_NOT_FOUND`` unless the bytes of each new attachment are given."""
    named = [*operation.create_item.item.content.attachments, *operation.update_item.list_edits.add_attachments]
    for attachment in named:
        field = "attachments.upload_id"
        if attachment.HasField("copy_of"):
            continue
        if not attachment.upload_id:
            raise InvalidArgument("FIELD_INVALID", "a new attachment needs an upload_id or a copy_of", field=field)
        upload_id = require_minted(attachment.upload_id, field)
        if upload_id not in uploads and operations.upload_size(connection, upload_id) is None:
            raise NotFound("UPLOAD_NOT_FOUND", "the bytes of an attachment are not there: add it again", field=field)


def _require_ids(item_ids: Sequence[bytes], field: str) -> None:
    checks.at_most(len(item_ids), MOST_ITEMS, field)
    for item_id in item_ids:
        require_id(item_id, field)


def require_shown(connection: sqlite3.Connection, item_ids: Sequence[bytes], field: str = "item_ids") -> None:
    """NotFound ``ITEM_NOT_FOUND`` unless the person sees each item."""
    _require_ids(item_ids, field)
    marks = ", ".join("?" * len(item_ids))
    shown = {row[0] for row in connection.execute(f"SELECT id FROM shown_item WHERE id IN ({marks})", tuple(item_ids))}
    for item_id in item_ids:
        if item_id not in shown:
            raise _no_item(item_id, field)


def _require_known(connection: sqlite3.Connection, item_ids: Sequence[bytes]) -> None:
    """NotFound ``ITEM_NOT_FOUND`` unless each item is here, be it deleted."""
    _require_ids(item_ids, "item_ids")
    for item_id in item_ids:
        if not _is_known(connection, item_id):
            raise NotFound(
                "ITEM_NOT_FOUND", "this device holds no such item", metadata={"item_id": item_id.hex()}, field="item_ids"
            )


def _no_item(item_id: bytes, field: str) -> NotFound:
    return NotFound("ITEM_NOT_FOUND", "this device holds no such item", metadata={"item_id": item_id.hex()}, field=field)


def require_free(connection: sqlite3.Connection, item_ids: Sequence[bytes], field: str) -> None:
    """AlreadyExists ``ID_TAKEN`` if an item that this device knows has one of the ids."""
    if any(_is_known(connection, item_id) for item_id in item_ids):
        raise AlreadyExists("ID_TAKEN", "an item has this id already", field=field)


def _is_known(connection: sqlite3.Connection, item_id: bytes) -> bool:
    known = "SELECT 1 FROM item WHERE id = ? UNION ALL SELECT 1 FROM local_item WHERE id = ?"
    return connection.execute(known, (item_id, item_id)).fetchone() is not None


def _require_folder(connection: sqlite3.Connection, folder_id: bytes, field: str = "folder_id") -> None:
    if connection.execute("SELECT 1 FROM shown_folder WHERE id = ?", (folder_id,)).fetchone() is None:
        raise NotFound("FOLDER_NOT_FOUND", "this device knows no such folder", field=field)


_CHECKS: dict[str, Callable[..., None]] = {
    "create_item": _create,
    "set_item_state": _mark,
    "move_items": _move,
    "copy_items": _copy,
    "delete_items": _delete,
    "restore_items": _restore,
}
