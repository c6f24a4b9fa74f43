"""Invitations that come to a whole server from outside, and rooms that answer them there: nothing waits for the next look."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from rookery.v1 import admin_service_pb2, folder_pb2
from rookery.v1.calendar_pb2 import RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_NONE
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item
from rookery.v1.item_service_pb2 import CreateItemRequest, GetItemRequest
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery.v1.meeting_service_pb2 import SendMeetingRequest
from rookery.v1.meeting_service_pb2_grpc import MeetingServiceStub
from rookery.v1.person_pb2 import Person as Named
from rookery.v1.scheduling_pb2 import SCHEDULING_EFFECT_APPLIED
from tests.smtp.lmtp import lmtp
from tests.smtp.mail_server import mail_server
from tests.support.invitations import OUTLOOK, event, mail
from tests.support.mail import until

if TYPE_CHECKING:
    import pathlib

    from tests.smtp.mail_server import MailServer
    from tests.support.server import Person

CALENDAR = folder_pb2.FOLDER_ROLE_CALENDAR
PAULA = "paula.berg@contoso.example"
FAR = "far@elsewhere.test"
SOON = 25.0
"""Seconds: the queue looks by itself after 30."""


async def test_an_invitation_by_smtp_and_again_by_lmtp_is_one_appointment(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path) as server:
        anna = await server.running.add_person("anna")
        invitation = OUTLOOK.replace(b"rookery.example", b"rookery.test")
        assert await server.sends(PAULA, ["anna@rookery.test"], invitation) == {}

        def again() -> list[str]:
            with lmtp(server.where("lmtp")) as front:
                return front.deliver(PAULA, ["anna@rookery.test"], b"X-Once: more\r\n" + invitation)

        assert await asyncio.to_thread(again) == ["250 2.1.5"]
        [item] = await server.within(anna, CALENDAR)
        assert (item.summary.subject, item.summary.appointment.my_response) == ("Budget 2026", RESPONSE_STATUS_NONE)
        came = await server.within(anna, count=2)
        assert {each.content.message.scheduling.item_id for each in came} == {item.id}
        assert SCHEDULING_EFFECT_APPLIED in {each.content.message.scheduling.effect for each in came}


async def test_a_room_answers_people_elsewhere_at_once(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path, mail_delivery="capture") as server:
        await server.running.add_person("owl", kind=admin_service_pb2.ACCOUNT_KIND_ROOM)
        asked = event(organizer=f"mailto:{FAR}", attendee=";RSVP=TRUE:mailto:owl@rookery.test")
        assert await server.sends(FAR, ["owl@rookery.test"], mail(asked, sender=FAR, to="owl@rookery.test")) == {}
        answers: list[bytes] = []

        async def answered() -> bool:
            answers[:] = [each.read_bytes() for each in (tmp_path / "data" / "captured").glob("*.eml")]
            return bool(answers)

        async with asyncio.timeout(SOON):
            await until(answered)
        assert b"X-Rookery-Sender: \r\n" in answers[0] and f"X-Rookery-Recipients: {FAR}".encode() in answers[0]
        assert b"Auto-Submitted: auto-replied\r\n" in answers[0]


async def test_a_room_answers_people_here_at_once(tmp_path: pathlib.Path) -> None:
    async with mail_server(tmp_path) as server:
        anna = await server.running.add_person("anna")
        await server.running.add_person("owl", kind=admin_service_pb2.ACCOUNT_KIND_ROOM)
        item_id = await book(server, anna, "owl@rookery.test")
        items: Any = ItemServiceStub(server.running.channel)

        async def answered() -> bool:
            found = await items.GetItem(GetItemRequest(item_id=item_id), metadata=anna.metadata)
            [room] = found.item.content.appointment.attendees
            return bool(room.response == RESPONSE_STATUS_ACCEPTED)

        async with asyncio.timeout(SOON):
            await until(answered)


async def book(server: MailServer, person: Person, room: str) -> bytes:
    """Asks for a room tomorrow; gives the appointment's id."""
    item = Item()
    item.summary.kind, item.summary.subject = ITEM_KIND_APPOINTMENT, "A meeting"
    appointment = item.summary.appointment
    tomorrow = server.running.clock.now // 1_000_000 + 86_400
    for each, seconds in ((appointment.start, tomorrow), (appointment.end, tomorrow + 3600)):
        each.time_zone, each.local = "UTC", iso(seconds)
    appointment.response_requested = True
    item.content.appointment.attendees.add(person=Named(address=room), response_requested=True)
    items: Any = ItemServiceStub(server.running.channel)
    meetings: Any = MeetingServiceStub(server.running.channel)
    create = CreateItemRequest(operation_id=server.running.ids.new(), item=item)
    item_id: bytes = (await items.CreateItem(create, metadata=person.metadata)).item.id
    send = SendMeetingRequest(operation_id=server.running.ids.new(), item_id=item_id)
    await meetings.SendMeeting(send, metadata=person.metadata)
    return item_id


def iso(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
