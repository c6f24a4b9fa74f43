"""200 people's worth of bookings of one room, all at once: each time has ten who want it, and exactly one gets it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from typing import TYPE_CHECKING

import grpc.aio

from rookery.v1 import admin_service_pb2, admin_service_pb2_grpc, item_service_pb2, meeting_service_pb2
from rookery.v1.calendar_pb2 import RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item
from rookery.v1.meeting_service_pb2_grpc import MeetingServiceStub
from rookery.v1.person_pb2 import Person
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds
from tests.bench.figures import Figure
from tests.bench.server import PASSWORD, connected, serving

if TYPE_CHECKING:
    import pathlib

    from rookery.v1.meeting_service_pb2_grpc import MeetingServiceAsyncStub
    from tests.bench.server import Connection, Server

ROOM = "room@bench.example"
PEOPLE = [f"person{number}@bench.example" for number in range(8)]
BOOKINGS, TIMES = 200, 20
ANSWERED_WITHIN = 300
_DAY = 86_400
_ANSWERS = frozenset({RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED})


class _Booker:
    """Somebody who books."""

    def __init__(self, connection: Connection, meetings: MeetingServiceAsyncStub) -> None:
        self._connection = connection
        self._meetings = meetings
        self._wanted: dict[bytes, str] = {}

    async def write(self, start: str, end: str) -> None:
        """Makes an appointment with the room, of which the room does not know yet."""
        item = Item()
        item.summary.kind, item.summary.subject = ITEM_KIND_APPOINTMENT, f"Booking at {start}"
        appointment = item.summary.appointment
        appointment.start.local, appointment.end.local = start, end
        appointment.start.time_zone = appointment.end.time_zone = "UTC"
        appointment.response_requested = True
        item.content.appointment.attendees.add(person=Person(address=ROOM), response_requested=True)
        request = item_service_pb2.CreateItemRequest(operation_id=self._connection.ids.new(), item=item)
        created = await self._connection.items.CreateItem(request, metadata=self._connection.metadata)
        self._wanted[created.item.id] = start

    async def send_all(self) -> None:
        """Asks for the room, for all of them at once."""
        requests = [
            meeting_service_pb2.SendMeetingRequest(operation_id=self._connection.ids.new(), item_id=item_id)
            for item_id in self._wanted
        ]
        await asyncio.gather(*(self._meetings.SendMeeting(each, metadata=self._connection.metadata) for each in requests))

    async def won(self) -> list[str]:
        """The times that were won, as soon as all is answered."""
        won, waiting = [], dict(self._wanted)
        while waiting:
            for item_id, start in list(waiting.items()):
                request = item_service_pb2.GetItemRequest(item_id=item_id)
                item = (await self._connection.items.GetItem(request, metadata=self._connection.metadata)).item
                [room] = item.content.appointment.attendees
                if room.response in _ANSWERS:
                    del waiting[item_id]
                    won += [start] if room.response == RESPONSE_STATUS_ACCEPTED else []
            await asyncio.sleep(0.2)
        return won


def run(folder: pathlib.Path) -> list[Figure]:
    """Books, with files in a new folder; RuntimeError if some time was given to nobody, or to two."""
    folder.mkdir()
    with serving(folder, accounts=PEOPLE) as server:
        sent, answered = asyncio.run(_book(server))
    title = f"{BOOKINGS} bookings of one room at once, one wins each time"
    return [
        Figure(f"{title}: all sent", sent, "s"),
        Figure(f"{title}: all answered", answered, "s"),
        Figure("bookings answered", BOOKINGS / answered, "a second"),
    ]


async def _book(server: Server) -> tuple[float, float]:
    async with contextlib.AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(connected(server, address)) for address in PEOPLE]
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.target))
        meetings: MeetingServiceAsyncStub = MeetingServiceStub(channel)
        await _add_room(server)
        bookers = [_Booker(connection, meetings) for connection in connections]
        times = _times()
        for number in range(BOOKINGS):
            await bookers[number % len(bookers)].write(*times[number * TIMES // BOOKINGS])
        begun = time.perf_counter()
        await asyncio.gather(*(each.send_all() for each in bookers))
        sent = time.perf_counter() - begun
        async with asyncio.timeout(ANSWERED_WITHIN):
            won = [start for found in await asyncio.gather(*(each.won() for each in bookers)) for start in found]
        answered = time.perf_counter() - begun
    if sorted(won) != sorted(start for start, _ in times):
        raise RuntimeError(f"of {TIMES} times the room gave {Counter(won)}")
    return sent, answered


def _times() -> list[tuple[str, str]]:
    """Hours of tomorrow."""
    midnight = int(time.time()) // _DAY * _DAY + _DAY
    hours = [time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(midnight + 3600 * number)) for number in range(TIMES + 1)]
    return list(itertools.pairwise(hours))


async def _add_room(server: Server) -> None:
    ids = RandomIds(SystemClock())
    async with grpc.aio.insecure_channel(f"unix:{server.socket}") as channel:
        admin = admin_service_pb2_grpc.AdminServiceStub(channel)
        account = admin_service_pb2.Account(address=ROOM, kind=admin_service_pb2.ACCOUNT_KIND_ROOM)
        request = admin_service_pb2.CreateAccountRequest(operation_id=ids.new(), account=account, password=PASSWORD)
        await admin.CreateAccount(request)
