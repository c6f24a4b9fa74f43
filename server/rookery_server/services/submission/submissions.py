"""Submitting drafts, calling them back, and telling what became of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from rookery.v1 import submission_service_pb2 as messages
from rookery_core.errors import InvalidArgument, NotFound, RookeryError, Unavailable
from rookery_core.rules import checks
from rookery_core.rules.ids import require_id, require_minted
from rookery_server.services import access
from rookery_server.services.content.blobs import BlobStore
from rookery_server.services.long_operations import refusing
from rookery_server.services.submission import departing
from rookery_server.services.submission.submission_changes import DraftChanged, Plan, call_back, send_again, submit
from rookery_server.services.submission.submission_records import to_message
from rookery_server.store import outgoing, submissions

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message
    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.operations import Operations
    from rookery_server.services.page_tokens import PageTokens
    from rookery_server.store.database import Database
    from rookery_server.store.submissions import RecipientRow, SubmissionRow

Request = TypeVar("Request", messages.SubmitRequest, messages.CancelSubmissionRequest, messages.ResendSubmissionRequest)

MOST_UNDO_SECONDS = 600
LISTED_DAYS = 30
"""For how long a submission is listed and kept that is finished."""
_DAY = 86_400_000_000
_FURTHEST = 366 * _DAY
_MOST_LISTED = 500
_DEFAULT_LISTED = 50
_FORGOTTEN_AT_ONCE = 100
_FORGETTING_STEPS = 200
_ATTEMPTS = 5
"""How often a draft is written anew that somebody edits while it is being submitted."""


class SubmissionService:
    """Carries out the calls of ``rookery.v1.SubmissionService``.

    ``wake`` is called after each commit that gives the queue something to do.
    """

    def __init__(
        self,
        database: Database,
        operations: Operations,
        page_tokens: PageTokens,
        clock: Clock,
        ids: Ids,
        *,
        max_message_bytes: int,
        wake: Callable[[], None],
    ) -> None:
        self._database = database
        self._operations = operations
        self._page_tokens = page_tokens
        self._clock = clock
        self._ids = ids
        self._limit = max_message_bytes
        self._wake = wake
        self._blobs = BlobStore(database, clock)

    async def submit(self, caller: Caller, request: messages.SubmitRequest) -> bytes:
        """Submits a draft; the encoded SubmitResponse."""
        now = self._clock.micros()
        hold_until = _hold_until(request, now)
        submission_id = require_minted(request.submission_id, "submission_id") if request.submission_id else self._ids.new()
        for _ in range(_ATTEMPTS):
            try:
                ready = await departing.prepare(
                    self._database, caller, request, now=now, blob_id=self._ids.new(), max_message_bytes=self._limit
                )
                await self._blobs.stage([ready.blob])
            except RookeryError as error:  # unless it is a repeat: that has the first answer
                return await self._run(caller, request, "submission.submit", refusing(error))
            plan = Plan(ready, submission_id, request.item_id, now, hold_until)
            try:
                return await self._run(caller, request, "submission.submit", partial(_submit, plan))
            except DraftChanged:
                continue
        raise Unavailable("DATABASE_BUSY", "the draft is being edited at this moment: try again")

    async def cancel_submission(self, caller: Caller, request: messages.CancelSubmissionRequest) -> bytes:
        """Calls a submission back; the encoded CancelSubmissionResponse."""
        submission_id = require_id(request.submission_id, "submission_id")

        def work(change: MailboxChange) -> messages.CancelSubmissionResponse:
            row = _require(change.connection, change.mailbox.id, submission_id)
            record = to_message(*call_back(change, row, _recipients(change.connection, row, lock=True)), change.now)
            return messages.CancelSubmissionResponse(submission=record, revision=change.current_revision)

        return await self._run(caller, request, "submission.cancel", work)

    async def resend_submission(self, caller: Caller, request: messages.ResendSubmissionRequest) -> bytes:
        """Sends to the failed recipients again; the encoded ResendSubmissionResponse."""
        submission_id = require_id(request.submission_id, "submission_id")

        def work(change: MailboxChange) -> messages.ResendSubmissionResponse:
            row = _require(change.connection, change.mailbox.id, submission_id)
            record = to_message(*send_again(change, row, _recipients(change.connection, row, lock=True)), change.now)
            return messages.ResendSubmissionResponse(submission=record, revision=change.current_revision)

        return await self._run(caller, request, "submission.resend", work)

    async def get_submission(self, caller: Caller, request: messages.GetSubmissionRequest) -> messages.GetSubmissionResponse:
        """One submission."""
        submission_id, now = require_id(request.submission_id, "submission_id"), self._clock.micros()

        def work(connection: Connection) -> messages.GetSubmissionResponse:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            row = _require(connection, mailbox.id, submission_id)
            record = to_message(row, _recipients(connection, row), now)
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
        answer = await self._operations.on_mailbox(caller, request.mailbox_id, request.operation_id, name, request, work)
        self._wake()
        return answer


def _submit(plan: Plan, change: MailboxChange) -> messages.SubmitResponse:
    record = to_message(*submit(change, plan), change.now)
    return messages.SubmitResponse(submission=record, revision=change.current_revision)


def _hold_until(request: messages.SubmitRequest, now: int) -> int | None:
    """Until when the message is held, in microseconds; None if it is not."""
    checks.moments(request, "", ("send_at",))
    if request.undo_seconds > MOST_UNDO_SECONDS:
        message = f"a message can be held back for {MOST_UNDO_SECONDS} seconds at most; give send_at to send it later"
        raise InvalidArgument("LIMIT_EXCEEDED", message, field="undo_seconds")
    send_at = request.send_at.ToMicroseconds() if request.HasField("send_at") else now
    if send_at > now + _FURTHEST:
        raise InvalidArgument("LIMIT_EXCEEDED", "a message can be sent a year ahead at most", field="send_at")
    until = max(send_at, now + request.undo_seconds * 1_000_000)
    return until if until > now else None


def _require(connection: Connection, mailbox_id: int, submission_id: bytes) -> SubmissionRow:
    found = submissions.find(connection, mailbox_id, submission_id)
    if found is None:
        raise NotFound("SUBMISSION_NOT_FOUND", "the mailbox has no such submission", field="submission_id")
    return found


def _recipients(connection: Connection, row: SubmissionRow, *, lock: bool = False) -> list[RecipientRow]:
    return submissions.recipients(connection, row.mailbox_id, [row.id], lock=lock)[row.id]
