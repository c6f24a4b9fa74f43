"""What a message changes where it arrives: versions, who may say what, what stays the owner's, what can not be kept."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rookery.v1 import scheduling_pb2 as methods
from rookery.v1.calendar_pb2 import (
    BUSY_STATUS_BUSY,
    BUSY_STATUS_OUT_OF_OFFICE,
    BUSY_STATUS_TENTATIVE,
    EVENT_STATUS_CANCELLED,
    EVENT_STATUS_CONFIRMED,
    RESPONSE_STATUS_ACCEPTED,
    RESPONSE_STATUS_DECLINED,
    RESPONSE_STATUS_NONE,
    RESPONSE_STATUS_TENTATIVE,
    RESPONSE_STATUS_UNSPECIFIED,
)
from rookery.v1.item_pb2 import Item
from rookery.v1.scheduling_pb2 import SCHEDULING_EFFECT_APPLIED, SCHEDULING_EFFECT_IGNORED, SCHEDULING_EFFECT_OUTDATED
from rookery_core.rules import limits
from rookery_core.rules.recurrence.series import Series
from rookery_core.rules.recurrence.starts import Budget
from rookery_core.rules.scheduling import answering, organizing, people, receiving
from rookery_core.rules.scheduling.itip import Itip, Letter, Part, Version
from rookery_core.rules.scheduling.receiving import Home
from tests.support.meetings import (
    ANNA,
    BEN,
    EMIL,
    NOON,
    SECOND,
    arrive,
    at,
    changed,
    invited,
    kept,
    meeting,
    told,
    when,
)

APPLIED, OUTDATED, IGNORED = SCHEDULING_EFFECT_APPLIED, SCHEDULING_EFFECT_OUTDATED, SCHEDULING_EFFECT_IGNORED
ACCEPTED, DECLINED, TENTATIVE = RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED, RESPONSE_STATUS_TENTATIVE
NONE = RESPONSE_STATUS_NONE
WEEK_2, WEEK_3 = when("2026-03-09", "10:00"), when("2026-03-16", "10:00")


def letters(*edits: Any) -> list[Letter]:
    """What Ben is sent while Anna makes one edit after the other: the invitation first."""
    item, found = told(meeting(BEN))
    for edit in edits:
        edit(item)
        item, more = told(item)
        found += more
    return found


def rename(item: Item) -> None:
    item.summary.subject += "!"


def reschedule(item: Item) -> None:
    item.summary.appointment.start.local = "2026-03-02T08:00:00"


def relocate(item: Item) -> None:
    item.summary.appointment.location = "Garden"


def move(item: Item) -> None:
    item.summary.appointment.exceptions.add(
        original_start=WEEK_2, start=when("2026-03-09", "15:00"), end=when("2026-03-09", "16:00")
    )


def call_off(item: Item) -> None:
    item.summary.appointment.exceptions.add(original_start=WEEK_2, cancelled=True)


def after(*sent: Letter, copy: Item | None = None) -> Item:
    for letter in sent:
        copy = arrive(copy, letter, BEN).item or copy
    assert copy is not None
    return copy


def starts(item: Item) -> list[str]:
    found = Series(item.summary.appointment).between(at("2026-01-01", "00:00"), at("2027-01-01", "00:00"), "UTC", Budget(1000))
    return [each.start.local[5:16] for each in found]


class TestInvitations:
    def test_one_stands_in_the_calendar_tentative_and_unanswered(self) -> None:
        item = meeting(BEN)
        item.summary.appointment.reminder_minutes = 30
        [letter] = told(item, comment="Please come")[1]
        received = arrive(None, letter, BEN)
        appointment = kept(received).summary.appointment
        assert (received.effect, received.home) == (APPLIED, Home.CALENDAR)
        assert (appointment.my_response, appointment.busy_status) == (NONE, BUSY_STATUS_TENTATIVE)
        assert (appointment.organizer, appointment.meeting_id) == (ANNA.person, "plan@anna.example")
        assert not appointment.HasField("reminder_minutes"), "when to remind is the owner's"
        shown = received.message
        assert (shown.method, shown.start, shown.end, shown.comment) == (
            methods.SCHEDULING_METHOD_REQUEST,
            when("2026-03-02", "10:00"),
            when("2026-03-02", "10:45"),
            "Please come",
        )
        assert getattr(shown, "from") == ANNA.person

    def test_one_that_came_before_changes_nothing(self) -> None:
        [letter] = letters()
        received = arrive(after(letter), letter, BEN)
        assert (received.effect, received.item) == (OUTDATED, None)

    def test_an_older_one_changes_nothing(self) -> None:
        first, second, third = letters(relocate, rename)
        copy = after(third)
        for late in (first, second):
            assert arrive(copy, late, BEN).effect == OUTDATED
        assert (copy.summary.subject, copy.summary.appointment.location) == ("Plan!", "Garden")

    def test_an_answer_that_the_organiser_has_counts_for_a_first_copy(self) -> None:
        item, _ = told(meeting(BEN))
        item.content.appointment.attendees[0].response = ACCEPTED
        rename(item)
        copy = kept(arrive(None, told(item)[1][0], BEN))
        assert (copy.summary.appointment.my_response, copy.summary.appointment.busy_status) == (ACCEPTED, BUSY_STATUS_BUSY)

    def test_an_event_that_was_imported_before_becomes_the_invitation(self) -> None:
        [letter] = letters()
        imported = after(letter)
        imported.content.appointment.ClearField("meeting")
        imported.summary.appointment.my_response = RESPONSE_STATUS_UNSPECIFIED
        copy = kept(arrive(imported, letter, BEN))
        assert copy.summary.appointment.my_response == NONE

    def test_a_private_appointment_of_the_same_identifier_stays_private(self) -> None:
        [letter] = letters()
        assert arrive(meeting(), letter, BEN).effect == IGNORED


class TestUpdates:
    @pytest.mark.parametrize("edit", [rename, relocate])
    def test_other_words_and_another_place_let_the_answer_stand(self, edit: Any) -> None:
        first, update = letters(edit)
        copy = answering.respond(after(first), None, ACCEPTED, BEN, NOON).item
        received = arrive(copy, update, BEN)
        assert received.home == Home.KEEP
        assert kept(received).summary.appointment.my_response == ACCEPTED
        own = people.own(kept(received).content.appointment.attendees, BEN)
        assert own is not None
        assert own.response == ACCEPTED

    def test_another_time_asks_anew_and_brings_back_what_was_declined(self) -> None:
        first, update = letters(reschedule)
        copy = answering.respond(after(first), None, DECLINED, BEN, NOON).item
        received = arrive(copy, update, BEN)
        appointment = kept(received).summary.appointment
        assert received.home == Home.CALENDAR
        assert (appointment.my_response, appointment.busy_status) == (NONE, BUSY_STATUS_TENTATIVE)

    def test_what_is_the_owners_stays(self) -> None:
        first, update = letters(rename)
        copy = answering.respond(after(first), None, ACCEPTED, BEN, NOON).item
        copy.summary.appointment.reminder_minutes = 5
        copy.summary.appointment.busy_status = BUSY_STATUS_OUT_OF_OFFICE
        copy.summary.sensitivity = 2  # type: ignore[assignment]
        copy.state.categories.append("Work")
        item = kept(arrive(copy, update, BEN))
        assert item.summary.subject == "Plan!"
        assert item.summary.appointment.reminder_minutes == 5
        assert item.summary.appointment.busy_status == BUSY_STATUS_OUT_OF_OFFICE
        assert (item.summary.sensitivity, list(item.state.categories)) == (2, ["Work"])

    def test_the_arguments_stay_as_they_are(self) -> None:
        first, update = letters(reschedule)
        copy = after(first)
        before = copy.SerializeToString()
        arrive(copy, update, BEN)
        assert copy.SerializeToString() == before

    def test_a_message_that_was_missed_may_have_asked(self) -> None:
        def back(item: Item) -> None:
            item.summary.appointment.start.local = "2026-03-02T10:00:00"

        first, _missed, last = letters(reschedule, back)
        copy = answering.respond(after(first), None, ACCEPTED, BEN, NOON).item
        assert kept(arrive(copy, last, BEN)).summary.appointment.my_response == NONE


class TestOccurrences:
    def test_a_moved_one_is_asked_about_by_itself(self) -> None:
        first, moved = letters(move)
        copy = answering.respond(after(first), None, ACCEPTED, BEN, NOON).item
        received = arrive(copy, moved, BEN)
        [exception] = kept(received).summary.appointment.exceptions
        assert (exception.original_start, exception.start) == (WEEK_2, when("2026-03-09", "15:00"))
        assert (exception.my_response, exception.busy_status) == (NONE, BUSY_STATUS_TENTATIVE)
        assert received.item is not None
        assert received.item.summary.appointment.my_response == ACCEPTED
        assert received.message.occurrence == WEEK_2

    def test_one_with_other_words_stays_declined(self) -> None:
        def describe(item: Item) -> None:
            item.summary.appointment.exceptions.add(original_start=WEEK_2, text="Bring cake")

        first, update = letters(describe)
        copy = answering.respond(after(first), WEEK_2, DECLINED, BEN, NOON).item
        [exception] = kept(arrive(copy, update, BEN)).summary.appointment.exceptions
        assert (exception.cancelled, exception.my_response, exception.text) == (True, DECLINED, "Bring cake")

    def test_a_declined_one_stays_declined_when_the_series_is_told_anew(self) -> None:
        first, update = letters(rename)
        copy = answering.respond(after(first), WEEK_2, DECLINED, BEN, NOON).item
        [exception] = kept(arrive(copy, update, BEN)).summary.appointment.exceptions
        assert (exception.cancelled, exception.my_response) == (True, DECLINED)

    def test_the_whole_that_comes_late_keeps_what_was_told_of_one_since(self) -> None:
        first, renamed, moved = letters(rename, move)
        in_order, late = after(first, renamed, moved), after(first, moved, renamed)
        assert starts(in_order) == starts(late)
        assert "03-09T15:00" in starts(late)
        assert late.summary.subject == "Plan!"

    def test_one_that_comes_without_its_series_is_kept_until_that_comes(self) -> None:
        first, moved = letters(move)
        received = arrive(None, moved, BEN)
        alone = kept(received)
        assert (received.home, starts(alone)) == (Home.CALENDAR, ["03-09T15:00"])
        whole = kept(arrive(alone, first, BEN))
        assert starts(whole) == starts(after(first, moved))
        assert arrive(whole, moved, BEN).effect == OUTDATED

    def test_two_that_come_without_their_series_are_dates_of_one(self) -> None:
        def move_another(item: Item) -> None:
            item.summary.appointment.exceptions.add(original_start=WEEK_3, subject="Another")

        first, one, other = letters(move, move_another)
        alone = after(other, one)
        assert starts(alone) == ["03-09T15:00", "03-16T10:00"]
        assert starts(after(first, copy=alone)) == starts(after(first, one, other))

    def test_what_is_answered_without_its_series_is_told_with_its_version(self) -> None:
        _, moved = letters(move)
        [letter] = answering.respond(after(moved), None, ACCEPTED, BEN, NOON).letters
        [part] = letter.itip.parts
        assert (part.occurrence, part.version.sequence) == (WEEK_2, 1)

    def test_names_of_occurrences_may_be_written_in_any_zone(self) -> None:
        first, moved = letters(move)
        part = moved.itip.parts[0]
        named = dataclasses.replace(part, occurrence=when("2026-03-09", "05:00", "America/New_York"))
        assert starts(after(first, changed(moved, parts=(named,)))) == starts(after(first, moved))


class TestCancellations:
    def test_a_cancelled_meeting_goes_to_deleted_items(self) -> None:
        item, copy = invited()
        [letter] = organizing.cancel(item, None, ANNA, NOON).letters
        received = arrive(copy, letter, BEN)
        assert (received.effect, received.home) == (APPLIED, Home.DELETED)
        assert kept(received).summary.appointment.status == EVENT_STATUS_CANCELLED

    def test_one_of_a_meeting_that_is_not_known_is_remembered(self) -> None:
        item, [invitation] = told(meeting(BEN))
        [cancellation] = organizing.cancel(item, None, ANNA, NOON).letters
        received = arrive(None, cancellation, BEN)
        assert received.home == Home.DELETED
        assert arrive(kept(received), invitation, BEN).effect == OUTDATED

    def test_one_that_names_no_time_is_remembered_too(self) -> None:
        part = Part(None, Version(3, NOON), Item(), cancelled=True)
        itip = Itip(methods.SCHEDULING_METHOD_CANCEL, 2, "other", ANNA.person, (part,))
        received = receiving.receive(None, itip, BEN, "anna@anna.example", NOON)
        assert received.home == Home.DELETED
        kept(received)

    def test_an_occurrence_that_is_called_off_before_its_series_is_known_stays_off(self) -> None:
        first, off = letters(call_off)
        received = arrive(None, off, BEN)
        assert received.home == Home.DELETED
        series = arrive(kept(received), first, BEN)
        assert series.home == Home.CALENDAR
        assert starts(kept(series)) == starts(after(first, off))

    def test_a_late_cancellation_does_not_undo_a_new_invitation(self) -> None:
        item, [first] = told(meeting(BEN))
        cancelling = organizing.cancel(item, None, ANNA, NOON)
        cancelling.item.summary.appointment.status = EVENT_STATUS_CONFIRMED
        [again] = told(cancelling.item)[1]
        copy = answering.respond(after(first), None, ACCEPTED, BEN, NOON).item
        received = arrive(copy, again, BEN)
        assert kept(received).summary.appointment.my_response == NONE
        assert arrive(received.item, cancelling.letters[0], BEN).effect == OUTDATED
        revived = arrive(after(first, cancelling.letters[0]), again, BEN)
        assert revived.home == Home.CALENDAR
        assert kept(revived).summary.appointment.status != EVENT_STATUS_CANCELLED


class TestWhoMaySayWhat:
    def test_only_the_organiser_changes_or_calls_off_what_is_known(self) -> None:
        first, update = letters(reschedule)
        copy = after(first)
        assert arrive(copy, update, BEN, sender=EMIL).effect == IGNORED
        assert arrive(copy, changed(update, organizer=EMIL.person), BEN, sender=EMIL).effect == IGNORED
        assert arrive(None, changed(update, method=methods.SCHEDULING_METHOD_CANCEL), BEN, sender=EMIL).effect == IGNORED

    def test_one_is_not_invited_by_oneself(self) -> None:
        item, [letter] = told(meeting())
        assert arrive(item, letter, ANNA).effect == IGNORED
        assert arrive(None, letter, ANNA).effect == IGNORED

    @pytest.mark.parametrize(
        "method", [methods.SCHEDULING_METHOD_PUBLISH, methods.SCHEDULING_METHOD_REFRESH, methods.SCHEDULING_METHOD_UNSPECIFIED]
    )
    def test_what_asks_for_nothing_changes_nothing(self, method: Any) -> None:
        [letter] = letters()
        assert arrive(None, changed(letter, method=method), BEN).effect == IGNORED


class TestFurtherMethods:
    def test_an_added_occurrence_is_a_further_date(self) -> None:
        [letter] = letters()
        copy = after(letter)
        part = letter.itip.parts[0]
        extra = Item()
        extra.CopyFrom(part.item)
        extra.summary.appointment.start.CopyFrom(when("2026-04-20", "10:00"))
        more = changed(
            letter,
            method=methods.SCHEDULING_METHOD_ADD,
            parts=(dataclasses.replace(part, item=extra, version=Version(1, NOON + SECOND)),),
        )
        received = arrive(copy, more, BEN)
        assert starts(kept(received)) == [*starts(copy), "04-20T10:00"]
        assert arrive(received.item, more, BEN).effect == OUTDATED
        assert arrive(None, more, BEN).effect == IGNORED

    def test_a_proposal_that_is_refused_falls_and_the_answer_stands(self) -> None:
        [letter] = letters()
        times = (when("2026-03-02", "15:00"), when("2026-03-02", "16:00"))
        copy = answering.respond(after(letter), None, TENTATIVE, BEN, NOON, proposed=times).item
        refusal = changed(letter, method=methods.SCHEDULING_METHOD_DECLINE_COUNTER)
        assert arrive(copy, refusal, BEN, sender=EMIL).effect == IGNORED
        item = kept(arrive(copy, refusal, BEN))
        own = people.own(item.content.appointment.attendees, BEN)
        assert own is not None
        assert not own.HasField("proposed_start")
        assert (own.response, item.summary.appointment.my_response) == (TENTATIVE, TENTATIVE)


class TestHostileMessages:
    def test_what_is_too_long_is_cut(self) -> None:
        [letter] = letters()
        item = Item()
        item.CopyFrom(letter.itip.parts[0].item)
        item.summary.subject = "x" * 5000
        item.content.body.text = "ä" * (3 << 20)
        appointment = item.summary.appointment
        appointment.location = "y" * 5000
        appointment.url = "z" * 5000
        appointment.end.local = "2020-01-01T00:00:00"
        appointment.recurrence.rules.extend(["nonsense"] * 100)
        appointment.recurrence.excluded_dates.extend([WEEK_2] * 6000)
        item.content.appointment.attendees.extend([item.content.appointment.attendees[0]] * 6000)
        part = dataclasses.replace(letter.itip.parts[0], item=item)
        copy = kept(arrive(None, changed(letter, parts=(part,)), BEN))
        assert len(copy.summary.subject) == limits.SUBJECT
        assert copy.summary.appointment.end == copy.summary.appointment.start
        assert len(copy.content.body.text.encode()) <= limits.BODY_BYTES

    def test_what_can_not_be_kept_is_ignored(self) -> None:
        [letter] = letters()
        item = Item()
        item.CopyFrom(letter.itip.parts[0].item)
        item.summary.appointment.start.local = "someday"
        part = dataclasses.replace(letter.itip.parts[0], item=item)
        received = arrive(None, changed(letter, parts=(part,)), BEN)
        assert (received.effect, received.item) == (IGNORED, None)

    def test_more_occurrences_than_a_series_may_have_come_to_an_end(self) -> None:
        [letter] = letters()
        part = letter.itip.parts[0]
        singles = tuple(
            dataclasses.replace(part, occurrence=when(f"{2030 + year}-{month:02}-{day:02}", "10:00"), version=Version(1, NOON))
            for year in range(20)
            for month in range(1, 13)
            for day in range(1, 29)
        )
        received = arrive(None, changed(letter, parts=singles), BEN)
        assert received.effect == APPLIED
        assert len(kept(received).summary.appointment.recurrence.dates) == limits.DATES
