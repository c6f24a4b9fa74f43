"""What an organiser tells whom: only what changed, and only those whom it concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1.calendar_pb2 import (
    ATTENDEE_ROLE_INFORMATION,
    EVENT_STATUS_CANCELLED,
    EVENT_STATUS_CONFIRMED,
    RESPONSE_STATUS_ACCEPTED,
    RESPONSE_STATUS_NONE,
    RESPONSE_STATUS_ORGANIZER,
)
from rookery.v1.scheduling_pb2 import SCHEDULING_METHOD_CANCEL, SCHEDULING_METHOD_REQUEST
from rookery_core.errors import FailedPrecondition, InvalidArgument
from rookery_core.rules import validation
from rookery_core.rules.scheduling import answering, organizing, people
from tests.support.meetings import ANNA, BEN, CARLA, DORA, NOON, SECOND, arrive, invited, meeting, someone, told, when

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery.v1.item_pb2 import Item
    from rookery_core.rules.scheduling.itip import Letter

CANCEL, REQUEST = SCHEDULING_METHOD_CANCEL, SCHEDULING_METHOD_REQUEST
WEEK_2, WEEK_3 = when("2026-03-09", "10:00"), when("2026-03-16", "10:00")


def names(letter: Letter) -> list[str]:
    return [person.name for person in letter.to]


def days(letter: Letter) -> list[str]:
    """Which occurrences a letter speaks of; "all" for the whole."""
    return [part.occurrence.local[5:10] if part.occurrence is not None else "all" for part in letter.itip.parts]


def versions(letter: Letter) -> set[int]:
    return {part.version.sequence for part in letter.itip.parts}


def move(item: Item) -> None:
    item.summary.appointment.exceptions.add(
        original_start=WEEK_2, start=when("2026-03-09", "15:00"), end=when("2026-03-09", "16:00")
    )


def test_the_first_letter_invites_everybody_and_makes_the_owner_the_organiser() -> None:
    item, [letter] = told(meeting(BEN, CARLA), comment="Please come")
    assert item.summary.appointment.my_response == RESPONSE_STATUS_ORGANIZER
    assert item.summary.appointment.organizer == ANNA.person
    assert (letter.itip.method, names(letter), days(letter), versions(letter)) == (REQUEST, ["Ben", "Carla"], ["all"], {0})
    assert letter.itip.parts[0].comment == "Please come"
    assert all(each.response_requested for each in letter.itip.parts[0].item.content.appointment.attendees)
    validation.validate_item(item.summary, item.content)


def test_sending_again_tells_nobody_anything_and_leaves_the_item_as_it_is() -> None:
    item, _ = told(meeting())
    again = organizing.send(item, ANNA, NOON + SECOND)
    assert again.item is item
    assert again.letters == ()


def test_an_appointment_without_attendees_stays_private() -> None:
    item = meeting()
    del item.content.appointment.attendees[:]
    assert organizing.send(item, ANNA, NOON).item is item


def test_the_organiser_and_doubled_attendees_are_told_once_or_not_at_all() -> None:
    me = someone("Anna", "anna.maier@anna.example")
    item = meeting(BEN, me, BEN)
    item.content.appointment.attendees[1].person.address = "Anna.Maier+plan@anna.example"
    item.content.appointment.attendees[2].person.address = "BEN@Ben.Example"
    sending = organizing.send(item, me, NOON)
    assert names(sending.letters[0]) == ["Ben"]
    assert len(sending.item.content.appointment.attendees) == 1


def test_whoever_is_only_informed_is_not_asked_for_an_answer() -> None:
    item = meeting(BEN, CARLA)
    item.content.appointment.attendees[1].role = ATTENDEE_ROLE_INFORMATION
    _, [letter] = told(item)
    assert [each.response_requested for each in letter.itip.parts[0].item.content.appointment.attendees] == [True, False]


def change(path: str, value: object) -> Callable[[Item], None]:
    def apply(item: Item) -> None:
        *way, last = path.split(".")
        target: object = item
        for name in way:
            target = getattr(target, name)
        setattr(target, last, value)

    return apply


@pytest.mark.parametrize(
    ("edit", "sequence", "asks"),
    [
        (change("summary.subject", "Other"), 0, False),
        (change("content.body.text", "Bring cake"), 0, False),
        (change("summary.appointment.url", "https://meet.example"), 0, False),
        (change("summary.appointment.location", "Garden"), 1, False),
        (change("summary.appointment.start.local", "2026-03-02T09:00:00"), 1, True),
        (change("summary.appointment.end.local", "2026-03-02T12:00:00"), 1, True),
        (lambda item: item.summary.appointment.recurrence.rules.__setitem__(0, "FREQ=DAILY;COUNT=3"), 1, True),
        (lambda item: item.summary.appointment.recurrence.dates.append(when("2026-04-20", "10:00")), 1, True),
    ],
)
def test_a_change_is_told_to_all_and_a_new_time_asks_anew(edit: Callable[[Item], None], sequence: int, asks: bool) -> None:
    item, _ = told(meeting(BEN, CARLA))
    item.content.appointment.attendees[0].response = RESPONSE_STATUS_ACCEPTED
    edit(item)
    item, [letter] = told(item)
    assert (letter.itip.method, names(letter), days(letter), versions(letter)) == (REQUEST, ["Ben", "Carla"], ["all"], {sequence})
    assert item.summary.appointment.sequence == sequence
    assert (item.content.appointment.attendees[0].response == RESPONSE_STATUS_NONE) == asks


@pytest.mark.parametrize(
    "path", ["summary.appointment.busy_status", "summary.appointment.reminder_minutes", "summary.appointment.response_requested"]
)
def test_what_is_the_organisers_alone_is_told_to_nobody(path: str) -> None:
    item, _ = told(meeting())
    change(path, 4 if path.endswith("s") else 0)(item)
    assert told(item)[1] == []


def test_stamps_of_one_second_follow_each_other() -> None:
    item, [first] = told(meeting())
    item.summary.subject = "Other"
    _, [second] = told(item)
    assert second.itip.parts[0].version > first.itip.parts[0].version
    assert second.itip.parts[0].version.stamp % SECOND == 0


def test_new_attendees_alone_are_invited_and_those_who_are_gone_alone_are_told_so() -> None:
    item, _ = told(meeting(BEN, CARLA))
    del item.content.appointment.attendees[0]
    item.content.appointment.attendees.add(person=DORA.person)
    item, [invitation, cancellation] = told(item)
    assert (invitation.itip.method, names(invitation), days(invitation)) == (REQUEST, ["Dora"], ["all"])
    assert (cancellation.itip.method, names(cancellation), days(cancellation)) == (CANCEL, ["Ben"], ["all"])
    assert [each.person.name for each in cancellation.itip.parts[0].item.content.appointment.attendees] == ["Ben"]
    assert told(item)[1] == []


@pytest.mark.parametrize("tells_of_it", [True, False])
def test_whoever_was_taken_off_and_put_back_is_asked_anew(tells_of_it: bool) -> None:
    item, copy = invited()
    copy = answering.respond(copy, None, RESPONSE_STATUS_ACCEPTED, BEN, NOON).item
    del item.content.appointment.attendees[0]
    if tells_of_it:
        item, _ = told(item)
    item.content.appointment.attendees.add(person=BEN.person)
    item, [letter] = told(item)
    assert (letter.itip.method, names(letter), versions(letter)) == (REQUEST, ["Ben"], {2})
    received = arrive(copy, letter, BEN).item
    assert received is not None
    assert received.summary.appointment.my_response == RESPONSE_STATUS_NONE, "though the cancellation has not come, or never will"


def test_a_new_attendee_does_not_raise_the_sequence() -> None:
    item, _ = told(meeting(BEN))
    item.content.appointment.attendees.add(person=DORA.person)
    assert versions(told(item)[1][0]) == {0}


def test_only_changed_occurrences_are_told_of() -> None:
    item, _ = told(meeting())
    move(item)
    item.summary.appointment.exceptions.add(original_start=WEEK_3, subject="Another")
    item, [letter] = told(item)
    assert (letter.itip.method, days(letter), versions(letter)) == (REQUEST, ["03-09", "03-16"], {1})
    first, second = (part.item.summary for part in letter.itip.parts)
    assert (first.appointment.start.local, first.subject) == ("2026-03-09T15:00:00", "Plan")
    assert (second.appointment.start.local, second.subject) == ("2026-03-16T10:00:00", "Another")
    assert not first.appointment.HasField("recurrence")


def test_another_subject_of_an_occurrence_does_not_raise_the_sequence() -> None:
    item, _ = told(meeting())
    item.summary.appointment.exceptions.add(original_start=WEEK_3, subject="Another")
    assert versions(told(item)[1][0]) == {0}


@pytest.mark.parametrize("by_date", [True, False])
def test_occurrences_that_are_cancelled_or_excluded_are_called_off(by_date: bool) -> None:
    item, _ = told(meeting())
    if by_date:
        item.summary.appointment.recurrence.excluded_dates.append(when("2026-03-09", "09:00", "UTC"))
    else:
        item.summary.appointment.exceptions.add(original_start=WEEK_2, cancelled=True)
    item, [letter] = told(item)
    assert (letter.itip.method, days(letter), versions(letter)) == (CANCEL, ["03-09"], {1})
    assert told(item)[1] == []


def test_a_date_that_excludes_nothing_is_told_to_nobody() -> None:
    item, _ = told(meeting())
    item.summary.appointment.recurrence.excluded_dates.append(when("2026-03-10", "10:00"))
    assert told(item)[1] == []


def test_an_occurrence_that_takes_place_again_is_invited_to() -> None:
    item, _ = told(meeting())
    item = organizing.cancel(item, WEEK_2, ANNA, NOON).item
    del item.summary.appointment.exceptions[:]
    _, [letter] = told(item)
    assert (letter.itip.method, days(letter), versions(letter)) == (REQUEST, ["03-09"], {2})


def test_many_changed_occurrences_are_told_of_with_the_whole_series() -> None:
    item, _ = told(meeting(rule="FREQ=DAILY;COUNT=60"))
    for day in range(2, 32):
        item.summary.appointment.exceptions.add(original_start=when(f"2026-03-{day:02}", "10:00"), subject="Another")
    _, [letter] = told(item)
    assert len(letter.itip.parts) == 30
    item.summary.appointment.exceptions.add(original_start=when("2026-04-01", "10:00"), cancelled=True)
    item, [letter] = told(item)
    assert days(letter)[0] == "all"
    assert len(letter.itip.parts) == 31
    assert [date.local for date in letter.itip.parts[0].item.summary.appointment.recurrence.excluded_dates] == [
        "2026-04-01T10:00:00"
    ]


def test_calling_off_tells_all_who_were_invited_once() -> None:
    item, _ = told(meeting(BEN, CARLA))
    sending = organizing.cancel(item, None, ANNA, NOON, "Nobody has time")
    [letter] = sending.letters
    assert (letter.itip.method, names(letter), versions(letter)) == (CANCEL, ["Ben", "Carla"], {1})
    assert letter.itip.parts[0].comment == "Nobody has time"
    assert sending.item.summary.appointment.status == EVENT_STATUS_CANCELLED
    assert organizing.cancel(sending.item, None, ANNA, NOON).letters == ()
    assert organizing.send(sending.item, ANNA, NOON).item is sending.item


def test_what_nobody_was_told_of_is_called_off_in_silence() -> None:
    assert organizing.cancel(meeting(), None, ANNA, NOON).letters == ()
    assert organizing.cancel(meeting(), WEEK_2, ANNA, NOON).letters == ()


def test_a_meeting_that_stands_again_is_a_new_invitation() -> None:
    item = organizing.cancel(told(meeting())[0], None, ANNA, NOON).item
    item.summary.appointment.status = EVENT_STATUS_CONFIRMED
    _, [letter] = told(item)
    assert (letter.itip.method, names(letter), versions(letter)) == (REQUEST, ["Ben", "Carla"], {2})


def test_calling_off_an_occurrence_tells_of_nothing_else() -> None:
    item, _ = told(meeting(BEN))
    item.summary.subject = "Not told yet"
    sending = organizing.cancel(item, WEEK_2, ANNA, NOON)
    [letter] = sending.letters
    assert (letter.itip.method, days(letter)) == (CANCEL, ["03-09"])
    assert organizing.cancel(sending.item, WEEK_2, ANNA, NOON).letters == ()
    [rest] = organizing.send(sending.item, ANNA, NOON).letters
    assert (rest.itip.method, days(rest)) == (REQUEST, ["all"])


@pytest.mark.parametrize("occurrence", [when("2026-03-10", "10:00"), when("2026-03-09", "10:00", "America/New_York")])
def test_only_an_occurrence_can_be_called_off(occurrence: object) -> None:
    with pytest.raises(InvalidArgument) as caught:
        organizing.cancel(meeting(), occurrence, ANNA, NOON)  # type: ignore[arg-type]
    assert caught.value.reason == "NOT_AN_OCCURRENCE"


def test_only_the_organiser_tells_and_calls_off() -> None:
    _, copy = invited()
    for call in (lambda: organizing.send(copy, BEN, NOON), lambda: organizing.cancel(copy, None, BEN, NOON)):
        with pytest.raises(FailedPrecondition) as caught:
            call()
        assert caught.value.reason == "NOT_ORGANIZER"


def test_an_overlong_comment_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        organizing.send(meeting(), ANNA, NOON, "x" * 4097)


def test_an_alias_of_the_organiser_stands_in_from() -> None:
    me = someone("Anna", "board@anna.example")
    item = meeting()
    item.summary.appointment.organizer.address = "board@anna.example"
    [letter] = organizing.send(item, me, NOON).letters
    assert people.sender_of(letter, me).address == "board@anna.example"


def test_a_change_reaches_those_who_were_invited_as_one_and_the_new_as_an_invitation() -> None:
    item, first = told(meeting(BEN))
    item.summary.subject = "Plan B"
    item.content.appointment.attendees.add(person=CARLA.person)
    _, letters = told(item, now=NOON + SECOND)
    assert [(each.to, each.is_update) for each in [*first, *letters]] == [
        ((BEN.person,), False),
        ((BEN.person,), True),
        ((CARLA.person,), False),
    ]
    assert letters[0].itip == letters[1].itip
