"""What the actions of Push have in common: how much the device had seen, where things land, and how the answer begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rookery.v1 import folder_pb2, sync_pb2
from rookery_core.errors import Stale
from rookery_core.rules import stamps
from rookery_core.rules.ids import require_id
from rookery_core.rules.stamps import Edit
from rookery_server.services.folders import folders
from rookery_server.store.folders import find as find_folder

if TYPE_CHECKING:
    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from rookery_server.services.change import MailboxChange

Work = Callable[["MailboxChange"], "PushResult | None"]
"""Carries an operation out, in the mailbox's transaction. None: it is a long one, and goes on in steps of its own."""


def result(change: MailboxChange, operation: SyncOperation, *, merged: bool = False, **fields: Any) -> PushResult:
    """The answer to an operation that was carried out; ``merged`` where it was done a little otherwise than asked."""
    outcome = sync_pb2.PUSH_OUTCOME_MERGED if merged else sync_pb2.PUSH_OUTCOME_APPLIED
    return sync_pb2.PushResult(operation_id=operation.operation_id, outcome=outcome, revision=change.current_revision, **fields)


def base_of(change: MailboxChange, operation: SyncOperation) -> int:
    """The greatest revision that the device had seen: none that the mailbox has not reached."""
    return min(operation.base_revision, change.current_revision)


def edit_of(change: MailboxChange, operation: SyncOperation) -> Edit:
    """The operation as an edit to be merged."""
    edited = stamps.clamped(operation.edited.ToMicroseconds(), change.now) if operation.HasField("edited") else change.now
    return Edit(edited, change.caller.session_id, base_of(change, operation))


def require_peaceful(operation: SyncOperation, *, conflicting: bool) -> None:
    """Stale ``STALE_ETAG`` for a conflict that the device wants to be told of instead."""
    if conflicting and operation.conflict_policy == sync_pb2.CONFLICT_POLICY_FAIL:
        raise Stale("STALE_ETAG", "it was changed meanwhile, on another device: read it again and decide")


def landing(change: MailboxChange, folder_id: bytes, field: str) -> tuple[bytes, bytes]:
    """Where things go that are meant for a folder: there, or into ``recovered`` if it has vanished.

    Gives the folder, and once more if it is not the one that was meant, else "".
    """
    if find_folder(change.connection, change.mailbox.id, require_id(folder_id, field)) is not None:
        return folder_id, b""
    recovered = folders.require_role(change.connection, change.mailbox.id, folder_pb2.FOLDER_ROLE_RECOVERED).id
    return recovered, recovered
