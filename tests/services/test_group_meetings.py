"""Meetings of groups: the members are invited with the group, and answer for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1.calendar_pb2 import (
    ATTENDEE_ROLE_OPTIONAL,
    BUSY_STATUS_TENTATIVE,
    RESPONSE_STATUS_ACCEPTED,
    RESPONSE_STATUS_DECLINED,
    RESPONSE_STATUS_NONE,
)
from rookery.v1.item_service_pb2 import UpdateItemRequest
from rookery.v1.scheduling_pb2 import SCHEDULING_EFFECT_IGNORED
from tests.support.databases import ON_BOTH, sqlite_unless_asked
from tests.support.groups import make_group
from tests.support.invitations import event, mail
from tests.support.mail import INBOX
from tests.support.meeting_world import DELETED, MeetingWorld

if TYPE_CHECKING:
    from rookery.v1.item_pb2 import Item
    from rookery_server.store.database import Database
    from tests.support.world import Person

__all__ = ["sqlite_unless_asked"]

ACCEPTED, DECLINED, NONE = RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED, RESPONSE_STATUS_NONE
TEAM, BEN, OWL = "team@rookery.example", "ben@rookery.example", "owl@rookery.example"
AT_TEN = {"start": "2025-06-24T10:00:00", "end": "2025-06-24T11:00:00"}


@pytest.fixture
def world(database: Database) -> MeetingWorld:
    return MeetingWorld(database)


async def mails(world: MeetingWorld, person: Person) -> int:
    return len(await world.within(person, INBOX))


async def move(world: MeetingWorld, person: Person, meeting: Item, hour: int) -> None:
    """Another time, and everybody is told."""
    changed = await world.get(person, meeting.id)
    changed.summary.appointment.start.local = f"2025-06-24T{hour}:00:00"
    changed.summary.appointment.end.local = f"2025-06-24T{hour + 1}:00:00"
    request = UpdateItemRequest(operation_id=world.ids.new(), item=changed)
    request.update_mask.paths.extend(["summary.appointment.start", "summary.appointment.end"])
    await world.editing.update_item(person.caller, request)
    await world.send_meeting(person, meeting.id)
    await world.settle()


@ON_BOTH
async def test_a_member_has_the_invitation_in_the_calendar_and_becomes_an_attendee_by_answering(
    world: MeetingWorld, anna: Person, ben: Person
) -> None:
    await make_group(world, "team", ben, anna)
    meeting = await world.meet(anna, TEAM, **AT_TEN)
    [copy] = await world.calendar(ben)
    assert copy.summary.appointment.my_response == NONE
    assert copy.summary.appointment.busy_status == BUSY_STATUS_TENTATIVE
    assert [item.id for item in await world.calendar(anna)] == [meeting.id], "one's own invitation changes nothing"
    assert (await world.told("anna")).effect == SCHEDULING_EFFECT_IGNORED
    await world.respond(ben, copy.id, ACCEPTED)
    await world.settle()
    attendees = (await world.get(anna, meeting.id)).content.appointment.attendees
    assert {each.person.address: each.response for each in attendees} == {TEAM: NONE, BEN: ACCEPTED}
    assert attendees[1].role == ATTENDEE_ROLE_OPTIONAL


@pytest.mark.parametrize("answers", [False, True])
async def test_changes_and_the_cancellation_reach_a_member_once(
    world: MeetingWorld, anna: Person, ben: Person, answers: bool
) -> None:
    await make_group(world, "team", ben)
    meeting = await world.meet(anna, TEAM, **AT_TEN)
    if answers:
        await world.respond(ben, (await world.calendar(ben))[0].id, ACCEPTED)
        await world.settle()
    assert await mails(world, ben) == 1
    await move(world, anna, meeting, 15)
    [copy] = await world.calendar(ben)
    assert copy.summary.appointment.start.local == "2025-06-24T15:00:00"
    assert copy.summary.appointment.my_response == NONE
    assert await mails(world, ben) == 2
    await world.cancel_meeting(anna, meeting.id)
    await world.settle()
    assert await world.calendar(ben) == [] and len(await world.within(ben, DELETED)) == 1
    assert await mails(world, ben) == 3


async def test_who_is_invited_by_name_and_with_the_group_is_invited_once(world: MeetingWorld, anna: Person, ben: Person) -> None:
    await make_group(world, "team", ben)
    meeting = await world.meet(anna, TEAM, BEN, **AT_TEN)
    [copy] = await world.calendar(ben)
    assert await mails(world, ben) == 1
    await world.respond(ben, copy.id, DECLINED)
    await world.settle()
    assert await world.answers(anna, meeting.id) == {TEAM: NONE, BEN: DECLINED}


async def test_an_invitation_from_elsewhere_reaches_the_members(world: MeetingWorld, anna: Person, ben: Person) -> None:
    await make_group(world, "team", anna, ben)
    await world.bring(mail(event(attendee=f"mailto:{TEAM}"), to=TEAM), "team")
    for person in (anna, ben):
        [copy] = await world.calendar(person)
        assert copy.summary.subject == "Planning" and copy.summary.appointment.my_response == NONE
    await world.bring(mail(event("CANCEL", attendee=f"mailto:{TEAM}", sequence="1"), to=TEAM), "team")
    assert await world.calendar(anna) == await world.calendar(ben) == []


@ON_BOTH
async def test_a_room_that_is_a_member_answers_as_if_it_were_named(world: MeetingWorld, anna: Person, ben: Person) -> None:
    room = await world.room("owl")
    await make_group(world, "team", room)
    first = await world.meet(anna, TEAM, **AT_TEN)
    second = await world.meet(ben, TEAM, **AT_TEN)
    assert await world.answers(anna, first.id) == {TEAM: NONE, OWL: ACCEPTED}
    assert await world.answers(ben, second.id) == {TEAM: NONE, OWL: DECLINED}
    assert len(await world.calendar(room)) == 1
