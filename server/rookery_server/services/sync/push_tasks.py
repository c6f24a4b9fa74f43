"""Push, for tasks that were completed on a device, handed to others, and answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_service_pb2 import CopyItemsResponse
from rookery_core.rules import checks, stamps, task_series, units
from rookery_core.rules.ids import require_id
from rookery_core.rules.scheduling.assigning import check_assign, check_respond
from rookery_core.rules.stamps import Verdict, clamped
from rookery_server.services.caller import NO_ID
from rookery_server.services.items import item_packing, item_updates
from rookery_server.services.sync import push_updates
from rookery_server.services.sync.push_results import base_of, edit_of, require_peaceful, result
from rookery_server.services.tasks import assigning, completing
from rookery_server.services.tasks.completing import Done
from rookery_server.store import item_stamps, items

if TYPE_CHECKING:
    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from rookery_core.rules.ids import Ids
    from rookery_core.rules.stamps import Edit
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.sync.push_results import Work
    from rookery_server.services.tasks.assigning import Handed
    from rookery_server.store.items import PackedRow

_ANSWER = "summary.task.assignment"


async def complete(operation: SyncOperation, ids: Ids) -> Work:
    """A task completed. One that is deleted by now stays so: it is missing, as with a mark."""
    del ids
    request = operation.complete_task
    require_id(request.item_id, "item_id")
    checks.moments(request, "", ("completed",))

    def work(change: MailboxChange) -> PushResult:
        row = items.packed(change.connection, change.mailbox.id, request.item_id)
        if row is None or row.life != items.LIVE:
            return result(change, operation, missing_ids=[request.item_id])
        edit = edit_of(change, operation)
        before, _ = item_updates.read(change, row)
        completing.require_task(row, before)
        if task_series.recurs(before.summary.task) or task_series.is_completed(before.summary.task, request.occurrence):
            return _once(change, operation, row, edit)
        changes = completing.edit_of_single(_completed(change, operation, edit))
        return push_updates.merge(change, operation, item_updates.draft(change, row, changes, edit), changes)

    return work


async def assign(operation: SyncOperation, ids: Ids) -> Work:
    """A task handed to somebody, as it is by now. One that is deleted by now goes to nobody: it is missing, as with a mark."""
    del ids
    request = operation.assign_task
    require_id(request.item_id, "item_id")
    check_assign(request.to, request.comment)

    def work(change: MailboxChange) -> PushResult:
        row = items.packed(change.connection, change.mailbox.id, request.item_id)
        if row is None or row.life != items.LIVE:
            return result(change, operation, missing_ids=[request.item_id])
        return _handed(change, operation, assigning.assign(change, request))

    return work


async def respond(operation: SyncOperation, ids: Ids) -> Work:
    """A task answered.

    One that was offered anew since, or taken back, is not what the device answered, and another device's later answer holds:
    MERGED, and nothing is told.
    """
    del ids
    request = operation.respond_to_task
    require_id(request.item_id, "item_id")
    check_respond(request.response, request.comment)

    def work(change: MailboxChange) -> PushResult:
        if items.packed(change.connection, change.mailbox.id, request.item_id) is None:
            return result(change, operation, missing_ids=[request.item_id])
        row = assigning.given(change, request.item_id)
        if _is_overtaken(change, operation, row):
            require_peaceful(operation, conflicting=True)
            return result(change, operation, merged=True, item=item_packing.unpack(row))
        edited = edit_of(change, operation).edited
        return _handed(change, operation, assigning.respond(change, request, row, edited=edited))

    return work


def _handed(change: MailboxChange, operation: SyncOperation, handed: Handed) -> PushResult:
    """The answer. The device hears of what was sent by Pull; the last of it, to who has the task now, stands here."""
    submission = handed.submissions[-1] if handed.submissions else None
    return result(change, operation, item=item_packing.unpack(handed.row), submission=submission)


def _is_overtaken(change: MailboxChange, operation: SyncOperation, row: PackedRow) -> bool:
    """Whether a message has asked for something else, or taken the task back, since the device last heard: it left its stamp.

    Or whether another device has answered it later than this one.
    """
    known = item_stamps.find(change.connection, change.mailbox.id, row.id)
    if stamps.judge(known.get(_ANSWER), edit_of(change, operation)) is Verdict.LOSES:
        return True
    left = [stamp for stamp in map(known.get, (units.TIME, _ANSWER)) if stamp is not None and stamp.device_id == NO_ID]
    return any(stamp.revision > base_of(change, operation) for stamp in left)


def _once(change: MailboxChange, operation: SyncOperation, row: PackedRow, edit: Edit) -> PushResult:
    request = operation.complete_task
    done = Done(request.occurrence, _completed(change, operation, edit), request.time_zone)
    found = completing.complete(change, row, done, edit)
    require_peaceful(operation, conflicting=not found.changed)
    copies = [CopyItemsResponse.Copy(source_id=row.id, item_id=found.copy_id)] if found.copy_id else []
    return result(change, operation, merged=not found.changed, item=item_packing.unpack(found.row), copies=copies)


def _completed(change: MailboxChange, operation: SyncOperation, edit: Edit) -> int:
    request = operation.complete_task
    return clamped(request.completed.ToMicroseconds(), change.now) if request.HasField("completed") else edit.edited
