"""Calling back what was handed over to be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_client.replica.outbox import dismissing, recording, sending_checks
from rookery_client.replica.storage import operations, schema

if TYPE_CHECKING:
    import sqlite3

    from rookery.v1.sync_pb2 import SyncOperation
    from rookery_core.rules.ids import Ids


def call_back(connection: sqlite3.Connection, operation: SyncOperation, *, ids: Ids, now: int) -> SyncOperation | None:
    """Takes a submission out of the outbox that the server can not have got; records the operation for any other, and gives it.

    Raises what ``recording.record`` raises.
    """
    submission_id = operation.cancel_submission.submission_id
    sending_checks.require(connection, submission_id)
    for recorded in operations.live_of_submission(connection, submission_id):
        if recorded.action == "submit" and recorded.status == schema.WAITING and not recorded.sent:
            dismissing.dismiss(connection, recorded.operation.operation_id)
            return None
    return recording.record(connection, operation, {}, ids=ids, now=now)
