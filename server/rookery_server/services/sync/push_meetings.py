"""Push, for meetings: people invited, answered, called off, forwarded to; series split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import RESPONSE_STATUS_NONE, RESPONSE_STATUS_UNSPECIFIED, OccurrenceException
from rookery.v1.item_pb2 import Item, ItemSummary
from rookery.v1.item_service_pb2 import CopyItemsResponse
from rookery.v1.meeting_service_pb2 import SendMeetingRequest
from rookery_core.errors import InvalidArgument
from rookery_core.rules import stamps, units
from rookery_core.rules.ids import require_minted
from rookery_core.rules.scheduling import requests
from rookery_core.rules.stamps import Verdict
from rookery_server.services.calendar import splitting
from rookery_server.services.caller import NO_ID
from rookery_server.services.items import item_packing
from rookery_server.services.scheduling import meeting_changes
from rookery_server.services.sync.push_results import base_of, edit_of, require_peaceful, result
from rookery_server.store import item_stamps, items

if TYPE_CHECKING:
    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from rookery_core.rules.ids import Ids
    from rookery_core.rules.stamps import Edit, Stamp
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.scheduling.meeting_changes import Told
    from rookery_server.services.sync.push_results import Work
    from rookery_server.store.items import PackedRow

_ANSWER = "summary.appointment.my_response"
_STATUS = "summary.appointment.status"
_UNANSWERED = {RESPONSE_STATUS_UNSPECIFIED, RESPONSE_STATUS_NONE}


async def send(operation: SyncOperation, ids: Ids) -> Work:
    """Attendees told: of the meeting as it is by now. One that is deleted by now tells nobody: it is missing, as with a mark."""
    del ids
    request = SendMeetingRequest()
    request.CopyFrom(operation.send_meeting)
    request.ClearField("etag")  # what is sent is the meeting as it is by then
    requests.check_send(request)

    def work(change: MailboxChange) -> PushResult:
        if not _is_live(change, request.item_id):
            return result(change, operation, missing_ids=[request.item_id])
        require_peaceful(operation, conflicting=_edited_by_others(change, operation, request.item_id))
        return _told(change, operation, meeting_changes.send(change, request))

    return work


async def respond(operation: SyncOperation, ids: Ids) -> Work:
    """An invitation answered, unless it was called off, or a later version asks anew, or another device has answered later."""
    del ids
    request = operation.respond_to_meeting
    requests.check_respond(request)

    def work(change: MailboxChange) -> PushResult:
        if items.packed(change.connection, change.mailbox.id, request.item_id) is None:
            return result(change, operation, missing_ids=[request.item_id])
        row = meeting_changes.invitation(change, request.item_id)
        if row.life != items.LIVE and row.revision > base_of(change, operation):  # thrown away meanwhile: only Restore revives
            return result(change, operation, missing_ids=[row.id])
        if _is_overtaken(change, operation, row):
            require_peaceful(operation, conflicting=True)
            return result(change, operation, merged=True, item=item_packing.unpack(row))
        edited = edit_of(change, operation).edited
        return _told(change, operation, meeting_changes.respond(change, request, row, edited=edited))

    return work


async def cancel(operation: SyncOperation, ids: Ids) -> Work:
    """A meeting, or an occurrence, called off. One that is deleted by now is missing."""
    del ids
    request = operation.cancel_meeting
    requests.check_cancel(request)

    def work(change: MailboxChange) -> PushResult:
        if not _is_live(change, request.item_id):
            return result(change, operation, missing_ids=[request.item_id])
        require_peaceful(operation, conflicting=_edited_by_others(change, operation, request.item_id))
        return _told(change, operation, meeting_changes.cancel(change, request))

    return work


async def forward(operation: SyncOperation, ids: Ids) -> Work:
    """A meeting forwarded. One that is deleted by now is missing."""
    del ids
    request = operation.forward_meeting
    requests.check_forward(request)

    def work(change: MailboxChange) -> PushResult:
        if not _is_live(change, request.item_id):
            return result(change, operation, missing_ids=[request.item_id])
        return _told(change, operation, meeting_changes.forward(change, request))

    return work


async def split(operation: SyncOperation, ids: Ids) -> Work:
    """A series split, as it is by now; nothing is split where it has no such occurrence any more."""
    del ids
    request = operation.split_series
    requests.check_split(request)
    require_minted(request.new_item_id, "split_series.new_item_id")

    def work(change: MailboxChange) -> PushResult:
        row = items.packed(change.connection, change.mailbox.id, request.item_id)
        if row is None or row.life != items.LIVE:
            return result(change, operation, missing_ids=[request.item_id])
        require_peaceful(operation, conflicting=_edited_by_others(change, operation, row.id))
        try:
            parts = splitting.split(change, row, request, request.new_item_id)
        except InvalidArgument as error:
            if error.reason != "NOT_AN_OCCURRENCE":
                raise
            return result(change, operation, merged=True, item=item_packing.unpack(row))
        copies = [CopyItemsResponse.Copy(source_id=row.id, item_id=parts.second.id)]
        return result(change, operation, item=item_packing.unpack(parts.first), copies=copies)

    return work


def _told(change: MailboxChange, operation: SyncOperation, told: Told) -> PushResult:
    """The answer. The device hears of what was sent by Pull; the first of it stands here."""
    submission = told.submissions[0] if told.submissions else None
    return result(change, operation, item=item_packing.unpack(told.row), submission=submission)


def _is_overtaken(change: MailboxChange, operation: SyncOperation, row: PackedRow) -> bool:
    """Whether something else is to be answered than the device knew, or nothing; or another answer was given after it elsewhere.

    A message that asks anew has changed the time, or taken the answer back, and one that calls it off has changed the status: they
    left their stamps there.
    """
    request, edit = operation.respond_to_meeting, edit_of(change, operation)
    known = item_stamps.find(change.connection, change.mailbox.id, row.id)
    if any(_is_newer(known.get(unit), edit) for unit in (units.TIME, _ANSWER, _STATUS)):
        return True
    if not request.HasField("occurrence"):
        return stamps.judge(known.get(_ANSWER), edit) is Verdict.LOSES
    wanted = units.exception_unit(OccurrenceException(original_start=request.occurrence))
    stored = units.EXCEPTIONS.by_unit(Item(summary=ItemSummary.FromString(row.summary))).get(wanted)
    if stored is None or stored.my_response in _UNANSWERED:
        return _is_newer(known.get(wanted), edit)
    return stamps.judge(known.get(wanted), edit) is Verdict.LOSES


def _is_newer(stamp: Stamp | None, edit: Edit) -> bool:
    """Whether a message, and not a device, left the stamp behind the edit's base."""
    return stamp is not None and stamp.device_id == NO_ID and stamp.revision > edit.base_revision


def _is_live(change: MailboxChange, item_id: bytes) -> bool:
    row = items.packed(change.connection, change.mailbox.id, item_id)
    return row is not None and row.life == items.LIVE


def _edited_by_others(change: MailboxChange, operation: SyncOperation, item_id: bytes) -> bool:
    base, device_id = base_of(change, operation), change.caller.session_id
    return bool(item_stamps.edited_unseen(change.connection, change.mailbox.id, [item_id], base, device_id))
