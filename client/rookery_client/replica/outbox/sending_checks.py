"""What the server would refuse of sending, calling back and sending again is refused here, as far as can be told from here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ITEM_KIND_MESSAGE, ItemContent, ItemSummary
from rookery.v1.submission_pb2 import SUBMISSION_STATE_CANCELLED, Submission
from rookery_client.replica.outbox import recording_checks
from rookery_client.replica.storage import operations, submissions
from rookery_client.replica.view import submission_view
from rookery_client.replica.view.item_view import ItemView
from rookery_core.errors import AlreadyExists, FailedPrecondition, NotFound, Stale
from rookery_core.formats import addressees
from rookery_core.rules import holding
from rookery_core.rules.ids import require_id, require_minted

if TYPE_CHECKING:
    import sqlite3

    from rookery.v1.submission_service_pb2 import SubmitRequest
    from rookery.v1.sync_pb2 import SyncOperation


def require_possible(connection: sqlite3.Connection, operation: SyncOperation, now: int) -> None:
    """Raises what the server would refuse the operation with; other operations pass. ``now`` is the time by this device's clock."""
    match operation.WhichOneof("action"):
        case "submit":
            _submit(connection, operation.submit, now)
        case "update_item":
            _require_at_rest(connection, operation.update_item.item.id)
        case "cancel_submission":
            _cancel(require(connection, operation.cancel_submission.submission_id))
        case "resend_submission":
            _resend(require(connection, operation.resend_submission.submission_id))


def require(connection: sqlite3.Connection, submission_id: bytes) -> Submission:
    """The submission, as the person sees it. NotFound ``SUBMISSION_NOT_FOUND``."""
    found = submission_view.find(connection, require_id(submission_id, "submission_id"))
    if found is None:
        raise NotFound("SUBMISSION_NOT_FOUND", "this device knows no such submission", field="submission_id")
    return found


def _submit(connection: sqlite3.Connection, request: SubmitRequest, now: int) -> None:
    recording_checks.require_shown(connection, [request.item_id], "item_id")
    item = ItemView(connection).current(request.item_id)
    summary = ItemSummary.FromString(item.summary)
    if summary.kind != ITEM_KIND_MESSAGE or not summary.message.draft:
        raise FailedPrecondition("NOT_A_DRAFT", "only a draft can be sent: this is none, or it is on its way already")
    if request.etag and request.etag != item.content_revision:
        raise Stale("STALE_ETAG", "the draft was changed meanwhile: read it again and decide", field="etag")
    request.ClearField("etag")  # the operation's base_revision takes its place
    holding.require_times(request, now)
    if submission_view.find(connection, require_minted(request.submission_id, "submission_id")) is not None:
        raise AlreadyExists("ID_TAKEN", "a submission has this id already", field="submission_id")
    content = submission_view.content_of(connection, request.item_id)
    if content is not None:
        _require_addressees(content)


def _require_addressees(content: ItemContent) -> None:
    """As the server, but for distribution lists: who is on them the server looks up."""
    named = ItemContent(recipients=[each for each in content.recipients if not each.list_item_id])
    lists = len(named.recipients) < len(content.recipients)
    addressees.expand_groups(named)
    if not lists or any(addressees.ordered(named.recipients)):
        addressees.addressees(named)


def _require_at_rest(connection: sqlite3.Connection, item_id: bytes) -> None:
    """FailedPrecondition ``NOT_A_DRAFT`` for what waits to be sent: the message would leave without the edit."""
    seqs = operations.live_of_items(connection, [item_id]).get(item_id, [])
    actions = [recorded.action for recorded in (operations.numbered(connection, seq) for seq in seqs)]
    sending = [action for action in actions if action in {"submit", "cancel_submission"}]
    if sending and sending[-1] == "submit":
        raise FailedPrecondition("NOT_A_DRAFT", "it is on its way: call it back first to change it")


def _cancel(record: Submission) -> None:
    if record.state not in submissions.UNDECIDED and record.state != SUBMISSION_STATE_CANCELLED:
        raise FailedPrecondition("SUBMISSION_FINAL", "the message has left already: it can not be called back")


def _resend(record: Submission) -> None:
    if not any(recipient.state in submission_view.LOST for recipient in record.recipients):
        raise FailedPrecondition("NOTHING_FAILED", "nobody is left out: there is nothing to send again")
