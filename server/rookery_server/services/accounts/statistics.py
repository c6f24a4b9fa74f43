"""Figures of the whole server, for administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import admin_service_pb2 as messages
from rookery_server.services.accounts.accounts import require_administrator
from rookery_server.store import accounts, domains, sessions, statistics

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_server.services.caller import Caller
    from rookery_server.store.database import Database


class Statistics:
    """Counts. ``version`` is the server's."""

    def __init__(self, database: Database, clock: Clock, *, version: str) -> None:
        self._database = database
        self._clock = clock
        self._version = version
        self._started = clock.micros()

    async def get(self, caller: Caller) -> messages.GetStatisticsResponse:
        """The figures, from one snapshot. PermissionDenied ``ADMINISTRATOR_ONLY``."""
        require_administrator(caller)
        now = self._clock.micros()

        def read(connection: Connection) -> messages.GetStatisticsResponse:
            return messages.GetStatisticsResponse(
                account_count=accounts.count(connection),
                domain_count=domains.count(connection),
                session_count=sessions.count_standing(connection, now),
                version=self._version,
                **statistics.collect(connection)._asdict(),
            )

        response = await self._database.read(read)
        response.started.FromMicroseconds(self._started)
        return response
