"""``rookery.v1.AvailabilityService``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rookery.v1 import availability_service_pb2 as messages
    from rookery_server.api.context import Call
    from rookery_server.services.availability.free_busy import FreeBusyService
    from rookery_server.services.availability.meeting_times import FindTimeService
    from rookery_server.services.availability.rooms import RoomService
    from rookery_server.services.availability.settings import CalendarSettingsService


class AvailabilityServicer:
    """Hands each call to the service that carries it out."""

    def __init__(
        self, free_busy: FreeBusyService, times: FindTimeService, rooms: RoomService, settings: CalendarSettingsService
    ) -> None:
        self._free_busy = free_busy
        self._times = times
        self._rooms = rooms
        self._settings = settings

    async def get_free_busy(self, request: messages.GetFreeBusyRequest, call: Call) -> messages.GetFreeBusyResponse:
        """GetFreeBusy."""
        return await self._free_busy.get(call.caller, request)

    async def find_time(self, request: messages.FindTimeRequest, call: Call) -> messages.FindTimeResponse:
        """FindTime."""
        return await self._times.find(call.caller, request)

    async def list_rooms(self, request: messages.ListRoomsRequest, call: Call) -> messages.ListRoomsResponse:
        """ListRooms."""
        del call
        return await self._rooms.list(request)

    async def get_calendar_settings(
        self, request: messages.GetCalendarSettingsRequest, call: Call
    ) -> messages.GetCalendarSettingsResponse:
        """GetCalendarSettings."""
        return await self._settings.get(call.caller, request)

    async def update_calendar_settings(self, request: messages.UpdateCalendarSettingsRequest, call: Call) -> bytes:
        """UpdateCalendarSettings."""
        return await self._settings.update(call.caller, request)
