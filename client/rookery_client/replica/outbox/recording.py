"""Recording what a person does: checked against what they see, laid over it, and put into the outbox, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.sync_pb2 import SyncOperation
from rookery_client.replica.outbox import (
    assignment_checks,
    filling_in,
    meeting_checks,
    recording_checks,
    sending_checks,
    superseding,
    taking_over,
    task_checks,
)
from rookery_client.replica.storage import operations
from rookery_client.replica.view import overlay
from rookery_core.errors import AlreadyExists
from rookery_core.rules.ids import require_minted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from rookery_core.rules.ids import Ids


def record(
    connection: sqlite3.Connection, operation: SyncOperation, uploads: Mapping[bytes, bytes], *, ids: Ids, now: int
) -> SyncOperation:
    """Records an operation; gives it as it will be pushed.

    Fills in what is left empty of operation_id, edited and base_revision, the ids of what it creates, the folder of a new item, and
    depends_on; an update's mask is widened to whole merge units. What waits and is needless now is left out (``superseding``).
    Raises what the server would refuse with.
    """
    recorded = SyncOperation()
    recorded.CopyFrom(operation)
    recorded.operation_id = require_minted(operation.operation_id, "operation_id") if operation.operation_id else ids.new()
    if operations.find(connection, recorded.operation_id) is not None:
        raise AlreadyExists("ID_TAKEN", "an operation has this id already", field="operation_id")
    filling_in.identify(connection, recorded, ids)
    meeting_checks.settle(connection, recorded)
    assignment_checks.settle(connection, recorded)
    if not recorded.HasField("edited"):
        recorded.edited.FromMicroseconds(max(now, filling_in.last_seen(connection, recorded) + 1))
    filling_in.settle(recorded)
    uploads = taking_over.settle(connection, recorded, uploads, ids)
    recording_checks.require_sound(connection, recorded, uploads)
    sending_checks.require_possible(connection, recorded, now)
    task_checks.require_completable(connection, recorded)
    meeting_checks.require_possible(connection, recorded)
    assignment_checks.require_possible(connection, recorded)
    superseding.leave_out(connection, recorded)
    item_ids, folder_ids = filling_in.touched(connection, recorded)
    recorded.base_revision = recorded.base_revision or filling_in.base_revision(connection, item_ids, folder_ids)
    recorded.ClearField("depends_on")
    recorded.depends_on.extend(filling_in.prerequisites(connection, recorded, item_ids))
    lay_over(connection, recorded, uploads, now, checked=True)
    return recorded


def lay_over(
    connection: sqlite3.Connection, operation: SyncOperation, uploads: Mapping[bytes, bytes], now: int, *, checked: bool
) -> None:
    """Puts an operation into the outbox and over what it touches. If ``checked``, InvalidArgument where it does not fit an item."""
    item_ids, folder_ids = filling_in.touched(connection, operation)
    seq = operations.insert(connection, operation, now)
    operations.touch(connection, seq, item_ids, folder_ids)
    if submission_id := filling_in.submission_of(operation):
        operations.touch_submission(connection, seq, submission_id)
    operations.put_uploads(connection, seq, uploads.items())
    if operation.WhichOneof("action") == "empty_folder":
        operations.touch_items_in(connection, seq, folder_ids)
        overlay.hide_items_in(connection, folder_ids)
    if folder_ids:
        overlay.refresh_folders(connection)
    overlay.refresh_items(connection, item_ids, checked=seq if checked else 0)
