"""Working hours: which are allowed, and when they are."""

from __future__ import annotations

import datetime as dt

import pytest

from rookery.v1.availability_service_pb2 import WorkingHours, WorkingTime
from rookery_core.errors import InvalidArgument
from rookery_core.rules.availability import periods, working_hours
from rookery_core.rules.availability.working_hours import DAY_MINUTES

BERLIN = "Europe/Berlin"


def hours(*times: tuple[int, int, int], zone: str = BERLIN) -> WorkingHours:
    """Weekday, and from which hour to which."""
    listed = [WorkingTime(weekday=day, start_minute=start * 60, end_minute=end * 60) for day, start, end in times]
    return WorkingHours(time_zone=zone, times=listed)


def instant(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()) * 1_000_000


def told(given: WorkingHours, begin: str, end: str) -> list[str]:
    """The periods, in UTC."""
    found = working_hours.periods(given, instant(begin), instant(end))
    return [
        " to ".join(f"{dt.datetime.fromtimestamp(edge // 1_000_000, dt.UTC):%m-%d %H:%M}" for edge in period) for period in found
    ]


def test_people_work_from_monday_to_friday_where_nothing_was_set() -> None:
    assert working_hours.text(working_hours.usual()) == "Mon-Fri 09:00-17:00 (UTC)"


def test_hours_are_those_of_the_zone_s_clocks_in_summer_as_in_winter() -> None:
    assert told(hours((5, 9, 17), (1, 9, 17)), "2026-03-26T00:00", "2026-03-31T00:00") == [
        "03-27 08:00 to 03-27 16:00",
        "03-30 07:00 to 03-30 15:00",
    ]


def test_a_day_on_which_the_clocks_change_is_shorter_or_longer() -> None:
    sunday = hours((7, 0, 24))
    assert told(sunday, "2026-03-29T00:00", "2026-03-29T12:00") == ["03-28 23:00 to 03-29 22:00"]
    assert told(sunday, "2026-10-25T00:00", "2026-10-25T12:00") == ["10-24 22:00 to 10-25 23:00"]


def test_a_night_shift_is_one_period() -> None:
    shift = hours((1, 22, 24), (2, 0, 6), (2, 12, 13), zone="UTC")
    assert told(shift, "2026-03-02T00:00", "2026-03-03T11:00") == ["03-02 22:00 to 03-03 06:00"]


def test_the_day_that_samoa_skipped_has_no_hours() -> None:
    every_day = hours(*((day, 9, 10) for day in range(1, 8)), zone="Pacific/Apia")
    found = told(every_day, "2011-12-29T12:00", "2011-12-31T20:00")
    assert found == ["12-29 19:00 to 12-29 20:00", "12-30 19:00 to 12-30 20:00", "12-31 19:00 to 12-31 20:00"]


def test_periods_at_the_ends_of_the_calendar_are_no_fault() -> None:
    day = 86_400_000_000
    for begin in (-62_135_596_800_000_000, 253_402_214_400_000_000):
        assert len(working_hours.periods(hours((1, 9, 10), (3, 9, 10), (5, 9, 10)), begin, begin + day)) <= 2


def test_hours_are_kept_in_order_with_the_zone_s_own_name() -> None:
    kept = working_hours.checked(hours((2, 9, 12), (1, 13, 17), (1, 9, 12), zone="europe/berlin"), "hours")
    assert kept == hours((1, 9, 12), (1, 13, 17), (2, 9, 12))
    assert working_hours.checked(WorkingHours(), "hours") == WorkingHours(time_zone="UTC")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (hours(zone="Mars/Olympus"), "hours.time_zone"),
        (hours((0, 9, 10)), "hours.times[0].weekday"),
        (hours((1, 9, 10), (8, 9, 10)), "hours.times[1].weekday"),
        (hours((1, 10, 10)), "hours.times[0].end_minute"),
        (hours((1, 10, 25)), "hours.times[0].end_minute"),
        (hours((3, 9, 12), (1, 9, 12), (3, 11, 13)), "hours.times"),
        (hours(*((day % 7 + 1, day // 7, day // 7 + 1) for day in range(29))), "hours.times"),
    ],
)
def test_hours_that_can_not_be_are_refused(wrong: WorkingHours, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        working_hours.checked(wrong, "hours")
    assert refused.value.field == field


def test_hours_are_told_in_few_words() -> None:
    listed = hours((1, 9, 12), (1, 13, 17), (2, 9, 12), (2, 13, 17), (4, 9, 12), (6, 10, 24))
    assert working_hours.text(listed) == "Mon-Tue 09:00-12:00 13:00-17:00, Thu 09:00-12:00, Sat 10:00-24:00 (Europe/Berlin)"
    assert working_hours.text(WorkingHours()) == "never (UTC)"
    assert DAY_MINUTES == 24 * 60


def test_stretches_are_joined_and_what_is_between_them_is_known() -> None:
    whole = periods.joined([(5, 7), (1, 3), (3, 4), (6, 9), (8, 8), (2, 1)])
    assert whole == [(1, 4), (5, 9)]
    assert periods.gaps(whole, 0, 12) == [(0, 1), (4, 5), (9, 12)]
    assert periods.gaps(whole, 2, 6) == [(4, 5)]
    assert periods.gaps([], 2, 6) == [(2, 6)]
    assert [periods.within(whole, *each) for each in ((1, 4), (5, 6), (3, 6), (0, 2), (9, 10))] == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("mon-fri 9:00-17:30", "Mon-Fri 09:00-17:30"),
        ("Mon–Tue 9-12 13-17, Thursday 9-12, sat 10-24", "Mon-Tue 09:00-12:00 13:00-17:00, Thu 09:00-12:00, Sat 10:00-24:00"),
        ("mon, wed, fri 8-12", "Mon 08:00-12:00, Wed 08:00-12:00, Fri 08:00-12:00"),
        ("tu th 8-9", "Tue 08:00-09:00, Thu 08:00-09:00"),
        ("sat-mon 8-9", "Mon 08:00-09:00, Sat-Sun 08:00-09:00"),
        ("daily 0-24", "Mon-Sun 00:00-24:00"),
        ("never", "never"),
    ],
)
def test_hours_are_read_as_people_write_them_and_as_they_are_told(words: str, shown: str) -> None:
    assert working_hours.text(WorkingHours(times=working_hours.parse(words))) == f"{shown} (UTC)"
    assert working_hours.text(WorkingHours(times=working_hours.parse(shown))) == f"{shown} (UTC)"


@pytest.mark.parametrize(
    "words", ["9-17", "mon", "mon-fri", "noday 9-17", "m 9-17", "mon 9:60-10", "mon 9", "mon - fri 9-17", "mon-x 9-10"]
)
def test_words_that_are_no_hours_are_no_hours(words: str) -> None:
    with pytest.raises(ValueError, match="“"):
        working_hours.parse(words)
