"""Who is free when: free/busy, times to meet, rooms, and how calendars are set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1 import availability_service_pb2 as pb
from rookery.v1.availability_service_pb2_grpc import AvailabilityServiceStub

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable

    from rookery_client.connection import Connection


class Availability:
    """The AvailabilityService. Times are aware. A party is an address, or the 16 bytes of a distribution list's id."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = AvailabilityServiceStub(connection.channel)

    async def free_busy(
        self, parties: Iterable[str | bytes], begin: datetime.datetime, end: datetime.datetime
    ) -> pb.GetFreeBusyResponse:
        """When each is taken, in the order asked; at most 92 days. Whoever is not on the server has an error in the answer."""
        request = pb.GetFreeBusyRequest(parties=map(_party, parties), window_start=_stamp(begin), window_end=_stamp(end))
        return await self._connection.unary(self._stub.GetFreeBusy, request)

    async def find_time(
        self,
        required: Iterable[str | bytes],
        begin: datetime.datetime,
        end: datetime.datetime,
        duration: datetime.timedelta,
        *,
        optional: Iterable[str | bytes] = (),
        step_minutes: int = 0,
        any_hour: bool = False,
        most: int = 0,
    ) -> pb.FindTimeResponse:
        """Times at which all can meet, the best first; invitees are numbered as they are given, those who need not come last."""
        invitees = [pb.Invitee(party=_party(each)) for each in required]
        invitees += [pb.Invitee(party=_party(each), optional=True) for each in optional]
        request = pb.FindTimeRequest(
            invitees=invitees,
            window_start=_stamp(begin),
            window_end=_stamp(end),
            duration_minutes=round(duration.total_seconds() / 60),
            step_minutes=step_minutes,
            any_hour=any_hour,
            most=most,
        )
        return await self._connection.unary(self._stub.FindTime, request)

    async def rooms(self, free: tuple[datetime.datetime, datetime.datetime] | None = None) -> list[pb.Room]:
        """Rooms and equipment, by name; those that are free from one time to another, where that is given."""
        request = pb.ListRoomsRequest()
        if free is not None:
            request = pb.ListRoomsRequest(free_from=_stamp(free[0]), free_until=_stamp(free[1]))
        return list((await self._connection.unary(self._stub.ListRooms, request)).rooms)

    async def settings(self, address: str = "") -> pb.CalendarSettings:
        """How one's own calendar is set; for administrators, that of an address."""
        request = pb.GetCalendarSettingsRequest(address=address)
        return (await self._connection.unary(self._stub.GetCalendarSettings, request)).settings

    async def set(self, settings: pb.CalendarSettings, address: str = "") -> pb.CalendarSettings:
        """Sets one's own calendar; for administrators, that of an address. The settings are whole, and so is the answer."""
        request = pb.UpdateCalendarSettingsRequest(operation_id=self._connection.ids.new(), address=address, settings=settings)
        return (await self._connection.unary(self._stub.UpdateCalendarSettings, request)).settings


def _party(who: str | bytes) -> pb.Party:
    return pb.Party(address=who) if isinstance(who, str) else pb.Party(list_item_id=who)


def _stamp(moment: datetime.datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
