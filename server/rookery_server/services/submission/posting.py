"""Mail that people's own mail programs hand in, whole: into the sender's outbox and the queue, as a draft is that is submitted."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from rookery.v1 import submission_service_pb2 as messages
from rookery_core.errors import Unauthenticated
from rookery_server.services.brief import BRIEF_BYTES, is_brief
from rookery_server.services.content.blobs import BlobStore
from rookery_server.services.submission import posted, senders, submission_changes
from rookery_server.services.submission.departing import Departing
from rookery_server.services.submission.submission_changes import Plan
from rookery_server.store import accounts, domains

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.submission.posted import Post, Readied
    from rookery_server.services.submission.queueing import Queueing
    from rookery_server.services.submission.submission_changes import Enqueued
    from rookery_server.store.accounts import AccountRow
    from rookery_server.store.database import Database

_FEW_RECIPIENTS = 50
"""To so many people a brief message is readied in passing."""


class Posting:
    """Takes messages from people who signed in."""

    def __init__(self, database: Database, queueing: Queueing, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._queueing = queueing
        self._clock = clock
        self._ids = ids
        self._blobs = BlobStore(database, clock)

    async def require_sender(self, caller: Caller, address: str) -> None:
        """PermissionDenied ``SENDER_NOT_ALLOWED`` unless the address is one of the caller's, or "", the null sender of receipts.

        Unauthenticated ``SESSION_REVOKED`` if the account was disabled since they signed in.
        """
        await self._database.peek(lambda connection: _sender(connection, _account(connection, caller), address))

    async def submit(self, caller: Caller, handed_in: Post) -> bytes:
        """Takes a message; gives the submission's id once it is on disk.

        InvalidArgument ``DOCUMENT_INVALID``, ResourceExhausted ``QUOTA_EXCEEDED``, and what ``require_sender`` raises. The same
        message again is another one: nobody but its author knows whether that was meant.
        """
        now, item_id, submission_id = self._clock.micros(), self._ids.new(), self._ids.new()
        work = partial(posted.ready, handed_in, now=now, item_id=item_id, blob_id=self._ids.new())
        in_passing = is_brief(handed_in.data, handed_in.sender) and len(handed_in.recipients) <= _FEW_RECIPIENTS
        readied = work() if in_passing else await asyncio.to_thread(work)
        look = self._database.peek if in_passing else self._database.read
        sender, here = await look(lambda connection: _envelope(connection, caller, handed_in.sender, readied))
        if readied.blob.size > BRIEF_BYTES:
            await self._blobs.stage([readied.blob])
        departing = Departing(
            content_revision=0,
            item=readied.item,
            sender=sender,
            addressees=readied.addressees,
            here=here,
            blob=readied.blob,
            eight_bit=readied.eight_bit,
            unicode_header=readied.unicode_header,
            message=readied.message if len(readied.message) <= BRIEF_BYTES else None,
        )
        plan = Plan(departing, submission_id, item_id, now, hold_until=None)
        # Minted here, the operation's id makes the work repeatable: after a lost COMMIT the ledger knows whether it was done.
        request = messages.SubmitRequest(operation_id=self._ids.new(), item_id=item_id, submission_id=submission_id)
        await self._queueing.submit(caller, b"", request, "submission.post", plan, partial(_post, readied))
        return submission_id


def _account(connection: Connection, caller: Caller) -> AccountRow:
    account = accounts.find(connection, caller.account_id)
    if account is None or account.disabled:  # a connection stays open, whatever becomes of who signed in
        raise Unauthenticated("SESSION_REVOKED", "your account was disabled: you can not send any more")
    return account


def _sender(connection: Connection, account: AccountRow, address: str) -> str:
    return senders.require_own(connection, account, address) if address else ""


def _envelope(connection: Connection, caller: Caller, sender: str, readied: Readied) -> tuple[str, frozenset[str]]:
    """The sender, and which of the domains are this server's, once sender and authors are the caller's own."""
    account = _account(connection, caller)
    for author in dict.fromkeys(readied.authors):
        senders.require_own(connection, account, author)
    here = domains.known(connection, {addressee.address.domain for addressee in readied.addressees})
    return _sender(connection, account, sender), here


def _post(readied: Readied, change: MailboxChange, plan: Plan) -> Enqueued:
    return submission_changes.post(change, plan, readied.prepared)
