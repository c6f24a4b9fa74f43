"""Rooms and equipment, and which of them are free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.admin_service_pb2 import AccountKind
from rookery.v1.availability_service_pb2 import ListRoomsResponse, Room
from rookery_core.rules import checks
from rookery_server.services.availability import looking
from rookery_server.services.availability.looking import settings_of
from rookery_server.store import calendar_owners

if TYPE_CHECKING:
    from rookery.v1.availability_service_pb2 import ListRoomsRequest
    from rookery_server.services.availability.looking import Looking
    from rookery_server.store.calendar_owners import Owner
    from rookery_server.store.database import Database

MOST_ROOMS = 1_000


class RoomService:
    """Carries out ListRooms."""

    def __init__(self, database: Database, calendars: Looking) -> None:
        self._database = database
        self._calendars = calendars

    async def list(self, request: ListRoomsRequest) -> ListRoomsResponse:
        """The rooms by name; those that are free then, where a time is given. InvalidArgument."""
        if request.HasField("free_from") != request.HasField("free_until"):
            raise checks.invalid("say from when until when: free_from and free_until, or neither", "free_until")
        names = ("free_from", "free_until")
        window = looking.window(request.free_from, request.free_until, names) if request.HasField("free_from") else None
        owners = await self._database.read(lambda connection: calendar_owners.bookable(connection, MOST_ROOMS))
        if window is not None:
            calendars = await self._calendars.into(owners, window)
            owners = [owner for owner in owners if not calendars[owner.mailbox_id].times]
        return ListRoomsResponse(rooms=map(_room, owners))


def _room(owner: Owner) -> Room:
    return Room(
        address=owner.address,
        display_name=owner.display_name,
        kind=AccountKind.ValueType(owner.kind),
        booking=settings_of(owner).booking,
    )
