"""Appointments and invitations as their owners have them, and the calls of MeetingService, over the services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1 import calendar_pb2, item_pb2, item_service_pb2
from rookery.v1 import meeting_service_pb2 as messages
from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.person_pb2 import Person as Named
from rookery_core.formats import imip, itip
from rookery_server.services.scheduling.meetings import MeetingService

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery.v1.item_pb2 import Item
    from rookery.v1.submission_pb2 import Submission
    from rookery_core.rules.scheduling.itip import Itip
    from tests.support.mail import MailWorld
    from tests.support.world import Person

ZONE = "Europe/Berlin"
ORGANIZER, NONE, TENTATIVE, ACCEPTED, DECLINED = (
    calendar_pb2.RESPONSE_STATUS_ORGANIZER,
    calendar_pb2.RESPONSE_STATUS_NONE,
    calendar_pb2.RESPONSE_STATUS_TENTATIVE,
    calendar_pb2.RESPONSE_STATUS_ACCEPTED,
    calendar_pb2.RESPONSE_STATUS_DECLINED,
)


def at(local: str, zone: str = ZONE) -> CalendarTime:
    """A time of day, or a date."""
    return CalendarTime(local=local, time_zone=zone if "T" in local else "")


def appointment(
    start: str = "2026-03-02T10:00:00",
    end: str = "2026-03-02T11:00:00",
    *rules: str,
    attendees: Iterable[str] = (),
    subject: str = "Planning",
    location: str = "Room 4",
) -> Item:
    """An appointment as its owner writes it, with the people to be invited."""
    item = item_pb2.Item()
    item.summary.kind, item.summary.subject = item_pb2.ITEM_KIND_APPOINTMENT, subject
    item.content.body.text = "What we shall do.\n"
    written = item.summary.appointment
    written.start.CopyFrom(at(start))
    written.end.CopyFrom(at(end))
    written.location, written.response_requested = location, True
    written.recurrence.rules.extend(rules)
    for address in attendees:
        item.content.appointment.attendees.append(attendee(address))
    return item


def attendee(address: str) -> calendar_pb2.Attendee:
    """Somebody to be invited."""
    person = Named(name=address.partition("@")[0].title(), address=address)
    return calendar_pb2.Attendee(person=person, role=calendar_pb2.ATTENDEE_ROLE_REQUIRED, response_requested=True)


def invited(organizer: str, *attendees: str, series: Iterable[str] = (), sequence: int = 0) -> Item:
    """An attendee's own copy of a meeting, unanswered, as an invitation makes it. The first of the attendees has it."""
    item = appointment("2026-03-02T10:00:00", "2026-03-02T11:00:00", *series, attendees=attendees)
    written = item.summary.appointment
    written.organizer.CopyFrom(Named(name=organizer.partition("@")[0].title(), address=organizer))
    written.my_response, written.meeting_id, written.sequence = NONE, f"{organizer}-meeting", sequence
    for each in item.content.appointment.attendees:
        each.response = NONE
    return item


class Meetings:
    """The calls of MeetingService, by people of a world."""

    def __init__(self, world: MailWorld) -> None:
        self.world = world
        self.service = MeetingService(world.operations, wake=world.wake)

    async def send(self, person: Person, item_id: bytes, **fields: Any) -> messages.SendMeetingResponse:
        """SendMeeting."""
        request = messages.SendMeetingRequest(item_id=item_id, **self._named(fields))
        return messages.SendMeetingResponse.FromString(await self.service.send_meeting(person.caller, request))

    async def respond(self, person: Person, item_id: bytes, response: int, **fields: Any) -> messages.RespondToMeetingResponse:
        """RespondToMeeting."""
        answer = calendar_pb2.ResponseStatus.ValueType(response)
        request = messages.RespondToMeetingRequest(item_id=item_id, response=answer, **self._named(fields))
        return messages.RespondToMeetingResponse.FromString(await self.service.respond_to_meeting(person.caller, request))

    async def cancel(self, person: Person, item_id: bytes, **fields: Any) -> messages.CancelMeetingResponse:
        """CancelMeeting."""
        request = messages.CancelMeetingRequest(item_id=item_id, **self._named(fields))
        return messages.CancelMeetingResponse.FromString(await self.service.cancel_meeting(person.caller, request))

    async def forward(self, person: Person, item_id: bytes, *to: str, **fields: Any) -> messages.ForwardMeetingResponse:
        """ForwardMeeting."""
        people = [Named(address=address) for address in to]
        request = messages.ForwardMeetingRequest(item_id=item_id, to=people, **self._named(fields))
        return messages.ForwardMeetingResponse.FromString(await self.service.forward_meeting(person.caller, request))

    async def edit(self, person: Person, item: Item, *paths: str) -> Item:
        """UpdateItem."""
        request = item_service_pb2.UpdateItemRequest(operation_id=self.world.ids.new(), item=item)
        request.update_mask.paths.extend(paths)
        response = await self.world.editing.update_item(person.caller, request)
        return item_service_pb2.UpdateItemResponse.FromString(response).item

    async def told(self, person: Person, submissions: Iterable[Submission]) -> list[tuple[int, list[str]]]:
        """What was sent: method and recipients of each message."""
        found = []
        for each in submissions:
            addresses = sorted(recipient.person.address for recipient in each.recipients)
            found.append((int((await self.letter(person, each)).method), addresses))
        return found

    async def letter(self, person: Person, submission: Submission) -> Itip:
        """The scheduling message that was sent."""
        part = imip.calendar_part(await self.world.message(person, submission.id))
        assert part is not None
        return itip.read(part)

    def _named(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"operation_id": self.world.ids.new(), **fields}
