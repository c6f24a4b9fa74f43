"""Zones in scheduling messages: two yearly rules that say what the tz database says."""

from __future__ import annotations

import datetime
import zoneinfo

import icalendar
import pytest

from rookery_core.formats import calendar_zone_rules
from rookery_core.formats.contentlines import write

YEARS = range(2026, 2027)


def defined(name: str, years: range = YEARS) -> str:
    found = calendar_zone_rules.definition(name, years)
    assert found is not None
    return write([found]).decode()


@pytest.mark.parametrize(
    "name",
    [
        "Europe/Berlin",
        "Europe/Dublin",
        "Europe/Lisbon",
        "America/New_York",
        "America/Asuncion",
        "America/Phoenix",
        "Asia/Kathmandu",
        "Asia/Tokyo",
        "Australia/Lord_Howe",
        "Australia/Sydney",
        "Pacific/Apia",
        "Pacific/Chatham",
        "UTC",
    ],
)
def test_another_library_finds_the_same_clocks_in_the_definition(name: str) -> None:
    component = icalendar.Timezone.from_ical(defined(name))
    theirs, ours = component.to_tz(lookup_tzid=False), zoneinfo.ZoneInfo(name)
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    for days in range(0, 10 * 365, 9):
        at = moment + datetime.timedelta(days=days, hours=days % 24)
        assert at.astimezone(theirs).utcoffset() == at.astimezone(ours).utcoffset(), at


def test_the_later_clock_is_that_of_summer_whatever_the_law_calls_it() -> None:
    assert "BEGIN:DAYLIGHT\r\nDTSTART:20250330T010000\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\n" in defined("Europe/Dublin")


def test_the_rule_is_that_of_the_years_in_question() -> None:
    assert "BYMONTH=3;BYDAY=2SU" in defined("America/New_York", range(2010, 2011))
    assert calendar_zone_rules.definition("America/New_York", range(2005, 2006)) is None  # the law changed in 2007


def test_a_zone_whose_clocks_never_change_has_no_rule() -> None:
    assert "RRULE" not in defined("Asia/Kathmandu")
    assert "TZOFFSETTO:+0545" in defined("Asia/Kathmandu")


@pytest.mark.parametrize("name", ["Africa/Casablanca", "Asia/Jerusalem", "America/Santiago", "Office"])
def test_changes_that_follow_no_such_rule_have_to_be_listed(name: str) -> None:
    assert calendar_zone_rules.definition(name, YEARS) is None


@pytest.mark.parametrize("years", [range(1, 2), range(9999, 10_000)])
def test_the_ends_of_time_are_no_trouble(years: range) -> None:
    calendar_zone_rules.definition("Europe/Berlin", years)
