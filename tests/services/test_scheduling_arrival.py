"""Messages about meetings that arrive: what they change in the mailbox, once, and never at the cost of the message itself."""

from __future__ import annotations

import asyncio
import itertools
import threading
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import content_service_pb2, item_service_pb2
from rookery.v1.calendar_pb2 import (
    BUSY_STATUS_TENTATIVE,
    EVENT_STATUS_CANCELLED,
    RESPONSE_STATUS_ACCEPTED,
    RESPONSE_STATUS_NONE,
)
from rookery.v1.item_pb2 import DOCUMENT_FORMAT_MESSAGE
from rookery.v1.scheduling_pb2 import (
    SCHEDULING_EFFECT_APPLIED,
    SCHEDULING_EFFECT_IGNORED,
    SCHEDULING_EFFECT_OUTDATED,
    SCHEDULING_METHOD_CANCEL,
    SCHEDULING_METHOD_REQUEST,
)
from rookery_server.services.importing.document_readers import DocumentReaders
from rookery_server.services.importing.imports import ImportService
from rookery_server.services.incoming import letters
from rookery_server.store import incoming, item_stamps
from tests.support.databases import ON_BOTH, sqlite_unless_asked
from tests.support.invitations import FAR, GOOGLE, OUTLOOK, event, mail
from tests.support.mail import INBOX
from tests.support.meeting_world import CALENDAR, DELETED, TASKS, MeetingWorld, subjects

if TYPE_CHECKING:
    from rookery_server.services.incoming.letters import Letter
    from rookery_server.store.database import Database
    from tests.support.world import Person

__all__ = ["sqlite_unless_asked"]

APPLIED, IGNORED, OUTDATED = SCHEDULING_EFFECT_APPLIED, SCHEDULING_EFFECT_IGNORED, SCHEDULING_EFFECT_OUTDATED
LOCAL = "ben@rookery.example"


@pytest.fixture
def world(database: Database) -> MeetingWorld:
    return MeetingWorld(database)


@ON_BOTH
async def test_an_invitation_from_outlook_stands_in_the_calendar_tentatively(world: MeetingWorld, anna: Person) -> None:
    [told] = await world.bring(OUTLOOK, "anna", sender="paula.berg@contoso.example")
    [item] = await world.calendar(anna)
    appointment = item.summary.appointment
    assert (item.summary.subject, appointment.location, item.content.body.text.strip()) == (
        "Budget 2026",
        "Raum 3",
        "Bitte die Zahlen mitbringen.",
    )
    assert (appointment.start.local, appointment.start.time_zone) == ("2025-06-25T10:00:00", "Europe/Berlin")
    assert (appointment.my_response, appointment.busy_status) == (RESPONSE_STATUS_NONE, BUSY_STATUS_TENTATIVE)
    assert appointment.organizer.address == "paula.berg@contoso.example" and appointment.response_requested
    assert [each.person.address for each in item.content.appointment.attendees] == ["anna@rookery.example"]
    assert item.state.read, "the message in the inbox is what is new"
    assert (told.method, told.effect, told.item_id) == (SCHEDULING_METHOD_REQUEST, APPLIED, item.id)
    assert told.start.local == appointment.start.local and getattr(told, "from").address == "paula.berg@contoso.example"
    await world.check_counters(anna)


async def test_a_series_from_google_comes_with_its_rule(world: MeetingWorld, anna: Person) -> None:
    [told] = await world.bring(GOOGLE, "anna", sender="calendar-notification@google.example")
    [item] = await world.calendar(anna)
    assert told.effect == APPLIED
    assert list(item.summary.appointment.recurrence.rules) == ["FREQ=WEEKLY;BYDAY=MO"]
    assert item.summary.appointment.meeting_id == "4tq9v0c7n1r8@google.com"


@ON_BOTH
async def test_what_comes_twice_is_carried_out_once(world: MeetingWorld, anna: Person) -> None:
    first = mail(event())
    assert [told.effect for told in await world.bring(first, "anna")] == [APPLIED]
    await world.bring(first, "anna")
    assert [told.effect for told in await world.bring(mail(event()), "anna")] == [OUTDATED]
    assert len(await world.calendar(anna)) == 1 and len(await world.within(anna, INBOX)) == 2
    assert (await world.told("anna")).item_id == (await world.calendar(anna))[0].id


async def test_an_older_version_that_comes_later_changes_nothing(world: MeetingWorld, anna: Person) -> None:
    await world.bring(mail(event(sequence="2", dtstamp="20250615T130000Z", summary="As it is now")), "anna")
    [told] = await world.bring(mail(event(sequence="1", dtstamp="20250615T140000Z", summary="As it was")), "anna")
    assert told.effect == OUTDATED and told.version.sequence == 1
    assert subjects(await world.calendar(anna)) == ["As it is now"]


@ON_BOTH
async def test_versions_in_any_order_and_all_at_once_come_to_the_newest(world: MeetingWorld, anna: Person) -> None:
    versions = [mail(event(sequence=str(number), summary=f"Version {number}")) for number in (3, 1, 4, 0, 2, 5)]
    await asyncio.gather(*(world.bring(each, "anna") for each in versions))
    assert subjects(await world.calendar(anna)) == ["Version 5"]
    await world.check_counters(anna)


@ON_BOTH
async def test_a_cancellation_takes_the_meeting_out_of_the_calendar(world: MeetingWorld, anna: Person) -> None:
    await world.bring(mail(event()), "anna")
    [told] = await world.bring(mail(event("CANCEL", sequence="1", dtstamp="20250616T120000Z")), "anna")
    assert (told.method, told.effect) == (SCHEDULING_METHOD_CANCEL, APPLIED)
    assert await world.calendar(anna) == []
    [item] = await world.within(anna, DELETED)
    assert item.id == told.item_id and item.summary.appointment.status == EVENT_STATUS_CANCELLED
    await world.check_counters(anna)


async def test_an_invitation_that_its_cancellation_has_overtaken_stays_out_of_the_calendar(
    world: MeetingWorld, anna: Person
) -> None:
    await world.bring(mail(event("CANCEL", sequence="1", dtstamp="20250616T120000Z")), "anna")
    [told] = await world.bring(mail(event()), "anna")
    assert told.effect == OUTDATED
    assert await world.calendar(anna) == [] and len(await world.within(anna, DELETED)) == 1


@ON_BOTH
@pytest.mark.parametrize("mode", [item_service_pb2.DELETE_MODE_TO_DELETED_ITEMS, item_service_pb2.DELETE_MODE_RECOVERABLE])
async def test_an_update_brings_back_what_was_deleted(world: MeetingWorld, anna: Person, mode: int) -> None:
    await world.bring(mail(event()), "anna")
    [item] = await world.calendar(anna)
    await world.delete(anna, [item.id], mode)
    moved = event(sequence="1", dtstamp="20250616T120000Z", dtstart="20250625T120000Z", dtend="20250625T130000Z")
    [told] = await world.bring(mail(moved), "anna")
    [again] = await world.calendar(anna)
    assert (told.effect, told.item_id, again.id) == (APPLIED, item.id, item.id)
    assert again.summary.appointment.start.local == "2025-06-25T12:00:00"
    await world.check_counters(anna)


async def test_an_update_follows_the_item_to_where_its_owner_has_put_it(world: MeetingWorld, anna: Person) -> None:
    await world.bring(mail(event()), "anna")
    [item] = await world.calendar(anna)
    travels = await world.folder(anna, "Travels", await world.folder_of(anna, CALENDAR))
    request = item_service_pb2.MoveItemsRequest(operation_id=world.ids.new(), item_ids=[item.id], folder_id=travels.id)
    await world.places.move_items(anna.caller, request)
    await world.bring(mail(event(sequence="1", dtstamp="20250616T120000Z", summary="Further away")), "anna")
    assert subjects(await world.walk(anna, travels.id)) == ["Further away"]
    assert await world.calendar(anna) == []


@ON_BOTH
async def test_a_copy_in_deleted_items_is_not_taken_for_the_meeting(world: MeetingWorld, anna: Person) -> None:
    await world.bring(mail(event()), "anna")
    [item] = await world.calendar(anna)
    thrown = await world.folder(anna, "Old things", await world.folder_of(anna, DELETED))
    request = item_service_pb2.CopyItemsRequest(operation_id=world.ids.new(), item_ids=[item.id], folder_id=thrown.id)
    await world.places.copy_items(anna.caller, request)
    [told] = await world.bring(mail(event(sequence="1", dtstamp="20250616T120000Z", summary="As it is now")), "anna")
    assert told.item_id == item.id
    assert subjects(await world.calendar(anna)) == ["As it is now"]
    assert subjects(await world.walk(anna, thrown.id)) == ["Planning"]


async def test_an_invitation_that_is_imported_is_a_message_like_any_other(world: MeetingWorld, anna: Person) -> None:
    service = ImportService(world.database, world.clock, world.ids, DocumentReaders(0), max_message_bytes=1 << 20)
    document = content_service_pb2.ImportDocument(operation_id=world.ids.new(), format=DOCUMENT_FORMAT_MESSAGE, data=OUTLOOK)
    await service.import_item(anna.caller, content_service_pb2.ImportItemRequest(document=document))
    assert await world.calendar(anna) == []
    assert not (await world.within(anna, INBOX))[0].content.message.HasField("scheduling")


async def test_what_may_be_a_meeting_is_not_read_in_the_event_loop(
    world: MeetingWorld, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def complete(*given: Any, **more: Any) -> Letter:
        readers.append(threading.get_ident())
        return complete_letter(*given, **more)

    readers: list[int] = []
    complete_letter = letters.complete
    monkeypatch.setattr(letters, "complete", complete)
    await world.bring(mail(event()).replace(b"text/calendar", b"Text/Calendar"), "anna")
    await world.bring(b"Message-ID: <1@a>\r\nFrom: <a@b.example>\r\n\r\nHello.\r\n", "anna")
    assert readers[0] != threading.get_ident() == readers[1]


HOSTILE: dict[str, bytes] = {
    "no event": b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n",
    "no end": b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1",
    "noise": bytes(range(256)) * 20,
    "empty": b"",
    "no uid": event(uid=""),
    "no organizer": event(organizer=""),
    "no start": event(dtstart="", dtend=""),
    "a start that is none": event(dtstart="tomorrow"),
    "an end before the start": event(dtend="20250601T120000Z"),
    "a year that is none": event(dtstart="00000101T000000Z", dtend="99999999T999999Z"),
    "a stamp that is none": event(dtstamp="now"),
    "a sequence beyond all": event(sequence="99999999999999999999"),
    "a negative sequence": event(sequence="-5"),
    "a rule with a billion occurrences": event(rrule="FREQ=SECONDLY;COUNT=1000000000"),
    "a rule that never comes": event(rrule="FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31"),
    "a zone that does not exist": event(dtstart=";TZID=Nowhere/Land:20250624T120000", dtend=""),
    "an occurrence that is a date": event(recurrence_id=";VALUE=DATE:20250624"),
    "everything in one line": b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nX:" + b"x" * 1_000_000,
    "a thousand attendees": event(attendee=[f":mailto:{number}@elsewhere.example" for number in range(1000)]),
    "an address that is none": event(organizer="mailto:", attendee=":mailto:@@@"),
    "another event beside it": event(more="BEGIN:VEVENT\r\nUID:2\r\nDTSTART:20250101T000000Z\r\nEND:VEVENT"),
    "nul": event(summary="a\0b", uid="\0"),
    "a uid of a megabyte": event(uid="u" * 1_000_000),
}


@ON_BOTH
async def test_no_calendar_part_keeps_a_message_out(world: MeetingWorld, anna: Person) -> None:
    for method, (name, calendar) in itertools.product((b"REQUEST", b"REPLY", b"CANCEL"), HOSTILE.items()):
        [told] = await world.bring(mail(calendar.replace(b"METHOD:REQUEST", b"METHOD:" + method)), "anna")
        assert told.effect in {APPLIED, IGNORED, OUTDATED}, (method, name)
    await world.check_counters(anna)


@ON_BOTH
async def test_where_there_is_room_for_the_message_alone_it_comes_alone(world: MeetingWorld) -> None:
    message = mail(event(description="x" * 3000))
    full = await world.person("full", quota=len(message) + 1500)
    [told] = await world.bring(message, "full")
    assert (told.effect, told.item_id) == (IGNORED, b"")
    assert await world.calendar(full) == []
    await world.check_counters(full)


@ON_BOTH
async def test_a_delivery_that_fails_leaves_no_appointment_behind(
    world: MeetingWorld, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = mail(event())

    def broken(*_: Any) -> None:
        raise OSError("the disk is on fire")

    with monkeypatch.context() as patched:
        patched.setattr(incoming, "note", broken)
        with pytest.raises(AssertionError):
            await world.bring(message, "anna")
    assert await world.calendar(anna) == []
    await world.bring(message, "anna")
    assert len(await world.calendar(anna)) == 1 and len(await world.within(anna, INBOX)) == 1
    await world.check_counters(anna)


async def test_a_message_to_several_stands_in_each_one_s_calendar(world: MeetingWorld, anna: Person, ben: Person) -> None:
    both = [";RSVP=TRUE:mailto:anna@rookery.example", f";RSVP=TRUE:mailto:{LOCAL}"]
    told = await world.bring(mail(event(attendee=both)), "anna", "ben")
    [first], [second] = await world.calendar(anna), await world.calendar(ben)
    assert [each.item_id for each in told] == [first.id, second.id]


@ON_BOTH
async def test_people_here_have_an_invitation_at_once_and_the_answer_comes_back(
    world: MeetingWorld, anna: Person, ben: Person
) -> None:
    meeting = await world.meet(anna, LOCAL, start="2025-06-24T12:00:00", end="2025-06-24T13:00:00", subject="Lunch")
    [copy] = await world.calendar(ben)
    assert subjects([copy]) == ["Lunch"] and copy.summary.appointment.meeting_id == meeting.summary.appointment.meeting_id
    assert (await world.told("ben")).item_id == copy.id
    await world.respond(ben, copy.id, RESPONSE_STATUS_ACCEPTED)
    await world.settle()
    assert await world.answers(anna, meeting.id) == {LOCAL: RESPONSE_STATUS_ACCEPTED}
    assert (await world.told("anna")).response == RESPONSE_STATUS_ACCEPTED
    for person in (anna, ben):
        await world.check_counters(person)


@ON_BOTH
async def test_the_name_that_an_answer_brings_is_no_edit_of_the_list(world: MeetingWorld, anna: Person, ben: Person) -> None:
    meeting = await world.meet(anna, LOCAL, start="2025-06-24T12:00:00", end="2025-06-24T13:00:00")
    stamps = await world.database.read(lambda connection: item_stamps.find(connection, anna.number, meeting.id))
    [copy] = await world.calendar(ben)
    await world.respond(ben, copy.id, RESPONSE_STATUS_ACCEPTED)
    await world.settle()
    [attendee] = (await world.get(anna, meeting.id)).content.appointment.attendees
    assert (attendee.person.name, attendee.person.address) == ("ben", LOCAL)
    assert await world.database.read(lambda connection: item_stamps.find(connection, anna.number, meeting.id)) == stamps
    assert list((await world.send_meeting(anna, meeting.id)).submissions) == []


async def test_a_message_whose_id_is_that_of_a_meeting_does_not_hide_it(world: MeetingWorld, anna: Person) -> None:
    await world.bring(mail(event(uid="both@elsewhere.example")), "anna")
    head = f"Message-ID: <both@elsewhere.example>\r\nFrom: <{FAR}>\r\n"
    await asyncio.gather(*(world.bring(f"{head}Subject: {number}\r\n\r\nHello.\r\n".encode(), "anna") for number in range(60)))
    changed = event(uid="both@elsewhere.example", sequence="1", dtstamp="20250616T120000Z", summary="Found")
    [told] = await world.bring(mail(changed), "anna")
    assert told.effect == APPLIED and subjects(await world.calendar(anna)) == ["Found"]


async def test_a_task_that_is_given_stands_with_the_tasks(world: MeetingWorld, anna: Person) -> None:
    calendar = event(dtend="", due="20250626T120000Z", summary="Write it down").replace(b"VEVENT", b"VTODO")
    [told] = await world.bring(mail(calendar), "anna")
    [task] = await world.within(anna, TASKS)
    assert (told.effect, told.item_id, task.summary.subject) == (APPLIED, task.id, "Write it down")
