"""Times at which several can meet."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.v1.availability_service_pb2 import WorkingHours, WorkingTime
from rookery.v1.calendar_pb2 import BusyStatus
from rookery_core.rules.availability import finding, working_hours
from rookery_core.rules.availability.busy_times import Span
from rookery_core.rules.availability.finding import Diary, Wanted

FREE, TENTATIVE, BUSY = BusyStatus.BUSY_STATUS_FREE, BusyStatus.BUSY_STATUS_TENTATIVE, BusyStatus.BUSY_STATUS_BUSY
AWAY, ELSEWHERE = BusyStatus.BUSY_STATUS_OUT_OF_OFFICE, BusyStatus.BUSY_STATUS_WORKING_ELSEWHERE
MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()) * 1_000_000


MONDAY = at("2026-03-02T00:00")


def wanted(begin: int = MONDAY, length: int = 60, step: int = 30, zone: str = "UTC", most: int = 100, **fields: int) -> Wanted:
    end = fields.pop("end", begin + DAY)
    return Wanted(begin, end, length * MINUTE, step, zone, bool(fields.pop("any_hour", 0)), most)


def taken(
    *times: tuple[float, float, BusyStatus.ValueType], optional: bool = False, work: tuple[float, float] | None = None
) -> Diary:
    """Somebody's Monday, in hours."""
    spans = [Span(MONDAY + round(start * HOUR), MONDAY + round(end * HOUR), status, "", "") for start, end, status in times]
    working = None if work is None else [(MONDAY + round(work[0] * HOUR), MONDAY + round(work[1] * HOUR))]
    return Diary(spans, working, optional)


def proposed(diaries: list[Diary], asked: Wanted) -> list[tuple[float, list[tuple[int, int]]]]:
    """The hours of Monday, and whom they do not suit."""
    return [((each.start - MONDAY) / HOUR, list(each.attendances)) for each in finding.propose(diaries, asked)]


def test_a_time_suits_all_who_have_to_come() -> None:
    anna = taken((9, 10, BUSY), (11.5, 16, AWAY), work=(9, 17))
    ben = taken((16, 16.5, BUSY), work=(8, 18))
    assert proposed([anna, ben], wanted()) == [(10.0, []), (10.5, [])]


def test_the_fewest_conflicts_come_first_and_of_these_the_earliest() -> None:
    anna = taken((9, 10, TENTATIVE), work=(9, 13))
    ben = taken((9, 12, BUSY), work=(10, 17), optional=True)
    assert proposed([anna, ben], wanted(step=60)) == [
        (12.0, []),
        (10.0, [(1, BUSY)]),
        (11.0, [(1, BUSY)]),
        (9.0, [(0, TENTATIVE), (1, BUSY)]),
    ]
    assert proposed([anna, ben], wanted(step=60, most=1)) == [(12.0, [])]


def test_whoever_works_elsewhere_can_come() -> None:
    assert proposed([taken((9, 17, ELSEWHERE), work=(9, 10))], wanted()) == [(9.0, [])]


def test_outside_of_working_hours_only_on_request() -> None:
    anna, ben = taken((0, 7.5, BUSY), work=(9, 10)), taken(work=(8, 9), optional=True)
    assert proposed([anna, ben], wanted()) == [(9.0, [(1, FREE)])]
    any_hour = proposed([anna, ben], wanted(any_hour=1, end=MONDAY + 10 * HOUR))
    assert any_hour == [(8.0, [(0, FREE)]), (9.0, [(1, FREE)]), (7.5, [(0, FREE), (1, FREE)]), (8.5, [(0, FREE), (1, FREE)])]


def test_of_somebody_who_is_taken_twice_the_worst_is_told() -> None:
    busy = taken((9, 9.5, TENTATIVE), (9.5, 9.75, BUSY), (9.75, 10, AWAY), optional=True)
    assert proposed([busy], wanted(begin=MONDAY + 9 * HOUR, end=MONDAY + 10 * HOUR)) == [(9.0, [(0, BUSY)])]


def test_a_meeting_ends_within_the_window_and_begins_in_it() -> None:
    asked = wanted(begin=MONDAY + 10 * MINUTE, end=MONDAY + 2 * HOUR, length=45, step=15)
    assert [(each - MONDAY) // MINUTE for each in finding.beginnings(asked)] == [15, 30, 45, 60, 75]
    assert finding.beginnings(wanted(length=60, end=MONDAY + 59 * MINUTE)) == []


@pytest.mark.parametrize(
    ("zone", "around"),
    [
        ("Europe/Berlin", "2026-03-29T01:00"),
        ("Europe/Berlin", "2026-10-25T01:00"),
        ("America/New_York", "2026-11-01T06:00"),
        ("Australia/Lord_Howe", "2026-04-04T15:00"),
        ("Australia/Lord_Howe", "2026-10-03T15:30"),
        ("Asia/Kathmandu", "2026-06-01T00:00"),
        ("Pacific/Apia", "2011-12-30T10:00"),
        ("UTC", "2026-06-01T00:00"),
    ],
)
def test_times_begin_where_the_clocks_show_a_round_time_also_when_they_change(zone: str, around: str) -> None:
    begin = at(around) - 2 * DAY
    asked = wanted(begin=begin, end=begin + 4 * DAY, step=20, zone=zone, length=5)
    clock = zoneinfo.ZoneInfo(zone)
    minutes = [
        moment
        for moment in range(begin, begin + 4 * DAY - 5 * MINUTE + 1, MINUTE)
        if dt.datetime.fromtimestamp(moment // 1_000_000, clock).minute % 20 == 0
    ]
    assert finding.beginnings(asked) == minutes


def test_a_daily_hour_stays_the_same_on_the_clock_when_the_clocks_change() -> None:
    hours = WorkingHours(
        time_zone="Europe/Berlin", times=[WorkingTime(weekday=day, start_minute=540, end_minute=600) for day in (6, 7)]
    )
    begin = at("2026-03-28T00:00")
    diary = Diary([], working_hours.periods(hours, begin, begin + 2 * DAY), False)
    found = finding.propose([diary], wanted(begin=begin, end=begin + 2 * DAY, zone="Europe/Berlin"))
    assert [each.start for each in found] == [at("2026-03-28T08:00"), at("2026-03-29T07:00")]


def brute_force(diaries: list[Diary], asked: Wanted) -> list[tuple[int, list[tuple[int, int]]]]:
    """Each minute looked at by itself, for each of the people."""
    order = [BUSY, AWAY, TENTATIVE]
    found = []
    for start in range(asked.begin, asked.end - asked.length + 1, MINUTE):
        if (start // MINUTE) % asked.step:
            continue
        minutes = range(start, start + asked.length, MINUTE)
        attendances, possible = [], True
        for place, diary in enumerate(diaries):
            met = {span.status for span in diary.busy if any(span.start <= minute < span.end for minute in minutes)}
            status = next((status for status in order if status in met), None)
            works = diary.working is None or all(any(a <= minute < b for a, b in diary.working) for minute in minutes)
            if not diary.optional and (status in {BUSY, AWAY} or not (works or asked.any_hour)):
                possible = False
            if status is not None or not works:
                attendances.append((place, FREE if status is None else status))
        if possible:
            found.append((start, attendances))
    return sorted(found, key=lambda each: (len(each[1]), each[0]))[: asked.most]


STATUSES = [BUSY, AWAY, ELSEWHERE, TENTATIVE]


@st.composite
def diaries(draw: st.DrawFn) -> Diary:
    """Somebody's morning, of four hours."""
    edges = sorted(draw(st.sets(st.integers(0, 240), max_size=8)))
    spans = [
        Span(MONDAY + begin * MINUTE, MONDAY + end * MINUTE, draw(st.sampled_from(STATUSES)), "", "")
        for begin, end in zip(edges[::2], edges[1::2], strict=False)
    ]
    hours = sorted(draw(st.sets(st.integers(0, 240), max_size=4)))
    working = [(MONDAY + a * MINUTE, MONDAY + b * MINUTE) for a, b in zip(hours[::2], hours[1::2], strict=False)]
    return Diary(spans, draw(st.sampled_from([None, working])), draw(st.booleans()))


@given(
    st.lists(diaries(), min_size=1, max_size=4),
    st.builds(
        lambda begin, end, length, step, any_hour, most: Wanted(
            MONDAY + begin * MINUTE, MONDAY + end * MINUTE, length * MINUTE, step, "UTC", any_hour, most
        ),
        st.integers(0, 60),
        st.integers(61, 240),
        st.integers(5, 90),
        st.sampled_from([5, 10, 15, 20, 30, 60]),
        st.booleans(),
        st.sampled_from([1, 3, 100]),
    ),
)
@settings(max_examples=150, deadline=None)
def test_the_times_are_those_that_looking_at_each_minute_finds(listed: list[Diary], asked: Wanted) -> None:
    found = [(each.start, list(each.attendances)) for each in finding.propose(listed, asked)]
    assert found == brute_force(listed, asked)
