"""Reminders of appointments that nobody would think of: bounded work, and bounds that hold."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_core.rules import reminder_marks, reminders
from tests.support.reminding import AUCKLAND, BERLIN, DAY, NEW_YORK, due, excepted, meeting, micros

if TYPE_CHECKING:
    from rookery.v1.item_pb2 import Item

HOSTILE = [
    "FREQ=SECONDLY",
    "FREQ=MINUTELY;BYSECOND=0,1,2,3,4,5,6,7,8,9",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=SECONDLY;COUNT=1000000000",
    "FREQ=YEARLY;INTERVAL=2000",
]


@pytest.mark.parametrize("rule", HOSTILE)
@pytest.mark.parametrize("minutes", [0, 15, 2**31 - 1, -(2**31)])
def test_rules_without_end_cost_bounded_work(rule: str, minutes: int) -> None:
    item = meeting("1990-01-01 00:00", rule, minutes=minutes, received="2026-01-01")
    reminders.find(item, BERLIN, micros("2026-03-02"))
    first = reminders.earliest(item.summary, item.state)
    assert first is None or -(1 << 62) < first < 1 << 62


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize("minutes", [-(2**31), 0, 2**31 - 1])
def test_the_edges_of_time_have_reminders_too(day: str, minutes: int) -> None:
    for start in (day, f"{day} 00:00"):
        item = meeting(start, "FREQ=DAILY", minutes=minutes, received="0001-01-02")
        for zone in (AUCKLAND, NEW_YORK):
            reminders.find(item, zone, micros("2026-03-02"))


def test_five_thousand_exceptions_cost_bounded_work() -> None:
    exceptions = [
        excepted(f"{dt.date(2026, 1, 1) + dt.timedelta(days):%Y-%m-%d} 09:00", reminder_minutes=days) for days in range(5000)
    ]
    item = meeting("2026-01-01 09:00", "FREQ=DAILY", exceptions=exceptions)
    assert due(item, "2025-12-31 12:00") == "2026-01-01 08:00"


times = st.integers(0, 60 * 24 * 20).map(lambda minutes: dt.datetime(2026, 3, 20) + dt.timedelta(minutes=minutes))  # noqa: DTZ001
starts = st.builds(lambda time, shape: f"{time:%Y-%m-%d}" if shape else f"{time:%Y-%m-%d %H:%M}", times, st.booleans())


@st.composite
def appointments(draw: st.DrawFn) -> Item:
    start = draw(starts)
    rule = draw(st.sampled_from(["", "FREQ=DAILY;COUNT=9", "FREQ=WEEKLY;BYDAY=MO,TH", "FREQ=HOURLY;INTERVAL=7;COUNT=30"]))
    zone = draw(st.sampled_from(["", BERLIN, NEW_YORK, "UTC"])) if " " in start else ""
    item = meeting(start, *([rule] if rule else []), zone=zone, minutes=draw(st.sampled_from([0, 15, 1440, 4000])))
    item.summary.received.FromMicroseconds(micros(draw(times).isoformat()))
    if draw(st.booleans()):
        item.state.reminder.dismissed_through.FromMicroseconds(micros(draw(times).isoformat()))
    if draw(st.booleans()):
        item.state.reminder.snoozed_until.FromMicroseconds(micros(draw(times).isoformat()))
        if draw(st.booleans()):
            item.state.reminder.snoozed_signal.FromMicroseconds(micros(draw(times).isoformat()))
    return item


@settings(deadline=None)
@given(appointments(), times, st.sampled_from([BERLIN, NEW_YORK, AUCKLAND, "UTC", "Etc/GMT+12", "Pacific/Kiritimati"]))
def test_no_reminder_is_due_before_the_bound_by_which_it_is_looked_up(item: Item, now: dt.datetime, zone: str) -> None:
    bound = reminders.earliest(item.summary, item.state)
    closer = reminders.earliest(item.summary, item.state, zone)
    found = reminders.find(item, zone, micros(now.isoformat()))
    for time in (None if found.reminder is None else found.reminder.due.ToMicroseconds(), found.following):
        if time is not None:
            assert bound is not None and bound <= time
            assert closer is not None and closer <= time


@settings(deadline=None)
@given(appointments(), times, st.sampled_from([BERLIN, NEW_YORK, "UTC"]))
def test_what_follows_is_what_is_shown_then(item: Item, now: dt.datetime, zone: str) -> None:
    """As time goes on, what is due changes at the times that were told and at no others."""
    moment = micros(now.isoformat())
    found = reminders.find(item, zone, moment)
    for _ in range(5):
        until = found.following or moment + 3 * DAY
        between = reminders.find(item, zone, (moment + until) // 2)
        assert between.following == found.following or found.following is None
        if found.following is None:
            return
        then = reminders.find(item, zone, until)
        assert then.reminder is not None and then.reminder.due.ToMicroseconds() == until
        moment, found = until, then


@settings(deadline=None)
@given(appointments(), times)
def test_dismissing_what_is_shown_ends_it(item: Item, now: dt.datetime) -> None:
    moment = micros(now.isoformat())
    shown: set[int] = set()
    for _ in range(6):
        reminder = reminders.find(item, "UTC", moment).reminder
        if reminder is None:
            return
        assert reminder.signal.ToMicroseconds() not in shown
        shown.add(reminder.signal.ToMicroseconds())
        reminder_marks.mark(item.state, reminder_marks.dismissed(reminder))


@settings(deadline=None)
@given(appointments(), times, st.sampled_from([BERLIN, NEW_YORK, "UTC"]))
def test_an_appointment_that_does_not_recur_is_a_series_of_one(item: Item, now: dt.datetime, zone: str) -> None:
    """The short way for most appointments gives what the long one does."""
    item.summary.appointment.ClearField("recurrence")
    short = reminders.find(item, zone, micros(now.isoformat()))
    item.summary.appointment.exceptions.append(excepted("1999-01-01 09:00", cancelled=True))
    assert reminders.find(item, zone, micros(now.isoformat())) == short
