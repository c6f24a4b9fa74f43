"""Answers on the organiser's item: edits of the list, occurrences that were asked about, limits."""

from __future__ import annotations

from typing import Any

import pytest

from rookery.v1.calendar_pb2 import (
    RESPONSE_STATUS_ACCEPTED,
    RESPONSE_STATUS_DECLINED,
    RESPONSE_STATUS_NONE,
    Attendee,
)
from rookery.v1.item_pb2 import Item
from rookery_core.errors import InvalidArgument
from rookery_core.rules import limits
from rookery_core.rules.scheduling import answering, occurrences, tracking
from rookery_core.rules.scheduling.occurrences import Timeline
from rookery_core.rules.scheduling.recording import Recorder
from tests.support.meetings import ANNA, BEN, CARLA, NOON, arrive, invited, meeting, told, when

ACCEPTED, DECLINED, NONE = RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED, RESPONSE_STATUS_NONE
WEEK_2, WEEK_3 = when("2026-03-09", "10:00"), when("2026-03-16", "10:00")


def listing(response: Any, responded: int, **fields: Any) -> Item:
    item = Item()
    attendee = item.content.appointment.attendees.add(person=BEN.person, response=response, **fields)
    if responded:
        attendee.responded.FromSeconds(responded)
    return item


@pytest.mark.parametrize(
    ("before", "edited", "stays"),
    [
        ((ACCEPTED, 20), (NONE, 0), ACCEPTED),
        ((ACCEPTED, 20), (DECLINED, 10), ACCEPTED),
        ((ACCEPTED, 20), (DECLINED, 20), DECLINED),
        ((ACCEPTED, 20), (DECLINED, 30), DECLINED),
        ((NONE, 0), (ACCEPTED, 0), ACCEPTED),
        ((NONE, 20), (ACCEPTED, 10), NONE),
    ],
)
def test_an_edit_does_not_take_back_a_later_answer(before: Any, edited: Any, stays: Any) -> None:
    stored, item = listing(*before, comment="Words"), listing(*edited)
    tracking.keep_answers(stored, item)
    [attendee] = item.content.appointment.attendees
    assert attendee.response == stays
    assert bool(attendee.comment) == (stays == before[0] and before != edited and before[1] > edited[1])


def test_an_edit_that_takes_somebody_off_stands() -> None:
    item = Item()
    tracking.keep_answers(listing(ACCEPTED, 20), item)
    assert not item.HasField("content")


def test_an_edit_from_before_another_time_was_sent_does_not_bring_the_old_answer_back() -> None:
    item, copy = invited()
    item = arrive(item, answering.respond(copy, None, ACCEPTED, BEN, NOON).letters[0], ANNA, sender=BEN).item or item
    edited = Item()
    edited.CopyFrom(item)
    item.summary.appointment.start.local = "2026-03-02T08:00:00"
    item, _ = told(item, now=NOON + 60_000_000)
    tracking.keep_answers(item, edited)
    assert edited.content.appointment.attendees[0].response == NONE


def test_who_accepted_all_is_asked_about_an_occurrence_that_moves() -> None:
    item, copy = invited()
    accepted = answering.respond(copy, None, ACCEPTED, BEN, NOON)
    item = arrive(item, accepted.letters[0], ANNA, sender=BEN).item or item
    item.summary.appointment.exceptions.add(
        original_start=WEEK_2, start=when("2026-03-09", "15:00"), end=when("2026-03-09", "16:00")
    )
    item, [letter] = told(item)
    timeline, ben = Timeline(item.summary.appointment), item.content.appointment.attendees[0]
    week_2, week_3 = timeline.point(WEEK_2), timeline.point(WEEK_3)
    assert week_2 is not None and week_3 is not None
    answers = tracking.Answers(item, timeline)
    assert (answers.of(ben, week_2), answers.of(ben, week_3)) == (NONE, ACCEPTED)
    assert letter.itip.parts[0].item.content.appointment.attendees[0].response == NONE
    copy = arrive(accepted.item, letter, BEN).item or copy
    [reply] = answering.respond(copy, WEEK_2, DECLINED, BEN, NOON).letters
    item = arrive(item, reply, ANNA, sender=BEN).item or item
    assert tracking.Answers(item, timeline).of(ben, week_2) == DECLINED


def test_a_late_answer_to_the_old_time_of_an_occurrence_is_stale() -> None:
    item, copy = invited()
    [late] = answering.respond(copy, WEEK_2, ACCEPTED, BEN, NOON).letters
    item.summary.appointment.exceptions.add(
        original_start=WEEK_2, start=when("2026-03-09", "15:00"), end=when("2026-03-09", "16:00")
    )
    item, _ = told(item)
    assert arrive(item, late, ANNA, sender=BEN).item is None


def test_beyond_the_limit_the_oldest_answers_for_occurrences_go() -> None:
    item, _ = told(meeting())
    listed = item.content.appointment.meeting.occurrence_responses
    for second in range(limits.EXCEPTIONS, 0, -1):
        entry = listing(DECLINED, second).content.appointment.attendees[0]
        entry.person.address = f"guest{second}@ben.example"
        listed.add(original_start=WEEK_2, attendee=entry)
    answer = Attendee(person=CARLA.person, response=DECLINED)
    answer.responded.FromSeconds(limits.EXCEPTIONS)
    recorder = Recorder(item)
    recorder.record(answer, WEEK_3, 0)
    recorder.close()
    assert len(listed) == limits.EXCEPTIONS
    assert min(each.attendee.responded.seconds for each in listed) == 2
    assert listed[-1].attendee.person == CARLA.person


def test_one_occurrence_by_itself_has_its_own_time_and_no_rule() -> None:
    item = meeting()
    item.summary.appointment.exceptions.add(
        original_start=WEEK_2,
        start=when("2026-03-09", "15:00"),
        end=when("2026-03-09", "16:00"),
        subject="Another",
        location="Garden",
        text="Words",
    )
    moved, regular = occurrences.single(item, WEEK_2), occurrences.single(item, when("2026-03-16", "09:00", "UTC"))
    assert (moved.summary.subject, moved.summary.appointment.location, moved.content.body.text) == ("Another", "Garden", "Words")
    assert (moved.summary.appointment.start, moved.summary.appointment.end) == (
        when("2026-03-09", "15:00"),
        when("2026-03-09", "16:00"),
    )
    assert (regular.summary.subject, regular.summary.appointment.start) == ("Plan", WEEK_3)
    assert not moved.summary.appointment.HasField("recurrence")
    with pytest.raises(InvalidArgument):
        occurrences.single(item, when("never", "10:00"))
