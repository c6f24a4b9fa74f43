"""What each action of Push is checked and carried out by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from rookery_core.errors import InvalidArgument, RookeryError
from rookery_core.rules import checks
from rookery_core.rules.enums import require_known_enums
from rookery_core.rules.ids import require_id
from rookery_server.services.operations import check_operation_id, request_hash
from rookery_server.services.sync import push_folders, push_items, push_meetings, push_submissions, push_tasks, push_updates
from rookery_server.services.sync.push_batch import Member

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from rookery.v1.sync_pb2 import SyncOperation
    from rookery_core.rules.ids import Ids
    from rookery_server.services.sync.push_results import Work

MOST_PREREQUISITES = 1000
"""Operations that one depends on: as many as a request names items, each made by another, and some to spare."""

Planner: TypeAlias = "Callable[[SyncOperation, Ids], Awaitable[Work]]"
"""Checks an operation, and gives what carries it out."""

ACTIONS: dict[str, Planner] = {
    "create_item": push_items.create,
    "update_item": push_updates.update,
    "set_item_state": push_items.set_state,
    "move_items": push_items.move,
    "copy_items": push_items.copy,
    "delete_items": push_items.delete,
    "restore_items": push_items.restore,
    "create_folder": push_folders.create,
    "update_folder": push_folders.update,
    "delete_folder": push_folders.remove,
    "empty_folder": push_folders.remove,
    "cancel_submission": push_submissions.cancel,
    "resend_submission": push_submissions.resend,
    "complete_task": push_tasks.complete,
    "send_meeting": push_meetings.send,
    "respond_to_meeting": push_meetings.respond,
    "cancel_meeting": push_meetings.cancel,
    "forward_meeting": push_meetings.forward,
    "split_series": push_meetings.split,
    "assign_task": push_tasks.assign,
    "respond_to_task": push_tasks.respond,
}
"""The planner of each arm of ``SyncOperation.action`` but ``submit``, which looks into the mailbox."""


async def plan(operation: SyncOperation, actions: Mapping[str, Planner], ids: Ids, now: int) -> Member:
    """Checks and prepares an operation before the transaction; what is wrong with it becomes its refusal."""
    name = f"sync.{operation.WhichOneof('action') or ''}"
    member = Member(operation, name, request_hash(name, operation))
    try:
        check_operation_id(operation.operation_id, now)
    except RookeryError as error:
        member.refusal, member.recordable = error, False
        return member
    try:
        _check(operation)
        member.work = await actions[str(operation.WhichOneof("action"))](operation, ids)
    except RookeryError as error:
        member.refusal = error
    return member


def weight(operation: SyncOperation) -> int:
    """About how many items an operation works on, or how many others it looks at."""
    action = operation.WhichOneof("action")
    request: Any = getattr(operation, action) if action else None
    return max(1, len(getattr(request, "item_ids", ())), len(operation.depends_on))


def _check(operation: SyncOperation) -> None:
    """InvalidArgument for what no action allows."""
    action = operation.WhichOneof("action")
    if action is None:
        raise InvalidArgument("FIELD_INVALID", "the operation has no action that this server knows", field="action")
    require_known_enums(operation)
    checks.moments(operation, "", ("edited",))
    checks.at_most(len(operation.depends_on), MOST_PREREQUISITES, "depends_on")
    for index, needed in enumerate(operation.depends_on):
        require_id(needed, f"depends_on[{index}]")
    request = getattr(operation, action)
    for name in ("mailbox_id", "operation_id"):
        if getattr(request, name):
            message = f"{name} is left empty within an operation: what is around it says that already"
            raise InvalidArgument("FIELD_INVALID", message, field=f"{action}.{name}")
