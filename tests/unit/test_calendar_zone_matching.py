"""Zones that only a document defines, and what they are called elsewhere."""

from __future__ import annotations

import time

import pytest

from rookery_core.formats import calendar_zones, icalendar

EUROPE = [
    (
        "BEGIN:STANDARD\r\nDTSTART:19701025T030000\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\n"
        "TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD"
    ),
    (
        "BEGIN:DAYLIGHT\r\nDTSTART:19700329T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\n"
        "TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nEND:DAYLIGHT"
    ),
]
# Brazil as old Windows knew it: right for 2017, not for the years in which lawmakers moved the dates.
BRAZIL = [
    (
        "BEGIN:STANDARD\r\nDTSTART:16010101T235959\r\nRRULE:FREQ=YEARLY;BYMONTH=2;BYDAY=3SA\r\n"
        "TZOFFSETFROM:-0200\r\nTZOFFSETTO:-0300\r\nEND:STANDARD"
    ),
    (
        "BEGIN:DAYLIGHT\r\nDTSTART:16010101T235959\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=2SA\r\n"
        "TZOFFSETFROM:-0300\r\nTZOFFSETTO:-0200\r\nEND:DAYLIGHT"
    ),
]


def fixed(offset: str, start: str = "19700101T000000") -> str:
    return f"BEGIN:STANDARD\r\nDTSTART:{start}\r\nTZOFFSETFROM:{offset}\r\nTZOFFSETTO:{offset}\r\nEND:STANDARD"


def document(tzid: str, parts: list[str], year: int = 2026, *, more: str = "") -> bytes:
    definition = "\r\n".join(["BEGIN:VTIMEZONE", f"TZID:{tzid}", *parts, "END:VTIMEZONE"])
    event = f"BEGIN:VEVENT\r\nUID:1\r\nDTSTART;TZID={tzid}:{year}0701T090000\r\nSUMMARY:X\r\nEND:VEVENT"
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{more}{definition}\r\n{event}\r\nEND:VCALENDAR\r\n".encode()


@pytest.mark.parametrize(
    ("parts", "year", "expected"),
    [
        (EUROPE, 2026, "Europe/Budapest"),
        (EUROPE[::-1], 1999, "Europe/Budapest"),
        (BRAZIL, 2017, "America/Sao_Paulo"),
        ([fixed("+1100")], 2026, "Etc/GMT-11"),
        ([fixed("-0300", "20170101")], 2026, "Etc/GMT+3"),
        ([fixed("+0000")], 2026, "UTC"),
        ([fixed("+0545")], 2026, "Asia/Katmandu"),  # as CLDR spells it
        ([fixed("+0101")], 2026, "Office"),
        ([], 2026, "Office"),
        (["BEGIN:STANDARD\r\nDTSTART:rubbish\r\nTZOFFSETFROM:x\r\nTZOFFSETTO:+1\r\nEND:STANDARD"], 2026, "Office"),
    ],
)
def test_a_documents_own_zone_is_the_one_whose_clocks_show_the_same(parts: list[str], year: int, expected: str) -> None:
    assert icalendar.parse(document("Office", parts, year)).summary.appointment.start.time_zone == expected


def test_the_document_keeps_its_own_name_for_the_zone() -> None:
    data = document("Office", EUROPE)
    record = icalendar.parse(data)
    record.summary.appointment.start.local = "2026-07-02T10:00:00"
    assert b"DTSTART;TZID=Office:20260702T100000" in icalendar.render(record.summary, record.state, record.content)


@pytest.mark.parametrize(
    ("tzid", "name"),
    [
        ("/Europe/Stockholm", "Europe/Stockholm"),
        ("posix/Europe/Vaduz", "Europe/Vaduz"),
        ("/freeassociation.sourceforge.net/America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("/Europe/Nowhere", None),
    ],
)
def test_paths_that_end_in_a_zone_name_it(tzid: str, name: str | None) -> None:
    assert calendar_zones.iana_name(tzid) == name


def test_thousands_of_hostile_zones_take_no_longer_than_a_few() -> None:
    parts = [
        "BEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nRRULE:FREQ=SECONDLY\r\nTZOFFSETFROM:+0101\r\nTZOFFSETTO:+0102\r\nEND:STANDARD"
    ]
    zones = "".join(f"BEGIN:VTIMEZONE\r\nTZID:Zone {number}\r\n{parts[0]}\r\nEND:VTIMEZONE\r\n" for number in range(1000))
    begun = time.process_time()
    assert icalendar.parse(document("Office", EUROPE, more=zones)).summary.appointment.start.time_zone == "Office"
    assert time.process_time() - begun < 20
