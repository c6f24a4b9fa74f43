"""The queue's worker: takes on what is due, has it carried to where it goes, and writes down what came of it.

It looks when it is woken, when the next recipient is due, and once in a while. A recipient that it has taken on is leased: whatever
happens to this process, it comes up again. So a message may be carried twice, if a crash hits between the host's answer and our
commit; a mailbox on this server recognises the second one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import structlog

from rookery_core.errors import RookeryError
from rookery_server.gateway.agenda import Agenda
from rookery_server.gateway.attempts import Attempts
from rookery_server.gateway.destinations import BUSY, Feedback
from rookery_server.gateway.leases import Leases
from rookery_server.gateway.settlements import Settlements
from rookery_server.services.submission.submission_changes import Reserved
from rookery_server.store import outgoing
from rookery_server.store.outgoing import Claims, Due, Wanted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from rookery_core.rules.clock import Clock
    from rookery_server.gateway.attempts import Carrier
    from rookery_server.gateway.destinations import Destinations
    from rookery_server.gateway.figures import Figures
    from rookery_server.services.submission.reports import Reports
    from rookery_server.store.database import Database
    from rookery_server.store.outgoing import Claimed

_log = structlog.get_logger("rookery.gateway")

_SECOND = 1_000_000
_LEASE_SECONDS = 120.0
_LOOK_SECONDS = 30.0
"""How long it sleeps at most: other processes may have left something."""
_LOOK_SHARE = 4
"""A look is followed by that many times as long without: with many domains, looking costs a fifth of the time at most."""
_BREATH_SECONDS = 1.0
"""How long it waits after the database failed, or gave nothing where there is something."""


class QueueWorker:
    """Works from ``start`` to ``stop``, on the running event loop. ``owner`` names it among others; ``chance`` gives [0, 1).

    ``here`` or ``elsewhere`` is None where other processes see to that part of the queue. ``alone``: there is no other process at
    the database, so that what was taken on before the start was left by a dead one. So many messages are carried ``at_once``, and
    so many recipients of one go ``together``.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        destinations: Destinations,
        here: Carrier | None,
        elsewhere: Carrier | None,
        reports: Reports,
        chance: Callable[[], float],
        *,
        owner: bytes,
        alone: bool,
        figures: Figures,
        at_once: int = 500,
        together: int = 50,
        lease_seconds: float = _LEASE_SECONDS,
    ) -> None:
        self._database = database
        self._clock = clock
        self._destinations = destinations
        self._here = here
        self._elsewhere = elsewhere
        self._owner = owner
        self._alone = alone
        self._at_once = at_once
        self._together = together
        self._agenda = Agenda()
        self._leases = Leases(database, clock, owner, lease_seconds)
        self._settlements = Settlements(database, clock, owner)
        self._attempts = Attempts(database, clock, self._settlements, reports, figures, chance, owner=owner)
        self._woken = asyncio.Event()
        self._is_stale = True
        self._look_at = 0.0
        self._looks_again_at = 0.0
        self._loops: list[asyncio.Task[None]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._reserved = 0

    def wake(self) -> None:
        """There may be something new to do."""
        self._is_stale = True
        self._woken.set()

    def reserve(self, recipients: Mapping[str, int]) -> Reserved:
        """See ``queueing.Queue``. What waits for a domain already comes first, so that nobody is overtaken for ever."""
        now = self._clock.micros()
        domains: set[str] = set()
        for domain, count in recipients.items():
            if self._takes(domain, count, now):
                self._destinations.begin(self._carrier(domain).destination(domain))
                self._reserved += 1
                domains.add(domain)
        return Reserved(frozenset(domains), self._owner, self._leases.end(now))

    def begin(self, reserved: Reserved, taken: Sequence[Claimed]) -> None:
        """See ``queueing.Queue``. After ``stop`` nothing begins: it comes up again, as what was broken off."""
        if not self._loops:
            self.release(reserved)
            return
        self._reserved -= len(reserved.domains)
        for claimed in taken:
            self._begin(claimed)

    def release(self, reserved: Reserved) -> None:
        """See ``queueing.Queue``."""
        self._reserved -= len(reserved.domains)
        for domain in reserved.domains:
            self._give_up_place(domain, Feedback.UNKNOWN)
        self._woken.set()

    def retry(self, domains: Collection[str]) -> None:
        """There is something to do for these domains that is not to wait until their hosts answer again."""
        for domain in domains:
            carrier = self._here if domain == outgoing.HERE else self._elsewhere
            if carrier is not None:
                self._destinations.revive(carrier.destination(domain))
        self.wake()

    def start(self) -> None:
        """Begins."""
        self._loops = [
            asyncio.create_task(self._run(), name="mail queue"),
            asyncio.create_task(self._leases.keep(), name="mail leases"),
        ]

    async def stop(self, grace: float = 5.0) -> None:
        """Takes nothing more on; gives what runs so many seconds, and breaks off the rest, which comes up again."""
        if not self._loops:
            return
        run, keep = self._loops
        self._loops = []
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        for task in (keep, *self._running):
            task.cancel()
        await asyncio.gather(keep, *self._running, return_exceptions=True)
        await self._settlements.close()
        for carrier in (self._here, self._elsewhere):
            if carrier is not None:
                await carrier.close()

    async def _run(self) -> None:
        if self._alone:
            await self._patiently(self._give_back_what_was_left)
        while True:
            self._woken.clear()
            pause = await self._patiently(self._turn)
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

    async def _turn(self) -> float:
        """Looks if it is time for that, and starts what can be started; gives in how many seconds there is something to be done."""
        pause = await self._look()
        wanted, soonest = self._choose()
        if not wanted:
            return pause if soonest is None else min(pause, max(0, soonest - self._clock.micros()) / _SECOND)
        claims = Claims([], [Due(domain, 0) for domain, _ in wanted])
        try:
            claims = await self._claim(wanted)
        finally:
            self._note_left(claims)
            self._give_up_places(wanted, claims.claimed)
        for claimed in claims.claimed:
            self._begin(claimed)
        return 0.0

    async def _look(self) -> float:
        """Reads what waits, if there may be something new, and not all the time; gives when to come again, in seconds."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        at = self._look_at if self._is_stale else self._looks_again_at
        if now < at:
            return at - now
        self._is_stale = False
        try:
            due = partial(outgoing.due, here=self._here is not None, elsewhere=self._elsewhere is not None)
            self._agenda.note(await self._database.read(due))
        except BaseException:
            self._is_stale = True
            raise
        took = loop.time() - now
        self._look_at, self._looks_again_at = now + took * (1 + _LOOK_SHARE), now + took + _LOOK_SECONDS
        return _LOOK_SECONDS

    def _choose(self) -> tuple[list[Wanted], int | None]:
        """How much is to be taken on for which domains, the longest due first, with the places for it; and when there is more."""
        now = self._clock.micros()
        wanted: list[Wanted] = []
        places = self._free()
        while places > 0 and (domain := self._agenda.take(now)) is not None:
            destination = self._carrier(domain).destination(domain)
            most = min(places, self._destinations.room(destination))
            ready = self._destinations.ready_at(destination)
            if most:
                for _ in range(most):
                    self._destinations.begin(destination)
                wanted.append(Wanted(domain, most))
                places -= most
            elif ready == BUSY:
                self._agenda.hold(domain, destination)
            else:
                self._agenda.note([Due(domain, max(ready, now + 1))])
        return wanted, self._agenda.soonest() if places > 0 else None

    def _free(self) -> int:
        """How many messages more may be carried."""
        return self._at_once - len(self._running) - self._reserved

    def _takes(self, domain: str, count: int, now: int) -> bool:
        """Whether so many recipients of one message can go there at once."""
        carrier = self._here if domain == outgoing.HERE else self._elsewhere
        if carrier is None or not self._loops or count > self._together or self._free() <= 0:
            return False
        destination = carrier.destination(domain)
        return not self._agenda.waits(domain, destination, now) and self._destinations.room(destination) > 0

    def _note_left(self, claims: Claims) -> None:
        """What is due and could not be had, since another process is taking it on just now, is asked for again a little later."""
        later = self._clock.micros() + round(_BREATH_SECONDS * _SECOND)
        had = {each.recipients[0].domain for each in claims.claimed}
        self._agenda.note(Due(domain, at if domain in had else max(at, later)) for domain, at in claims.left)

    def _give_up_places(self, wanted: Sequence[Wanted], claimed: Sequence[Claimed]) -> None:
        """Those that nothing was found for."""
        found = Counter(each.recipients[0].domain for each in claimed)
        for domain, most in wanted:
            for _ in range(most - found[domain]):
                self._give_up_place(domain, Feedback.UNKNOWN)

    async def _claim(self, wanted: Sequence[Wanted]) -> Claims:
        now = self._clock.micros()
        until = self._leases.end(now)
        claim = partial(outgoing.claim, wanted=wanted, owner=self._owner, now=now, until=until, together=self._together)
        return await self._database.write(lambda transaction: claim(transaction.connection))

    def _begin(self, claimed: Claimed) -> None:
        self._leases.hold(claimed)
        task = asyncio.create_task(self._work(claimed), name=f"mail to {claimed.recipients[0].domain}")
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._woken.set()

    async def _work(self, claimed: Claimed) -> None:
        """One attempt, which has a place at its destination already."""
        carrier = self._carrier(claimed.recipients[0].domain)
        feedback = Feedback.UNKNOWN
        try:
            try:
                results, feedback = await self._attempts.carry(claimed, carrier)
            finally:
                self._give_up_place(claimed.recipients[0].domain, feedback)
                self._woken.set()
            self._agenda.note(await self._attempts.finish(claimed, results))
        except Exception:  # noqa: BLE001 - one message's trouble must not end the others' way; it is logged, and comes up again
            _log.exception("mail results not written", submission=claimed.submission.id.hex())
        finally:
            self._leases.let_go(claimed)

    def _give_up_place(self, domain: str, feedback: Feedback) -> None:
        destination = self._carrier(domain).destination(domain)
        self._destinations.end(destination, feedback)
        self._agenda.release(destination)

    def _carrier(self, domain: str) -> Carrier:
        carrier = self._here if domain == outgoing.HERE else self._elsewhere
        if carrier is None:
            raise LookupError("only that part of the queue is read that there is a carrier for")
        return carrier
