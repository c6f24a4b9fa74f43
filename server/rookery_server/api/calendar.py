"""``rookery.v1.CalendarService``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rookery.v1 import calendar_service_pb2
    from rookery_server.api.context import Call
    from rookery_server.services.calendar.occurrences import OccurrenceService
    from rookery_server.services.calendar.publishing import PublishingService
    from rookery_server.services.calendar.splitting import SplittingService


class CalendarServicer:
    """Hands each call to the service that carries it out."""

    def __init__(self, occurrences: OccurrenceService, splitting: SplittingService, publishing: PublishingService) -> None:
        self._occurrences = occurrences
        self._splitting = splitting
        self._publishing = publishing

    async def list_occurrences(self, request: calendar_service_pb2.ListOccurrencesRequest, call: Call) -> bytes:
        """ListOccurrences."""
        return await self._occurrences.list_occurrences(call.caller, request)

    async def split_series(self, request: calendar_service_pb2.SplitSeriesRequest, call: Call) -> bytes:
        """SplitSeries."""
        return await self._splitting.split_series(call.caller, request)

    async def publish_calendar(self, request: calendar_service_pb2.PublishCalendarRequest, call: Call) -> bytes:
        """PublishCalendar."""
        return await self._publishing.publish_calendar(call.caller, request)

    async def list_published_calendars(
        self, request: calendar_service_pb2.ListPublishedCalendarsRequest, call: Call
    ) -> calendar_service_pb2.ListPublishedCalendarsResponse:
        """ListPublishedCalendars."""
        return await self._publishing.list_published_calendars(call.caller, request)

    async def unpublish_calendar(self, request: calendar_service_pb2.UnpublishCalendarRequest, call: Call) -> bytes:
        """UnpublishCalendar."""
        return await self._publishing.unpublish_calendar(call.caller, request)
