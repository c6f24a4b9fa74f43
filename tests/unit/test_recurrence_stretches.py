# ruff: noqa: DTZ001, DTZ901 - wall-clock time is naive
"""Calendars laid out in stretches: pages of any size are what series give, changes are taken up, work and memory are bounded."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING

import pytest

from rookery.v1.calendar_pb2 import AppointmentSummary, CalendarTime, OccurrenceException
from rookery.v1.calendar_service_pb2 import ListOccurrencesResponse
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, ItemSummary
from rookery_core.rules.recurrence import agenda
from rookery_core.rules.recurrence.agenda import Window
from rookery_core.rules.recurrence.entries import Entry
from rookery_core.rules.recurrence.starts import Budget
from rookery_core.rules.recurrence.stretches import EMPTY, Stretch, Where

if TYPE_CHECKING:
    from collections.abc import Iterable

DAY = 86_400_000_000
YEAR = 366 * DAY
BERLIN = "Europe/Berlin"
EPOCH = dt.datetime(1970, 1, 1)
MARCH = (dt.datetime(2026, 3, 1) - EPOCH) // dt.timedelta(microseconds=1)
FIRST, LAST = ((each - EPOCH) // dt.timedelta(microseconds=1) for each in (dt.datetime.min, dt.datetime(9999, 12, 31)))


class Calendar:
    """A calendar for ``agenda``, which counts how often it is asked."""

    def __init__(self, entries: Iterable[Entry], zone: str = "UTC") -> None:
        self.entries = list(entries)
        self.zone = zone
        self.asked: list[Where] = []

    def stretch(self, where: Where, budget: Budget) -> Stretch:
        self.asked.append(where)
        return EMPTY.changed(where, self.zone, (), self.entries, budget)


def entry(number: int, begin: dt.datetime, minutes: int, *rules: str, zone: str = BERLIN, subject: str = "") -> Entry:
    def time(wall: dt.datetime) -> CalendarTime:
        return CalendarTime(local=wall.isoformat(), time_zone=zone)

    appointment = AppointmentSummary(start=time(begin), end=time(begin + dt.timedelta(minutes=minutes)))
    appointment.recurrence.rules.extend(rules)
    if number % 5 == 0:
        moved = begin + dt.timedelta(days=40)
        appointment.exceptions.append(OccurrenceException(original_start=time(begin), start=time(moved), end=time(moved)))
    summary = ItemSummary(kind=ITEM_KIND_APPOINTMENT, subject=subject or f"E{number}", appointment=appointment)
    return Entry(number.to_bytes(16, "big"), summary)


RULES = (
    "FREQ=DAILY",
    "FREQ=DAILY;INTERVAL=3;COUNT=30",
    "FREQ=WEEKLY;BYDAY=SU,WE,FR;INTERVAL=2;WKST=SU",
    "FREQ=WEEKLY;COUNT=40;BYDAY=TU",
    "FREQ=MONTHLY;BYDAY=-1FR",
    "FREQ=YEARLY",
    "FREQ=HOURLY;COUNT=9000",
    "FREQ=MINUTELY;INTERVAL=20;UNTIL=20260401T000000Z",
)


def some(dice: random.Random, most: int) -> list[Entry]:
    """Appointments of all kinds in the years around."""
    found = []
    for number in range(dice.randrange(1, most)):
        begin = dt.datetime(2025, 1, 1) + dt.timedelta(minutes=15 * dice.randrange(4 * 24 * 800))
        minutes = dice.choice((0, 30, 30, 60, 60 * 30, 60 * 24 * 70))
        rules = (dice.choice(RULES),) if dice.random() < 0.5 else ()
        found.append(entry(number, begin, minutes, *rules, zone=dice.choice((BERLIN, BERLIN, ""))))
    return found


def shown(calendars: list[Calendar], window: Window, size: int) -> list[tuple[int, bytes]]:
    """Beginnings and items, over all pages."""
    found: list[tuple[int, bytes]] = []
    after = None
    while True:
        page = agenda.page(calendars, window, after, size)
        assert not page.incomplete
        records = ListOccurrencesResponse.FromString(page.encoded).occurrences
        assert len(records) <= size
        found += [(each.begins.ToMicroseconds(), each.item_id) for each in records]
        after = page.following
        if after is None:
            return found


@pytest.mark.parametrize("seed", range(12))
def test_pages_of_any_size_are_what_the_series_give(seed: int) -> None:
    dice = random.Random(seed)
    calendars = [Calendar(some(dice, 12), "Asia/Tokyo") for _ in range(dice.choice((1, 1, 2)))]
    begin = MARCH + dice.randrange(-YEAR, YEAR)
    window = Window(begin, begin + dice.choice((1, DAY // 2, 31 * DAY, 3 * YEAR)), "Asia/Tokyo")
    anew = [
        (each.begins, entry.item_id)
        for calendar in calendars
        for entry in calendar.entries
        for each in entry.series.between(window.begin, window.end, "Asia/Tokyo", Budget(1_000_000))
    ]
    assert shown(calendars, window, dice.choice((1 + len(anew) // 40, 500, 5_000))) == sorted(anew)


def test_a_calendar_that_changed_shows_what_it_would_if_it_were_laid_out_anew() -> None:
    dice = random.Random(6)
    where = Where.at(MARCH, 0)
    window = Window(where.begin, where.end, "UTC")
    entries = {each.item_id: each for each in some(dice, 40)}
    stretch = EMPTY.changed(where, "UTC", (), entries.values(), Budget(100_000))
    for _ in range(30):
        gone = set(dice.sample(sorted(entries), min(3, len(entries))))
        come = [each for each in some(dice, 40) if each.item_id in gone or each.item_id not in entries][:4]
        for item_id in gone:
            del entries[item_id]
        entries.update({each.item_id: each for each in come})
        stretch = stretch.changed(where, "UTC", gone, come, Budget(100_000))
        anew = EMPTY.changed(where, "UTC", (), entries.values(), Budget(100_000))
        assert stretch.beginning(window.begin, window.end) == anew.beginning(window.begin, window.end)
        assert stretch.reaching(window.begin) == anew.reaching(window.begin)
        assert {each.item_id for each in stretch.dense} == {each.item_id for each in anew.dense}
        assert stretch.weight == anew.weight


def test_stretches_of_one_length_lie_end_to_end() -> None:
    for wanted in (0, DAY, 100 * DAY, 500 * DAY, 20 * YEAR, LAST - FIRST):
        where = Where.at(MARCH, wanted)
        assert where.begin <= MARCH < where.end
        assert where.end - where.begin <= max(wanted, 51 * DAY)
        assert Where(where.bits, where.number + 1).begin == where.end
        assert where.is_shortest or where.shorter(MARCH).end <= where.end


def test_all_of_time_is_looked_through_in_a_few_steps() -> None:
    calendar = Calendar([entry(1, dt.datetime(2026, 3, 2, 9), 30), entry(2, dt.datetime(7026, 3, 2, 9), 30)])
    found = shown([calendar], Window(FIRST, LAST, "UTC"), 500)
    assert [each[1][-1] for each in found] == [1, 2]
    assert len(calendar.asked) < 40


def test_a_full_calendar_behind_empty_centuries_is_shown_from_its_beginning() -> None:
    calendar = Calendar(entry(number, dt.datetime(2026, 3, 2, 9), 30, "FREQ=DAILY") for number in range(1, 400, 5))
    page = agenda.page([calendar], Window(FIRST, LAST, "UTC"), None, 200)
    while page.following is not None and not page.encoded:
        page = agenda.page([calendar], Window(FIRST, LAST, "UTC"), page.following, 200)
    records = ListOccurrencesResponse.FromString(page.encoded).occurrences
    assert [each.start.local[:10] for each in records] == ["2026-03-02"] * 80 + ["2026-03-03"] * 80 + ["2026-03-04"] * 40
    assert not page.incomplete


def test_a_stretch_takes_no_more_memory_than_it_may_and_nothing_is_left_out() -> None:
    calendar = Calendar(
        entry(number, dt.datetime(2026, 1, 1), 5, "FREQ=HOURLY", subject="long " * 400) for number in range(1, 50, 5)
    )
    where = Where.at(MARCH, 0)
    stretch = calendar.stretch(where, Budget(500_000))
    assert stretch.weight < 21 << 20
    assert 0 < len(stretch.dense) < 10
    assert len(shown([calendar], Window(MARCH, MARCH + DAY, "UTC"), 100)) == 240


def test_what_there_is_no_time_for_is_not_taken_for_all() -> None:
    calendar = Calendar(entry(number, dt.datetime(2026, 1, 1), 5, "FREQ=DAILY") for number in range(1, 100, 5))
    assert not calendar.stretch(Where.at(MARCH, 0), Budget(300)).is_whole
    assert calendar.stretch(Where.at(MARCH, 0), Budget(3_000)).is_whole


@pytest.mark.parametrize(("calendars", "series"), [(1, 250), (60, 4)])
def test_calendars_that_take_longer_than_a_page_may_are_shown_whole(
    monkeypatch: pytest.MonkeyPatch, calendars: int, series: int
) -> None:
    monkeypatch.setattr(agenda, "_PAGE_STARTS", 10_000)
    full = [
        Calendar(entry(5 * (number * series + each) + 1, dt.datetime(2026, 3, 2, 9), 30, "FREQ=DAILY") for each in range(series))
        for number in range(calendars)
    ]
    expected = [day for day in range(4) for _ in range(calendars * series)]
    window = Window(MARCH + DAY, MARCH + 5 * DAY, "UTC")
    assert [(begins - window.begin) // DAY for begins, _ in shown(full, window, 5_000)] == expected
    assert len(shown(full, Window(MARCH, MARCH + 60 * DAY, "UTC"), 5_000)) == calendars * series * 59
