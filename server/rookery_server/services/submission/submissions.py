"""Submitting drafts, calling them back, and telling what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rookery.v1 import submission_service_pb2 as messages
from rookery_core.errors import InvalidArgument, RookeryError
from rookery_core.rules.ids import require_id
from rookery_server.services import access
from rookery_server.services.long_operations import refusing
from rookery_server.services.submission import submission_changes
from rookery_server.services.submission.drafts import until_unchanged
from rookery_server.services.submission.queueing import Queueing
from rookery_server.services.submission.submission_records import to_message
from rookery_server.store import outgoing, submissions

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message
    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.operations import Operations
    from rookery_server.services.page_tokens import PageTokens
    from rookery_server.services.submission.drafts import Drafts
    from rookery_server.services.submission.queueing import Queue
    from rookery_server.store.database import Database

Request = TypeVar("Request", messages.SubmitRequest, messages.CancelSubmissionRequest, messages.ResendSubmissionRequest)

LISTED_DAYS = 30
"""For how long a submission is listed and kept that is finished."""
_DAY = 86_400_000_000
_MOST_LISTED = 500
_DEFAULT_LISTED = 50
_FORGOTTEN_AT_ONCE = 100
_FORGETTING_STEPS = 200


class SubmissionService:
    """Carries out the calls of ``rookery.v1.SubmissionService``."""

    def __init__(
        self,
        database: Database,
        operations: Operations,
        page_tokens: PageTokens,
        clock: Clock,
        drafts: Drafts,
        queue: Queue,
    ) -> None:
        self._database = database
        self._operations = operations
        self._page_tokens = page_tokens
        self._clock = clock
        self._drafts = drafts
        self._queue = queue
        self._queueing = Queueing(operations, queue)

    async def submit(self, caller: Caller, request: messages.SubmitRequest) -> bytes:
        """Submits a draft; the encoded SubmitResponse."""

        async def attempt() -> bytes:
            try:
                plan = await self._drafts.plan(caller, request)
            except RookeryError as error:  # unless it is a repeat: that has the first answer
                return await self._run(caller, request, "submission.submit", refusing(error))
            return await self._queueing.submit(
                caller, request.mailbox_id, request, "submission.submit", plan, submission_changes.submit
            )

        return await until_unchanged(attempt)

    async def cancel_submission(self, caller: Caller, request: messages.CancelSubmissionRequest) -> bytes:
        """Calls a submission back; the encoded CancelSubmissionResponse."""
        submission_id = require_id(request.submission_id, "submission_id")

        def work(change: MailboxChange) -> messages.CancelSubmissionResponse:
            record = submission_changes.call_back(change, submission_id)
            return messages.CancelSubmissionResponse(submission=record, revision=change.current_revision)

        return await self._run(caller, request, "submission.cancel", work)

    async def resend_submission(self, caller: Caller, request: messages.ResendSubmissionRequest) -> bytes:
        """Sends to the failed recipients again; the encoded ResendSubmissionResponse."""
        submission_id = require_id(request.submission_id, "submission_id")

        def work(change: MailboxChange) -> messages.ResendSubmissionResponse:
            record = submission_changes.send_again(change, submission_id)
            return messages.ResendSubmissionResponse(submission=record, revision=change.current_revision)

        return await self._run(caller, request, "submission.resend", work)

    async def get_submission(self, caller: Caller, request: messages.GetSubmissionRequest) -> messages.GetSubmissionResponse:
        """One submission."""
        submission_id, now = require_id(request.submission_id, "submission_id"), self._clock.micros()

        def work(connection: Connection) -> messages.GetSubmissionResponse:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            row = submission_changes.require(connection, mailbox.id, submission_id)
            record = to_message(row, submissions.recipients(connection, mailbox.id, [row.id])[row.id], now)
            return messages.GetSubmissionResponse(submission=record, revision=mailbox.revision)

        return await self._database.read(work)

    async def list_submissions(self, caller: Caller, request: messages.ListSubmissionsRequest) -> messages.ListSubmissionsResponse:
        """A page of submissions, newest first."""
        if request.item_id:
            require_id(request.item_id, "item_id")
        if request.page_size > _MOST_LISTED:
            raise InvalidArgument("LIMIT_EXCEEDED", f"a page holds at most {_MOST_LISTED} submissions", field="page_size")
        size = request.page_size or _DEFAULT_LISTED
        query = messages.ListSubmissionsRequest(item_id=request.item_id, unfinished=request.unfinished)
        digest = self._page_tokens.digest(caller, request.mailbox_id, query)
        token = self._page_tokens.decode(request.page_token, digest)
        after = (token.number, token.id) if token else None
        now = self._clock.micros()

        def work(connection: Connection) -> messages.ListSubmissionsResponse:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            rows = submissions.page(
                connection,
                mailbox.id,
                item_id=request.item_id,
                unfinished=request.unfinished,
                since=now - LISTED_DAYS * _DAY,
                after=after,
                limit=size + 1,
            )
            recipients = submissions.recipients(connection, mailbox.id, [row.id for row in rows[:size]])
            response = messages.ListSubmissionsResponse(
                submissions=[to_message(row, recipients[row.id], now) for row in rows[:size]], revision=mailbox.revision
            )
            if len(rows) > size:
                last = rows[size - 1]
                response.next_page_token = self._page_tokens.encode(digest, number=last.submitted, item_id=last.id)
            return response

        return await self._database.read(work)

    async def forget_old(self) -> int:
        """Forgets finished submissions older than 30 days, a bounded number of them; gives how many."""
        before = self._clock.micros() - LISTED_DAYS * _DAY
        done = 0
        for _ in range(_FORGETTING_STEPS):
            step = await self._database.write(
                lambda transaction: outgoing.forget(transaction.connection, before, _FORGOTTEN_AT_ONCE)
            )
            done += step
            if step < _FORGOTTEN_AT_ONCE:
                break
        return done

    async def _run(self, caller: Caller, request: Request, name: str, work: Callable[[MailboxChange], Message]) -> bytes:
        try:
            return await self._operations.on_mailbox(caller, request.mailbox_id, request.operation_id, name, request, work)
        finally:  # whoever hangs up meanwhile may have submitted
            self._queue.wake()
