"""The gateway in a process of its own, beside servers on the same PostgreSQL database."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import structlog

from rookery_core.errors import InvalidArgument
from rookery_core.rules.ids import RandomIds
from rookery_server.bootstrap import mail
from rookery_server.bootstrap.base import Edges, sqlite_file
from rookery_server.metrics.endpoint import MetricsEndpoint
from rookery_server.metrics.mail import MailFigures
from rookery_server.services.announcements import Announcements
from rookery_server.store import migrate
from rookery_server.store.database import open_database

if TYPE_CHECKING:
    from rookery_server.config import Settings

_log = structlog.get_logger("rookery.gateway")


class Gateway:
    """Sends mail to other servers from ``start`` to ``stop``. Any number of them share the queue."""

    def __init__(self, settings: Settings, edges: Edges | None = None) -> None:
        self._settings = settings
        self._edges = edges or Edges()
        self._open = AsyncExitStack()

    async def start(self) -> None:
        """Brings the schema up to date, opens the database and begins.

        InvalidArgument ``FIELD_INVALID`` on SQLite; Unavailable ``DATABASE_BUSY`` if the database is not reached,
        ``ADDRESS_IN_USE`` for metrics.
        """
        if sqlite_file(self._settings.database_url) is not None:
            message = "a SQLite database is the server's alone, which sends mail itself: give --database-url postgresql://…"
            raise InvalidArgument("FIELD_INVALID", message, field="database_url")
        try:
            await self._start()
        except BaseException:
            await self._open.aclose()
            raise

    async def stop(self, grace: float) -> None:
        """Takes nothing more on; gives deliveries that run so many seconds. What is broken off comes up again."""
        await self._worker.stop(grace)
        await self._open.aclose()

    async def _start(self) -> None:
        settings, edges = self._settings, self._edges
        await asyncio.to_thread(migrate.upgrade, settings.database_url)
        announcements = Announcements()
        database = open_database(settings.database_url, notifier=announcements)
        self._open.push_async_callback(database.close)
        ids = edges.ids or RandomIds(edges.clock)
        outbound = mail.outbound(settings, edges, database, edges.clock, ids, here=False, elsewhere=True)
        self._worker = outbound.worker
        loop = asyncio.get_running_loop()
        announcements.listen_for_rings(lambda domains: loop.call_soon_threadsafe(outbound.worker.retry, domains))
        if settings.metrics:
            metrics = MetricsEndpoint(settings.metrics, [MailFigures(database, edges.clock, outbound.traffic)])
            await metrics.start()
            self._open.push_async_callback(metrics.stop)
        outbound.worker.start()
        _log.info("gateway ready", delivery=settings.mail_delivery)
