"""The service for who is free when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import availability_service_pb2
from rookery_server.api.availability import AvailabilityServicer
from rookery_server.services.availability.free_busy import FreeBusyService
from rookery_server.services.availability.looking import Looking
from rookery_server.services.availability.meeting_times import FindTimeService
from rookery_server.services.availability.rooms import RoomService
from rookery_server.services.availability.settings import CalendarSettingsService

if TYPE_CHECKING:
    from google.protobuf.descriptor import ServiceDescriptor

    from rookery_server.bootstrap.base import Base


def availability(base: Base) -> tuple[ServiceDescriptor, object]:
    """Free/busy, times to meet, rooms, and how calendars are set."""
    database = base.database
    calendars = Looking(database, base.parsed)
    servicer = AvailabilityServicer(
        FreeBusyService(database, calendars),
        FindTimeService(database, calendars, base.clock),
        RoomService(database, calendars),
        CalendarSettingsService(database, base.operations),
    )
    return availability_service_pb2.DESCRIPTOR.services_by_name["AvailabilityService"], servicer
