"""Push, for tasks that were completed on a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_service_pb2 import CopyItemsResponse
from rookery_core.rules import checks, task_series
from rookery_core.rules.ids import require_id
from rookery_core.rules.stamps import clamped
from rookery_server.services.items import item_packing, item_updates
from rookery_server.services.sync import push_updates
from rookery_server.services.sync.push_results import edit_of, require_peaceful, result
from rookery_server.services.tasks import completing
from rookery_server.services.tasks.completing import Done
from rookery_server.store import items

if TYPE_CHECKING:
    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from rookery_core.rules.ids import Ids
    from rookery_core.rules.stamps import Edit
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.sync.push_results import Work
    from rookery_server.store.items import PackedRow


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
