"""Keeps what was taken on from others for as long as it takes."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import structlog

from rookery_core.errors import RookeryError
from rookery_server.store import outgoing

if TYPE_CHECKING:
    from rookery_core.rules.clock import Clock
    from rookery_server.store.database import Database
    from rookery_server.store.outgoing import Claimed
    from rookery_server.store.units import Transaction

_log = structlog.get_logger("rookery.gateway")
_SECOND = 1_000_000
_AT_ONCE = 20
"""Messages whose leases are renewed in one transaction: with at most 50 recipients each."""


class Leases:
    """Those of one worker, ``seconds`` long each time. ``keep`` runs for as long as the worker does."""

    def __init__(self, database: Database, clock: Clock, owner: bytes, seconds: float) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._seconds = seconds
        self._held: dict[int, Claimed] = {}

    def end(self, now: int) -> int:
        """Until when something is leased that is taken on now; both in microseconds since 1970."""
        return now + round(self._seconds * _SECOND)

    def hold(self, claimed: Claimed) -> None:
        """From here on it is kept."""
        self._held[id(claimed)] = claimed

    def let_go(self, claimed: Claimed) -> None:
        """From here on it is not."""
        self._held.pop(id(claimed), None)

    async def keep(self) -> None:
        """Renews what is held, at a third of the time. A renewal that fails is tried again at the next."""
        while True:
            await asyncio.sleep(self._seconds / 3)
            held = list(self._held.values())
            for start in range(0, len(held), _AT_ONCE):
                renew = partial(self._renew, held[start : start + _AT_ONCE])
                try:
                    await self._database.write(renew)
                except RookeryError as error:
                    _log.warning("leases not renewed", reason=error.reason, message=error.message)

    def _renew(self, held: list[Claimed], transaction: Transaction) -> None:
        outgoing.renew(transaction.connection, held, self._owner, self.end(self._clock.micros()))
