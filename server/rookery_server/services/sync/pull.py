"""Pull: what a device lacks, batch by batch, and with ``follow`` each commit as it happens."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from rookery.internal.v1.packed_pb2 import SyncCursor
from rookery.v1.sync_service_pb2 import PullBatchResponse
from rookery_server.services import access
from rookery_server.services.sync import fill, item_wire, submission_tail, tail
from rookery_server.services.sync.batches import Batch, ContentForm, Limits
from rookery_server.services.sync.cursors import require_good
from rookery_server.services.sync.scopes import Scope
from rookery_server.services.sync.shared_reads import SharedReads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from rookery.v1 import sync_service_pb2
    from rookery_server.services.caller import Caller
    from rookery_server.services.sync.cursors import Cursors
    from rookery_server.services.sync.followers import Follower, Followers
    from rookery_server.store.database import Database
    from rookery_server.store.mailboxes import MailboxRow

_BATCH_TAG = item_wire.tag(PullBatchResponse.BATCH_FIELD_NUMBER)

HEARTBEAT_SECONDS = 30.0
"""How long a stream is silent at most. Then the mailbox is looked at too: nothing rests on an announcement alone."""


class _Place(NamedTuple):
    """Where a batch leads."""

    cursor: SyncCursor
    mailbox_uid: bytes
    revision: int
    caught_up: bool


_Page: TypeAlias = tuple[bytes, _Place]
"""An encoded batch, and where it leads."""


class _Ask(NamedTuple):
    """What a call wants, checked."""

    caller: Caller
    mailbox_id: bytes
    scope: Scope
    form: ContentForm


class PullService:
    """Carries out Pull and PullBatch.

    Errors are the contract's: FailedPrecondition ``CURSOR_EXPIRED``, ``EPOCH_CHANGED``, ``SCOPE_CHANGED``; InvalidArgument
    ``CURSOR_INVALID``, and what ``Scope.of`` raises; NotFound ``MAILBOX_NOT_FOUND``. A stream meets them at any batch.
    """

    def __init__(
        self,
        database: Database,
        cursors: Cursors,
        followers: Followers,
        *,
        limits: Limits | None = None,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._database = database
        self._cursors = cursors
        self._followers = followers
        self._limits = limits or Limits()
        self._heartbeat_seconds = heartbeat_seconds
        self._woken: SharedReads[_Page] = SharedReads()

    async def pull_batch(self, caller: Caller, request: sync_service_pb2.PullBatchRequest) -> bytes:
        """One batch; the encoded PullBatchResponse."""
        ask, position = _ask(caller, request.pull), request.pull.cursor
        encoded = await self._database.glance(lambda connection: self._nothing_new(connection, ask, position)) if position else None
        if encoded is None:
            encoded, _ = await self._page(ask, position)
        return b"".join((_BATCH_TAG, item_wire.varint(len(encoded)), encoded))

    async def pull(self, caller: Caller, request: sync_service_pb2.PullRequest) -> AsyncIterator[bytes]:
        """Encoded PullResponses, until the device has caught up; with ``follow`` for ever.

        While a batch is being sent the next one is read, and no more than that.
        """
        ask = _ask(caller, request)
        reading: asyncio.Task[_Page] | None = None
        with await self._following(ask) if request.follow else nullcontext() as follower:
            try:
                encoded, place = await self._page(ask, request.cursor)
                while True:
                    if not place.caught_up:
                        reading = asyncio.create_task(self._page(ask, place.cursor))
                    yield encoded
                    encoded = b""  # a stream may idle for hours: not with its last batch in its hands
                    if reading is not None:
                        encoded, place = await reading
                        reading = None
                    elif follower is not None:
                        await follower.news({place.mailbox_uid: place.revision}, self._heartbeat_seconds)
                        encoded, place = await self._page_for_many(ask, place.cursor)
                    else:
                        return
            finally:
                if reading is not None:
                    await _abandon(reading)

    async def _following(self, ask: _Ask) -> AbstractContextManager[Follower]:
        """Follows the mailbox: before the first page is read, so that no commit falls between that and the waiting."""
        mailbox = await self._database.glance(lambda connection: access.open_mailbox(connection, ask.caller, ask.mailbox_id))
        return self._followers.following([mailbox.uid])

    async def _page_for_many(self, ask: _Ask, cursor: SyncCursor) -> _Page:
        """``_page``, read once for all streams that were woken at the same place: the cursor says whose it is, and of what."""
        key = (ask.form, cursor.SerializeToString(deterministic=True))
        return await self._woken.get(key, lambda: self._page(ask, cursor))

    def _nothing_new(self, connection: Connection, ask: _Ask, position: str) -> bytes | None:
        """The batch that says that a device has caught up, which is what most of them hear; None if there may be more to say."""
        mailbox = access.open_mailbox(connection, ask.caller, ask.mailbox_id)
        cursor = self._cursor(ask, mailbox, position)
        if cursor.HasField("fill") or cursor.base < mailbox.revision or not submission_tail.is_known(cursor, mailbox.revision):
            return None
        tail.end(cursor)
        return self._finished(Batch(self._limits.size), mailbox, cursor, caught_up=True)

    async def _page(self, ask: _Ask, position: str | SyncCursor) -> _Page:
        """Reads one batch, in one transaction, behind a cursor that came from the device or out of the page before."""

        def work(connection: Connection) -> _Page:
            mailbox = access.open_mailbox(connection, ask.caller, ask.mailbox_id)
            cursor = self._cursor(ask, mailbox, position)
            batch = Batch(self._limits.size)
            caught_up = self._collect(connection, mailbox, cursor, ask, batch)
            encoded = self._finished(batch, mailbox, cursor, caught_up=caught_up)
            return encoded, _Place(cursor, mailbox.uid, mailbox.revision, caught_up)

        return await self._database.read(work)

    def _finished(self, batch: Batch, mailbox: MailboxRow, cursor: SyncCursor, *, caught_up: bool) -> bytes:
        """The encoded PullResponse."""
        response = batch.response
        response.cursor = self._cursors.encode(cursor)
        response.caught_up, response.revision, response.epoch = caught_up, mailbox.revision, mailbox.epoch
        return batch.encode()

    def _cursor(self, ask: _Ask, mailbox: MailboxRow, position: str | SyncCursor) -> SyncCursor:
        """A cursor for this page alone, since the work of a read may run twice."""
        if isinstance(position, SyncCursor):
            cursor = SyncCursor()
            cursor.CopyFrom(position)
            require_good(cursor, mailbox)
            return cursor
        if not position:
            return self._cursors.beginning(ask.caller, mailbox, ask.scope)
        cursor = self._cursors.decode(position, ask.caller, mailbox, ask.scope)
        fill.set_window(cursor, ask.scope.window)
        return cursor

    def _collect(self, connection: Connection, mailbox: MailboxRow, cursor: SyncCursor, ask: _Ask, batch: Batch) -> bool:
        """Puts what comes next into the batch, and moves the cursor on; gives whether the device has caught up with it."""
        if cursor.HasField("fill"):
            fill.page(connection, mailbox.id, cursor, ask.scope, ask.form, batch, self._limits)
            if cursor.base < mailbox.revision or cursor.HasField("fill"):
                return False
        elif cursor.base < mailbox.revision:
            if not tail.page(connection, mailbox.id, cursor, ask.scope, ask.form, batch, self._limits.entries):
                return False
            cursor.base = mailbox.revision
        tail.end(cursor)
        return submission_tail.page(connection, mailbox, cursor, batch, self._limits.submissions)


def _ask(caller: Caller, request: sync_service_pb2.PullRequest) -> _Ask:
    scope = Scope.of(request.scope)
    return _Ask(caller, request.mailbox_id, scope, ContentForm.of(scope, request.accept_encodings))


async def _abandon(reading: asyncio.Task[_Page]) -> None:
    """Ends a read whose page nobody waits for, whatever came of it."""
    reading.cancel()
    await asyncio.wait([reading])
    if not reading.cancelled():
        reading.exception()
