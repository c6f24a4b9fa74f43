"""Splitting a series: "this and following"."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.calendar_service_pb2 import SplitSeriesResponse
from rookery_core.rules import validation
from rookery_core.rules.scheduling import parting, requests
from rookery_core.rules.scheduling.receiving import Home
from rookery_server.services.items import attachments, item_packing, item_updates, item_writer
from rookery_server.services.items.item_reading import require_item
from rookery_server.services.items.item_writer import NewItem
from rookery_server.services.scheduling import keeping, posting

if TYPE_CHECKING:
    from rookery.v1.calendar_service_pb2 import SplitSeriesRequest
    from rookery.v1.item_pb2 import Item
    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.operations import Operations
    from rookery_server.store.item_blobs import PartRow
    from rookery_server.store.items import PackedRow


class Parts(NamedTuple):
    """The two parts of a series."""

    first: PackedRow
    second: PackedRow


class SplittingService:
    """Carries out SplitSeries."""

    def __init__(self, operations: Operations, ids: Ids) -> None:
        self._operations = operations
        self._ids = ids

    async def split_series(self, caller: Caller, request: SplitSeriesRequest) -> bytes:
        """Splits a series in two; the encoded SplitSeriesResponse."""
        requests.check_split(request)
        new_id = request.new_item_id or self._ids.new()

        def work(change: MailboxChange) -> SplitSeriesResponse:
            row = require_item(change.connection, change.mailbox.id, request.item_id)
            item_updates.require_editable(row, request.etag)
            parts = split(change, row, request, new_id)
            return SplitSeriesResponse(
                first=item_packing.unpack(parts.first),
                second=item_packing.unpack(parts.second),
                revision=change.current_revision,
            )

        return await self._operations.on_mailbox(caller, request.mailbox_id, request.operation_id, "calendar.split", request, work)


def split(change: MailboxChange, row: PackedRow, request: SplitSeriesRequest, new_id: bytes) -> Parts:
    """Splits a live series. The second part goes into the same folder, with the same marks and attachments.

    FailedPrecondition ``NOT_A_SERIES``, ``NOT_ORGANIZER``; InvalidArgument ``NOT_AN_OCCURRENCE``, ``FIELD_INVALID``; AlreadyExists
    ``ID_TAKEN``, ``ID_RETIRED``; ResourceExhausted ``QUOTA_EXCEEDED``.
    """
    before, held = item_updates.read(change, row)
    first, second = parting.part(before, request.at, new_id, posting.me(change.connection, change.mailbox.account_id))
    item_writer.require_free_ids(change, [new_id])
    row = keeping.update(change, row, before, held, first, Home.KEEP)
    return Parts(row, _create(change, row.folder_id, before, held, second))


def _create(change: MailboxChange, folder_id: bytes, before: Item, held: list[PartRow], item: Item) -> PackedRow:
    """Writes the second part as an item of its own, received now."""
    item.summary.ClearField("received")
    item.summary.ClearField("created")
    validation.validate_item(item.summary, item.content)
    blobs = attachments.relink(change, before.content, item.content, held)
    prepared = item_writer.prepare(item.summary, before.state, item.content, now=change.now)
    prepared.blobs = blobs
    change.require_room(prepared.columns["size_bytes"])
    new = NewItem(item.id, folder_id, change.revision, prepared)
    return item_writer.packed_row(new, item_writer.insert(change, [new])[0])
