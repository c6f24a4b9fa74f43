"""Forgets what nobody asks for any more: old operations, old tombstones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rookery_server.services.failures import Failures
from rookery_server.services.operations import HORIZON_DAYS
from rookery_server.store import ledger, retention

if TYPE_CHECKING:
    from rookery_core.rules.clock import Clock
    from rookery_server.store.database import Database, Transaction

_STEP = 500
_STEPS = 200
"""Steps a run: what is left waits for the next one."""
_MICROS = HORIZON_DAYS * 86_400 * 1_000_000


class Retention:
    """Keeps the ledger and the tombstones of items and folders for 60 days each. Ids of purged items stay retired for ever."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def compact_ledger(self) -> int:
        """Forgets operations older than the horizon; gives how many.

        A day is added, because an operation id may be a day ahead of the clock and must not outlive its entry.
        """
        before = self._clock.micros() - _MICROS - 86_400 * 1_000_000
        done = 0
        for _ in range(_STEPS):
            step = await self._database.write(lambda transaction: ledger.compact(transaction.connection, before, _STEP))
            done += step
            if step < _STEP:
                break
        return done

    async def forget_departures(self) -> int:
        """Forgets departures and deleted folders older than the horizon, in all mailboxes; gives how many.

        Cursors from before expire. A mailbox that fails does not hold up the others; its failure is raised after them.
        """
        before = self._clock.micros() - _MICROS
        done, last = 0, 0
        failures = Failures("forget tombstones")
        while batch := await self._database.read(partial(retention.mailboxes_after, mailbox_id=last, limit=100)):
            for mailbox_id in batch:
                done += await failures.attempt(self._forget_in(mailbox_id, before), mailbox_id) or 0
            last = batch[-1]
        failures.raise_first()
        return done

    async def _forget_in(self, mailbox_id: int, before: int) -> int:
        revision = await self._database.read(lambda connection: retention.horizon(connection, mailbox_id, before))
        if not revision:
            return 0

        def forget(transaction: Transaction) -> int:
            return retention.forget_tombstones(transaction.connection, mailbox_id, revision, _STEP)

        done = 0
        for _ in range(_STEPS):
            step = await self._database.write(forget)
            done += step
            if step < _STEP:
                break
        return done
