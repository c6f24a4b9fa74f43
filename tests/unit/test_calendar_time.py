"""Points on a calendar: instants in gaps and folds, order, and how far an item reaches."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery.v1.calendar_pb2 import AppointmentSummary, CalendarTime, OccurrenceException, Recurrence
from rookery.v1.contact_pb2 import ContactSummary
from rookery.v1.item_pb2 import ItemSummary
from rookery.v1.task_pb2 import TaskSummary
from rookery_core.errors import InvalidArgument
from rookery_core.rules import calendar_time, zones

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR


def time(local: str, zone: str = "") -> CalendarTime:
    return CalendarTime(local=local, time_zone=zone)


def utc(*parts: int) -> int:
    return int(datetime.datetime(*parts, tzinfo=datetime.UTC).timestamp()) * 1_000_000  # type: ignore[misc,arg-type]


def appointment(start: CalendarTime, end: CalendarTime, **more: object) -> ItemSummary:
    return ItemSummary(appointment=AppointmentSummary(start=start, end=end, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("when", "instant"),
    [
        (time("2024-07-01T10:00:00", "Europe/Berlin"), utc(2024, 7, 1, 8)),
        (time("2024-01-01T10:00:00", "Europe/Berlin"), utc(2024, 1, 1, 9)),
        (time("2024-01-01T10:00:00", "UTC"), utc(2024, 1, 1, 10)),
        (time("2024-01-01T10:00:00"), utc(2024, 1, 1, 10)),
        (time("2024-01-01"), utc(2024, 1, 1)),
        (time("2024-01-01T10:00:00", "No/Such"), utc(2024, 1, 1, 10)),
        # The clocks skip 02:30: the offset before the gap counts (RFC 5545 section 3.3.5).
        (time("2024-03-31T02:30:00", "Europe/Berlin"), utc(2024, 3, 31, 1, 30)),
        # 02:30 comes twice: the first counts.
        (time("2024-10-27T02:30:00", "Europe/Berlin"), utc(2024, 10, 27, 0, 30)),
        (time("2024-02-30"), None),
        (time(""), None),
    ],
)
def test_an_instant_is_what_the_wall_clock_means(when: CalendarTime, instant: int | None) -> None:
    assert calendar_time.instant(when) == instant


def test_the_first_moment_of_the_calendar_has_an_instant_in_every_zone() -> None:
    first = calendar_time.instant(time("0001-01-01T00:00:00", "Asia/Tokyo"))
    assert first is not None and first < utc(1, 1, 1)


def test_dates_and_floating_times_count_in_the_zone_that_is_asked_for() -> None:
    assert calendar_time.instant(time("2024-07-01"), "Europe/Berlin") == utc(2024, 6, 30, 22)
    assert calendar_time.instant(time("2024-07-01T10:00:00"), "America/New_York") == utc(2024, 7, 1, 14)


@given(
    st.datetimes(datetime.datetime.fromisoformat("1950-01-01"), datetime.datetime.fromisoformat("9999-12-29")),
    st.sampled_from(["UTC", "Asia/Kolkata", "Africa/Abidjan"]),
)
def test_an_instant_and_back_is_the_same_where_clocks_do_not_change(moment: datetime.datetime, zone: str) -> None:
    when = calendar_time.at(moment.replace(microsecond=0), zone)
    instant = calendar_time.instant(when)
    assert instant is not None and calendar_time.from_instant(instant, zone) == when


@pytest.mark.parametrize(
    ("when", "field"),
    [
        (time("2024-13-01"), "start.local"),
        (time("2024-1-1"), "start.local"),
        (time("2024-01-01T24:00:00"), "start.local"),
        (time("2024-01-01T10:00:00Z"), "start.local"),
        (time("0000-01-01"), "start.local"),
        (time("2024-01-01\n"), "start.local"),
        (time(""), "start.local"),
        (time("2024-01-01", "UTC"), "start.time_zone"),
        (time("2024-01-01T10:00:00", "a\nb"), "start.time_zone"),
        (time("2024-01-01T10:00:00", "x" * 300), "start.time_zone"),
    ],
)
def test_a_malformed_time_is_refused_by_its_field(when: CalendarTime, field: str) -> None:
    with pytest.raises(InvalidArgument) as error:
        calendar_time.validate(when, "start")
    assert (error.value.reason, error.value.field) == ("FIELD_INVALID", field)


@pytest.mark.parametrize("when", [time("2024-02-29"), time("2024-01-01T23:59:59"), time("2024-01-01T10:00:00", "Custom zone")])
def test_a_good_time_is_let_pass(when: CalendarTime) -> None:
    calendar_time.validate(when, "start")
    assert calendar_time.is_date(when) == (len(when.local) == 10)


def test_order_is_that_of_instants() -> None:
    berlin, tokyo = time("2024-01-01T10:00:00", "Europe/Berlin"), time("2024-01-01T12:00:00", "Asia/Tokyo")
    assert calendar_time.before(tokyo, berlin)
    assert not calendar_time.before(berlin, tokyo)
    assert not calendar_time.before(berlin, berlin)
    assert not calendar_time.before(time("x"), berlin)


def test_an_appointment_spans_from_start_to_end() -> None:
    summary = appointment(time("2024-07-01T10:00:00", "Europe/Berlin"), time("2024-07-01T11:00:00", "Europe/Berlin"))
    assert calendar_time.span(summary) == (utc(2024, 7, 1, 8), utc(2024, 7, 1, 9))


def test_a_floating_appointment_spans_all_the_zones_it_may_be_read_in() -> None:
    summary = appointment(time("2024-07-01T20:00:00"), time("2024-07-01T21:00:00"))
    assert calendar_time.span(summary) == (utc(2024, 7, 1, 6), utc(2024, 7, 2, 9))


def test_a_task_spans_what_it_has() -> None:
    assert calendar_time.span(ItemSummary(task=TaskSummary(due=time("2024-07-01")))) == (utc(2024, 7, 1), utc(2024, 7, 1))
    both = TaskSummary(start=time("2024-06-01"), due=time("2024-07-01"))
    assert calendar_time.span(ItemSummary(task=both)) == (utc(2024, 6, 1), utc(2024, 7, 1))
    assert calendar_time.span(ItemSummary(task=TaskSummary())) is None
    assert calendar_time.span(ItemSummary(contact=ContactSummary())) is None


@pytest.mark.parametrize("rule", ["FREQ=WEEKLY", "FREQ=WEEKLY;COUNT=3", "FREQ=WEEKLY;COUNT=3;UNTIL=20250101", "nonsense"])
def test_a_series_without_a_known_last_day_has_no_end(rule: str) -> None:
    summary = appointment(time("2024-07-01"), time("2024-07-02"), recurrence=Recurrence(rules=[rule]))
    assert calendar_time.span(summary) == (utc(2024, 7, 1), None)


@pytest.mark.parametrize("until", ["20241231", "20241231T235959", "20241231T225959Z"])
def test_a_series_with_a_last_day_ends_after_it_and_not_much_later(until: str) -> None:
    start, end = time("2024-07-01T10:00:00", "Europe/Berlin"), time("2024-07-01T12:00:00", "Europe/Berlin")
    span = calendar_time.span(appointment(start, end, recurrence=Recurrence(rules=[f"FREQ=DAILY;UNTIL={until};INTERVAL=2"])))
    assert span and span[1] is not None
    assert utc(2024, 12, 31, 11) <= span[1] <= utc(2024, 12, 31, 11) + 3 * DAY


def test_further_dates_and_moved_occurrences_widen_the_span() -> None:
    start, end = time("2024-07-01T10:00:00", "UTC"), time("2024-07-01T11:00:00", "UTC")
    summary = appointment(
        start,
        end,
        recurrence=Recurrence(dates=[time("2024-09-01T10:00:00", "UTC")]),
        exceptions=[
            OccurrenceException(
                original_start=start, start=time("2024-06-01T10:00:00", "UTC"), end=time("2024-06-01T11:00:00", "UTC")
            ),
            OccurrenceException(original_start=start, cancelled=True, start=time("2020-06-01T10:00:00", "UTC")),
        ],
    )
    assert calendar_time.span(summary) == (utc(2024, 6, 1, 10), utc(2024, 9, 1, 11))


def test_an_occurrence_is_as_long_as_its_series_by_the_wall_clock() -> None:
    start, end = time("2024-03-30T22:00:00", "Europe/Berlin"), time("2024-03-31T06:00:00", "Europe/Berlin")
    to = time("2024-04-06T22:00:00", "Europe/Berlin")
    assert calendar_time.moved(start, end, to) == time("2024-04-07T06:00:00", "Europe/Berlin")
    assert calendar_time.moved(start, end, time("9999-12-31T23:00:00", "UTC")) == time("9999-12-31T23:00:00", "UTC")


@given(st.text(max_size=30))
def test_no_zone_name_leads_out_of_the_database(name: str) -> None:
    known = zones.canonical(name)
    assert (zones.zone(name) is None) == (known is None)
    assert zones.zone(f"../{name}") is None


def test_the_span_of_a_series_reaches_as_far_as_its_exceptions_do() -> None:
    start, end = time("2024-07-01T10:00:00", "UTC"), time("2024-07-01T11:00:00", "UTC")
    until = Recurrence(rules=["FREQ=DAILY;UNTIL=20240705T100000Z"])
    outside = OccurrenceException(original_start=time("2024-09-01T10:00:00", "UTC"), subject="extra")
    assert calendar_time.span(appointment(start, end, recurrence=until, exceptions=[outside])) == (
        utc(2024, 7, 1, 10),
        utc(2024, 9, 1, 11),
    )
    original = time("2024-07-03T10:00:00", "UTC")
    lasting = OccurrenceException(original_start=original, start=time("2024-07-08T10:00:00", "UTC"), this_and_future=True)
    span = calendar_time.span(appointment(start, end, recurrence=until, exceptions=[lasting]))
    assert span is not None and span[1] is not None and span[1] >= utc(2024, 7, 10, 11)


def test_a_further_date_among_times_of_day_means_their_hour() -> None:
    start, end = time("2024-07-01T22:00:00", "America/New_York"), time("2024-07-01T23:00:00", "America/New_York")
    span = calendar_time.span(appointment(start, end, recurrence=Recurrence(dates=[time("2024-09-01")])))
    assert span is not None and span[1] is not None and span[1] >= utc(2024, 9, 2, 3)
