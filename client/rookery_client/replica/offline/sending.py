"""The SubmissionService, answered by a replica: what is sent offline leaves with the next sync."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import submission_service_pb2 as pb
from rookery.v1.submission_pb2 import SUBMISSION_STATE_CANCELLED
from rookery.v1.sync_pb2 import CONFLICT_POLICY_FAIL, SyncOperation
from rookery_client.replica.offline import pages
from rookery_core.rules.ids import require_id

if TYPE_CHECKING:
    from rookery_client.replica.offline.notes import Notes
    from rookery_client.replica.reading.reader import Reader
    from rookery_client.replica.reading.submissions import Submissions
    from rookery_client.replica.replica import Replica
    from rookery_core.rules.ids import Ids


class OfflineSending:
    """Gives the responses that the server would give. What it would refuse is refused here, as far as can be told from here."""

    def __init__(self, replica: Replica, reader: Reader, submissions: Submissions, ids: Ids, notes: Notes) -> None:
        self._replica = replica
        self._reader = reader
        self._submissions = submissions
        self._ids = ids
        self._notes = notes

    def submit(self, request: pb.SubmitRequest) -> pb.SubmitResponse:
        """Hands a draft over. With an etag the server is asked to send nothing if it has another version by then."""
        operation = SyncOperation(operation_id=request.operation_id, submit=request)
        operation.submit.submission_id = request.submission_id or self._ids.new()
        if request.etag:
            operation.conflict_policy = CONFLICT_POLICY_FAIL
        self._record(operation)
        record = self._submissions.get(operation.submit.submission_id)
        return pb.SubmitResponse(submission=record, revision=self._reader.revision())

    def cancel_submission(self, request: pb.CancelSubmissionRequest) -> pb.CancelSubmissionResponse:
        """Calls a submission back. What the server has not heard of yet it never hears of."""
        require_id(request.submission_id, "submission_id")
        record = self._submissions.get(request.submission_id)
        if record.state != SUBMISSION_STATE_CANCELLED:
            operation = SyncOperation(operation_id=request.operation_id, cancel_submission=request)
            if self._replica.call_back(operation) is not None:
                self._notes.count_change()
            record.state = SUBMISSION_STATE_CANCELLED
            record.ClearField("hold_until")
        return pb.CancelSubmissionResponse(submission=record, revision=self._reader.revision())

    def resend_submission(self, request: pb.ResendSubmissionRequest) -> pb.ResendSubmissionResponse:
        """Sends to the failed recipients again."""
        self._record(SyncOperation(operation_id=request.operation_id, resend_submission=request))
        record = self._submissions.get(request.submission_id)
        return pb.ResendSubmissionResponse(submission=record, revision=self._reader.revision())

    def get_submission(self, request: pb.GetSubmissionRequest) -> pb.GetSubmissionResponse:
        """One submission."""
        record = self._submissions.get(require_id(request.submission_id, "submission_id"))
        return pb.GetSubmissionResponse(submission=record, revision=self._reader.revision())

    def list_submissions(self, request: pb.ListSubmissionsRequest) -> pb.ListSubmissionsResponse:
        """A page of submissions."""
        if request.item_id:
            require_id(request.item_id, "item_id")
        size, digest = pages.size_of(request.page_size, "submissions"), pages.digest_of(request)
        token = pages.decoded(request.page_token, digest)
        after = None if token is None else (token.number, token.id)
        found, last = self._submissions.page(item_id=request.item_id, unfinished=request.unfinished, after=after, size=size)
        return pb.ListSubmissionsResponse(
            submissions=found, next_page_token=pages.token_of(digest, last), revision=self._reader.revision()
        )

    def _record(self, operation: SyncOperation) -> None:
        self._replica.record(operation)
        self._notes.count_change()
