"""Occurrences and times of calendars, as people name them on the command line and read them."""

from __future__ import annotations

import click
import pytest

from rookery.v1.calendar_pb2 import CalendarTime, ResponseStatus
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item
from rookery_client.cli.calendar_times import span_text, typed
from rookery_client.cli.occurrences import by_original, named
from rookery_core.errors import InvalidArgument

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = BERLIN) -> CalendarTime:
    return CalendarTime(local=f"{text.replace(' ', 'T')}:00", time_zone=zone) if " " in text else CalendarTime(local=text)


def series(*rules: str, start: CalendarTime | None = None, end: CalendarTime | None = None) -> Item:
    item = Item(id=b"\x01" * 16)
    item.summary.kind = ITEM_KIND_APPOINTMENT
    appointment = item.summary.appointment
    appointment.start.CopyFrom(start or at("2026-03-02 09:00"))
    appointment.end.CopyFrom(end or at("2026-03-02 10:00"))
    appointment.recurrence.rules.extend(rules)
    return item


@pytest.mark.parametrize(
    ("text", "zone", "original"),
    [
        ("2026-03-09", BERLIN, "2026-03-09T09:00:00"),
        ("2026-03-09 09:00", BERLIN, "2026-03-09T09:00:00"),
        ("2026-03-09 17:00", "Asia/Tokyo", "2026-03-09T09:00:00"),
        ("2026-03-30", BERLIN, "2026-03-30T09:00:00"),  # behind the change of the clocks
        ("2026-03-30 16:00", "Asia/Tokyo", "2026-03-30T09:00:00"),
        ("2026-03-08", "America/Los_Angeles", None),
        ("2026-03-09", "America/Los_Angeles", "2026-03-09T09:00:00"),
    ],
)
def test_an_occurrence_is_named_by_its_day_or_hour_in_the_viewers_zone(text: str, zone: str, original: str | None) -> None:
    item = series("FREQ=WEEKLY")
    if original is None:
        with pytest.raises(InvalidArgument, match="there is none on Sunday, 8 March 2026"):
            named(item, text, zone)
    else:
        assert named(item, text, zone).original_start.local == original


def test_a_moved_occurrence_is_named_by_where_it_is_now() -> None:
    item = series("FREQ=WEEKLY")
    moved = ("2026-03-10 14:00", "2026-03-10 15:00")
    item.summary.appointment.exceptions.add(original_start=at("2026-03-09 09:00"), start=at(moved[0]), end=at(moved[1]))
    found = named(item, "2026-03-10", BERLIN)
    assert found.original_start == at("2026-03-09 09:00") and found.start == at(moved[0])
    with pytest.raises(InvalidArgument):
        named(item, "2026-03-09", BERLIN)
    again = by_original(item, at("2026-03-09 09:00"), BERLIN)
    assert again is not None and again.end == at(moved[1])
    assert by_original(item, at("2026-03-11 09:00"), BERLIN) is None


def test_a_day_with_several_needs_the_hour() -> None:
    item = series("FREQ=HOURLY;INTERVAL=6")
    with pytest.raises(InvalidArgument) as refused:
        named(item, "2026-03-09", BERLIN)
    assert refused.value.reason == "NOT_AN_OCCURRENCE"
    assert "there are 4 on that day" in refused.value.message and "“2026-03-09 15:00”" in refused.value.message
    assert named(item, "2026-03-09 15:00", BERLIN).start == at("2026-03-09 15:00")


def test_days_and_floating_times_are_those_of_the_series_for_every_viewer() -> None:
    days = series("FREQ=DAILY", start=at("2026-03-02"), end=at("2026-03-03"))
    floating = series("FREQ=DAILY", start=at("2026-03-02 23:30", ""), end=at("2026-03-02 23:45", ""))
    for zone in ("Asia/Tokyo", BERLIN, "America/Los_Angeles"):
        assert named(days, "2026-03-09", zone).original_start == at("2026-03-09")
        assert named(floating, "2026-03-09", zone).original_start == at("2026-03-09 23:30", "")


def test_what_was_declined_can_be_named_to_be_accepted_after_all() -> None:
    item = series("FREQ=WEEKLY")
    declined = item.summary.appointment.exceptions.add(original_start=at("2026-03-09 09:00"), cancelled=True)
    declined.my_response = ResponseStatus.RESPONSE_STATUS_DECLINED
    item.summary.appointment.exceptions.add(original_start=at("2026-03-16 09:00"), cancelled=True)
    assert named(item, "2026-03-09", BERLIN, declined=True).end == at("2026-03-09 10:00")
    for text, wanted in (("2026-03-09", False), ("2026-03-16", True)):
        with pytest.raises(InvalidArgument, match="there is none"):
            named(item, text, BERLIN, declined=wanted)


def test_a_single_appointment_has_no_occurrences() -> None:
    with pytest.raises(InvalidArgument, match="leave out --occurrence") as refused:
        named(series(), "2026-03-02", BERLIN)
    assert refused.value.reason == "NOT_A_SERIES"
    with pytest.raises(click.UsageError):
        named(series("FREQ=DAILY"), "tomorrow", BERLIN)
    broken = series("FREQ=DAILY", start=CalendarTime(local="sometime"))
    with pytest.raises(InvalidArgument):
        named(broken, "2026-03-02", BERLIN)


@pytest.mark.parametrize(
    ("start", "end", "zone", "words"),
    [
        ("2026-03-03 10:00", "2026-03-03 11:00", BERLIN, "Tuesday, 3 March 2026, 10:00–11:00"),
        ("2026-03-03 10:00", "2026-03-03 11:00", "Asia/Tokyo", "Tuesday, 3 March 2026, 18:00–19:00"),
        ("2026-03-03 22:00", "2026-03-04 01:00", BERLIN, "Tuesday, 3 March 2026, 22:00 to Wednesday, 4 March 2026, 01:00"),
        ("2026-03-03 10:00", "2026-03-03 10:00", BERLIN, "Tuesday, 3 March 2026, 10:00"),
        ("2026-03-03", "2026-03-04", "Asia/Tokyo", "Tuesday, 3 March 2026"),
        ("2026-03-03", "2026-03-06", BERLIN, "Tuesday, 3 March 2026 to Thursday, 5 March 2026"),
    ],
)
def test_times_are_told_by_the_viewers_clocks(start: str, end: str, zone: str, words: str) -> None:
    assert span_text(at(start), at(end), zone) == words


def test_times_that_are_none_are_told_as_they_are() -> None:
    assert span_text(CalendarTime(local="soon"), CalendarTime(), BERLIN) == "soon"
    assert typed(CalendarTime(local="soon", time_zone="Mars"), BERLIN) == "soon"


@pytest.mark.parametrize("end", ["0001-01-01", "", "sometime", "9999-12-31"])
def test_days_at_the_edges_of_the_calendar_are_told_too(end: str) -> None:
    assert span_text(CalendarTime(local="0001-01-01"), CalendarTime(local=end), BERLIN).startswith("Monday, 1 January 1")
