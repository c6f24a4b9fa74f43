"""Reminders: which one an item has, and when, by its marks and by the time."""

from __future__ import annotations

from typing import Any

import pytest

from rookery.v1 import calendar_pb2, item_pb2
from rookery.v1.item_pb2 import Item, ItemState, ReminderMarks
from rookery.v1.task_pb2 import TaskStatus
from rookery_core.errors import InvalidArgument
from rookery_core.rules import reminder_marks, reminders
from rookery_core.rules.reminder_signals import UNCERTAIN
from tests.support.reminding import BERLIN, NEW_YORK, at, dismiss, due, excepted, following, found, meeting, micros, snooze, task

DECLINED, ACCEPTED = calendar_pb2.RESPONSE_STATUS_DECLINED, calendar_pb2.RESPONSE_STATUS_ACCEPTED


def test_a_meeting_is_told_of_so_many_minutes_before_and_until_it_is_dismissed() -> None:
    item = meeting("2026-03-02 09:00", end="2026-03-02 10:00", location="Attic")
    reminder = found(item, "2026-03-01")
    assert reminder is not None
    assert (reminder.due, reminder.kind, reminder.subject, reminder.location) == (reminder.signal, 2, "Meeting", "Attic")
    assert (reminder.due.ToMicroseconds(), reminder.begins.ToMicroseconds(), reminder.ends.ToMicroseconds()) == (
        micros("2026-03-02 07:45"),
        micros("2026-03-02 08:00"),
        micros("2026-03-02 09:00"),
    )
    assert reminder.start == at("2026-03-02 09:00") and not reminder.HasField("original_start")
    assert following(item, "2026-03-01") == "2026-03-02 07:45"
    assert (due(item, "2026-04-01"), following(item, "2026-04-01")) == ("2026-03-02 07:45", "")
    dismiss(item, "2026-03-02 07:50")
    assert found(item, "2026-03-02 07:50") is None


def test_what_was_over_before_the_item_came_is_not_told() -> None:
    assert not due(meeting("2026-03-02 09:00", end="2026-03-02 10:00", received="2026-03-02 09:00"), "2026-03-02 09:00")
    assert due(meeting("2026-03-02 09:00", end="2026-03-02 10:00", received="2026-03-02 08:59"), "2026-03-02 09:00")
    old = meeting("2020-03-02 09:00", "FREQ=WEEKLY", received="2026-03-03")
    assert due(old, "2026-03-03") == "2026-03-09 07:45"


def test_what_has_been_over_for_thirty_days_is_not_told_any_more() -> None:
    item = meeting("2026-03-02 09:00", end="2026-03-02 10:00")
    assert due(item, "2026-04-01 08:59") and not due(item, "2026-04-01 09:01")
    snooze(item, "2026-03-02 09:00", "2026-04-20 09:00")
    assert due(item, "2026-04-20 09:01"), "who put it off wants to hear of it"
    ended = meeting("2026-03-02 09:00", "FREQ=WEEKLY;COUNT=2", end="2026-03-02 10:00")
    assert due(ended, "2026-04-08") == "2026-03-09 07:45" and not due(ended, "2026-04-09")


def test_without_minutes_there_is_no_reminder() -> None:
    assert not due(meeting("2026-03-02 09:00", minutes=None), "2026-03-01")
    assert due(meeting("2026-03-02 09:00", minutes=0), "2026-03-01") == "2026-03-02 08:00"
    assert due(meeting("2026-03-02 09:00", minutes=-5), "2026-03-01") == "2026-03-02 08:05"


@pytest.mark.parametrize(
    "fields", [{"status": calendar_pb2.EVENT_STATUS_CANCELLED}, {"my_response": DECLINED}], ids=["cancelled", "declined"]
)
def test_what_does_not_take_place_for_the_owner_is_not_told(fields: dict[str, Any]) -> None:
    assert not due(meeting("2026-03-02 09:00", "FREQ=DAILY", **fields), "2026-03-01")


def test_the_reminders_of_a_series_keep_their_hour_when_the_clocks_change() -> None:
    item = meeting("2026-03-27 09:00", "FREQ=DAILY")  # in Berlin the clocks go forward on the 29th
    told = [due(item, f"2026-03-{day} 12:00") for day in (27, 28, 29, 30)]
    assert told == ["2026-03-27 07:45", "2026-03-28 07:45", "2026-03-29 06:45", "2026-03-30 06:45"]
    assert following(item, "2026-03-28 12:00") == "2026-03-29 06:45"


def test_an_appointment_that_the_clocks_skip_comes_with_them_and_lasts() -> None:
    """It would be over before it begins; one that recurs is laid out likewise."""
    for rules in ((), ("FREQ=YEARLY",)):
        item = meeting("2026-03-29 02:30", *rules, end="2026-03-29 03:00", minutes=0)
        reminder = found(item, "2026-03-29")
        assert reminder is not None
        assert (reminder.begins.ToMicroseconds(), reminder.ends.ToMicroseconds()) == (
            micros("2026-03-29 01:30"),
            micros("2026-03-29 02:00"),
        )


def test_of_a_series_the_occurrence_that_became_due_last_is_shown() -> None:
    item = meeting("2026-03-02 09:00", "FREQ=DAILY")
    assert due(item, "2026-03-01") == "2026-03-02 07:45"
    reminder = found(item, "2026-03-04 09:00")
    assert reminder is not None
    assert (reminder.original_start, reminder.due.ToMicroseconds()) == (at("2026-03-04 09:00"), micros("2026-03-04 07:45"))
    dismiss(item, "2026-03-04 09:00")
    assert due(item, "2026-03-04 09:00") == "2026-03-05 07:45"


def test_dismissing_one_occurrence_leaves_those_to_come_and_makes_no_exception() -> None:
    item = meeting("2026-03-02 09:00", "FREQ=WEEKLY;COUNT=3")
    before = item.summary.SerializeToString(deterministic=True)
    told = []
    for _ in range(3):
        told.append(due(item, "2026-03-02"))
        dismiss(item, "2026-03-02")
    assert told == ["2026-03-02 07:45", "2026-03-09 07:45", "2026-03-16 07:45"]
    assert not due(item, "2026-03-02")
    assert item.summary.SerializeToString(deterministic=True) == before


def test_exceptions_move_change_and_take_away_reminders() -> None:
    item = meeting(
        "2026-03-02 09:00",
        "FREQ=DAILY;COUNT=6",
        exceptions=[
            excepted("2026-03-02 09:00", start="2026-03-02 14:00", end="2026-03-02 15:00"),
            excepted("2026-03-03 09:00", reminder_minutes=60, subject="Review", location="Hall"),
            excepted("2026-03-04 09:00", cancelled=True),
            excepted("2026-03-05 09:00", my_response=DECLINED),
            excepted("2026-03-07 09:00", start="2026-03-06 08:00", end="2026-03-06 08:30"),
        ],
    )
    told = []
    while reminder := found(item, "2026-03-01"):
        told.append((f"{reminder.signal.ToDatetime():%d %H:%M}", reminder.original_start.local[8:10], reminder.subject))
        assert reminder.location == ("Hall" if reminder.subject == "Review" else "")
        dismiss(item, "2026-03-01")
    assert told == [
        ("02 12:45", "02", "Meeting"),
        ("03 07:00", "03", "Review"),
        ("06 06:45", "07", "Meeting"),  # the last one comes before the last but one
        ("06 07:45", "06", "Meeting"),
    ]


def test_an_occurrence_may_be_accepted_of_a_series_that_was_declined() -> None:
    item = meeting(
        "2026-03-02 09:00", "FREQ=DAILY", my_response=DECLINED, exceptions=[excepted("2026-03-05 09:00", my_response=ACCEPTED)]
    )
    assert (due(item, "2026-03-01"), following(item, "2026-03-06")) == ("2026-03-05 07:45", "")


def test_only_an_exception_may_have_a_reminder() -> None:
    item = meeting("2026-03-02 09:00", "FREQ=DAILY", minutes=None, exceptions=[excepted("2029-03-05 09:00", reminder_minutes=30)])
    assert due(item, "2029-03-01") == "2029-03-05 07:30"
    dismiss(item, "2029-03-01")
    assert not due(item, "2029-03-01")
    assert reminders.earliest(item.summary, item.state) is None


def test_a_reminder_that_was_put_off_is_shown_again_then() -> None:
    item = meeting("2026-03-02 09:00", end="2026-03-02 10:00")
    snooze(item, "2026-03-02 07:46", "2026-03-02 07:55")
    reminder = found(item, "2026-03-02 07:50")
    assert reminder is not None
    assert (reminder.due.ToMicroseconds(), reminder.signal.ToMicroseconds()) == (
        micros("2026-03-02 07:55"),
        micros("2026-03-02 07:45"),
    )
    assert following(item, "2026-03-02 07:50") == "2026-03-02 07:55"
    dismiss(item, "2026-03-02 07:56")
    assert not due(item, "2026-03-02 07:56")
    assert not item.state.reminder.HasField("snoozed_until") and not item.state.reminder.HasField("snoozed_signal")


@pytest.mark.parametrize(
    ("moved_to", "expected"),
    [("2026-03-02 15:00", "2026-03-02 13:45"), ("2026-03-01 12:00", "2026-03-01 10:45"), ("2026-03-05 09:00", "2026-03-05 07:45")],
    ids=["later that day", "earlier", "after the snooze"],
)
def test_a_meeting_that_is_moved_is_put_off_no_longer(moved_to: str, expected: str) -> None:
    item = meeting("2026-03-02 09:00")
    snooze(item, "2026-03-02 07:46", "2026-03-04 09:00")
    item.summary.appointment.start.CopyFrom(at(moved_to))
    item.summary.appointment.end.CopyFrom(at(moved_to))
    assert due(item, "2026-03-01") == expected


def test_putting_off_one_occurrence_keeps_no_other_silent() -> None:
    item = meeting("2026-03-02 09:00", "FREQ=DAILY")
    snooze(item, "2026-03-02 08:00", "2026-03-04 07:00")
    assert (due(item, "2026-03-02 09:00"), following(item, "2026-03-02 09:00")) == ("2026-03-03 07:45", "2026-03-03 07:45")
    assert due(item, "2026-03-03 08:00") == "2026-03-03 07:45"
    again = found(item, "2026-03-04 07:00")
    assert again is not None
    assert (again.original_start, following(item, "2026-03-04 07:00")) == (at("2026-03-02 09:00"), "2026-03-04 07:45")


def test_marks_that_do_not_say_which_reminder_was_put_off_hold_for_all_until_then() -> None:
    item = meeting("2026-03-02 09:00", "FREQ=DAILY")
    item.state.reminder.snoozed_until.FromMicroseconds(micros("2026-03-04 07:00"))
    assert due(item, "2026-03-03 09:00") == "2026-03-04 07:00"
    assert due(item, "2026-03-04 08:00") == "2026-03-04 07:45"


def test_all_day_is_the_midnight_of_the_zone_and_a_dismissal_travels_along() -> None:
    item = meeting("2026-03-02", "FREQ=DAILY", end="2026-03-03")
    assert due(item, "2026-02-28", BERLIN) == "2026-03-01 22:45"
    assert due(item, "2026-02-28", NEW_YORK) == "2026-03-02 04:45"
    for there, here in ((BERLIN, NEW_YORK), (NEW_YORK, BERLIN), ("UTC", "America/Los_Angeles")):
        item.state.Clear()
        dismiss(item, "2026-02-28", there)
        reminder = found(item, "2026-02-28", here)
        assert reminder is not None and reminder.original_start.local == "2026-03-03"


def test_tasks_are_told_of_until_they_are_done() -> None:
    item = task("2026-03-02 08:00", location="Shed")
    item.summary.task.due.CopyFrom(at("2026-03-05"))
    reminder = found(item, "2026-03-01")
    assert reminder is not None
    assert (reminder.start.local, reminder.begins.ToMicroseconds(), reminder.location) == (
        "2026-03-05",
        micros("2026-03-04 23:00"),
        "Shed",
    )
    assert (due(item, "2026-03-01"), following(item, "2026-03-01"), following(item, "2026-03-03")) == (
        "2026-03-02 08:00",
        "2026-03-02 08:00",
        "",
    )
    item.summary.task.status = TaskStatus.TASK_STATUS_COMPLETED
    assert not due(item, "2026-03-01")
    item.summary.task.status = TaskStatus.TASK_STATUS_IN_PROGRESS
    dismiss(item, "2026-03-03")
    assert not due(item, "2026-03-03")
    item.summary.task.reminder.FromMicroseconds(micros("2026-03-04 08:00"))
    assert due(item, "2026-03-03") == "2026-03-04 08:00"


def test_flagged_mail_is_told_of_until_it_is_followed_up() -> None:
    item = Item(id=bytes(16))
    item.summary.kind, flag = item_pb2.ITEM_KIND_MESSAGE, item.state.follow_up
    flag.status = item_pb2.FLAG_STATUS_FLAGGED
    assert not due(item, "2026-03-01")
    flag.reminder.FromMicroseconds(micros("2026-03-02 08:00"))
    flag.due.FromMicroseconds(micros("2026-03-03 08:00"))
    reminder = found(item, "2026-03-01")
    assert reminder is not None and (reminder.start, reminder.begins) == (at("2026-03-03 09:00"), flag.due)
    flag.status = item_pb2.FLAG_STATUS_COMPLETED
    assert not due(item, "2026-03-01")


def test_the_later_dismissal_stays_in_whichever_order_marks_arrive() -> None:
    early, late = ReminderMarks(), ReminderMarks()
    early.dismissed_through.seconds, late.dismissed_through.seconds = 100, 200
    snoozed = ReminderMarks()
    snoozed.snoozed_until.seconds, snoozed.snoozed_signal.seconds = 900, 200
    for order in ((early, late, snoozed), (late, early, snoozed), (snoozed, late, early), (late, snoozed, early)):
        state = ItemState()
        for marks in order:
            reminder_marks.mark(state, marks)
        assert state.reminder == late
    state = ItemState()
    for marks in (early, snoozed):
        reminder_marks.mark(state, marks)
    assert (state.reminder.dismissed_through.seconds, state.reminder.snoozed_until.seconds) == (100, 900)
    reminder_marks.mark(state, ReminderMarks())
    assert state.reminder == early


def test_marks_have_times_and_say_until_when() -> None:
    marks = ReminderMarks()
    marks.dismissed_through.nanos = -1
    with pytest.raises(InvalidArgument) as refused:
        reminder_marks.validate(marks, "reminder")
    assert refused.value.field == "reminder.dismissed_through"
    marks = ReminderMarks()
    marks.snoozed_signal.seconds = 1
    with pytest.raises(InvalidArgument) as refused:
        reminder_marks.validate(marks, "reminder")
    assert refused.value.field == "reminder.snoozed_until"


def test_the_bound_is_close_where_it_can_be() -> None:
    item = meeting("2026-03-02 09:00", "FREQ=DAILY")
    assert reminders.earliest(item.summary, item.state) == micros("2026-03-02 07:45")
    dismiss(item, "2026-03-02 08:00")
    assert reminders.earliest(item.summary, item.state) == micros("2026-03-03 07:45")
    birthday = meeting("2026-03-02", "FREQ=YEARLY", end="2026-03-03", minutes=0)
    assert not reminders.depends_on_zone(birthday.summary, birthday.state)
    dismiss(birthday, "2026-03-02", NEW_YORK)
    assert reminders.depends_on_zone(birthday.summary, birthday.state)
    assert reminders.earliest(birthday.summary, birthday.state, NEW_YORK) == micros("2027-03-02 05:00") - UNCERTAIN
