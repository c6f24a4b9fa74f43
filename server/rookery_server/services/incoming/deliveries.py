"""Brings messages that come in to mailboxes here: each in a transaction of the mailbox, on disk before anybody is answered.

A sender that did not hear our answer sends again. So a mailbox remembers for a week what it was brought, by the message's bytes and
its sender, and takes none of it twice, even if the first copy was deleted since. Of several recipients some may have the message
while others can not have it yet: the sender is told to come again, and those who have it do not get another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from rookery_core.errors import ResourceExhausted, RookeryError, Unavailable
from rookery_core.formats import mime
from rookery_server.services.brief import is_brief
from rookery_server.services.content.blobs import BlobStore
from rookery_server.services.incoming import letters
from rookery_server.services.incoming.bringing import Delivery, bring
from rookery_server.services.scheduling import arrivals
from rookery_server.store import incoming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.services.accounts.group_mail import GroupMail, Reached
    from rookery_server.services.incoming.letters import Arrival, Letter
    from rookery_server.services.incoming.recipients import Recipient
    from rookery_server.store.database import Database
    from rookery_server.store.groups import Member

REMEMBERED_DAYS = 7
"""For how long a message that came again is known; senders give up after five days."""

_DAY = 86_400_000_000
_MEMBERS = "members"
_BATCH_LETTERS = 100
_BATCH_BYTES = 8 << 20
_FORGOTTEN_AT_ONCE = 500
_FORGETTING_STEPS = 200

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Waiting:
    delivery: Delivery
    future: asyncio.Future[RookeryError | None]


class Deliveries:
    """Delivers, a group's mail to its members too. Belongs to one event loop.

    ``authserv_ids``: the mail servers whose Authentication-Results are believed where a trusted host brings the message. ``wake``
    is called after a commit that gives the queue something to do: rooms answer at once.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        groups: GroupMail,
        *,
        authserv_ids: Iterable[str],
        wake: Callable[[], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._groups = groups
        self._authserv_ids = frozenset(name.lower() for name in authserv_ids)
        self._wake = wake
        self._blobs = BlobStore(database, clock)
        self._lanes: dict[bytes, deque[_Waiting]] = {}  # by mailbox; while some are being written, the next ones gather
        self._tasks: set[asyncio.Task[None]] = set()

    async def deliver(self, arrival: Arrival, recipients: Sequence[Recipient]) -> list[RookeryError | None]:
        """For each recipient None once the message is in the mailbox, or what keeps it out.

        A group has it once its members have it too, but for those who can not. If the group's own mailbox is full, and a member has
        it, the error says so (see ``reached_members``).

        Raises what keeps it from all: FailedPrecondition ``MAIL_LOOP``, and the database's own errors.
        """
        letter = await self._read(arrival)
        await self._blobs.stage([letter.blob])
        mailboxes = list(dict.fromkeys(recipient.mailbox_uid for recipient in recipients))
        found = dict(zip(mailboxes, await self._bring_to(mailboxes, letter), strict=True))
        outcomes = [found[recipient.mailbox_uid] for recipient in recipients]
        if groups := [recipient.group_id for recipient in recipients if recipient.group_id]:

            async def bring_to_members(members: Sequence[Member]) -> list[RookeryError | None]:
                return await self._bring_to([member.mailbox_uid for member in members], letter)

            reached = await self._groups.bring(groups, found, bring_to_members)
            for place, recipient in enumerate(recipients):
                if recipient.group_id:
                    outcomes[place] = _of_group(outcomes[place], reached[recipient.group_id])
        return outcomes

    async def forget_old(self) -> int:
        """Forgets what was delivered more than a week ago, a bounded number of deliveries; gives how many."""
        before = self._clock.micros() - REMEMBERED_DAYS * _DAY
        done = 0
        for _ in range(_FORGETTING_STEPS):
            step = await self._database.write(
                lambda transaction: incoming.forget(transaction.connection, before, _FORGOTTEN_AT_ONCE)
            )
            done += step
            if step < _FORGOTTEN_AT_ONCE:
                break
        return done

    async def _read(self, arrival: Arrival) -> Letter:
        given: Any = {"now": self._clock.micros(), "blob_id": self._ids.new(), "authserv_ids": self._authserv_ids}
        if not is_brief(arrival.data, arrival.sender):
            return await asyncio.to_thread(letters.read, arrival, **given)
        parsed = mime.parse(arrival.data)
        if arrivals.holds_calendar(parsed):
            return await asyncio.to_thread(letters.complete, arrival, parsed, **given)
        return letters.complete(arrival, parsed, **given)

    async def _bring_to(self, mailboxes: Sequence[bytes], letter: Letter) -> list[RookeryError | None]:
        queued = [self._queue(uid, Delivery(letter, self._ids.new())) for uid in mailboxes]
        return [await queued[0]] if len(queued) == 1 else await asyncio.gather(*queued)

    def _queue(self, mailbox_uid: bytes, delivery: Delivery) -> asyncio.Future[RookeryError | None]:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(delivery, loop.create_future())
        lane = self._lanes.get(mailbox_uid)
        if lane is None:
            lane = self._lanes[mailbox_uid] = deque()
            task = loop.create_task(self._serve(mailbox_uid, lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        lane.append(waiting)
        return waiting.future

    async def _serve(self, mailbox_uid: bytes, lane: deque[_Waiting]) -> None:
        try:
            while lane:
                await self._bring(mailbox_uid, _take(lane))
        finally:
            del self._lanes[mailbox_uid]

    async def _bring(self, mailbox_uid: bytes, batch: list[_Waiting]) -> None:
        deliveries, now = [waiting.delivery for waiting in batch], self._clock.micros()
        try:
            brought = await self._database.write(lambda transaction: bring(transaction, mailbox_uid, deliveries, now))
        except RookeryError as error:
            _settle(batch, [error] * len(batch))
        except Exception as error:  # noqa: BLE001 - whatever it is, the sender keeps the message and comes again
            if len(batch) > 1:
                for waiting in batch:  # one of them is the cause: the others must not suffer for it
                    await self._bring(mailbox_uid, [waiting])
                return
            _log.exception("a delivery failed", mailbox=mailbox_uid.hex(), error=repr(error))
            _settle(batch, [Unavailable("DATABASE_BUSY", "the message could not be delivered now: try again later")])
        except BaseException:
            for waiting in batch:
                waiting.future.cancel()
            raise
        else:
            if brought.answered:
                self._wake()
            _settle(batch, brought.outcomes)


def reached_members(error: RookeryError) -> bool:
    """Whether it is only a group's own mailbox that lacks the message."""
    return _MEMBERS in error.metadata


def _of_group(own: RookeryError | None, reached: Reached) -> RookeryError | None:
    """What came of a group, of which ``own`` says what came of its own mailbox."""
    if own is not None and own.reason == "QUOTA_EXCEEDED" and reached.have_it and reached.passing is None:
        message = "the group's own mailbox is full; its members have the message"
        return ResourceExhausted(own.reason, message, metadata={_MEMBERS: str(reached.have_it)})
    return reached.passing or own


def _settle(batch: Sequence[_Waiting], outcomes: Sequence[RookeryError | None]) -> None:
    for waiting, outcome in zip(batch, outcomes, strict=True):
        if not waiting.future.done():
            waiting.future.set_result(outcome)


def _take(waiting: deque[_Waiting]) -> list[_Waiting]:
    """The next transaction's."""
    batch: list[_Waiting] = []
    size = 0
    while waiting and len(batch) < _BATCH_LETTERS:
        size += waiting[0].delivery.letter.blob.size
        if batch and size > _BATCH_BYTES:
            break
        batch.append(waiting.popleft())
    return batch
