"""Who is believed about a meeting: its organiser, the attendee who answers, and nobody in the name of another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from rookery.v1.calendar_pb2 import (
    RESPONSE_STATUS_ACCEPTED,
    RESPONSE_STATUS_DECLINED,
    RESPONSE_STATUS_NONE,
)
from rookery.v1.scheduling_pb2 import (
    SCHEDULING_EFFECT_APPLIED,
    SCHEDULING_EFFECT_IGNORED,
    SCHEDULING_EFFECT_OUTDATED,
    SCHEDULING_METHOD_REPLY,
)
from rookery_server.services.submission.posted import Post
from rookery_server.services.submission.posting import Posting
from rookery_server.services.submission.queueing import Queueing
from tests.support.databases import sqlite_unless_asked
from tests.support.invitations import FAR, event, mail
from tests.support.mail import INBOX
from tests.support.meeting_world import DELETED, MeetingWorld, subjects

if TYPE_CHECKING:
    from rookery_server.store.database import Database
    from tests.support.world import Person

__all__ = ["sqlite_unless_asked"]

APPLIED, IGNORED, OUTDATED = SCHEDULING_EFFECT_APPLIED, SCHEDULING_EFFECT_IGNORED, SCHEDULING_EFFECT_OUTDATED
LOCAL = "ben@rookery.example"


@pytest.fixture
def world(database: Database) -> MeetingWorld:
    return MeetingWorld(database)


async def test_only_the_organizer_can_change_or_cancel_a_meeting(world: MeetingWorld, anna: Person) -> None:
    await world.bring(mail(event()), "anna")
    for method in ("REQUEST", "CANCEL"):
        changed = event(method, sequence="5", dtstamp="20250616T120000Z", summary="Mine now")
        [told] = await world.bring(mail(changed, sender="mallory@evil.example"), "anna", sender="mallory@evil.example")
        assert told.effect == IGNORED
    assert subjects(await world.calendar(anna)) == ["Planning"]


async def test_who_else_is_named_in_the_header_speaks_for_nobody(world: MeetingWorld, anna: Person) -> None:
    await world.bring(mail(event()), "anna")
    off = event("CANCEL", sequence="1", dtstamp="20250616T120000Z")
    mallory = "mallory@evil.example"
    forged = [
        mail(off, sender=mallory, more=f"Sender: <{FAR}>\r\n"),
        mail(off, sender=f"{FAR}>, <{mallory}"),
        mail(off, sender=f"{mallory}>, <{FAR}"),
        mail(off, more=f"From: <{mallory}>\r\n"),
        mail(off, more=f"FROM : <{mallory}>\r\n"),
    ]
    for message in forged:
        [told] = await world.bring(message, "anna", sender=mallory)
        assert told.effect == IGNORED, message[:200]
    assert subjects(await world.calendar(anna)) == ["Planning"]
    [told] = await world.bring(mail(off, sender="office@elsewhere.example", more=f"Sender: <{FAR}>\r\n"), "anna")
    assert told.effect == APPLIED, "somebody of the organizer's own domain, which vouches for them"


async def test_a_uid_that_somebody_else_uses_keeps_no_meeting_out(world: MeetingWorld, anna: Person) -> None:
    mallory = "mallory@evil.example"
    for method in ("REQUEST", "CANCEL"):
        squatted = event(method, uid=method, organizer=f"mailto:{mallory}", summary="A trap")
        await world.bring(mail(squatted, sender=mallory), "anna", sender=mallory)
        [told] = await world.bring(mail(event(uid=method, summary=f"After {method}")), "anna")
        assert told.effect == APPLIED
    assert sorted(subjects(await world.calendar(anna))) == ["A trap", "After CANCEL", "After REQUEST"]
    changed = event(uid="REQUEST", sequence="1", dtstamp="20250616T120000Z", summary="Changed")
    assert (await world.bring(mail(changed), "anna"))[0].effect == APPLIED
    assert sorted(subjects(await world.calendar(anna))) == ["A trap", "After CANCEL", "Changed"]


async def test_an_invitation_with_the_uid_of_one_s_own_meeting_takes_no_answers_from_it(world: MeetingWorld, anna: Person) -> None:
    meeting = await world.meet(anna, FAR, start="2025-06-24T12:00:00", end="2025-06-24T13:00:00")
    uid, mallory = meeting.summary.appointment.meeting_id, "mallory@evil.example"
    await world.bring(mail(event(uid=uid, organizer=f"mailto:{mallory}"), sender=mallory), "anna", sender=mallory)
    await world.bring(answer(uid, FAR, "ACCEPTED"), "anna")
    assert await world.answers(anna, meeting.id) == {FAR: RESPONSE_STATUS_ACCEPTED}


async def test_a_uid_is_used_by_ten_at_most(world: MeetingWorld, anna: Person) -> None:
    for number in range(12):
        other = f"organizer{number}@elsewhere.example"
        await world.bring(mail(event(organizer=f"mailto:{other}"), sender=other), "anna", sender=other)
    assert len(await world.calendar(anna)) == 10


async def test_no_invitation_touches_an_appointment_that_is_nobody_s_meeting(world: MeetingWorld, anna: Person) -> None:
    uid = (await world.appointment(anna, start="2025-06-24T12:00:00", end="2025-06-24T13:00:00")).summary.appointment.meeting_id
    for method in ("REQUEST", "CANCEL", "ADD"):
        [told] = await world.bring(mail(event(method, uid=uid, sequence="3")), "anna")
        assert told.effect == IGNORED
    assert subjects(await world.calendar(anna)) == ["A meeting"]


async def test_colleagues_do_not_speak_for_each_other(world: MeetingWorld, anna: Person, ben: Person) -> None:
    carla, anna_here = await world.person("carla"), "anna@rookery.example"
    meeting = await world.meet(anna, LOCAL, "carla@rookery.example", start="2025-06-24T12:00:00", end="2025-06-24T13:00:00")
    uid, by_ben = meeting.summary.appointment.meeting_id, f';SENT-BY="mailto:{LOCAL}":mailto:'
    off = event("CANCEL", uid=uid, sequence="5", dtstamp="20260101T000000Z", organizer=f"{by_ben}{anna_here}")
    no = event("REPLY", uid=uid, dtstamp="20260101T000000Z", organizer=f"mailto:{anna_here}")
    no = re.sub(rb"ATTENDEE[^\r]*", f"ATTENDEE;PARTSTAT=DECLINED{by_ben}carla@rookery.example".encode(), no)
    posting = Posting(world.database, Queueing(world.operations, world), world.clock, world.ids)
    for calendar, to in ((off, "carla@rookery.example"), (no, anna_here)):
        await posting.submit(ben.caller, Post(LOCAL, [to], mail(calendar, sender=LOCAL, to=to), "ESMTPSA", "here"))
    await world.settle()
    assert len(await world.calendar(carla)) == 1
    assert set((await world.answers(anna, meeting.id)).values()) == {RESPONSE_STATUS_NONE}


async def test_an_answer_from_outside_stands_with_its_attendee(world: MeetingWorld, anna: Person) -> None:
    meeting = await world.meet(anna, FAR, start="2025-06-24T12:00:00", end="2025-06-24T13:00:00")
    [told] = await world.bring(answer(meeting.summary.appointment.meeting_id, FAR, "ACCEPTED"), "anna")
    assert (told.method, told.effect, told.item_id) == (SCHEDULING_METHOD_REPLY, APPLIED, meeting.id)
    assert told.response == RESPONSE_STATUS_ACCEPTED
    assert await world.answers(anna, meeting.id) == {FAR: RESPONSE_STATUS_ACCEPTED}


async def test_nobody_answers_in_the_name_of_another(world: MeetingWorld, anna: Person) -> None:
    meeting = await world.meet(anna, FAR, start="2025-06-24T12:00:00", end="2025-06-24T13:00:00")
    forged = answer(meeting.summary.appointment.meeting_id, FAR, "DECLINED", sender="mallory@evil.example")
    [told] = await world.bring(forged, "anna", sender="mallory@evil.example")
    assert told.effect == IGNORED
    assert await world.answers(anna, meeting.id) == {FAR: RESPONSE_STATUS_NONE}


async def test_whoever_was_forwarded_the_meeting_answers_for_themself(world: MeetingWorld, anna: Person) -> None:
    meeting = await world.meet(anna, FAR, start="2025-06-24T12:00:00", end="2025-06-24T13:00:00")
    friend = "friend@elsewhere.example"
    [told] = await world.bring(answer(meeting.summary.appointment.meeting_id, friend, "DECLINED"), "anna", sender=friend)
    assert told.effect == APPLIED
    assert await world.answers(anna, meeting.id) == {FAR: RESPONSE_STATUS_NONE, friend: RESPONSE_STATUS_DECLINED}


async def test_an_answer_to_a_meeting_that_is_not_there_is_a_message_like_any_other(world: MeetingWorld, anna: Person) -> None:
    [told] = await world.bring(answer("nothing@rookery.example", FAR, "ACCEPTED"), "anna")
    assert (told.effect, told.item_id) == (IGNORED, b"")
    assert await world.calendar(anna) == [] and await world.within(anna, DELETED) == []


async def test_mail_from_outside_in_the_name_of_somebody_here_changes_no_calendar(world: MeetingWorld, anna: Person) -> None:
    forged = [
        mail(event(), sender=LOCAL),
        mail(event(), sender="Ben@ROOKERY.example."),
        mail(event(), more=f"Sender: <{LOCAL}>\r\n"),
        mail(event(organizer=f"mailto:{LOCAL}")),
        mail(event("CANCEL", organizer=f"mailto:{LOCAL}")),
    ]
    for message in forged:
        [told] = await world.bring(message, "anna")
        assert (told.effect, told.item_id) == (IGNORED, b"")
    assert await world.calendar(anna) == [] and len(await world.within(anna, INBOX)) == len(forged)


async def test_the_host_in_front_vouches_for_people_here_whose_mail_comes_back(world: MeetingWorld, anna: Person) -> None:
    said = [
        ("mx.rookery.example; dmarc=pass header.from=rookery.example", True, APPLIED),
        ("mx.rookery.example; spf=pass smtp.mailfrom=a; dmarc=pass (p=reject) header.from=Rookery.Example", True, APPLIED),
        ("mx.rookery.example; dmarc=fail header.from=rookery.example", True, IGNORED),
        ("mx.rookery.example; dmarc=pass header.from=evil.example", True, IGNORED),
        ("mx.evil.example; dmarc=pass header.from=rookery.example", True, IGNORED),
        ("mx.rookery.example; dmarc=pass header.from=rookery.example", False, IGNORED),
    ]
    for number, (results, trusted, effect) in enumerate(said):
        calendar = event(uid=f"{number}@rookery.example", organizer=f"mailto:{LOCAL}")
        message = mail(calendar, sender=LOCAL, more=f"Authentication-Results: {results}\r\n")
        [told] = await world.bring(message, "anna", sender=LOCAL, trusted=trusted)
        assert told.effect == effect, results


def answer(uid: str, attendee: str, status: str, *, sender: str = "") -> bytes:
    """An answer as other servers send it, without the invited's own properties."""
    calendar = event("REPLY", uid=uid, dtstamp="20260101T000000Z", organizer="mailto:anna@rookery.example")
    partstat = f"ATTENDEE;PARTSTAT={status}:mailto:{attendee}\r\n".encode()
    return mail(re.sub(rb"ATTENDEE[^\r]*\r\n", partstat, calendar), sender=sender or attendee)
