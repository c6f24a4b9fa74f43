"""The keys that sign, by domain: read when they are needed, and remembered for a minute."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import structlog

from rookery_server.services.signing import dkim_keys as keys
from rookery_server.store import dkim_keys

if TYPE_CHECKING:
    from rookery_core.rules.clock import Clock
    from rookery_server.services.signing.dkim_keys import DkimKey
    from rookery_server.store.database import Database
    from rookery_server.store.dkim_keys import DkimKeyRow

REMEMBERED_SECONDS = 60
"""For so long another process's change may stay unseen. Changes of this process are seen at once."""

_MOST_REMEMBERED = 1_000
_log = structlog.get_logger("rookery.signing")


class KeyRing:
    """Gives the active keys of domains. Belongs to one event loop."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: OrderedDict[str, tuple[int, tuple[DkimKey, ...]]] = OrderedDict()
        self._changes = 0
        self._any: tuple[int, bool] = (0, False)

    async def is_any_active(self) -> bool:
        """Whether there is a key that signs for any domain."""
        now = self._clock.micros()
        until, found = self._any
        if until > now:
            return found
        changes = self._changes
        found = await self._database.glance(dkim_keys.is_any_active)
        if changes == self._changes:
            self._any = now + REMEMBERED_SECONDS * 1_000_000, found
        return found

    async def active(self, domain: str) -> tuple[DkimKey, ...]:
        """The keys that sign for a domain, given in A-labels; none if it is none of this server's.

        A key that can not be used is logged and left out: mail is not held up by it.
        """
        now = self._clock.micros()
        until, found = self._known.get(domain, (0, ()))
        if until > now:
            return found
        changes = self._changes
        rows = await self._database.glance(lambda connection: dkim_keys.active_of(connection, domain))
        found = tuple(key for row in rows if (key := _usable(row)) is not None)
        if changes == self._changes:
            self._known[domain] = now + REMEMBERED_SECONDS * 1_000_000, found
            self._known.move_to_end(domain)
            if len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)
        return found

    def forget(self, domain: str) -> None:
        """The domain's keys have changed."""
        self._changes += 1
        self._known.pop(domain, None)
        self._any = (0, False)


def _usable(row: DkimKeyRow) -> DkimKey | None:
    try:
        return keys.from_der(row.selector, row.private_key)
    except ValueError as error:
        _log.warning("dkim key can not be used", domain=row.domain, selector=row.selector, error=str(error))
        return None
