"""A world in which people meet: mail comes in from outside, and what people here send goes round by the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1 import admin_service_pb2, folder_pb2, item_pb2, meeting_service_pb2
from rookery.v1.availability_service_pb2 import BookingRules, CalendarSettings
from rookery.v1.calendar_pb2 import ResponseStatus
from rookery.v1.item_pb2 import Item, ItemSummary
from rookery.v1.person_pb2 import Person as Named
from rookery.v1.submission_pb2 import DELIVERY_STATE_RELAYED
from rookery_core.formats.trace import Hop
from rookery_server.services.incoming.deliveries import Deliveries
from rookery_server.services.incoming.letters import Arrival
from rookery_server.services.incoming.recipients import Recipient, Recipients
from rookery_server.services.scheduling.meetings import MeetingService
from rookery_server.services.submission.settling import Result
from rookery_server.store import accounts, mailboxes
from tests.support.invitations import FAR
from tests.support.mail import INBOX, MailWorld, Outside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.item_pb2 import SchedulingMessage
    from rookery_server.store.database import Database
    from rookery_server.store.units import Transaction
    from tests.support.world import Person

CALENDAR, DELETED, TASKS = (
    folder_pb2.FOLDER_ROLE_CALENDAR,
    folder_pb2.FOLDER_ROLE_DELETED,
    folder_pb2.FOLDER_ROLE_TASKS,
)
ROOM = admin_service_pb2.ACCOUNT_KIND_ROOM


class MeetingWorld(MailWorld):
    """Everything that a meeting goes through."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.people: dict[str, Person] = {}
        self.recipients = Recipients(database)
        self.deliveries = Deliveries(
            database, self.clock, self.ids, self.group_mail, authserv_ids=["mx.rookery.example"], wake=self.wake
        )
        self.meetings = MeetingService(self.operations, wake=self.wake)
        self.outside = Outside(lambda claimed: [Result(DELIVERY_STATE_RELAYED, "2.0.0", "ok", "mx") for _ in claimed.recipients])

    async def bring(self, message: bytes, *names: str, sender: str = FAR, trusted: bool = True) -> list[SchedulingMessage]:
        """Delivers a message from outside to mailboxes here; gives what each of them says came of it."""
        found = await self.recipients.find([f"{name}@rookery.example" for name in names])
        recipients = [each for each in found if isinstance(each, Recipient)]
        assert len(recipients) == len(names)
        hop = Hop("mx.elsewhere.example", "192.0.2.1", "mx.rookery.example", "ESMTPS", "42", self.clock.now // 1_000_000)
        self.clock.advance(seconds=1)
        outcomes = await self.deliveries.deliver(Arrival(sender, message, hop, trusted), recipients)
        assert outcomes == [None] * len(names)
        return [await self.told(name) for name in names]

    async def told(self, name: str) -> SchedulingMessage:
        """What the newest message in somebody's inbox says that came of it."""
        person = self.people[name]
        page = await self.page(person, await self.folder_of(person, INBOX), page_size=1)
        return (await self.get(person, page.items[0].id)).content.message.scheduling

    async def person(self, name: str, *, quota: int = 0) -> Person:
        """See ``World.person``; found again by name."""
        self.people[name] = await super().person(name, quota=quota)
        return self.people[name]

    async def room(self, name: str, kind: int = ROOM, **rules: Any) -> Person:
        """A room; ``rules`` are booking rules, else those that hold where nothing was set."""
        room = await self.person(name)

        def work(transaction: Transaction) -> None:
            accounts.change(transaction.connection, room.caller.account_id, {"kind": kind})
            if rules:
                settings = CalendarSettings(booking=BookingRules(**{"automatic": True, **rules}))
                mailboxes.set_calendar_settings(transaction.connection, room.number, settings.SerializeToString())

        await self.database.write(work)
        return room

    async def appointment(self, person: Person, *invited: str, start: str, end: str, **more: Any) -> Item:
        """A new appointment in somebody's calendar, in UTC unless ``zone`` says otherwise, not sent yet; ``rule``: it recurs."""
        zone = more.get("zone", "UTC")
        summary = ItemSummary(kind=item_pb2.ITEM_KIND_APPOINTMENT, subject=more.get("subject", "A meeting"))
        appointment = summary.appointment
        appointment.start.local, appointment.end.local = start, end
        appointment.start.time_zone = appointment.end.time_zone = zone
        appointment.response_requested = True
        if rule := more.get("rule"):
            appointment.recurrence.rules.append(rule)
        item = Item(summary=summary)
        for address in invited:
            item.content.appointment.attendees.add(person=Named(address=address), response_requested=True)
        return await self.create(person, item)

    async def send_meeting(self, person: Person, item_id: bytes) -> meeting_service_pb2.SendMeetingResponse:
        """Tells the attendees."""
        request = meeting_service_pb2.SendMeetingRequest(operation_id=self.ids.new(), item_id=item_id)
        self.clock.advance(seconds=1)
        return meeting_service_pb2.SendMeetingResponse.FromString(await self.meetings.send_meeting(person.caller, request))

    async def cancel_meeting(self, person: Person, item_id: bytes) -> None:
        """Calls a meeting off."""
        request = meeting_service_pb2.CancelMeetingRequest(operation_id=self.ids.new(), item_id=item_id)
        self.clock.advance(seconds=1)
        await self.meetings.cancel_meeting(person.caller, request)

    async def respond(self, person: Person, item_id: bytes, response: int) -> None:
        """Answers an invitation."""
        answer = ResponseStatus.ValueType(response)
        request = meeting_service_pb2.RespondToMeetingRequest(operation_id=self.ids.new(), item_id=item_id, response=answer)
        self.clock.advance(seconds=1)
        await self.meetings.respond_to_meeting(person.caller, request)

    async def meet(self, person: Person, *invited: str, **more: Any) -> Item:
        """Makes an appointment, sends it, and lets the queue carry all that comes of it; gives the organiser's item then."""
        item = await self.appointment(person, *invited, **more)
        await self.send_meeting(person, item.id)
        await self.settle()
        return await self.get(person, item.id)

    async def settle(self) -> None:
        """The queue does all that is due, and what that gives it to do."""
        await self.work(self.outside)

    async def calendar(self, person: Person) -> list[Item]:
        """What is in the calendar, by start."""
        return sorted(await self.within(person, CALENDAR), key=lambda item: item.summary.appointment.start.local)

    async def answers(self, person: Person, item_id: bytes) -> dict[str, int]:
        """What the attendees of the organiser's item answered."""
        item = await self.get(person, item_id)
        return {each.person.address: each.response for each in item.content.appointment.attendees}


def subjects(found: Sequence[Item]) -> list[str]:
    """The subjects of items."""
    return [item.summary.subject for item in found]
