"""Where mail goes, in an administrator's hands: what waits for each destination, and what came of the last deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rookery.v1 import queue_service_pb2 as messages
from rookery_core.errors import InvalidArgument
from rookery_server.services.accounts.accounts import require_administrator
from rookery_server.store import outgoing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rookery_server.services.caller import Caller
    from rookery_server.store.database import Database
    from rookery_server.store.outgoing import Backlog

_USUAL = 100
_MOST = 1_000


class Traffic(Protocol):
    """What this process has delivered since its start."""

    def name_of(self, domain: str) -> str:
        """The destination that mail for a domain goes to; ``outgoing.HERE`` is a domain too."""
        ...

    def seen(self) -> Sequence[messages.Destination]:
        """The destinations that something went to, without what waits for them."""
        ...


class QueueDestinations:
    """Carries out ``QueueService.ListDestinations``."""

    def __init__(self, database: Database, traffic: Traffic) -> None:
        self._database = database
        self._traffic = traffic

    async def list_destinations(
        self, caller: Caller, request: messages.ListDestinationsRequest
    ) -> messages.ListDestinationsResponse:
        """Those with the most waiting, then those with the most deliveries. PermissionDenied ``ADMINISTRATOR_ONLY``."""
        require_administrator(caller)
        if request.limit > _MOST:
            raise InvalidArgument("LIMIT_EXCEEDED", f"at most {_MOST:,} destinations are listed", field="limit")
        waiting = await self._database.read(outgoing.backlog)
        found = self._together(waiting)
        found.sort(key=lambda one: (-one.waiting, -one.delivered, one.name))
        return messages.ListDestinationsResponse(destinations=found[: request.limit or _USUAL])

    def _together(self, waiting: Iterable[Backlog]) -> list[messages.Destination]:
        by_name = {one.name: one for one in self._traffic.seen()}
        for backlog in waiting:
            name = self._traffic.name_of(backlog.domain)
            one = by_name.setdefault(name, messages.Destination(name=name))
            one.waiting += backlog.recipients
            oldest = min(backlog.oldest, one.oldest.ToMicroseconds()) if one.HasField("oldest") else backlog.oldest
            one.oldest.FromMicroseconds(oldest)
        return list(by_name.values())
