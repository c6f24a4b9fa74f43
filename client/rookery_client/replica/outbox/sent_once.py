"""Mail is never sent twice: what becomes of it when the server was restored from a backup, and does not know what it has sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.rpc import code_pb2, error_details_pb2, status_pb2

from rookery.v1.sync_pb2 import PUSH_OUTCOME_REJECTED, PushResult
from rookery_client.replica.storage import operations, schema

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from rookery.v1.sync_pb2 import SyncOperation
    from rookery_client.replica.storage.operations import Recorded

_SENDING = frozenset(
    {
        "submit",
        "resend_submission",
        "send_meeting",
        "respond_to_meeting",
        "cancel_meeting",
        "forward_meeting",
        "assign_task",
        "respond_to_task",
    }
)
"""Actions by which mail is sent."""
_UNKNOWN = "it may have been sent before the server was restored from a backup: look whether it was, and send it again if not"


def any_sends(operations: Iterable[SyncOperation]) -> bool:
    """Whether one of the operations sends mail."""
    return any(each.WhichOneof("action") in _SENDING for each in operations)


def keep_back(connection: sqlite3.Connection, now: int) -> frozenset[int]:
    """Ends the waiting of what may have been sent, and the lying over of what was; gives the numbers of all that sends mail.

    What was answered is done, whatever the server remembers. What the server may have got, and did not answer, counts as refused:
    whether it is sent again a person decides.
    """
    kept: set[int] = set()
    for recorded in operations.every(connection):
        if recorded.action not in _SENDING:
            continue
        kept.add(recorded.seq)
        if recorded.status == schema.ANSWERED:
            operations.settle(connection, recorded.seq, schema.PASSED, recorded.result, now)
        elif recorded.status == schema.WAITING and recorded.sent:
            operations.settle(connection, recorded.seq, schema.REJECTED, _refusal(recorded), now)
    return frozenset(kept)


def _refusal(recorded: Recorded) -> PushResult:
    status = status_pb2.Status(code=code_pb2.FAILED_PRECONDITION, message=_UNKNOWN)
    status.details.add().Pack(error_details_pb2.ErrorInfo(domain="rookery", reason="OUTCOME_UNKNOWN"))
    return PushResult(operation_id=recorded.operation.operation_id, outcome=PUSH_OUTCOME_REJECTED, error=status)
