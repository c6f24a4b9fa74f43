"""The queue of outgoing mail in an administrator's hands. Envelopes are shown, and nothing of what is in a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import queue_service_pb2 as messages
from rookery.v1.submission_pb2 import DELIVERY_STATE_FAILED, SUBMISSION_STATE_HELD, SUBMISSION_STATE_PENDING
from rookery_core.errors import NotFound
from rookery_core.rules.ids import require_id
from rookery_server.services.accounts.accounts import page_size, require_administrator
from rookery_server.services.change import MailboxChange
from rookery_server.services.submission.settling import Result, settle
from rookery_server.services.submission.submission_records import recipient_message
from rookery_server.store import mailboxes, outgoing, submissions
from rookery_server.store.outgoing import Claimed, Owed

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_server.services.caller import Caller
    from rookery_server.services.operations import Operations
    from rookery_server.services.page_tokens import PageTokens
    from rookery_server.services.submission.reports import Reports
    from rookery_server.store.database import Database, Transaction
    from rookery_server.store.mailboxes import MailboxRow
    from rookery_server.store.outgoing import Queued
    from rookery_server.store.submissions import RecipientRow, SubmissionRow

_GIVEN_UP = Result(DELIVERY_STATE_FAILED, "5.0.0", "removed from the queue by an administrator")
_HANDS = b"administrator\0\0\0"
"""Whose lease it is, for the length of one transaction."""


class QueueAdministration:
    """Carries out the calls of ``rookery.v1.QueueService``. PermissionDenied ``ADMINISTRATOR_ONLY`` for everybody else."""

    def __init__(
        self,
        database: Database,
        operations: Operations,
        page_tokens: PageTokens,
        clock: Clock,
        reports: Reports,
        *,
        wake: Callable[[], None],
    ) -> None:
        self._database = database
        self._operations = operations
        self._page_tokens = page_tokens
        self._clock = clock
        self._reports = reports
        self._wake = wake

    async def list_queue(self, caller: Caller, request: messages.ListQueueRequest) -> messages.ListQueueResponse:
        """A page of the queue."""
        require_administrator(caller)
        if request.submission_id:
            require_id(request.submission_id, "submission_id")
        size = page_size(request.page_size)
        query = messages.ListQueueRequest(domain=request.domain, submission_id=request.submission_id)
        digest = self._page_tokens.digest(caller, b"", query)
        token = self._page_tokens.decode(request.page_token, digest)
        after = _place(token.text, token.id) if token else None

        def read(connection: Connection) -> messages.ListQueueResponse:
            rows = outgoing.waiting(connection, request.domain, request.submission_id, after, size + 1)
            response = messages.ListQueueResponse(recipients=map(_message, rows[:size]))
            if len(rows) > size:
                last = rows[size - 1].recipient
                text = f"{last.mailbox_id}:{last.position}"
                response.next_page_token = self._page_tokens.encode(digest, text=text, item_id=last.submission_id)
            return response

        return await self._database.read(read)

    async def retry_queued(self, caller: Caller, request: messages.RetryQueuedRequest) -> bytes:
        """Has a message tried at once; the encoded RetryQueuedResponse."""
        require_administrator(caller)
        _require_ids(request)
        now = self._clock.micros()

        def work(transaction: Transaction) -> messages.RetryQueuedResponse:
            mailbox, row, waiting = _open(transaction.connection, request)
            is_held_by_its_sender = row.state == SUBMISSION_STATE_HELD and row.hold_until is not None and row.hold_until > now
            change = MailboxChange(transaction, mailbox, caller, now)
            change.begin("queue.retry", request.operation_id)
            if is_held_by_its_sender or not waiting:
                return messages.RetryQueuedResponse(revision=change.current_revision)
            changes = [
                {"position": each.position, "next_attempt": now, "queued": each.queued if each.next_attempt is not None else now}
                for each in waiting
            ]
            submissions.change_recipients(change.connection, mailbox.id, row.id, changes)
            state = SUBMISSION_STATE_PENDING if row.state == SUBMISSION_STATE_HELD else row.state
            submissions.change(change.connection, mailbox.id, row.id, {"revision": change.revision, "state": state})
            change.finish()
            return messages.RetryQueuedResponse(recipient_count=len(waiting), revision=change.current_revision)

        answer = await self._operations.on_server(caller, request.operation_id, "queue.retry", request, work)
        self._wake()
        return answer

    async def delete_queued(self, caller: Caller, request: messages.DeleteQueuedRequest) -> bytes:
        """Gives a message up; the encoded DeleteQueuedResponse."""
        require_administrator(caller)
        _require_ids(request)
        owed: list[Owed] = []

        def work(transaction: Transaction) -> messages.DeleteQueuedResponse:
            connection, now = transaction.connection, self._clock.micros()
            mailbox, row, waiting = _open(connection, request)
            if waiting:
                claimed = Claimed(mailbox.uid, row, waiting)
                outgoing.take(connection, waiting, _HANDS, now)
                settle(transaction, claimed, _HANDS, [_GIVEN_UP] * len(waiting), now)
                owed[:] = [Owed(mailbox.id, mailbox.uid, row.id)]
            after = mailboxes.find(connection, mailbox.uid)
            return messages.DeleteQueuedResponse(recipient_count=len(waiting), revision=after.revision if after else 0)

        answer = await self._operations.on_server(caller, request.operation_id, "queue.delete", request, work)
        for each in owed:
            await self._reports.tell(each)
        return answer


def _require_ids(request: messages.RetryQueuedRequest | messages.DeleteQueuedRequest) -> None:
    require_id(request.mailbox_id, "mailbox_id")
    require_id(request.submission_id, "submission_id")


def _open(
    connection: Connection, request: messages.RetryQueuedRequest | messages.DeleteQueuedRequest
) -> tuple[MailboxRow, SubmissionRow, list[RecipientRow]]:
    """A submission in its locked mailbox, and those of its recipients that wait and are not being tried."""
    mailbox = mailboxes.find(connection, request.mailbox_id, lock=True)
    row = submissions.find(connection, mailbox.id, request.submission_id) if mailbox else None
    if mailbox is None or row is None:
        raise NotFound("SUBMISSION_NOT_FOUND", "there is no such submission", field="submission_id")
    recipients = submissions.recipients(connection, mailbox.id, [row.id], lock=True)[row.id]
    waiting = [each for each in recipients if each.state in submissions.OPEN_STATES and each.lease_owner is None]
    return mailbox, row, waiting if row.state != outgoing.CALLED_BACK else []


def _place(text: str, submission_id: bytes) -> tuple[int, bytes, int]:
    mailbox_id, _, position = text.partition(":")
    return int(mailbox_id), submission_id, int(position)


def _message(queued: Queued) -> messages.QueuedRecipient:
    row = queued.recipient
    message = messages.QueuedRecipient(
        mailbox_id=queued.mailbox_uid,
        submission_id=row.submission_id,
        sender=queued.sender,
        size_bytes=queued.size_bytes,
        recipient=recipient_message(row),
        is_leased=row.lease_owner is not None,
    )
    message.queued.FromMicroseconds(row.queued)
    if row.next_attempt is not None:
        message.due.FromMicroseconds(row.next_attempt)
    return message
