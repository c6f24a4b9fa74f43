"""The queue of outgoing mail in an administrator's hands. Envelopes are shown, and nothing of what is in a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rookery.v1 import queue_service_pb2 as messages
from rookery.v1.submission_pb2 import DELIVERY_STATE_FAILED, SUBMISSION_STATE_HELD, SUBMISSION_STATE_PENDING
from rookery_core.errors import NotFound
from rookery_core.rules import mail_addresses
from rookery_core.rules.ids import require_id
from rookery_server.services.accounts.accounts import page_size, require_administrator
from rookery_server.services.change import MailboxChange
from rookery_server.services.submission.settling import Attempt, Result, settle
from rookery_server.services.submission.submission_records import recipient_message
from rookery_server.store import mailboxes, outgoing, submissions
from rookery_server.store.outgoing import Claimed, Owed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

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

Releasing = messages.RetryQueuedRequest | messages.ReleaseQueuedRequest
OneMessage = Releasing | messages.HoldQueuedRequest | messages.DeleteQueuedRequest
Released = TypeVar("Released", messages.RetryQueuedResponse, messages.ReleaseQueuedResponse)

_GIVEN_UP = Result(DELIVERY_STATE_FAILED, "5.0.0", "removed from the queue by an administrator")
_HANDS = b"administrator\0\0\0"
"""Whose lease it is, for the length of one transaction."""


class QueueAdministration:
    """Carries out the calls of ``rookery.v1.QueueService``. PermissionDenied ``ADMINISTRATOR_ONLY`` for everybody else.

    ``retry`` is called with the domains that something was made due for, after the commit.
    """

    def __init__(
        self,
        database: Database,
        operations: Operations,
        page_tokens: PageTokens,
        clock: Clock,
        reports: Reports,
        *,
        retry: Callable[[Collection[str]], None],
    ) -> None:
        self._database = database
        self._operations = operations
        self._page_tokens = page_tokens
        self._clock = clock
        self._reports = reports
        self._retry = retry

    async def list_queue(self, caller: Caller, request: messages.ListQueueRequest) -> messages.ListQueueResponse:
        """A page of the queue."""
        require_administrator(caller)
        if request.submission_id:
            require_id(request.submission_id, "submission_id")
        size, now = page_size(request.page_size), self._clock.micros()
        domain = _domain(request.domain.strip())
        query = messages.ListQueueRequest(domain=domain, submission_id=request.submission_id)
        digest = self._page_tokens.digest(caller, b"", query)
        token = self._page_tokens.decode(request.page_token, digest)
        after = _place(token.text, token.id) if token else None

        def read(connection: Connection) -> messages.ListQueueResponse:
            rows = outgoing.waiting(connection, domain, request.submission_id, after, size + 1)
            response = messages.ListQueueResponse(recipients=(_message(row, now) for row in rows[:size]))
            if len(rows) > size:
                last = rows[size - 1].recipient
                text = f"{last.mailbox_id}:{last.position}"
                response.next_page_token = self._page_tokens.encode(digest, text=text, item_id=last.submission_id)
            return response

        return await self._database.read(read)

    async def retry_queued(self, caller: Caller, request: messages.RetryQueuedRequest) -> bytes:
        """Has a message tried at once, held or not; the encoded RetryQueuedResponse."""
        return await self._release(caller, request, "queue.retry", messages.RetryQueuedResponse, only_held=False)

    async def release_queued(self, caller: Caller, request: messages.ReleaseQueuedRequest) -> bytes:
        """Releases what is held of a message; the encoded ReleaseQueuedResponse."""
        return await self._release(caller, request, "queue.release", messages.ReleaseQueuedResponse, only_held=True)

    async def hold_queued(self, caller: Caller, request: messages.HoldQueuedRequest) -> bytes:
        """Holds a message until it is released; the encoded HoldQueuedResponse."""
        require_administrator(caller)
        _require_ids(request)
        now = self._clock.micros()

        def work(transaction: Transaction) -> messages.HoldQueuedResponse:
            mailbox, row, waiting = _open(transaction.connection, request, now)
            change = MailboxChange(transaction, mailbox, caller, now)
            change.begin("queue.hold", request.operation_id)
            due = [each for each in waiting if each.next_attempt is not None]
            if not due:
                return messages.HoldQueuedResponse(revision=change.current_revision)
            parked = [{"position": each.position, "next_attempt": None, "lease_owner": None} for each in due]
            submissions.change_recipients(change.connection, mailbox.id, row.id, parked)
            values: dict[str, object] = {"revision": change.revision}
            if row.state in submissions.UNDECIDED:
                values |= {"state": SUBMISSION_STATE_HELD, "hold_until": row.hold_until if _is_senders(row, now) else None}
            submissions.change(change.connection, mailbox.id, row.id, values)
            change.finish()
            return messages.HoldQueuedResponse(recipient_count=len(due), revision=change.current_revision)

        return await self._operations.on_server(caller, request.operation_id, "queue.hold", request, work)

    async def delete_queued(self, caller: Caller, request: messages.DeleteQueuedRequest) -> bytes:
        """Gives a message up; the encoded DeleteQueuedResponse."""
        require_administrator(caller)
        _require_ids(request)
        owed: list[Owed] = []

        def work(transaction: Transaction) -> messages.DeleteQueuedResponse:
            connection, now = transaction.connection, self._clock.micros()
            mailbox, row, waiting = _open(connection, request, now)
            if waiting:
                claimed = Claimed(mailbox.uid, row, waiting)
                outgoing.take(connection, waiting, _HANDS, now)
                settle(transaction, [Attempt(claimed, [_GIVEN_UP] * len(waiting))], _HANDS, now)
                owed[:] = [Owed(mailbox.id, mailbox.uid, row.id)]
            after = mailboxes.find(connection, mailbox.uid)
            return messages.DeleteQueuedResponse(recipient_count=len(waiting), revision=after.revision if after else 0)

        answer = await self._operations.on_server(caller, request.operation_id, "queue.delete", request, work)
        for each in owed:
            await self._reports.tell(each)
        return answer

    async def _release(self, caller: Caller, request: Releasing, name: str, answer: type[Released], *, only_held: bool) -> bytes:
        """Makes recipients due now, or once their sender's own hold is over: all that wait, or those that are held."""
        require_administrator(caller)
        _require_ids(request)
        now = self._clock.micros()
        due: set[str] = set()

        def work(transaction: Transaction) -> Released:
            due.clear()
            mailbox, row, waiting = _open(transaction.connection, request, now)
            change = MailboxChange(transaction, mailbox, caller, now)
            change.begin(name, request.operation_id)
            held = [each for each in waiting if each.next_attempt is None]
            is_senders = _is_senders(row, now)
            chosen = held if only_held or is_senders else waiting
            if not chosen:
                return answer(revision=change.current_revision)
            at = row.hold_until if is_senders else now
            due.update(each.domain for each in chosen if not is_senders)
            free = {"next_attempt": at, "lease_owner": None}
            changes = [
                {"position": each.position, **free, "queued": each.queued if each.next_attempt is not None else at}
                for each in chosen
            ]
            submissions.change_recipients(change.connection, mailbox.id, row.id, changes)
            state = SUBMISSION_STATE_PENDING if row.state == SUBMISSION_STATE_HELD and not is_senders else row.state
            submissions.change(change.connection, mailbox.id, row.id, {"revision": change.revision, "state": state})
            change.finish()
            count = len(chosen) if only_held or not is_senders else 0
            return answer(recipient_count=count, revision=change.current_revision)

        released = await self._operations.on_server(caller, request.operation_id, name, request, work)
        self._retry(due)
        return released


def _is_senders(row: SubmissionRow, now: int) -> bool:
    """Its sender holds it back, whatever an administrator does."""
    return row.state == SUBMISSION_STATE_HELD and row.hold_until is not None and row.hold_until > now


def _domain(text: str) -> str:
    """The domain as the queue has it, "" for all. InvalidArgument ``ADDRESS_INVALID``."""
    if text.startswith("["):
        return mail_addresses.literal(text, "domain")
    return mail_addresses.domain_name(text, "domain") if text else ""


def _require_ids(request: OneMessage) -> None:
    require_id(request.mailbox_id, "mailbox_id")
    require_id(request.submission_id, "submission_id")


def _open(connection: Connection, request: OneMessage, now: int) -> tuple[MailboxRow, SubmissionRow, list[RecipientRow]]:
    """A submission in its locked mailbox, and those of its recipients that wait and are not being tried."""
    mailbox = mailboxes.find(connection, request.mailbox_id, lock=True)
    row = submissions.find(connection, mailbox.id, request.submission_id) if mailbox else None
    if mailbox is None or row is None:
        raise NotFound("SUBMISSION_NOT_FOUND", "there is no such submission", field="submission_id")
    recipients = submissions.recipients(connection, mailbox.id, [row.id], lock=True)[row.id]
    waiting = [each for each in recipients if each.state in submissions.OPEN_STATES and not _is_tried(each, now)]
    return mailbox, row, waiting if row.state != outgoing.CALLED_BACK else []


def _is_tried(row: RecipientRow, now: int) -> bool:
    """Somebody hands it over at this moment: whoever let the lease end is gone, and nobody need have taken it over yet."""
    return row.lease_owner is not None and row.next_attempt is not None and row.next_attempt > now


def _place(text: str, submission_id: bytes) -> tuple[int, bytes, int]:
    mailbox_id, _, position = text.partition(":")
    return int(mailbox_id), submission_id, int(position)


def _message(queued: Queued, now: int) -> messages.QueuedRecipient:
    row = queued.recipient
    message = messages.QueuedRecipient(
        mailbox_id=queued.mailbox_uid,
        submission_id=row.submission_id,
        sender=queued.sender,
        size_bytes=queued.size_bytes,
        recipient=recipient_message(row),
        is_leased=_is_tried(row, now),
    )
    message.queued.FromMicroseconds(row.queued)
    if row.next_attempt is not None:
        message.due.FromMicroseconds(row.next_attempt)
    return message
