"""The engine: keeps a replica equal to its mailbox, and the mailbox told of what was done here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rookery_client.replica.engine.backoff import Backoff
from rookery_client.replica.engine.means import Means, ignore
from rookery_client.replica.engine.pulling import Pulling
from rookery_client.replica.engine.pushing import Pushing
from rookery_client.replica.engine.rebuilding import close_damaged, replaced, save
from rookery_client.replica.engine.reconciling import Reconciling
from rookery_client.replica.engine.recovery import Remedy, advice, remedy
from rookery_client.replica.engine.states import Failed, Offline, Stopped
from rookery_client.replica.engine.tending import Tending
from rookery_client.replica.engine.together import until_first
from rookery_client.replica.engine.working import Worker, WorkerThread
from rookery_core.errors import RookeryError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rookery.internal.v1.packed_pb2 import PackedPullResponse
    from rookery.v1.sync_pb2 import PushResult, SyncScope
    from rookery_client.replica.engine.states import EngineState
    from rookery_client.replica.engine.transport import SyncTransport
    from rookery_client.replica.incoming.applying import Applied
    from rookery_client.replica.replica import Replica
    from rookery_client.replica.storage.identity import Identity
    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids

    Step = Callable[[], Awaitable[None]]

PATIENCE = 4
"""Failures in a row after which ``run_once`` gives up; twice as many where something else than waiting should help."""
SLOW_SECONDS = 300.0
"""Between attempts where a person has something to see to first."""
LOOK_SECONDS = 0.5
"""How often to look for changes that other processes recorded."""


class Engine:
    """Synchronises one replica, which has been given its identity and its scope.

    `clock` and `ids` are those of the replica. `chance`: numbers from 0 to 1 for the delays. `on_state` hears of each new state,
    `on_applied` of each batch that was written, `on_answered` of the answers to changes made here; all are called in the event
    loop's thread, and must not raise. `accept_deletions` lets batches pass that delete most of the mailbox, until the replica
    equals it. `sleep` and `worker` are replaced by who simulates time and threads. An engine is run once.

    A damaged file is replaced: then ``replica`` is another object, and the one before is closed.
    """

    def __init__(
        self,
        replica: Replica,
        transport: SyncTransport,
        *,
        clock: Clock,
        ids: Ids,
        chance: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        worker: Worker | None = None,
        on_state: Callable[[EngineState], None] = ignore,
        on_applied: Callable[[PackedPullResponse, Applied], None] = ignore,
        on_answered: Callable[[Sequence[PushResult]], None] = ignore,
        accept_deletions: bool = False,
    ) -> None:
        self._means = Means(
            replica=replica,
            transport=transport,
            worker=worker or WorkerThread(),
            backoff=Backoff(chance),
            sleep=sleep,
            accept_deletions=accept_deletions,
            on_state=on_state,
            on_applied=on_applied,
            on_answered=on_answered,
        )
        self._clock = clock
        self._ids = ids
        self._identity: Identity | None = None
        self._scope: SyncScope | None = None
        self._stopping = asyncio.Event()
        self._news = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._pulling = Pulling(self._means, self._caught_up)
        self._pushing = Pushing(self._means)
        self._sending_backoff = Backoff(chance)
        self._reconciling = Reconciling(self._means)
        self._tending = Tending(self._means, clock)

    @property
    def replica(self) -> Replica:
        """The replica that is kept."""
        return self._means.replica

    def wake(self) -> None:
        """Tells that a change was recorded, which then is sent at once and not at the next look."""
        self._news.set()

    def stop(self) -> None:
        """Lets ``run`` return as soon as the transaction under way is finished. To be called in the event loop's thread."""
        self._stopping.set()

    async def run_once(self) -> None:
        """Sends what waits, pulls until the replica equals the mailbox, sends what was done here meanwhile, and indexes.

        FailedPrecondition ``REPLICA_IN_USE`` if another engine is running. Unavailable if the server stays away; what was
        received until then is kept.
        """
        await self._guarded(self._once, patience=PATIENCE)

    async def run(self) -> None:
        """The same, and then follows: each change is there as soon as it was made, on either side. Until ``stop``.

        FailedPrecondition ``REPLICA_IN_USE``; Unauthenticated when the session has ended; FailedPrecondition
        ``MASS_DELETION``. A server that stays away is waited for.
        """
        await self._guarded(self._follow, patience=None)

    async def _guarded(self, whole: Step, *, patience: int | None) -> None:
        try:
            with self._means.replica.engine_lock():
                await until_first(self._stopping.wait(), self._persist(whole, patience))
        finally:
            self._means.worker.close()
        self._means.tell(Stopped())

    async def _persist(self, whole: Step, patience: int | None) -> None:
        """Does the whole, with the remedy for each error in between, until it succeeds."""
        step = whole
        while True:
            try:
                await step()
            except RookeryError as error:
                found = remedy(error)
                if found is Remedy.STOP or self._is_exhausted(found, patience):
                    self._tell(error, final=True)
                    raise
                step = await self._remedied(error, found) or step
            else:
                if step == whole:
                    return
                step = whole

    def _is_exhausted(self, found: Remedy, patience: int | None) -> bool:
        """Whether it was tried often enough. A server that answers is worth a comparison, whatever went before."""
        if patience is None:
            return False
        waits = found in {Remedy.WAIT, Remedy.AGAIN}
        return found is Remedy.SLOWLY or self._means.backoff.failures + 1 >= patience * (1 if waits else 2)

    async def _remedied(self, error: RookeryError, found: Remedy) -> Step | None:
        """Waits as long as is due; gives what is to be done before the next attempt, None for nothing."""
        means = self._means
        again = means.backoff.failures > 0
        if found in {Remedy.SLOWLY, Remedy.REBUILD}:
            self._tell(error)
        if found is Remedy.SLOWLY:
            await means.sleep(SLOW_SECONDS)
            return None
        seconds = means.backoff.next()
        if found is Remedy.WAIT:
            means.tell(Offline(seconds, error.message))
        if again or found in {Remedy.WAIT, Remedy.AGAIN}:
            # What should have helped a moment ago and did not is not tried in a hurry.
            await means.sleep(seconds)
        return {
            Remedy.COMPARE: self._reconciling.run,
            Remedy.REFILL: self._refill,
            Remedy.REBUILD: self._rebuild,
        }.get(found)

    def _tell(self, error: RookeryError, *, final: bool = False) -> None:
        self._means.tell(Failed(error.reason, error.message, advice(error), final))

    async def _refill(self) -> None:
        await self._means.do(lambda replica: replica.restart())

    async def _rebuild(self) -> None:
        self._means.replica = await self._means.do(self._rebuilt)

    def _rebuilt(self, damaged: Replica) -> Replica:
        save(damaged.path, clock=self._clock, ids=self._ids, identity=self._identity, scope=self._scope)
        close_damaged(damaged)
        return replaced(damaged.path, clock=self._clock, ids=self._ids)

    async def _remember(self) -> None:
        """Whose the replica is and what it holds, in case its file can not tell any more one day."""
        self._identity, status = await self._means.do(lambda replica: (replica.identity(), replica.status()))
        self._scope = status.scope

    async def _once(self) -> None:
        means = self._means
        await self._remember()
        refused = await self._sent()
        while True:
            await self._pulling.run(follow=False)
            if refused is not None or not await means.do(lambda replica: replica.waiting(1, 1)):
                break
            refused = await self._sent()
        await self._tending.run()
        if refused is not None:
            raise refused

    async def _sent(self) -> RookeryError | None:
        """Sends what waits. An error that says nothing about pulling is given back, since that can be done all the same."""
        try:
            await self._pushing.run()
        except RookeryError as error:
            if remedy(error) is Remedy.SLOWLY:
                return error
            raise
        return None

    async def _follow(self) -> None:
        await self._remember()
        await until_first(self._keep_pulling(), self._keep_sending(), self._keep_tending())

    async def _keep_pulling(self) -> None:
        await self._pulling.run(follow=True)
        raise Unavailable("SERVER_UNREACHABLE", "the server ended the stream; it is begun again")

    async def _keep_sending(self) -> None:
        means = self._means
        while True:
            self._news.clear()
            try:
                refused = await self._sent()
            except Unavailable as error:
                # What comes is not disturbed by it: if the server is gone, that stream will tell.
                seconds = self._sending_backoff.next()
                means.tell(Offline(seconds, error.message))
                await means.sleep(seconds)
                continue
            self._sending_backoff.reset()
            if refused is not None:
                self._tell(refused)
                await self._something_else()
            else:
                await until_first(self._news.wait(), means.sleep(LOOK_SECONDS))

    async def _something_else(self) -> None:
        """Waits until other operations wait than those that could not be sent, or it is time to try with them again."""
        means = self._means
        before = await means.do(lambda replica: replica.outbox_standing())
        for _ in range(round(SLOW_SECONDS / LOOK_SECONDS)):
            await until_first(self._news.wait(), means.sleep(LOOK_SECONDS))
            if self._news.is_set() or await means.do(lambda replica: replica.outbox_standing()) != before:
                return

    async def _keep_tending(self) -> None:
        while True:
            await self._caught_up.wait()
            self._caught_up.clear()
            await self._tending.run()
