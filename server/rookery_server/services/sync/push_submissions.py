"""Push, for mail that was sent offline: hand a draft over, call it back, send again to those who had failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.submission_service_pb2 import SubmitRequest
from rookery_core.errors import RookeryError
from rookery_core.rules.ids import require_id, require_minted
from rookery_server.services.submission import submission_changes
from rookery_server.services.sync.push_results import base_of, require_peaceful, result
from rookery_server.store import item_stamps

if TYPE_CHECKING:
    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.submission.drafts import Drafts
    from rookery_server.services.sync.push_results import Work

ACTIONS = frozenset(
    {
        *("submit", "cancel_submission", "resend_submission"),
        *("send_meeting", "respond_to_meeting", "cancel_meeting", "forward_meeting"),
        *("assign_task", "respond_to_task"),
    }
)
"""The actions after which the queue may have something to do."""


async def submit(drafts: Drafts, caller: Caller, mailbox_uid: bytes, operation: SyncOperation, ids: Ids) -> Work:
    """A draft handed over. It is looked at before the transaction, so what it rests on has to be committed by then.

    What is wrong with it is said in the transaction: first comes what the operation depends on. DraftChanged from there.
    """
    del ids
    require_minted(operation.submit.submission_id, "submit.submission_id")
    request = SubmitRequest(mailbox_id=mailbox_uid)
    request.MergeFrom(operation.submit)
    request.ClearField("etag")
    try:
        plan = await drafts.plan(caller, request)
    except RookeryError as error:
        return _refusing(error)

    def work(change: MailboxChange) -> PushResult:
        require_peaceful(operation, conflicting=_edited_by_others(change, operation))
        return result(change, operation, submission=submission_changes.submit(change, plan).record)

    return work


async def cancel(operation: SyncOperation, ids: Ids) -> Work:
    """A submission called back."""
    del ids
    submission_id = require_id(operation.cancel_submission.submission_id, "submission_id")

    def work(change: MailboxChange) -> PushResult:
        return result(change, operation, submission=submission_changes.call_back(change, submission_id))

    return work


async def resend(operation: SyncOperation, ids: Ids) -> Work:
    """A submission sent again to those who had failed."""
    del ids
    submission_id = require_id(operation.resend_submission.submission_id, "submission_id")

    def work(change: MailboxChange) -> PushResult:
        return result(change, operation, submission=submission_changes.send_again(change, submission_id))

    return work


def _edited_by_others(change: MailboxChange, operation: SyncOperation) -> bool:
    base, device_id = base_of(change, operation), change.caller.session_id
    item_ids = [operation.submit.item_id]
    return bool(item_stamps.edited_unseen(change.connection, change.mailbox.id, item_ids, base, device_id))


def _refusing(error: RookeryError) -> Work:
    def work(_: MailboxChange) -> PushResult:
        raise error

    return work
