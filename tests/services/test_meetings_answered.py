"""MeetingService: what attendees do, and what of it goes out as mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import folder_pb2, item_service_pb2
from rookery.v1.calendar_pb2 import BUSY_STATUS_OUT_OF_OFFICE, BUSY_STATUS_TENTATIVE
from rookery.v1.item_pb2 import ITEM_KIND_MESSAGE, Item, ItemContent, ItemSummary
from rookery.v1.scheduling_pb2 import (
    SCHEDULING_METHOD_COUNTER,
    SCHEDULING_METHOD_REPLY,
    SCHEDULING_METHOD_REQUEST,
)
from rookery_core.errors import FailedPrecondition, InvalidArgument
from rookery_server.services.change import MailboxChange
from rookery_server.services.items import item_writer
from rookery_server.services.items.item_writer import NewItem
from rookery_server.store import accounts, mailboxes
from tests.support.databases import ON_BOTH, sqlite_unless_asked
from tests.support.mail import MailWorld
from tests.support.meeting_calls import ACCEPTED, DECLINED, NONE, TENTATIVE, Meetings, appointment, at, invited
from tests.support.meeting_world import MeetingWorld

if TYPE_CHECKING:
    from rookery_server.store.database import Database
    from rookery_server.store.units import Transaction
    from tests.support.world import Person

__all__ = ["sqlite_unless_asked"]

CALENDAR, DELETED = folder_pb2.FOLDER_ROLE_CALENDAR, folder_pb2.FOLDER_ROLE_DELETED
BEN, CARL, DORA = "ben@rookery.example", "carl@elsewhere.test", "dora@elsewhere.test"


@pytest.fixture
def world(database: Database) -> MailWorld:
    return MailWorld(database)


@pytest.fixture
def meetings(world: MailWorld) -> Meetings:
    return Meetings(world)


@ON_BOTH
async def test_an_answer_goes_to_the_organizer_once(world: MailWorld, meetings: Meetings, ben: Person) -> None:
    item = await world.create(ben, invited(CARL, BEN, DORA, sequence=2))
    answer = await meetings.respond(ben, item.id, ACCEPTED, comment="With pleasure")
    assert await meetings.told(ben, answer.submissions) == [(SCHEDULING_METHOD_REPLY, [CARL])]
    sent = (await meetings.letter(ben, answer.submissions[0])).parts[0]
    assert (sent.version.sequence, sent.comment) == (2, "With pleasure")
    [own] = sent.item.content.appointment.attendees
    assert (own.person.address, own.response) == (BEN, ACCEPTED)
    kept = await world.get(ben, item.id)
    assert (kept.summary.appointment.my_response, kept.folder_id) == (ACCEPTED, item.folder_id)
    again = await meetings.respond(ben, item.id, ACCEPTED)
    assert (list(again.submissions), again.revision) == ([], answer.revision)
    world.clock.advance(seconds=60)
    changed = await meetings.respond(ben, item.id, TENTATIVE)
    assert await meetings.told(ben, changed.submissions) == [(SCHEDULING_METHOD_REPLY, [CARL])]


async def test_who_keeps_silent_tells_nobody(world: MailWorld, meetings: Meetings, ben: Person) -> None:
    item = await world.create(ben, invited(CARL, BEN))
    answer = await meetings.respond(ben, item.id, ACCEPTED, silent=True)
    assert list(answer.submissions) == [] and answer.item.summary.appointment.my_response == ACCEPTED
    written = invited(CARL, BEN)
    written.summary.appointment.response_requested = False
    written.content.appointment.attendees[0].response_requested = False
    other = await world.create(ben, written)
    assert list((await meetings.respond(ben, other.id, ACCEPTED)).submissions) == []


async def test_another_time_is_proposed_where_the_organizer_allows_it(world: MailWorld, meetings: Meetings, ben: Person) -> None:
    item = await world.create(ben, invited(CARL, BEN))
    later = {"proposed_start": at("2026-03-02T15:00:00"), "proposed_end": at("2026-03-02T16:00:00")}
    answer = await meetings.respond(ben, item.id, TENTATIVE, **later)
    assert await meetings.told(ben, answer.submissions) == [(SCHEDULING_METHOD_COUNTER, [CARL])]
    written = invited(CARL, BEN)
    written.summary.appointment.counters_disallowed = True
    strict = await world.create(ben, written)
    with pytest.raises(FailedPrecondition) as refused:
        await meetings.respond(ben, strict.id, TENTATIVE, **later)
    assert refused.value.reason == "COUNTER_DISALLOWED"
    assert (await world.get(ben, strict.id)).revision == strict.revision


@ON_BOTH
async def test_whoever_accepts_a_meeting_out_of_office_is_out_of_office(database: Database) -> None:
    world = MeetingWorld(database)
    anna, ben, owl = await world.person("anna"), await world.person("ben"), await world.room("owl")
    meeting = appointment("2025-06-24T10:00:00", "2025-06-24T11:00:00", attendees=(BEN, "owl@rookery.example"))
    meeting.summary.appointment.busy_status = BUSY_STATUS_OUT_OF_OFFICE
    await world.send_meeting(anna, (await world.create(anna, meeting)).id)
    await world.settle()
    [copy], [booked] = await world.calendar(ben), await world.calendar(owl)
    assert [each.summary.appointment.busy_status for each in (copy, booked)] == [BUSY_STATUS_TENTATIVE, BUSY_STATUS_OUT_OF_OFFICE]
    await world.respond(ben, copy.id, ACCEPTED)
    assert (await world.get(ben, copy.id)).summary.appointment.busy_status == BUSY_STATUS_OUT_OF_OFFICE
    await world.respond(ben, copy.id, TENTATIVE)
    assert (await world.get(ben, copy.id)).summary.appointment.busy_status == BUSY_STATUS_TENTATIVE


@ON_BOTH
async def test_what_is_declined_leaves_the_calendar_and_comes_back(world: MailWorld, meetings: Meetings, ben: Person) -> None:
    item = await world.create(ben, invited(CARL, BEN))
    answer = await meetings.respond(ben, item.id, DECLINED)
    assert [each.id for each in await world.within(ben, DELETED)] == [item.id] and len(answer.submissions) == 1
    world.clock.advance(seconds=60)
    back = await meetings.respond(ben, item.id, ACCEPTED)
    assert back.item.folder_id == item.folder_id and len(back.submissions) == 1
    await world.delete(ben, [item.id], item_service_pb2.DELETE_MODE_RECOVERABLE)
    world.clock.advance(seconds=60)
    again = await meetings.respond(ben, item.id, TENTATIVE)
    assert again.item.folder_id == item.folder_id
    assert [each.id for each in await world.within(ben, CALENDAR)] == [item.id]
    await world.check_counters(ben)


async def test_one_occurrence_is_declined(world: MailWorld, meetings: Meetings, ben: Person) -> None:
    item = await world.create(ben, invited(CARL, BEN, series=["FREQ=WEEKLY;COUNT=3"]))
    answer = await meetings.respond(ben, item.id, DECLINED, occurrence=at("2026-03-09T10:00:00"))
    [part] = (await meetings.letter(ben, answer.submissions[0])).parts
    assert part.occurrence is not None and part.occurrence.local == "2026-03-09T10:00:00"
    kept = await world.get(ben, item.id)
    [exception] = kept.summary.appointment.exceptions
    assert (exception.cancelled, exception.my_response, kept.folder_id) == (True, DECLINED, item.folder_id)


@ON_BOTH
async def test_an_invitation_is_answered_by_its_message(world: MailWorld, meetings: Meetings, ben: Person) -> None:
    item = await world.create(ben, invited(CARL, BEN))
    message = await message_about(world, ben, item.id)
    answer = await meetings.respond(ben, message, ACCEPTED)
    assert answer.item.id == item.id and answer.item.summary.appointment.my_response == ACCEPTED
    await world.delete(ben, [item.id], item_service_pb2.DELETE_MODE_PERMANENT)
    plain = await world.item(ben, await world.folder_of(ben, folder_pb2.FOLDER_ROLE_INBOX))
    for item_id in (message, plain.id):
        with pytest.raises(FailedPrecondition) as refused:
            await meetings.respond(ben, item_id, ACCEPTED)
        assert refused.value.reason == "NOT_INVITED"


async def message_about(world: MailWorld, person: Person, item_id: bytes) -> bytes:
    """A message that brought an invitation, as its arrival leaves it."""
    summary, content = ItemSummary(kind=ITEM_KIND_MESSAGE), ItemContent()
    summary.message.has_calendar = True
    content.message.scheduling.item_id = item_id
    message_id, inbox = world.ids.new(), await world.folder_of(person, folder_pb2.FOLDER_ROLE_INBOX)

    def work(transaction: Transaction) -> None:
        mailbox = mailboxes.find(transaction.connection, person.mailbox, lock=True)
        assert mailbox is not None
        change = MailboxChange(transaction, mailbox, person.caller, world.clock.now)
        change.begin("test", world.ids.new())
        prepared = item_writer.prepare(summary, Item().state, content, now=world.clock.now)
        item_writer.insert(change, [NewItem(message_id, inbox, change.revision, prepared)])
        change.finish()

    await world.database.write(work)
    return message_id


async def test_an_invitation_is_forwarded_in_the_organizers_name(world: MailWorld, meetings: Meetings, ben: Person) -> None:
    item = await world.create(ben, invited(CARL, BEN))
    answer = await meetings.forward(ben, item.id, DORA, comment="You should know")
    assert await meetings.told(ben, answer.submissions) == [(SCHEDULING_METHOD_REQUEST, [DORA])]
    assert (await meetings.letter(ben, answer.submissions[0])).organizer.address == CARL


async def test_answers_that_make_no_sense_are_refused(world: MailWorld, meetings: Meetings, ben: Person) -> None:
    item = await world.create(ben, invited(CARL, BEN))
    early, late = at("2026-03-02T15:00:00"), at("2026-03-02T16:00:00")
    refusals: list[tuple[int, dict[str, Any], str]] = [
        (NONE, {}, "response"),
        (TENTATIVE, {"proposed_start": early}, "proposed_end"),
        (TENTATIVE, {"proposed_end": late}, "proposed_start"),
        (TENTATIVE, {"proposed_start": late, "proposed_end": early}, "proposed_end"),
        (ACCEPTED, {"proposed_start": early, "proposed_end": late}, "proposed_start"),
        (TENTATIVE, {"proposed_start": at("soon"), "proposed_end": late}, "proposed_start.local"),
        (ACCEPTED, {"occurrence": at("2026-13-02T15:00:00")}, "occurrence.local"),
        (ACCEPTED, {"comment": "x" * 4097}, "comment"),
    ]
    for response, fields, field in refusals:
        with pytest.raises(InvalidArgument) as refused:
            await meetings.respond(ben, item.id, response, **fields)
        assert refused.value.field == field
    for to, field in (((), "to"), (("nobody",), "to[0].address"), ([DORA] * 101, "to")):
        with pytest.raises(InvalidArgument) as refused:
            await meetings.forward(ben, item.id, *to)
        assert refused.value.field == field
    own = await world.create(ben, appointment(attendees=[CARL]))
    with pytest.raises(FailedPrecondition) as stranger:
        await meetings.respond(ben, own.id, ACCEPTED)
    assert stranger.value.reason == "NOT_INVITED"


async def test_an_alias_that_was_invited_answers_by_its_own_address(world: MailWorld, meetings: Meetings, ben: Person) -> None:
    row = accounts.AddressRow("chief@rookery.example", "chief@rookery.example", "rookery.example", ben.caller.account_id, False)
    await world.database.write(lambda transaction: accounts.add_address(transaction.connection, row))
    item = await world.create(ben, invited(CARL, "chief@rookery.example"))
    answer = await meetings.respond(ben, item.id, ACCEPTED)
    assert answer.submissions[0].sender == "chief@rookery.example"
    assert b"From: ben <chief@rookery.example>\r\n" in await world.message(ben, answer.submissions[0].id)
