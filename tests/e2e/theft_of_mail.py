"""What a thief sends to have another's messages sent, shown, called back or given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import (
    queue_service_pb2 as queue,
)
from rookery.v1 import (
    submission_service_pb2 as submission,
)

if TYPE_CHECKING:
    from rookery_core.rules.ids import Ids
    from tests.e2e.theft import Mark, Requests


def mail_requests(ids: Ids, owner: Mark) -> Requests:
    """The requests by RPC."""
    op, theirs = ids.new, owner.submission
    return {
        "SubmissionService/Submit": [
            submission.SubmitRequest(operation_id=op(), item_id=owner.item),
            submission.SubmitRequest(operation_id=op(), item_id=owner.item, submission_id=theirs or op()),
        ],
        "SubmissionService/CancelSubmission": [submission.CancelSubmissionRequest(operation_id=op(), submission_id=theirs)],
        "SubmissionService/GetSubmission": [submission.GetSubmissionRequest(submission_id=theirs)],
        "SubmissionService/ListSubmissions": [
            submission.ListSubmissionsRequest(),
            submission.ListSubmissionsRequest(item_id=owner.item),
        ],
        "QueueService/ListQueue": [queue.ListQueueRequest(), queue.ListQueueRequest(submission_id=theirs)],
        "QueueService/RetryQueued": [
            queue.RetryQueuedRequest(operation_id=op(), mailbox_id=owner.identity.mailbox_id, submission_id=theirs)
        ],
        "QueueService/HoldQueued": [
            queue.HoldQueuedRequest(operation_id=op(), mailbox_id=owner.identity.mailbox_id, submission_id=theirs)
        ],
        "QueueService/ReleaseQueued": [
            queue.ReleaseQueuedRequest(operation_id=op(), mailbox_id=owner.identity.mailbox_id, submission_id=theirs)
        ],
        "QueueService/ListDestinations": [queue.ListDestinationsRequest()],
        "QueueService/DeleteQueued": [
            queue.DeleteQueuedRequest(operation_id=op(), mailbox_id=owner.identity.mailbox_id, submission_id=theirs)
        ],
        "SubmissionService/ResendSubmission": [submission.ResendSubmissionRequest(operation_id=op(), submission_id=theirs)],
    }
