"""Sending: drafts handed over, what became of them, and calling them back."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1 import submission_service_pb2 as pb
from rookery.v1.submission_service_pb2_grpc import SubmissionServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rookery.v1.submission_pb2 import Submission
    from rookery_client.connection import Connection


class Submissions:
    """The SubmissionService."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = SubmissionServiceStub(connection.channel)

    async def submit(
        self,
        item_id: bytes,
        *,
        send_at: datetime.datetime | None = None,
        undo_seconds: int = 0,
        etag: int = 0,
        submission_id: bytes = b"",
        mailbox_id: bytes = b"",
    ) -> Submission:
        """Hands a draft over to be sent: at once, or at `send_at`, which is local time if it names no zone.

        It can be called back for at least `undo_seconds`, which are at most 600. `etag`: the content_revision that is meant; Stale
        ``STALE_ETAG`` if the draft is another by now. FailedPrecondition ``NOT_A_DRAFT``, ``NO_RECIPIENTS``; PermissionDenied
        ``SENDER_NOT_ALLOWED``; InvalidArgument ``ADDRESS_INVALID``, ``LIMIT_EXCEEDED``, ``MESSAGE_TOO_LARGE``; NotFound
        ``ITEM_NOT_FOUND``.
        """
        ids = self._connection.ids
        request = pb.SubmitRequest(
            mailbox_id=mailbox_id,
            operation_id=ids.new(),
            item_id=item_id,
            etag=etag,
            submission_id=submission_id or ids.new(),
            send_at=None if send_at is None else _timestamp(send_at),
            undo_seconds=undo_seconds,
        )
        return (await self._connection.unary(self._stub.Submit, request)).submission

    async def cancel(self, submission_id: bytes, *, mailbox_id: bytes = b"") -> Submission:
        """Calls a submission back: the draft is where it was.

        FailedPrecondition ``SUBMISSION_FINAL``; NotFound ``SUBMISSION_NOT_FOUND``.
        """
        request = pb.CancelSubmissionRequest(
            mailbox_id=mailbox_id, operation_id=self._connection.ids.new(), submission_id=submission_id
        )
        return (await self._connection.unary(self._stub.CancelSubmission, request)).submission

    async def resend(self, submission_id: bytes, *, mailbox_id: bytes = b"") -> Submission:
        """Sends a submission again to those alone who failed or expired.

        FailedPrecondition ``NOTHING_FAILED``; NotFound ``SUBMISSION_NOT_FOUND``.
        """
        request = pb.ResendSubmissionRequest(
            mailbox_id=mailbox_id, operation_id=self._connection.ids.new(), submission_id=submission_id
        )
        return (await self._connection.unary(self._stub.ResendSubmission, request)).submission

    async def get(self, submission_id: bytes, *, mailbox_id: bytes = b"") -> Submission:
        """One submission. NotFound ``SUBMISSION_NOT_FOUND``."""
        request = pb.GetSubmissionRequest(mailbox_id=mailbox_id, submission_id=submission_id)
        return (await self._connection.unary(self._stub.GetSubmission, request)).submission

    async def page(
        self,
        *,
        item_id: bytes = b"",
        unfinished: bool = False,
        page_size: int = 0,
        page_token: str = "",
        mailbox_id: bytes = b"",
    ) -> pb.ListSubmissionsResponse:
        """One page of the submissions of the last 30 days, and of older ones that have not arrived everywhere, newest first.

        `item_id`: those of this item alone; `unfinished`: those alone that have not arrived everywhere.
        """
        request = pb.ListSubmissionsRequest(
            mailbox_id=mailbox_id, item_id=item_id, unfinished=unfinished, page_size=page_size, page_token=page_token
        )
        return await self._connection.unary(self._stub.ListSubmissions, request)

    async def list(
        self, *, item_id: bytes = b"", unfinished: bool = False, page_size: int = 0, mailbox_id: bytes = b""
    ) -> AsyncIterator[Submission]:
        """The submissions, page after page."""
        token = ""
        while True:
            page = await self.page(
                item_id=item_id, unfinished=unfinished, page_size=page_size, page_token=token, mailbox_id=mailbox_id
            )
            for submission in page.submissions:
                yield submission
            token = page.next_page_token
            if not token:
                return


def _timestamp(time: datetime.datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(time.astimezone(datetime.UTC))
    return found
