"""Published calendars: who serves them, and how their URLs begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_server.services.calendar.feeds import CalendarFeeds
from rookery_server.web.calendars import CalendarApplication
from rookery_server.web.listener import WebListener

if TYPE_CHECKING:
    from rookery_core.rules.clock import Clock
    from rookery_server.config import Settings
    from rookery_server.store.database import Database


class PublishedCalendars:
    """Serves calendars over HTTP, from ``start`` to ``stop``, where the settings say so."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        """InvalidArgument ``FIELD_INVALID`` for settings that can not be."""
        self._base_url = settings.calendars_url
        self._listener: WebListener | None = None
        if settings.calendars:
            self._listener = WebListener(
                settings.calendars,
                CalendarApplication(CalendarFeeds(database, clock)),
                tls_cert=settings.tls_cert,
                tls_key=settings.tls_key,
                insecure_plaintext=settings.insecure_plaintext,
            )

    def base_url(self) -> str:
        """How the URLs of calendars begin; "" where none are served."""
        return self._base_url

    async def start(self) -> str:
        """Begins; gives "HOST:PORT" with the real port, "" where nothing is served. Unavailable ``ADDRESS_IN_USE``."""
        if self._listener is None:
            return ""
        address = await self._listener.start()
        self._base_url = self._base_url or f"{self._listener.scheme}://{address}"
        return address

    async def stop(self) -> None:
        """Ends."""
        if self._listener is not None:
            await self._listener.stop()
