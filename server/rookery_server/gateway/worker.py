"""The queue's worker: takes on what is due, has it carried to where it goes, and writes down what came of it.

It looks when it is woken, when the next recipient is due, and once in a while. A recipient that it has taken on is leased: whatever
happens to this process, it comes up again. So a message may be carried twice, if a crash hits between the host's answer and our
commit; a mailbox on this server recognises the second one.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import structlog

from rookery.v1.submission_pb2 import DELIVERY_STATE_DEFERRED, DELIVERY_STATE_EXPIRED
from rookery_core.errors import ResourceExhausted, RookeryError, Unavailable
from rookery_server.gateway import retry_schedule
from rookery_server.gateway.destinations import Feedback
from rookery_server.services.submission import settling
from rookery_server.services.submission.settling import Result
from rookery_server.store import outgoing
from rookery_server.store.outgoing import Owed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rookery_core.rules.clock import Clock
    from rookery_server.gateway.destinations import Destinations
    from rookery_server.services.submission.reports import Reports
    from rookery_server.store.database import Database
    from rookery_server.store.outgoing import Claimed
    from rookery_server.store.submissions import RecipientRow
    from rookery_server.store.units import Transaction

_log = structlog.get_logger("rookery.gateway")

_SECOND = 1_000_000
_LEASE = 120 * _SECOND
_RENEW_SECONDS = 40.0
_LOOK_SECONDS = 30.0
"""How long it sleeps at most: other processes may have left something."""
_BREATH_SECONDS = 1.0
"""How long it waits after it found nothing where something was, or failed."""
_FAILED_PAUSE = 60 * _SECOND
"""When a recipient comes up again whose attempt the database had no room or no time for."""

_BROKEN = Result(DELIVERY_STATE_DEFERRED, "4.3.0", "this server failed to hand the message over")


class Carrier(Protocol):
    """Brings a message to recipients at one domain, or to mailboxes here."""

    def destination(self, domain: str) -> str:
        """What deliveries to a domain have in common with others: they are counted together."""
        ...

    async def carry(self, claimed: Claimed) -> tuple[Sequence[Result], Feedback]:
        """A result for each recipient, in their order, and what was learned of the destination.

        Deferred ones are without ``next_attempt``: when to try again is the worker's to say.
        """
        ...

    async def close(self) -> None:
        """Lets go of what it keeps between messages."""
        ...


class QueueWorker:
    """Works from ``start`` to ``stop``, on the running event loop. ``owner`` names it among others; ``chance`` gives [0, 1).

    ``alone``: no other process works on the database, so that what was taken on before the start was left by a dead one.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        destinations: Destinations,
        here: Carrier,
        elsewhere: Carrier,
        reports: Reports,
        chance: Callable[[], float],
        *,
        owner: bytes,
        alone: bool,
        at_once: int = 50,
        together: int = 50,
    ) -> None:
        self._database = database
        self._clock = clock
        self._destinations = destinations
        self._here = here
        self._elsewhere = elsewhere
        self._reports = reports
        self._chance = chance
        self._owner = owner
        self._alone = alone
        self._at_once = at_once
        self._together = together
        self._woken = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """There may be something to do."""
        self._woken.set()

    def start(self) -> None:
        """Begins."""
        self._loop = asyncio.create_task(self._run(), name="mail queue")

    async def stop(self, grace: float = 5.0) -> None:
        """Takes nothing more on; gives what runs so many seconds, and breaks off the rest, which comes up again."""
        if self._loop is None:
            return
        self._loop.cancel()
        await asyncio.gather(self._loop, return_exceptions=True)
        self._loop = None
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._elsewhere.close()

    async def _run(self) -> None:
        if self._alone:
            await self._patiently(self._give_back_what_was_left)
        while True:
            self._woken.clear()
            pause = await self._patiently(self._look)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()

    async def _patiently(self, step: Callable[[], Awaitable[float]]) -> float:
        """What the step gives; a breath's length if the database fails."""
        try:
            return await step()
        except RookeryError as error:
            _log.warning("mail queue not read", reason=error.reason, message=error.message)
            return _BREATH_SECONDS

    async def _give_back_what_was_left(self) -> float:
        now = self._clock.micros()
        await self._database.write(lambda transaction: outgoing.give_all_back(transaction.connection, now))
        return 0.0

    async def _look(self) -> float:
        """Starts what can be started; gives how many seconds from now there is something to be done."""
        waiting = await self._database.read(outgoing.due)
        now = self._clock.micros()
        soonest = now + round(_LOOK_SECONDS * _SECOND)
        for domain, at in waiting:
            destination = self._carrier(domain).destination(domain)
            start = max(at, self._destinations.ready_at(destination))
            if start > now:
                soonest = min(soonest, start)
            elif len(self._running) < self._at_once:
                self._destinations.begin(destination)
                task = asyncio.create_task(self._work(domain, destination), name=f"mail to {domain}")
                self._running.add(task)
                task.add_done_callback(self._running.discard)
        return (soonest - now) / _SECOND

    async def _work(self, domain: str, destination: str) -> None:
        """One attempt, which has begun already for the destination."""
        feedback = Feedback.UNKNOWN
        found = False
        try:
            claimed = await self._claim(domain)
            if claimed is not None:
                found = True
                self.wake()  # the next one for the same destination may begin
                feedback = await self._attempt(claimed)
        except Exception:  # noqa: BLE001 - one message's trouble must not end the others' way; it is logged, and comes up again
            _log.exception("mail not handed over", domain=domain)
            found = False
        finally:
            self._destinations.end(destination, feedback)
            asyncio.get_running_loop().call_later(0 if found else _BREATH_SECONDS, self.wake)

    def _carrier(self, domain: str) -> Carrier:
        return self._here if domain == outgoing.HERE else self._elsewhere

    async def _claim(self, domain: str) -> Claimed | None:
        now = self._clock.micros()
        claim = partial(outgoing.claim, domain=domain, owner=self._owner, now=now, until=now + _LEASE, most=self._together)
        return await self._database.write(lambda transaction: claim(transaction.connection))

    async def _attempt(self, claimed: Claimed) -> Feedback:
        carrier = self._carrier(claimed.recipients[0].domain)
        try:
            results, feedback = await self._while_leased(claimed, carrier)
        except (Unavailable, ResourceExhausted) as error:
            _log.warning("mail given back", reason=error.reason, message=error.message)
            at = self._clock.micros() + _FAILED_PAUSE
            await self._database.write(lambda transaction: outgoing.give_back(transaction.connection, claimed, self._owner, at))
            return Feedback.UNKNOWN
        except Exception:  # noqa: BLE001 - it is tried again for as long as anything is, and then its sender is told
            _log.exception("mail not carried", submission=claimed.submission.id.hex())
            results, feedback = [_BROKEN] * len(claimed.recipients), Feedback.UNKNOWN
        now = self._clock.micros()
        planned = [self._planned(row, result, now) for row, result in zip(claimed.recipients, results, strict=True)]
        await self._database.write(partial(settling.settle, claimed=claimed, owner=self._owner, results=planned, now=now))
        if any(result.is_late or result.state in settling.LOST for result in planned):
            await self._reports.tell(Owed(claimed.submission.mailbox_id, claimed.mailbox_uid, claimed.submission.id))
        return feedback

    async def _while_leased(self, claimed: Claimed, carrier: Carrier) -> tuple[Sequence[Result], Feedback]:
        """Has it carried, and keeps the lease for as long as that takes."""
        carrying = asyncio.create_task(carrier.carry(claimed))
        try:
            while not (await asyncio.wait({carrying}, timeout=_RENEW_SECONDS))[0]:
                until = self._clock.micros() + _LEASE
                await self._database.write(partial(_renew, claimed=claimed, owner=self._owner, until=until))
            return carrying.result()
        finally:
            carrying.cancel()
            await asyncio.wait({carrying})

    def _planned(self, row: RecipientRow, result: Result, now: int) -> Result:
        """A deferred recipient with its next attempt, or given up."""
        if result.state != DELIVERY_STATE_DEFERRED:
            return result
        at = retry_schedule.next_attempt(row.attempts + 1, row.queued, now, self._chance)
        if at is None:
            return replace(result, state=DELIVERY_STATE_EXPIRED)
        return replace(result, next_attempt=at, is_late=retry_schedule.notice_due(row.queued, now))


def _renew(transaction: Transaction, *, claimed: Claimed, owner: bytes, until: int) -> None:
    outgoing.renew(transaction.connection, claimed, owner, until)
