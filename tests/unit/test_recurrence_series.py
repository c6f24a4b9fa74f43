"""Series laid out in time: clocks that change, exceptions, what is excluded, dates and floating times for every viewer."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1.calendar_pb2 import AppointmentSummary, CalendarTime, OccurrenceException, Recurrence
from rookery_core.rules.recurrence.series import Series
from rookery_core.rules.recurrence.starts import Budget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_core.rules.recurrence.series import Occurrence

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)
BERLIN = "Europe/Berlin"


def at(text: str, zone: str = BERLIN) -> CalendarTime:
    """ "2026-03-02 09:00" in a zone, or a date."""
    day, _, hours = text.partition(" ")
    return CalendarTime(local=f"{day}T{hours}:00", time_zone=zone) if hours else CalendarTime(local=day)


def series(
    start: str,
    *rules: str,
    end: str = "",
    zone: str = BERLIN,
    exceptions: Sequence[OccurrenceException] = (),
    **recurrence: Any,
) -> AppointmentSummary:
    appointment = AppointmentSummary(start=at(start, zone), exceptions=exceptions)
    appointment.recurrence.CopyFrom(Recurrence(rules=rules, **recurrence))
    if end:
        appointment.end.CopyFrom(at(end, zone))
    return appointment


def micros(text: str) -> int:
    return (dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) - EPOCH) // MICROSECOND


def laid_out(
    appointment: AppointmentSummary, begin: str = "1980-01-01", end: str = "2100-01-01", viewer: str = "UTC"
) -> list[Occurrence]:
    budget = Budget(100_000)
    found = Series(appointment).between(micros(begin), micros(end), viewer, budget)
    assert not budget.is_spent
    return found


def shown(micros_: int) -> str:
    return f"{EPOCH + dt.timedelta(microseconds=micros_):%m-%d %H:%M}"


def begins(appointment: AppointmentSummary, *window: str, viewer: str = "UTC") -> list[str]:
    return [shown(each.begins) for each in laid_out(appointment, *window, viewer=viewer)]


CLOCKS = [
    # Forward at 02:00, back at 03:00.
    (BERLIN, "2026-03-28 09:00", ["03-28 08:00", "03-29 07:00", "03-30 07:00"]),
    (BERLIN, "2026-03-28 02:30", ["03-28 01:30", "03-29 01:30", "03-30 00:30"]),
    (BERLIN, "2026-10-24 02:30", ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),
    ("America/New_York", "2026-03-07 02:15", ["03-07 07:15", "03-08 07:15", "03-09 06:15"]),
    ("America/New_York", "2026-10-31 01:30", ["10-31 05:30", "11-01 05:30", "11-02 06:30"]),
    ("Australia/Sydney", "2026-04-04 02:30", ["04-03 15:30", "04-04 15:30", "04-05 16:30"]),
    ("Australia/Sydney", "2026-10-03 02:30", ["10-02 16:30", "10-03 16:30", "10-04 15:30"]),
    # A quarter of an hour forward, for ever.
    ("Asia/Kathmandu", "1985-12-31 00:05", ["12-30 18:35", "12-31 18:35", "01-01 18:20"]),
    # Half an hour forward and back.
    ("Australia/Lord_Howe", "2026-10-03 02:15", ["10-02 15:45", "10-03 15:45", "10-04 15:15"]),
    ("Australia/Lord_Howe", "2026-04-04 01:45", ["04-03 14:45", "04-04 14:45", "04-05 15:15"]),
]


@pytest.mark.parametrize(("zone", "first", "expected"), CLOCKS, ids=[f"{zone} {first}" for zone, first, _ in CLOCKS])
def test_a_series_keeps_its_hour_when_the_clocks_change(zone: str, first: str, expected: list[str]) -> None:
    """A time that is skipped moves on with the clocks; of one that comes twice, the first counts."""
    assert begins(series(first, "FREQ=DAILY;COUNT=3", zone=zone)) == expected


def test_a_day_that_a_country_skips_has_no_occurrence_of_its_own() -> None:
    """Samoa went from the 29th to the 31st of December 2011."""
    found = laid_out(series("2011-12-28 09:00", "FREQ=DAILY;UNTIL=20120101T235959", zone="Pacific/Apia"))
    assert [shown(each.begins) for each in found] == ["12-28 19:00", "12-29 19:00", "12-30 19:00", "12-31 19:00"]
    assert [each.start.local[:10] for each in found] == ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01"]


def test_an_occurrence_lasts_by_the_wall_clock() -> None:
    night = laid_out(series("2026-03-27 22:00", "FREQ=DAILY;COUNT=3", end="2026-03-28 06:00"))
    assert [(each.ends - each.begins) // 3_600_000_000 for each in night] == [8, 7, 8]


def test_what_would_be_over_before_the_clocks_let_it_begin_lasts_as_long_as_ever() -> None:
    [skipped] = laid_out(series("2026-03-28 02:15", "FREQ=DAILY;COUNT=2", end="2026-03-28 02:45"), "2026-03-29")
    assert (shown(skipped.begins), shown(skipped.ends)) == ("03-29 01:15", "03-29 01:45")


def test_a_flight_keeps_both_of_its_zones() -> None:
    flight = series("2026-03-07 10:00", "FREQ=WEEKLY;COUNT=2", zone="America/New_York")
    flight.end.CopyFrom(at("2026-03-07 23:00", BERLIN))
    found = laid_out(flight)
    assert [(each.ends - each.begins) // 3_600_000_000 for each in found] == [7, 7]
    assert [each.end.time_zone for each in found] == ["America/New_York"] * 2


@pytest.mark.parametrize(
    "until", ["20260305T080000Z", "20260305T090000", "20260305"], ids=["in UTC", "by the wall clock", "a date"]
)
def test_a_series_ends_with_until_itself(until: str) -> None:
    assert len(begins(series("2026-03-02 09:00", f"FREQ=DAILY;UNTIL={until}"))) == 4


def test_the_start_of_a_series_is_on_whether_the_rule_gives_it_or_not() -> None:
    tuesday = series("2026-03-03 09:00", "FREQ=WEEKLY;BYDAY=MO;COUNT=2")
    assert begins(tuesday) == ["03-03 08:00", "03-09 08:00", "03-16 08:00"]
    assert begins(series("2026-03-03 09:00", "FREQ=WEEKLY;BYDAY=MO;COUNT=1", excluded_dates=[at("2026-03-03 09:00")])) == [
        "03-09 08:00"
    ]


def test_further_dates_and_several_rules_are_one_series() -> None:
    both = series("2026-03-02 09:00", "FREQ=DAILY;COUNT=2", "FREQ=WEEKLY;COUNT=2", dates=[at("2026-03-05 11:00"), at("2026-03-06")])
    assert begins(both) == ["03-02 08:00", "03-03 08:00", "03-05 10:00", "03-06 08:00", "03-09 08:00"]


EXCLUDED = [
    ([at("2026-03-03 09:00")], "of the same zone"),
    ([at("2026-03-03 08:00", "UTC")], "in UTC"),
    ([at("2026-03-03 03:00", "America/New_York")], "of another zone"),
    ([at("2026-03-03 09:00", "")], "floating"),
    ([at("2026-03-03")], "a date"),
    ([at("2026-03-03 09:00"), at("2026-04-01 09:00"), CalendarTime(local="rubbish")], "among some that mean nothing"),
]


@pytest.mark.parametrize("dates", [dates for dates, _ in EXCLUDED], ids=[name for _, name in EXCLUDED])
def test_an_excluded_date_takes_its_occurrence_out(dates: list[CalendarTime]) -> None:
    assert begins(series("2026-03-02 09:00", "FREQ=DAILY;COUNT=3", excluded_dates=dates)) == ["03-02 08:00", "03-04 08:00"]


def test_an_excluding_rule_takes_what_it_gives_out() -> None:
    found = begins(series("2026-03-02 09:00", "FREQ=DAILY;COUNT=6", exclusion_rules=["FREQ=DAILY;INTERVAL=2"]))
    assert found == ["03-03 08:00", "03-05 08:00", "03-07 08:00"]


def exception(original: str, **fields: Any) -> OccurrenceException:
    times = {name: at(fields.pop(name)) for name in ("start", "end") if name in fields}
    return OccurrenceException(original_start=at(original, fields.pop("zone", BERLIN)), **times, **fields)


DAILY = "FREQ=DAILY;COUNT=4"


def test_a_moved_occurrence_is_where_it_was_moved_to_only() -> None:
    moved = exception("2026-03-03 09:00", start="2026-03-10 15:00")
    found = laid_out(series("2026-03-02 09:00", DAILY, end="2026-03-02 09:30", exceptions=[moved]))
    assert [shown(each.begins) for each in found] == ["03-02 08:00", "03-04 08:00", "03-05 08:00", "03-10 14:00"]
    last = found[-1]
    assert last.exception == moved
    assert (last.original_start, last.end) == (at("2026-03-03 09:00"), at("2026-03-10 15:30"))


def test_an_exception_names_its_occurrence_in_whatever_zone() -> None:
    for named in (exception("2026-03-03 08:00", zone="UTC", cancelled=True), exception("2026-03-03", zone="", cancelled=True)):
        assert begins(series("2026-03-02 09:00", DAILY, exceptions=[named])) == ["03-02 08:00", "03-04 08:00", "03-05 08:00"]


def test_a_changed_occurrence_that_is_excluded_too_is_on() -> None:
    """As Outlook writes it: changed occurrences stand among the deleted ones."""
    changed = exception("2026-03-03 09:00", subject="Other")
    found = laid_out(series("2026-03-02 09:00", DAILY, exceptions=[changed], excluded_dates=[at("2026-03-03 09:00")]))
    assert [each.exception is not None for each in found] == [False, True, False, False]


def test_an_exception_to_an_occurrence_that_there_is_not_stands_for_itself_unless_it_is_cancelled() -> None:
    extra, nothing = exception("2026-03-20 11:00", subject="Extra"), exception("2026-03-21 11:00", cancelled=True)
    assert begins(series("2026-03-02 09:00", DAILY, exceptions=[extra, nothing]))[-1] == "03-20 10:00"


def test_a_change_of_this_and_all_that_follow_moves_them_by_as_much() -> None:
    later = exception("2026-03-03 09:00", start="2026-03-03 10:30", end="2026-03-03 12:00", this_and_future=True)
    own = exception("2026-03-04 09:00", start="2026-03-04 07:00")
    found = laid_out(series("2026-03-02 09:00", DAILY, end="2026-03-02 09:30", exceptions=[later, own]))
    assert [(shown(each.begins), (each.ends - each.begins) // 60_000_000) for each in found] == [
        ("03-02 08:00", 30),
        ("03-03 09:30", 90),
        ("03-04 06:00", 30),
        ("03-05 09:30", 90),
    ]


def test_a_cancellation_of_this_and_all_that_follow_ends_the_series() -> None:
    end = exception("2026-03-04 09:00", cancelled=True, this_and_future=True)
    assert begins(series("2026-03-02 09:00", "FREQ=DAILY", exceptions=[end])) == ["03-02 08:00", "03-03 08:00"]


def test_what_reaches_into_a_window_is_in_it_and_what_ends_as_it_begins_is_not() -> None:
    long = series("2026-03-02 09:00", "FREQ=DAILY", end="2026-03-04 09:00")
    assert begins(long, "2026-03-05 08:00", "2026-03-05 09:00") == ["03-04 08:00", "03-05 08:00"]
    moment = series("2026-03-02 09:00", "FREQ=DAILY")
    assert begins(moment, "2026-03-05 08:00", "2026-03-06 08:00") == ["03-05 08:00"]
    moved = exception("2026-03-03 09:00", start="2026-03-05 10:00", this_and_future=True)
    assert begins(series("2026-03-02 09:00", DAILY, exceptions=[moved]), "2026-03-07") == ["03-07 09:00"]


@pytest.mark.parametrize("viewer", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York", "Australia/Lord_Howe"])
def test_dates_and_floating_times_stay_on_their_day_for_every_viewer(viewer: str) -> None:
    for first in ("2026-03-07", "2026-03-07 07:30"):
        appointment = series(first, "FREQ=DAILY;COUNT=3", end="2026-03-08" if len(first) == 10 else "", zone="")
        found = laid_out(appointment, viewer=viewer)
        assert [each.start.local[:10] for each in found] == ["2026-03-07", "2026-03-08", "2026-03-09"]
        assert {each.start.time_zone for each in found} == {""}
        for each in found:
            inside = Series(appointment).between(each.begins, each.begins + 1, viewer, Budget(100))
            assert each.begins in [one.begins for one in inside]


def test_a_day_is_as_long_as_the_viewers() -> None:
    [day] = laid_out(series("2026-03-29", end="2026-03-30", zone=""), viewer=BERLIN)
    assert (day.ends - day.begins) // 3_600_000_000 == 23


def test_an_excluded_time_in_a_series_of_days_takes_its_day_out() -> None:
    found = begins(series("2026-03-02", "FREQ=DAILY;COUNT=3", zone="", excluded_dates=[at("2026-03-03 00:00")]))
    assert found == ["03-02 00:00", "03-04 00:00"]


@pytest.mark.parametrize("rule", ["RSCALE=HEBREW;FREQ=YEARLY;BYMONTH=5L", "FREQ=SOMETIMES", "FREQ=DAILY;BYMONTH=13"])
def test_a_rule_that_can_not_be_read_leaves_the_start(rule: str) -> None:
    assert begins(series("2026-03-02 09:00", rule)) == ["03-02 08:00"]


def test_an_appointment_without_a_start_is_none() -> None:
    with pytest.raises(ValueError, match="rubbish"):
        Series(AppointmentSummary(start=CalendarTime(local="rubbish")))


def test_the_ends_of_time_are_no_error() -> None:
    for first in ("0001-01-01 00:00", "9999-12-31 23:00"):
        appointment = series(first, "FREQ=DAILY", end=first.replace("00:00", "12:00"))
        budget = Budget(1_000)
        assert Series(appointment).between(-(1 << 62), 1 << 62, "Pacific/Kiritimati", budget)
