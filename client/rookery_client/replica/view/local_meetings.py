"""Meetings sent, answered, called off and split here: what the server will make of them, by the same rules. It sends the mail."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import RESPONSE_STATUS_DECLINED
from rookery.v1.folder_pb2 import FOLDER_ROLE_CALENDAR, FOLDER_ROLE_DELETED
from rookery.v1.item_pb2 import ItemState
from rookery_client.replica.view import local_records
from rookery_client.replica.view.local_item import Life
from rookery_core.errors import FailedPrecondition
from rookery_core.rules import records, validation
from rookery_core.rules.scheduling import answering, organizing, parting

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery.v1.calendar_service_pb2 import SplitSeriesRequest
    from rookery.v1.item_pb2 import Item
    from rookery.v1.meeting_service_pb2 import CancelMeetingRequest, RespondToMeetingRequest
    from rookery.v1.sync_pb2 import SyncOperation
    from rookery_client.replica.view.local_item import LocalItem, Surroundings
    from rookery_core.rules.scheduling.itip import Self

ACTIONS = frozenset({"send_meeting", "respond_to_meeting", "cancel_meeting", "forward_meeting"})
"""Actions on meetings, of one item each."""


def carried_out(operation: SyncOperation, item: Item, owner: Self, now: int) -> Item:
    """The item after one of ``ACTIONS``, or the first part of a series that is split; ``item`` has its content, and stays as it is.

    Raises what the server would refuse with. ``now`` in microseconds.
    """
    match operation.WhichOneof("action"):
        case "send_meeting":
            return organizing.send(item, owner, now, operation.send_meeting.comment).item
        case "cancel_meeting":
            called_off = operation.cancel_meeting
            return organizing.cancel(item, _occurrence(called_off), owner, now, called_off.comment).item
        case "forward_meeting":
            forwarded = operation.forward_meeting
            return answering.forward(item, list(forwarded.to), owner, now, forwarded.comment).item
        case "respond_to_meeting":
            return _answered(operation.respond_to_meeting, item, owner, now)
        case _:
            split = operation.split_series
            return parting.part(item, split.at, split.new_item_id, owner)[0]


def apply(operation: SyncOperation, item: LocalItem, around: Surroundings) -> None:
    """Changes an item by one of ``ACTIONS``. What does not fit any more, or whose content is not here, stays as it is."""
    if item.life is not Life.LIVE:
        return
    before, extent = whole(item, around)
    if not before.HasField("content"):
        return
    with suppress(FailedPrecondition):
        write(item, before, carried_out(operation, before, around.owner, around.edited), extent, around)
        _bring_home(operation, item, around)


def split(request: SplitSeriesRequest, item_id: bytes, item: LocalItem | None, around: Surroundings) -> LocalItem | None:
    """The series, or the second part that comes of it, after the split; ``item`` is it before, and may be changed."""
    source = item if item_id == request.item_id else around.source(request.item_id)
    if source is None or source.life is not Life.LIVE or (item is not None and item_id != request.item_id):
        return item  # gone, or the server has made it already
    before, extent = whole(source, around)
    with suppress(FailedPrecondition):
        first, second = parting.part(before, request.at, request.new_item_id, around.owner)
        if item_id != request.item_id:
            item = local_records.duplicate(source, item_id, source.folder_id, around)
            first = second
        if item is not None:
            write(item, before, first, extent, around)
    return item


def whole(item: LocalItem, around: Surroundings) -> tuple[Item, int]:
    """The item as a record, with its content as far as that is here; and how much of the content that is."""
    record, extent = local_records.decoded(item, around)
    record.state.CopyFrom(ItemState.FromString(item.state))
    return record, extent


def _answered(request: RespondToMeetingRequest, item: Item, owner: Self, now: int) -> Item:
    proposed = (request.proposed_start, request.proposed_end) if request.HasField("proposed_start") else None
    sending = answering.respond(
        item,
        _occurrence(request),
        request.response,
        owner,
        now,
        comment=request.comment,
        proposed=proposed,
        silent=request.silent,
    )
    return sending.item


def _occurrence(request: RespondToMeetingRequest | CancelMeetingRequest) -> CalendarTime | None:
    return request.occurrence if request.HasField("occurrence") else None


def write(item: LocalItem, before: Item, after: Item, extent: int, around: Surroundings) -> None:
    """Puts a record into an item. One whose content is not here gets a new summary alone."""
    if after.summary == before.summary and after.content == before.content:
        return
    validation.validate_item(after.summary, after.content)
    after.summary.modified.FromMicroseconds(around.edited)
    if before.HasField("content"):
        preview = before.summary.preview
        records.complete(after.summary, after.content, item.id)
        after.summary.preview = preview  # the text is what it was, and may not all be here
        item.content, item.extent = after.content.SerializeToString(), extent
    item.summary = after.summary.SerializeToString()


def _bring_home(operation: SyncOperation, item: LocalItem, around: Surroundings) -> None:
    """What is declined, or off, goes to Deleted Items; what is answered otherwise comes back from there."""
    deleted = around.role_folder(FOLDER_ROLE_DELETED)
    action = operation.WhichOneof("action")
    home = item.folder_id
    if action == "cancel_meeting" and _occurrence(operation.cancel_meeting) is None:
        home = deleted
    elif action == "respond_to_meeting":
        request = operation.respond_to_meeting
        if request.response == RESPONSE_STATUS_DECLINED:
            home = deleted if _occurrence(request) is None else home
        elif home == deleted:
            home = around.role_folder(FOLDER_ROLE_CALENDAR)
    if home and home != item.folder_id:
        item.folder_id, item.uid = home, 0
