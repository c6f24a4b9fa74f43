"""What appointments take of people's time, and that of several in one line."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.v1 import item_pb2
from rookery.v1.calendar_pb2 import AppointmentSummary, BusyStatus, CalendarTime, EventStatus, OccurrenceException, ResponseStatus
from rookery.v1.item_pb2 import ItemSummary
from rookery_core.rules.availability import busy_times
from rookery_core.rules.availability.busy_times import Busy, Span
from rookery_core.rules.recurrence.entries import Entry
from rookery_core.rules.recurrence.series import Series
from rookery_core.rules.recurrence.starts import Budget

FREE, TENTATIVE, BUSY = BusyStatus.BUSY_STATUS_FREE, BusyStatus.BUSY_STATUS_TENTATIVE, BusyStatus.BUSY_STATUS_BUSY
AWAY, ELSEWHERE = BusyStatus.BUSY_STATUS_OUT_OF_OFFICE, BusyStatus.BUSY_STATUS_WORKING_ELSEWHERE
BERLIN = "Europe/Berlin"
MONDAY = int(dt.datetime(2026, 3, 2, tzinfo=dt.UTC).timestamp()) * 1_000_000
HOUR = 3_600_000_000


def time(local: str, zone: str = BERLIN) -> CalendarTime:
    return CalendarTime(local=local, time_zone=zone if "T" in local else "")


def taken(summary: ItemSummary, begin: int = MONDAY, end: int = MONDAY + 7 * 24 * HOUR, zone: str = "UTC") -> list[Busy]:
    return busy_times.taking(Entry(b"i" * 16, summary), begin, end, zone, Budget(1000))


def event(start: str, end: str, subject: str = "Lunch", zone: str = BERLIN, **fields: Any) -> ItemSummary:
    appointment = AppointmentSummary(start=time(start, zone), end=time(end, zone), **fields)
    return ItemSummary(kind=item_pb2.ITEM_KIND_APPOINTMENT, subject=subject, appointment=appointment)


def hours(found: list[Busy]) -> list[tuple[float, float]]:
    return [((each.start - MONDAY) / HOUR, (each.end - MONDAY) / HOUR) for each in found]


@pytest.mark.parametrize(
    ("shown", "stands", "response", "status"),
    [
        (
            BusyStatus.BUSY_STATUS_UNSPECIFIED,
            EventStatus.EVENT_STATUS_UNSPECIFIED,
            ResponseStatus.RESPONSE_STATUS_UNSPECIFIED,
            BUSY,
        ),
        (BUSY, EventStatus.EVENT_STATUS_CONFIRMED, ResponseStatus.RESPONSE_STATUS_ORGANIZER, BUSY),
        (AWAY, EventStatus.EVENT_STATUS_CONFIRMED, ResponseStatus.RESPONSE_STATUS_ACCEPTED, AWAY),
        (FREE, EventStatus.EVENT_STATUS_CONFIRMED, ResponseStatus.RESPONSE_STATUS_ACCEPTED, FREE),
        (BUSY, EventStatus.EVENT_STATUS_CANCELLED, ResponseStatus.RESPONSE_STATUS_ACCEPTED, FREE),
        (BUSY, EventStatus.EVENT_STATUS_CONFIRMED, ResponseStatus.RESPONSE_STATUS_DECLINED, FREE),
        (BUSY, EventStatus.EVENT_STATUS_CONFIRMED, ResponseStatus.RESPONSE_STATUS_DELEGATED, FREE),
        (BUSY, EventStatus.EVENT_STATUS_CONFIRMED, ResponseStatus.RESPONSE_STATUS_NONE, TENTATIVE),
        (AWAY, EventStatus.EVENT_STATUS_CONFIRMED, ResponseStatus.RESPONSE_STATUS_NONE, TENTATIVE),
        (FREE, EventStatus.EVENT_STATUS_CONFIRMED, ResponseStatus.RESPONSE_STATUS_NONE, FREE),
        (BUSY, EventStatus.EVENT_STATUS_CONFIRMED, ResponseStatus.RESPONSE_STATUS_TENTATIVE, TENTATIVE),
        (BUSY, EventStatus.EVENT_STATUS_TENTATIVE, ResponseStatus.RESPONSE_STATUS_ORGANIZER, TENTATIVE),
        (AWAY, EventStatus.EVENT_STATUS_TENTATIVE, ResponseStatus.RESPONSE_STATUS_UNSPECIFIED, AWAY),
    ],
)
def test_how_an_appointment_takes_time(
    shown: BusyStatus.ValueType,
    stands: EventStatus.ValueType,
    response: ResponseStatus.ValueType,
    status: BusyStatus.ValueType,
) -> None:
    assert busy_times.taken_as(shown, stands, response) == status


def test_each_occurrence_takes_time_as_its_exception_says() -> None:
    exceptions = [
        OccurrenceException(original_start=time("2026-03-02T09:00:00"), my_response=ResponseStatus.RESPONSE_STATUS_DECLINED),
        OccurrenceException(original_start=time("2026-03-03T09:00:00"), start=time("2026-03-03T15:00:00"), subject="Moved"),
        OccurrenceException(original_start=time("2026-03-04T09:00:00"), cancelled=True),
        OccurrenceException(original_start=time("2026-03-05T09:00:00"), busy_status=AWAY, location="Attic"),
        OccurrenceException(original_start=time("2026-03-06T09:00:00"), busy_status=FREE),
    ]
    summary = event("2026-03-02T09:00:00", "2026-03-02T10:00:00", "Plan", exceptions=exceptions, location="Hall")
    summary.appointment.recurrence.rules.append("FREQ=DAILY;COUNT=6")
    found = taken(summary)
    assert hours(found) == [(24 + 14, 24 + 15), (3 * 24 + 8, 3 * 24 + 9), (5 * 24 + 8, 5 * 24 + 9)]
    assert [(each.subject, each.location, each.status) for each in found] == [
        ("Moved", "Hall", BUSY),
        ("Plan", "Attic", AWAY),
        ("Plan", "Hall", BUSY),
    ]


def test_dates_are_looked_at_where_the_owner_is() -> None:
    whole_day = event("2026-03-03", "2026-03-04")
    assert hours(taken(whole_day, zone=BERLIN)) == [(23, 47)]
    assert hours(taken(whole_day, zone="America/New_York")) == [(29, 53)]


RULES = ["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TH", "FREQ=MONTHLY", "FREQ=HOURLY;INTERVAL=5", "FREQ=YEARLY", "FREQ=WEEKLY;COUNT=20"]
DAYS = st.integers(-60, 200)


@given(
    rule=st.sampled_from(RULES),
    length=st.sampled_from([15, 600, 60 * 24 * 3, 60 * 24 * 40]),
    zone=st.sampled_from([BERLIN, ""]),
    moved=st.sampled_from(["2026-03-02T15:00:00", "2026-05-20T09:00:00", "2026-01-20T09:00:00"]),
    windows=st.lists(st.tuples(DAYS, st.integers(1, 70), st.sampled_from(["UTC", "Asia/Tokyo"])), min_size=2, max_size=8),
)
@settings(max_examples=60, deadline=None)
def test_what_was_laid_out_before_is_the_same_when_it_is_asked_again(
    rule: str, length: int, zone: str, moved: str, windows: list[tuple[int, int, str]]
) -> None:
    end = dt.datetime(2026, 3, 2, 9) + dt.timedelta(minutes=length)  # noqa: DTZ001 - wall-clock time is naive
    exception = OccurrenceException(original_start=time("2026-04-02T09:00:00", zone), start=time(moved, zone))
    summary = event("2026-03-02T09:00:00", end.isoformat(), zone=zone, exceptions=[exception])
    summary.appointment.recurrence.rules.append(rule)
    kept = Entry(b"i" * 16, summary)
    for day, days, viewer in windows:
        begin = MONDAY + day * 24 * HOUR
        window = begin, begin + days * 24 * HOUR
        listed = [
            (each.begins, each.ends)
            for each in Series(summary.appointment).between(*window, viewer, Budget(100_000))
            if each.ends > begin
        ]
        found = busy_times.taking(kept, *window, viewer, Budget(100_000))
        assert sorted(each[:2] for each in found) == sorted(listed)


def test_what_takes_no_time_is_not_there() -> None:
    assert taken(event("2026-03-03T09:00:00", "2026-03-03T09:00:00")) == []


def test_subjects_are_shown_to_those_who_may_see_them_and_private_ones_to_the_owner_alone() -> None:
    times = [
        Busy(0, 1, BUSY, "Lunch", "Canteen", False, "", b""),
        Busy(2, 3, BUSY, "Doctor", "Clinic", True, "", b""),
    ]

    def texts(**may: bool) -> list[str]:
        return [span.subject + span.location for span in busy_times.shown(times, **may)]

    assert texts(subjects=True, private=True) == ["LunchCanteen", "DoctorClinic"]
    assert texts(subjects=True, private=False) == ["LunchCanteen", ""]
    assert texts(subjects=False, private=True) == ["", ""]


def test_of_what_overlaps_the_busiest_is_shown() -> None:
    spans = [
        Span(0, 10, TENTATIVE, "", ""),
        Span(2, 8, ELSEWHERE, "", ""),
        Span(4, 7, AWAY, "", ""),
        Span(5, 6, BUSY, "", ""),
    ]
    assert [each[:3] for each in busy_times.merged(spans, 0, 9)] == [
        (0, 2, TENTATIVE),
        (2, 4, ELSEWHERE),
        (4, 5, AWAY),
        (5, 6, BUSY),
        (6, 7, AWAY),
        (7, 8, ELSEWHERE),
        (8, 9, TENTATIVE),
    ]


def test_neighbours_that_look_alike_are_one_and_two_things_at_once_have_no_subject() -> None:
    assert busy_times.merged([Span(0, 1, BUSY, "", ""), Span(1, 2, BUSY, "", "")], 0, 9) == [Span(0, 2, BUSY, "", "")]
    spans = [Span(0, 4, BUSY, "A", "Hall"), Span(3, 6, BUSY, "B", ""), Span(6, 7, BUSY, "C", ""), Span(6, 7, TENTATIVE, "D", "")]
    assert busy_times.merged(spans, 1, 9) == [
        Span(1, 3, BUSY, "A", "Hall"),
        Span(3, 4, BUSY, "", ""),
        Span(4, 6, BUSY, "B", ""),
        Span(6, 7, BUSY, "C", ""),
    ]
    together = [Span(0, 2, BUSY, "A", ""), Span(1, 3, BUSY, "A", "")]
    assert busy_times.merged(together, 0, 9) == [Span(0, 3, BUSY, "A", "")]


def by_minutes(spans: list[Span], begin: int, end: int) -> list[tuple[int, str] | None]:
    """What each minute shows, found one by one."""
    order = [BUSY, AWAY, ELSEWHERE, TENTATIVE]
    found: list[tuple[int, str] | None] = []
    for minute in range(begin, end):
        here = [each for each in spans if each.start <= minute < each.end]
        status = next((status for status in order if any(each.status == status for each in here)), None)
        things = {each.subject for each in here if each.status == status}
        found.append(None if status is None else (status, things.pop() if len(things) == 1 else ""))
    return found


@given(
    st.lists(
        st.builds(
            lambda start, length, status, subject: Span(start, start + length, status, subject, ""),
            st.integers(0, 60),
            st.integers(0, 20),
            st.sampled_from([BUSY, AWAY, ELSEWHERE, TENTATIVE]),
            st.sampled_from(["", "A", "B"]),
        ),
        max_size=12,
    )
)
@settings(max_examples=300, deadline=None)
def test_merged_time_is_what_each_minute_by_itself_shows(spans: list[Span]) -> None:
    merged = busy_times.merged(spans, 10, 70)
    assert by_minutes(merged, 10, 70) == by_minutes(spans, 10, 70)
    for before, after in pairwise(merged):
        assert before.end < after.start or (before.end == after.start and before[2:] != after[2:])
    assert all(10 <= each.start < each.end <= 70 for each in merged)
