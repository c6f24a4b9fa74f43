"""``rookery.v1.CalendarService``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rookery.v1 import calendar_service_pb2
    from rookery_server.api.context import Call
    from rookery_server.services.calendar.occurrences import OccurrenceService


class CalendarServicer:
    """Hands each call to the service that carries it out."""

    def __init__(self, occurrences: OccurrenceService) -> None:
        self._occurrences = occurrences

    async def list_occurrences(self, request: calendar_service_pb2.ListOccurrencesRequest, call: Call) -> bytes:
        """ListOccurrences."""
        return await self._occurrences.list_occurrences(call.caller, request)
