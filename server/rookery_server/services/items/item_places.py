"""Moving and copying items between folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1 import item_service_pb2
from rookery.v1.item_pb2 import ItemState
from rookery_core.errors import InvalidArgument
from rookery_core.rules import names
from rookery_core.rules.ids import require_minted
from rookery_server.services.folders import folders
from rookery_server.services.items import item_writer
from rookery_server.services.items.item_reading import require_ids
from rookery_server.services.items.item_writer import NewRow
from rookery_server.store import blobs, item_blobs, item_contents, items

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.operations import Operations
    from rookery_server.store.items import PlaceRow

_KEPT_OUT = frozenset(
    {"mailbox_id", "id", "folder_id", "uid", "life", "deleted_at", "created", "content", "state_revision", "place", "revision"}
)

_TOUCHED_AT_ONCE = 500


def move(change: MailboxChange, places: Sequence[PlaceRow], folder_id: bytes) -> None:
    """Moves live items into a folder under the change's revision: new uids there, departures from where they were."""
    revision = change.revision
    first = change.take_uids(folder_id, len(places))
    items.note_departures(change.connection, change.mailbox.id, revision, items.MOVED, places)
    rows = []
    for uid, row in enumerate(places, start=first):
        rows.append({"id": row.id, "folder_id": folder_id, "uid": uid, "place": revision, "revision": revision})
        unread = 0 if row.is_read else 1
        change.count(row.folder_id, items=-1, unread=-unread, size=-row.size_bytes)
        change.count(folder_id, items=1, unread=unread, size=row.size_bytes)
    items.change(change.connection, change.mailbox.id, rows)


class ItemPlaces:
    """Carries out MoveItems and CopyItems."""

    def __init__(self, operations: Operations, ids: Ids) -> None:
        self._operations = operations
        self._ids = ids

    async def move_items(self, caller: Caller, request: item_service_pb2.MoveItemsRequest) -> bytes:
        """Moves items, in one revision; those that are there already get none. The encoded MoveItemsResponse."""
        move_into = plan_move(request)

        def work(change: MailboxChange) -> item_service_pb2.MoveItemsResponse:
            return move_into(change, folders.require(change.connection, change.mailbox.id, request.folder_id).id)

        return await self._operations.on_mailbox(caller, request.mailbox_id, request.operation_id, "item.move", request, work)

    async def copy_items(self, caller: Caller, request: item_service_pb2.CopyItemsRequest) -> bytes:
        """Copies items, in one revision; blobs are shared, not copied. The encoded CopyItemsResponse."""
        copy_into = plan_copy(request, self._ids)

        def work(change: MailboxChange) -> item_service_pb2.CopyItemsResponse:
            return copy_into(change, folders.require(change.connection, change.mailbox.id, request.folder_id).id)

        return await self._operations.on_mailbox(caller, request.mailbox_id, request.operation_id, "item.copy", request, work)


def plan_move(request: item_service_pb2.MoveItemsRequest) -> Callable[[MailboxChange, bytes], item_service_pb2.MoveItemsResponse]:
    """Checks a request to move items; gives the work, which is told the live folder that they go to."""
    wanted = require_ids(request.item_ids)

    def work(change: MailboxChange, folder_id: bytes) -> item_service_pb2.MoveItemsResponse:
        found = items.places(change.connection, change.mailbox.id, wanted)
        live = [found[item_id] for item_id in wanted if item_id in found and found[item_id].life == items.LIVE]
        leaving = [row for row in live if row.folder_id != folder_id]
        if leaving:
            move(change, leaving, folder_id)
        present = {row.id for row in live}
        return item_service_pb2.MoveItemsResponse(
            moved=len(leaving),
            missing_ids=[item_id for item_id in wanted if item_id not in present],
            revision=change.current_revision,
        )

    return work


def plan_copy(
    request: item_service_pb2.CopyItemsRequest, ids: Ids
) -> Callable[[MailboxChange, bytes], item_service_pb2.CopyItemsResponse]:
    """Checks a request to copy items; gives the work, which is told the live folder that the copies go to."""
    wanted = require_ids(request.item_ids)
    _require_fitting(request.new_ids, request.item_ids)
    minted = [require_minted(item_id, "new_ids") for item_id in request.new_ids] or [ids.new() for _ in wanted]
    if len(set(minted)) != len(minted):
        raise InvalidArgument("FIELD_INVALID", "new_ids holds an id twice", field="new_ids")
    copy_of = dict(zip(wanted, minted, strict=True))

    def work(change: MailboxChange, folder_id: bytes) -> item_service_pb2.CopyItemsResponse:
        sources = {row["id"]: row for row in items.columns(change.connection, change.mailbox.id, wanted)}
        live = [item_id for item_id in wanted if item_id in sources and sources[item_id]["life"] == items.LIVE]
        if live:
            item_writer.require_free_ids(change, [copy_of[item_id] for item_id in live])
            change.require_room(sum(sources[item_id]["size_bytes"] for item_id in live))
            copy_rows(change, [sources[item_id] for item_id in live], copy_of, folder_id)
        return item_service_pb2.CopyItemsResponse(
            copies=[item_service_pb2.CopyItemsResponse.Copy(source_id=item_id, item_id=copy_of[item_id]) for item_id in live],
            missing_ids=[item_id for item_id in wanted if item_id not in set(live)],
            revision=change.current_revision,
        )

    return work


def _require_fitting(new_ids: Sequence[bytes], item_ids: Sequence[bytes]) -> None:
    """InvalidArgument unless each new id belongs to one item, or there is none."""
    if not new_ids:
        return
    if len(set(item_ids)) != len(item_ids):
        raise InvalidArgument("FIELD_INVALID", "with new_ids, item_ids names each item once", field="item_ids")
    if len(new_ids) != len(item_ids):
        raise InvalidArgument("FIELD_INVALID", "new_ids holds one id for each item, or none at all", field="new_ids")


def copy_rows(change: MailboxChange, sources: Sequence[dict[str, Any]], copy_of: dict[bytes, bytes], folder_id: bytes) -> None:
    """Items once more, by their whole rows: nothing is decoded but the categories, and contents stay in the database.

    Their new ids are free and there is room for them: the caller has looked.
    """
    connection, mailbox_id, revision = change.connection, change.mailbox.id, change.revision
    new: list[NewRow] = []
    copies: list[item_contents.Copy] = []
    for source in sources:
        columns = {name: value for name, value in source.items() if name not in _KEPT_OUT}
        categories = [names.key(name) for name in ItemState.FromString(source["state"]).categories]
        new.append(NewRow(copy_of[source["id"]], folder_id, revision, columns, categories))
        copies.append(item_contents.Copy(source["id"], source["content"], copy_of[source["id"]], revision))
    item_writer.insert_rows(change, new)
    item_contents.copy(connection, mailbox_id, copies)
    held = item_blobs.held(connection, mailbox_id, [source["id"] for source in sources])
    for start in range(0, len(held), _TOUCHED_AT_ONCE):
        blobs.touch(connection, held[start : start + _TOUCHED_AT_ONCE], change.now)
    item_blobs.copy(connection, mailbox_id, copies)
