"""What a series keeps of its layout is what it would give anew, and no more is kept than fits."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from rookery.v1.calendar_pb2 import AppointmentSummary, BusyStatus, CalendarTime, OccurrenceException, Recurrence, ResponseStatus
from rookery.v1.calendar_service_pb2 import ListOccurrencesResponse
from rookery.v1.calendar_service_pb2 import Occurrence as OccurrenceRecord
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, ItemSummary
from rookery_core.rules.recurrence.entries import BEGINS, ENCODED, ENDS, ORIGINAL, Entry, Laid
from rookery_core.rules.recurrence.starts import Budget
from rookery_server.services.calendar.parsed_appointments import ParsedAppointments
from rookery_server.store.calendars import SpanRow

DAY = 86_400_000_000
MARCH = int(dt.datetime(2026, 3, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000
BERLIN = "Europe/Berlin"


def summary(start: str, end: str, *rules: str, zone: str = BERLIN, exceptions: tuple[OccurrenceException, ...] = ()) -> ItemSummary:
    appointment = AppointmentSummary(
        start=CalendarTime(local=start, time_zone=zone),
        end=CalendarTime(local=end, time_zone=zone),
        location="Room 1",
        exceptions=exceptions,
    )
    if rules:
        appointment.recurrence.CopyFrom(Recurrence(rules=rules))
    return ItemSummary(kind=ITEM_KIND_APPOINTMENT, subject="Tea", appointment=appointment)


MOVED = OccurrenceException(
    original_start=CalendarTime(local="2026-03-09T09:00:00", time_zone=BERLIN),
    start=CalendarTime(local="2026-03-10T11:00:00", time_zone="America/New_York"),
    end=CalendarTime(local="2026-03-12T11:00:00", time_zone="America/New_York"),
    subject="Long tea",
    busy_status=BusyStatus.BUSY_STATUS_TENTATIVE,
    my_response=ResponseStatus.RESPONSE_STATUS_ACCEPTED,
)
APPOINTMENTS = {
    "single": summary("2026-03-03T09:00:00", "2026-03-03T10:00:00"),
    "weekly": summary("2026-03-02T09:00:00", "2026-03-02T10:00:00", "FREQ=WEEKLY", exceptions=(MOVED,)),
    "daily, three days long": summary("2025-03-02T09:00:00", "2025-03-05T10:00:00", "FREQ=DAILY"),
    "dates": summary("2026-01-01", "2026-01-02", "FREQ=DAILY;INTERVAL=3", zone=""),
    "floating": summary("2026-01-01T23:30:00", "2026-01-02T00:30:00", "FREQ=WEEKLY;BYDAY=MO,FR", zone=""),
    "before 1970": summary("1960-02-29T09:00:00", "1960-02-29T09:00:00", "FREQ=MONTHLY"),
    "by the hour": summary("2026-02-01T00:00:00", "2026-02-01T00:30:00", "FREQ=HOURLY"),
    "by the minute": summary("2026-02-01T00:00:00", "2026-02-01T00:01:00", "FREQ=MINUTELY"),
    "a season long": summary("2020-01-01T00:00:00", "2022-06-01T00:00:00", "FREQ=YEARLY"),
}


def records(laid: list[Laid]) -> list[OccurrenceRecord]:
    return list(ListOccurrencesResponse.FromString(b"".join(each[ENCODED] for each in laid)).occurrences)


@pytest.mark.parametrize("name", APPOINTMENTS)
def test_what_is_kept_is_what_the_series_gives(name: str) -> None:
    kept = Entry(b"i" * 16, APPOINTMENTS[name])
    dice = random.Random(name)
    for _ in range(20):
        begin = MARCH + dice.randrange(-120 * DAY, 120 * DAY)
        end = begin + dice.choice((1, 3_600_000_000, DAY, 40 * DAY if "minute" not in name else 2 * DAY))
        viewer = dice.choice(("UTC", "Asia/Tokyo", "Pacific/Apia"))
        found = kept.lay(begin, end, viewer, Budget(1_000_000))
        anew = kept.series.between(begin, end, viewer, Budget(1_000_000))
        assert [(each[BEGINS], each[ENDS], each[ORIGINAL]) for each in found] == [
            (each.begins, each.ends, each.original) for each in anew
        ]
        for occurrence, record in zip(anew, records(found), strict=True):
            assert (record.original_start, record.start, record.end) == (
                occurrence.original_start,
                occurrence.start,
                occurrence.end,
            )
            assert (record.begins.ToMicroseconds(), record.ends.ToMicroseconds()) == (occurrence.begins, occurrence.ends)
            assert (record.item_id, record.location) == (b"i" * 16, "Room 1")


def test_an_exception_shows_what_it_says() -> None:
    found = records(Entry(b"i" * 16, APPOINTMENTS["weekly"]).lay(MARCH, MARCH + 20 * DAY, "UTC", Budget(1000)))
    assert [(each.subject, each.is_exception, each.is_recurring) for each in found] == [
        ("Tea", False, True),
        ("Long tea", True, True),
        ("Tea", False, True),
    ]
    assert found[1].my_response == ResponseStatus.RESPONSE_STATUS_ACCEPTED
    assert found[1].end.time_zone == "America/New_York"


def test_a_series_keeps_a_bounded_number_of_stretches() -> None:
    entry = Entry(b"i" * 16, APPOINTMENTS["weekly"])
    for month in range(400):
        entry.lay(MARCH + month * 30 * DAY, MARCH + (month + 1) * 30 * DAY, "UTC", Budget(1000))
    weights = []
    for month in range(400, 500):
        entry.lay(MARCH + month * 30 * DAY, MARCH + (month + 1) * 30 * DAY, "UTC", Budget(1000))
        weights.append(entry.weight)
    assert max(weights) < 80_000


def test_what_was_asked_for_longest_ago_makes_room() -> None:
    encoded = APPOINTMENTS["weekly"].SerializeToString()
    parsed = ParsedAppointments(most_bytes=30_000)
    rows = [SpanRow(bytes([number]) * 16, 1, MARCH) for number in range(20)]
    for row in rows:
        entry = parsed.read(1, row, encoded)
        assert entry is not None
        entry.lay(MARCH, MARCH + 20 * DAY, "UTC", Budget(1000))
        assert parsed.find(1, row) is entry
    assert parsed.kept.weight <= 30_000
    assert parsed.find(1, rows[0]) is None
    assert parsed.find(1, rows[-1]) is not None
    assert parsed.find(1, SpanRow(rows[-1].id, 2, MARCH)) is None
