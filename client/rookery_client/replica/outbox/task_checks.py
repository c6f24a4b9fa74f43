"""What the server would refuse to complete is refused here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ITEM_KIND_TASK, ItemSummary
from rookery_client.replica.outbox.recording_checks import require_shown
from rookery_client.replica.view.item_view import ItemView
from rookery_core.errors import FailedPrecondition
from rookery_core.rules import checks, task_series

if TYPE_CHECKING:
    import sqlite3

    from rookery.v1.sync_pb2 import SyncOperation


def require_completable(connection: sqlite3.Connection, operation: SyncOperation) -> None:
    """Of ``complete_task``: NotFound ``ITEM_NOT_FOUND``, FailedPrecondition ``NOT_A_TASK``, ``OCCURRENCE_UNKNOWN``."""
    if operation.WhichOneof("action") != "complete_task":
        return
    request = operation.complete_task
    checks.moments(request, "", ("completed",))
    require_shown(connection, [request.item_id], "item_id")
    summary = ItemSummary.FromString(ItemView(connection).current(request.item_id).summary)
    if summary.kind != ITEM_KIND_TASK:
        raise FailedPrecondition("NOT_A_TASK", "the item is no task: what is flagged is marked as done", field="item_id")
    task_series.is_completed(summary.task, request.occurrence)
