"""Answers that arrive: recorded on the organiser's item, from whom they speak of, and only the latest to the latest question."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1.calendar_pb2 import (
    ATTENDEE_ROLE_OPTIONAL,
    RESPONSE_STATUS_ACCEPTED,
    RESPONSE_STATUS_DECLINED,
    RESPONSE_STATUS_NONE,
    RESPONSE_STATUS_TENTATIVE,
)
from rookery.v1.person_pb2 import Person
from rookery.v1.scheduling_pb2 import SCHEDULING_EFFECT_APPLIED, SCHEDULING_EFFECT_IGNORED, SCHEDULING_EFFECT_OUTDATED
from rookery_core.rules.scheduling import answering, organizing, people, tracking
from rookery_core.rules.scheduling.receiving import Home
from tests.support.meetings import (
    ANNA,
    BEN,
    CARLA,
    DORA,
    NOON,
    SECOND,
    arrive,
    at,
    changed,
    invited,
    kept,
    meeting,
    someone,
    told,
    when,
)

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery.v1.item_pb2 import Item
    from rookery_core.rules.scheduling.itip import Letter, Self

APPLIED, OUTDATED, IGNORED = SCHEDULING_EFFECT_APPLIED, SCHEDULING_EFFECT_OUTDATED, SCHEDULING_EFFECT_IGNORED
ACCEPTED, DECLINED, TENTATIVE = RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED, RESPONSE_STATUS_TENTATIVE
NONE = RESPONSE_STATUS_NONE
WEEK_2 = when("2026-03-09", "10:00")


def reschedule(item: Item) -> None:
    item.summary.appointment.start.local = "2026-03-02T08:00:00"


def relocate(item: Item) -> None:
    item.summary.appointment.location = "Garden"


def answer(response: Any = ACCEPTED, guest: Self = BEN, **more: Any) -> tuple[Item, Letter]:
    item, copy = invited(guest)
    return item, answering.respond(copy, more.pop("occurrence", None), response, guest, NOON, **more).letters[0]


def test_an_answer_stands_with_its_attendee() -> None:
    item, letter = answer(comment="Gladly")
    received = arrive(item, letter, ANNA, sender=BEN)
    ben, carla = kept(received).content.appointment.attendees
    assert (received.effect, received.home) == (APPLIED, Home.KEEP)
    assert (ben.response, ben.comment, carla.response) == (ACCEPTED, "Gladly", NONE)
    assert ben.responded.ToMicroseconds() == letter.itip.parts[0].version.stamp
    assert (received.message.response, getattr(received.message, "from")) == (ACCEPTED, BEN.person)
    assert arrive(received.item, letter, ANNA, sender=BEN).effect == OUTDATED


@pytest.mark.parametrize("occurrence", [None, WEEK_2])
def test_an_answer_brings_the_name_that_the_list_lacks(occurrence: CalendarTime | None) -> None:
    item = meeting()
    ben = item.content.appointment.attendees[0]
    ben.person.CopyFrom(Person(address="Ben@ben.example"))
    item, copy = invited(BEN, item)
    letter = answering.respond(copy, occurrence, ACCEPTED, BEN, NOON).letters[0]
    named = Person(name="Ben", address="Ben@ben.example")
    assert letter.itip.parts[0].item.content.appointment.attendees[0].person == named == people.sender_of(letter, BEN)
    after = kept(arrive(item, letter, ANNA, sender=BEN))
    assert after.content.appointment.attendees[0].person == named
    assert organizing.send(after, ANNA, NOON + SECOND) == (after, ())
    tracking.keep_answers(after, item)
    assert item.content.appointment.attendees[0].person == named, "an edit made before leaves it there"


def test_a_name_that_the_organiser_has_given_stays() -> None:
    item = meeting()
    item.content.appointment.attendees[0].person.name = "Benny"
    item, copy = invited(BEN, item)
    letter = answering.respond(copy, None, ACCEPTED, BEN, NOON).letters[0]
    assert people.sender_of(letter, BEN) == BEN.person
    assert kept(arrive(item, letter, ANNA, sender=BEN)).content.appointment.attendees[0].person.name == "Benny"


def test_an_answer_by_a_clock_that_is_ahead_does_not_outlive_the_later_ones() -> None:
    item, copy = invited()
    ahead = answering.respond(copy, None, ACCEPTED, BEN, at("2036-02-20", "12:00")).letters[0]
    item = kept(arrive(item, ahead, ANNA, sender=BEN))
    assert item.content.appointment.attendees[0].responded.ToMicroseconds() == NOON
    right = answering.respond(copy, None, DECLINED, BEN, NOON + SECOND).letters[0]
    assert kept(arrive(item, right, ANNA, sender=BEN)).content.appointment.attendees[0].response == DECLINED


def test_an_earlier_answer_that_comes_late_is_stale() -> None:
    item, copy = invited()
    first = answering.respond(copy, None, ACCEPTED, BEN, NOON)
    second = answering.respond(first.item, None, DECLINED, BEN, NOON)
    item = kept(arrive(item, second.letters[0], ANNA, sender=BEN))
    assert arrive(item, first.letters[0], ANNA, sender=BEN).effect == OUTDATED


def test_an_answer_to_the_old_time_is_stale_and_one_to_the_old_place_is_not() -> None:
    item, letter = answer()
    relocate(item)
    item, _ = told(item)
    assert arrive(item, letter, ANNA, sender=BEN).effect == APPLIED
    reschedule(item)
    item, _ = told(item)
    assert arrive(item, letter, ANNA, sender=BEN).effect == OUTDATED


def test_a_counter_proposal_stands_until_there_is_another_time() -> None:
    times = (when("2026-03-02", "15:00"), when("2026-03-02", "16:00"))
    item, letter = answer(TENTATIVE, proposed=times)
    received = arrive(item, letter, ANNA, sender=BEN)
    ben = kept(received).content.appointment.attendees[0]
    assert (ben.response, ben.proposed_start, ben.proposed_end) == (TENTATIVE, *times)
    assert (received.message.start, received.message.end) == times
    item = kept(received)
    reschedule(item)
    item, _ = told(item)
    assert not item.content.appointment.attendees[0].HasField("proposed_start")


def test_somebody_to_whom_it_was_forwarded_is_added() -> None:
    item, copy = invited()
    [invitation] = answering.forward(copy, [DORA.person], BEN, NOON).letters
    theirs = kept(arrive(None, invitation, DORA, sender=BEN))
    [letter] = answering.respond(theirs, None, ACCEPTED, DORA, NOON).letters
    item = kept(arrive(item, letter, ANNA, sender=DORA))
    dora = item.content.appointment.attendees[2]
    assert (dora.person, dora.role, dora.response) == (DORA.person, ATTENDEE_ROLE_OPTIONAL, ACCEPTED)
    assert told(item)[1] == [], "they know all about it"


def test_whoever_was_taken_off_while_they_answered_stays_off() -> None:
    item, letter = answer()
    del item.content.appointment.attendees[0]
    item, _ = told(item)
    assert arrive(item, letter, ANNA, sender=BEN).effect == OUTDATED


def test_an_answer_for_one_occurrence_stands_by_itself() -> None:
    item, letter = answer(DECLINED, occurrence=WEEK_2)
    item = kept(arrive(item, letter, ANNA, sender=BEN))
    [response] = item.content.appointment.meeting.occurrence_responses
    assert (response.original_start, response.attendee.person, response.attendee.response) == (WEEK_2, BEN.person, DECLINED)
    assert item.content.appointment.attendees[0].response == NONE
    assert told(item)[1] == []


def test_an_answer_for_what_does_not_take_place_is_ignored() -> None:
    item, letter = answer(DECLINED, occurrence=WEEK_2)
    part = dataclasses.replace(letter.itip.parts[0], occurrence=when("2026-03-10", "10:00"))
    assert arrive(item, changed(letter, parts=(part,)), ANNA, sender=BEN).effect == IGNORED


def test_nobody_answers_for_another() -> None:
    item, letter = answer()
    assert arrive(item, letter, ANNA, sender=CARLA).effect == IGNORED


def test_whom_somebody_sends_answers_for_them_within_one_domain() -> None:
    item, letter = answer()
    secretary, stranger = someone("Sam"), someone("Stan")
    secretary = secretary._replace(person=type(secretary.person)(address="sam@ben.example"))
    for sender, effect in ((secretary, APPLIED), (stranger, IGNORED)):
        assert arrive(item, changed(letter, sent_by=sender.person.address), ANNA, sender=sender).effect == effect


def test_answers_change_nothing_but_the_organisers_item() -> None:
    _, copy = invited(CARLA)
    _, letter = answer()
    assert arrive(copy, letter, CARLA, sender=BEN).effect == IGNORED
    assert arrive(None, letter, ANNA, sender=BEN).effect == IGNORED
