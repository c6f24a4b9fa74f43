"""Mail that people's own mail programs hand in, whole: into the sender's outbox and the queue, as a draft is that is submitted."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from rookery.v1 import submission_service_pb2 as messages
from rookery_core.errors import Unauthenticated
from rookery_server.services.content.blobs import BlobStore
from rookery_server.services.submission import posted, senders
from rookery_server.services.submission.departing import BRIEF_BYTES, Departing
from rookery_server.services.submission.submission_changes import Plan, post
from rookery_server.store import accounts, domains

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.operations import Operations
    from rookery_server.services.submission.posted import Post, Readied
    from rookery_server.store.database import Database

_BRIEF_HEADER_BYTES, _BRIEF_RECIPIENTS = 8 << 10, 50
"""A brief message with a header of so many bytes, to so many people, is read in the event loop's own thread: that costs less than
the way to another thread and back. Longer headers can name thousands, and reports are read twice."""


class Posting:
    """Takes messages from people who signed in. ``wake`` is called after each commit: the queue has something to do."""

    def __init__(self, database: Database, operations: Operations, clock: Clock, ids: Ids, *, wake: Callable[[], None]) -> None:
        self._database = database
        self._operations = operations
        self._clock = clock
        self._ids = ids
        self._wake = wake
        self._blobs = BlobStore(database, clock)

    async def require_sender(self, caller: Caller, address: str) -> None:
        """PermissionDenied ``SENDER_NOT_ALLOWED`` unless the address is one of the caller's, or "", the null sender of receipts.

        Unauthenticated ``SESSION_REVOKED`` if the account was disabled since they signed in.
        """
        await self._database.peek(lambda connection: _sender(connection, caller, address))

    async def submit(self, caller: Caller, handed_in: Post) -> bytes:
        """Takes a message; gives the submission's id once it is on disk.

        InvalidArgument ``DOCUMENT_INVALID``, ResourceExhausted ``QUOTA_EXCEEDED``, and what ``require_sender`` raises. The same
        message again is another one: nobody but its author knows whether that was meant.
        """
        now, item_id, submission_id = self._clock.micros(), self._ids.new(), self._ids.new()
        work = partial(posted.ready, handed_in, now=now, item_id=item_id, blob_id=self._ids.new())
        is_brief = _is_brief(handed_in)
        readied = work() if is_brief else await asyncio.to_thread(work)
        look = self._database.peek if is_brief else self._database.read
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
        )
        plan = Plan(departing, submission_id, item_id, now, hold_until=None)
        # Minted here, the operation's id makes the work repeatable: after a lost COMMIT the ledger knows whether it was done.
        request = messages.SubmitRequest(operation_id=self._ids.new(), item_id=item_id, submission_id=submission_id)
        put = partial(_post, plan, readied)
        await self._operations.on_mailbox(caller, b"", request.operation_id, "submission.post", request, put)
        self._wake()
        return submission_id


def _is_brief(handed_in: Post) -> bool:
    data = handed_in.data
    is_short = len(data) <= BRIEF_BYTES and data.find(b"\r\n\r\n", 0, _BRIEF_HEADER_BYTES) >= 0
    return is_short and len(handed_in.recipients) <= _BRIEF_RECIPIENTS and handed_in.sender != ""


def _sender(connection: Connection, caller: Caller, address: str) -> str:
    account = accounts.find(connection, caller.account_id)
    if account is None or account.disabled:  # a connection stays open, whatever becomes of who signed in
        raise Unauthenticated("SESSION_REVOKED", "your account was disabled: you can not send any more")
    return senders.require_own(connection, caller, address) if address else ""


def _envelope(connection: Connection, caller: Caller, sender: str, readied: Readied) -> tuple[str, frozenset[str]]:
    """The sender, and which of the domains are this server's, once sender and authors are the caller's own."""
    for author in dict.fromkeys(readied.authors):
        senders.require_own(connection, caller, author)
    here = domains.known(connection, {addressee.address.domain for addressee in readied.addressees})
    return _sender(connection, caller, sender), here


def _post(plan: Plan, readied: Readied, change: MailboxChange) -> messages.SubmitResponse:
    return messages.SubmitResponse(submission=post(change, plan, readied.prepared), revision=change.current_revision)
