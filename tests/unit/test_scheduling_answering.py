"""What an attendee answers, and hands on."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1.calendar_pb2 import (
    BUSY_STATUS_BUSY,
    BUSY_STATUS_FREE,
    BUSY_STATUS_TENTATIVE,
    RESPONSE_STATUS_ACCEPTED,
    RESPONSE_STATUS_DECLINED,
    RESPONSE_STATUS_NONE,
    RESPONSE_STATUS_TENTATIVE,
)
from rookery.v1.scheduling_pb2 import SCHEDULING_METHOD_COUNTER, SCHEDULING_METHOD_REPLY, SCHEDULING_METHOD_REQUEST
from rookery_core.errors import FailedPrecondition, InvalidArgument
from rookery_core.rules import validation
from rookery_core.rules.scheduling import answering, organizing, people
from tests.support.meetings import ANNA, BEN, CARLA, DORA, EMIL, NOON, SECOND, arrive, invited, meeting, someone, told, when

if TYPE_CHECKING:
    from rookery_core.rules.scheduling.itip import Letter

ACCEPTED, DECLINED, TENTATIVE = RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED, RESPONSE_STATUS_TENTATIVE
WEEK_2, WEEK_3 = when("2026-03-09", "10:00"), when("2026-03-16", "10:00")
LATER = (when("2026-03-02", "15:00"), when("2026-03-02", "16:00"))


def said(letter: Letter) -> list[tuple[str, int]]:
    """Of which occurrence what is said."""
    return [
        (part.occurrence.local[5:10] if part.occurrence is not None else "all", part.item.content.appointment.attendees[0].response)
        for part in letter.itip.parts
    ]


@pytest.mark.parametrize(
    ("response", "shows"), [(ACCEPTED, BUSY_STATUS_BUSY), (TENTATIVE, BUSY_STATUS_TENTATIVE), (DECLINED, BUSY_STATUS_FREE)]
)
def test_an_answer_stands_in_the_copy_and_goes_to_the_organiser(response: Any, shows: int) -> None:
    _, copy = invited()
    sending = answering.respond(copy, None, response, BEN, NOON, comment="Of course")
    appointment = sending.item.summary.appointment
    assert (appointment.my_response, appointment.busy_status) == (response, shows)
    [letter] = sending.letters
    assert (letter.itip.method, letter.to, said(letter)) == (SCHEDULING_METHOD_REPLY, (ANNA.person,), [("all", response)])
    assert letter.itip.parts[0].comment == "Of course"
    own = people.own(sending.item.content.appointment.attendees, BEN)
    assert own is not None
    assert own.response == response
    assert copy.summary.appointment.my_response == RESPONSE_STATUS_NONE, "what was handed in stays as it was"
    validation.validate_item(sending.item.summary, sending.item.content)


def test_what_is_meant_to_be_free_stays_free_when_it_is_accepted() -> None:
    item = meeting()
    item.summary.appointment.busy_status = BUSY_STATUS_FREE
    _, copy = invited(item=item)
    assert copy.summary.appointment.busy_status == BUSY_STATUS_FREE
    sending = answering.respond(copy, None, ACCEPTED, BEN, NOON)
    assert sending.item.summary.appointment.busy_status == BUSY_STATUS_FREE


def test_the_same_answer_is_given_once_unless_there_are_new_words() -> None:
    _, copy = invited()
    copy = answering.respond(copy, None, ACCEPTED, BEN, NOON).item
    again = answering.respond(copy, None, ACCEPTED, BEN, NOON)
    assert again.item is copy
    assert again.letters == ()
    assert len(answering.respond(copy, None, ACCEPTED, BEN, NOON, comment="Really").letters) == 1
    assert len(answering.respond(copy, None, DECLINED, BEN, NOON).letters) == 1


def test_answers_of_one_second_follow_each_other() -> None:
    _, copy = invited()
    first = answering.respond(copy, None, ACCEPTED, BEN, NOON)
    second = answering.respond(first.item, None, DECLINED, BEN, NOON)
    assert second.letters[0].itip.parts[0].version.stamp == first.letters[0].itip.parts[0].version.stamp + SECOND


def test_nothing_is_told_in_silence_or_where_nobody_asks() -> None:
    _, copy = invited()
    quiet = answering.respond(copy, None, ACCEPTED, BEN, NOON, silent=True)
    assert (quiet.letters, quiet.item.summary.appointment.my_response) == ((), ACCEPTED)
    item = meeting()
    item.summary.appointment.response_requested = False
    _, copy = invited(item=item)
    assert answering.respond(copy, None, ACCEPTED, BEN, NOON).letters == ()


def test_a_declined_occurrence_is_cancelled_in_the_copy_and_comes_back_when_it_is_accepted() -> None:
    _, copy = invited()
    sending = answering.respond(copy, WEEK_2, DECLINED, BEN, NOON)
    [exception] = sending.item.summary.appointment.exceptions
    assert (exception.original_start, exception.cancelled, exception.my_response) == (WEEK_2, True, DECLINED)
    assert said(sending.letters[0]) == [("03-09", DECLINED)]
    assert sending.item.summary.appointment.my_response == RESPONSE_STATUS_NONE
    back = answering.respond(sending.item, when("2026-03-09", "09:00", "UTC"), ACCEPTED, BEN, NOON)
    [exception] = back.item.summary.appointment.exceptions
    assert (exception.cancelled, exception.my_response, exception.busy_status) == (False, ACCEPTED, BUSY_STATUS_BUSY)


def test_an_answer_for_all_says_again_which_occurrences_were_declined_and_covers_the_rest() -> None:
    item, copy = invited()
    copy = answering.respond(copy, WEEK_2, DECLINED, BEN, NOON).item
    item.summary.appointment.exceptions.add(
        original_start=WEEK_3, start=when("2026-03-16", "15:00"), end=when("2026-03-16", "16:00")
    )
    _, [letter] = told(item)
    copy = arrive(copy, letter, BEN).item or copy
    sending = answering.respond(copy, None, ACCEPTED, BEN, NOON)
    assert said(sending.letters[0]) == [("all", ACCEPTED), ("03-09", DECLINED), ("03-16", ACCEPTED)]
    assert [part.version.sequence for part in sending.letters[0].itip.parts] == [0, 0, 1]
    assert [(each.cancelled, each.my_response) for each in sending.item.summary.appointment.exceptions] == [
        (True, DECLINED),
        (False, 0),
    ]


def test_several_occurrences_and_the_whole_are_answered_with_one_letter() -> None:
    item, copy = invited()
    sending = answering.respond_each(copy, [(WEEK_2, DECLINED), (None, ACCEPTED), (WEEK_3, TENTATIVE)], BEN, NOON, comment="Mostly")
    [letter] = sending.letters
    assert said(letter) == [("all", ACCEPTED), ("03-09", DECLINED), ("03-16", TENTATIVE)]
    assert sending.item.summary.appointment.my_response == ACCEPTED
    assert [(each.cancelled, each.my_response) for each in sending.item.summary.appointment.exceptions] == [
        (True, DECLINED),
        (False, TENTATIVE),
    ]
    recorded = arrive(item, letter, ANNA, sender=BEN).item
    assert recorded is not None
    responses = recorded.content.appointment.meeting.occurrence_responses
    assert [each.attendee.response for each in responses] == [DECLINED, TENTATIVE]
    assert answering.respond_each(sending.item, [(WEEK_2, DECLINED), (WEEK_3, TENTATIVE)], BEN, NOON).letters == ()


@pytest.mark.parametrize("rule", ["FREQ=DAILY;COUNT=3000", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;COUNT=3000"])
def test_thousands_of_occurrences_are_answered_and_recorded_at_once(rule: str) -> None:
    item, copy = invited(item=meeting(BEN, rule=rule))
    days = [(dt.date(2026, 3, 2) + dt.timedelta(days=day)).isoformat() for day in range(2500)]
    [letter] = answering.respond_each(copy, [(when(day, "10:00"), DECLINED) for day in days], BEN, NOON).letters
    recorded = arrive(item, letter, ANNA, sender=BEN).item
    assert recorded is not None
    assert len(recorded.content.appointment.meeting.occurrence_responses) == 2500


def test_another_time_is_proposed_as_a_counter() -> None:
    _, copy = invited()
    sending = answering.respond(copy, None, TENTATIVE, BEN, NOON, proposed=LATER)
    [letter] = sending.letters
    proposal = letter.itip.parts[0].item.summary.appointment
    assert (letter.itip.method, proposal.start, proposal.end) == (SCHEDULING_METHOD_COUNTER, *LATER)
    assert sending.item.summary.appointment.start == when("2026-03-02", "10:00")
    assert answering.respond(sending.item, None, TENTATIVE, BEN, NOON, proposed=LATER).letters == ()


@pytest.mark.parametrize(
    ("response", "proposed"),
    [
        (ACCEPTED, LATER),
        (TENTATIVE, LATER[::-1]),
        (RESPONSE_STATUS_NONE, None),
        (TENTATIVE, (when("2026-13-02", "10:00"), LATER[1])),
    ],
)
def test_answers_that_make_no_sense_are_refused(response: Any, proposed: Any) -> None:
    _, copy = invited()
    with pytest.raises(InvalidArgument):
        answering.respond(copy, None, response, BEN, NOON, proposed=proposed)


def test_where_no_other_times_are_wanted_none_is_proposed() -> None:
    item = meeting()
    item.summary.appointment.counters_disallowed = True
    _, copy = invited(item=item)
    with pytest.raises(FailedPrecondition) as caught:
        answering.respond(copy, None, TENTATIVE, BEN, NOON, proposed=LATER)
    assert caught.value.reason == "COUNTER_DISALLOWED"


def test_only_who_is_invited_answers() -> None:
    item, copy = invited()
    [letter] = organizing.cancel(item, None, ANNA, NOON).letters
    called_off = arrive(copy, letter, BEN).item
    for nobodys in (item, meeting(), called_off):
        assert nobodys is not None
        with pytest.raises(FailedPrecondition) as caught:
            answering.respond(nobodys, None, ACCEPTED, BEN, NOON)
        assert caught.value.reason == "NOT_INVITED"


def test_only_an_occurrence_that_takes_place_is_answered() -> None:
    item, copy = invited()
    with pytest.raises(InvalidArgument) as caught:
        answering.respond(copy, when("2026-03-10", "10:00"), ACCEPTED, BEN, NOON)
    assert caught.value.reason == "NOT_AN_OCCURRENCE"
    [letter] = organizing.cancel(item, WEEK_2, ANNA, NOON).letters
    with pytest.raises(FailedPrecondition):
        answering.respond(arrive(copy, letter, BEN).item or copy, WEEK_2, ACCEPTED, BEN, NOON)


def test_the_occurrence_of_a_single_meeting_is_the_meeting() -> None:
    _, copy = invited(item=meeting(rule=""))
    sending = answering.respond(copy, when("2026-03-02", "09:00", "UTC"), ACCEPTED, BEN, NOON)
    assert said(sending.letters[0]) == [("all", ACCEPTED)]


def test_who_was_invited_by_an_alias_answers_by_it() -> None:
    ben = someone("Ben", "benedict@ben.example")
    item = meeting()
    item.content.appointment.attendees[0].person.address = "benedict@ben.example"
    _, copy = invited(ben, item)
    [letter] = answering.respond(copy, None, ACCEPTED, ben, NOON).letters
    assert people.sender_of(letter, ben).address == "benedict@ben.example"


def test_one_of_a_group_answers_by_their_own_address() -> None:
    _, copy = invited(DORA)
    copy.summary.appointment.response_requested = True
    [letter] = answering.respond(copy, None, ACCEPTED, DORA, NOON).letters
    assert people.sender_of(letter, DORA) == DORA.person


def test_an_attendee_forwards_the_invitation_as_it_came_and_not_what_they_answered() -> None:
    item = meeting()
    item.summary.appointment.exceptions.add(original_start=WEEK_3, subject="Another")
    _, copy = invited(item=item)
    copy = answering.respond(copy, WEEK_3, DECLINED, BEN, NOON).item
    sending = answering.forward(copy, [DORA.person, BEN.person, ANNA.person], BEN, NOON, "For you too")
    assert sending.item is copy
    [letter] = sending.letters
    assert (letter.itip.method, letter.itip.organizer, letter.to) == (SCHEDULING_METHOD_REQUEST, ANNA.person, (DORA.person,))
    assert people.sender_of(letter, BEN) == BEN.person
    received = arrive(None, letter, DORA, sender=BEN).item
    assert received is not None
    assert received.content.appointment.meeting.version == copy.content.appointment.meeting.version
    [exception] = received.summary.appointment.exceptions
    assert (exception.subject, exception.cancelled, exception.my_response) == ("Another", False, 0)
    assert received.summary.appointment.response_requested
    assert received.summary.appointment.busy_status == BUSY_STATUS_TENTATIVE


def test_the_organiser_who_forwards_invites() -> None:
    item, _ = invited()
    sending = answering.forward(item, [DORA.person, EMIL.person], ANNA, NOON)
    assert [letter.to for letter in sending.letters] == [(DORA.person, EMIL.person)]
    assert len(sending.item.content.appointment.attendees) == 4
    assert answering.forward(sending.item, [DORA.person], ANNA, NOON).letters == ()


def test_forwarding_to_nobody_or_what_is_no_invitation_is_refused() -> None:
    _, copy = invited()
    with pytest.raises(InvalidArgument):
        answering.forward(copy, [BEN.person], BEN, NOON)
    copy.summary.appointment.my_response = 0  # type: ignore[assignment]
    with pytest.raises(FailedPrecondition):
        answering.forward(copy, [CARLA.person], BEN, NOON)
