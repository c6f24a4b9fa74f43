"""Sweeping up bytes that nothing holds any more: abandoned uploads, attachments of purged items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_server.store import blobs, uploads

if TYPE_CHECKING:
    from rookery_core.rules.clock import Clock
    from rookery_server.store.database import Database

GRACE_MICROS = 24 * 3600 * 1_000_000
"""How long bytes stay that were touched and then forgotten."""

STEP = 100
"""Rows a transaction deletes at the most, so that the mailboxes' own work is not held up."""

STEPS = 100
"""Transactions in one run; what is left is the next run's."""


class BlobSweep:
    """Forgets uploads untouched for a day, and deletes blobs that nothing holds and nobody touched for a day."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def sweep(self) -> int:
        """Runs once, in bounded steps; gives how many blobs are gone."""
        before = self._clock.micros() - GRACE_MICROS
        for _ in range(STEPS):
            if await self._database.write(lambda transaction: uploads.sweep(transaction.connection, before, STEP)) < STEP:
                break
        gone = 0
        for _ in range(STEPS):
            step = await self._database.write(lambda transaction: blobs.sweep(transaction.connection, before, STEP))
            gone += step
            if step < STEP:
                break
        return gone
