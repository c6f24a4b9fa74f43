"""Scheduling messages written: what others are told, what they are not, and in what form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import icalendar as other
import pytest

from rookery.v1.calendar_pb2 import Attendee, BusyStatus, CalendarTime, EventStatus, ResponseStatus
from rookery.v1.item_pb2 import Item, ItemKind
from rookery.v1.person_pb2 import Person
from rookery.v1.scheduling_pb2 import SchedulingMethod
from rookery_core.formats import itip
from rookery_core.rules.scheduling.itip import Itip, Part, Version

if TYPE_CHECKING:
    from collections.abc import Sequence

BERLIN = "Europe/Berlin"
ANN = Person(name="Ann Adler", address="ann@example.org")
BOB = Person(name="Bob", address="bob@example.net")
STAMP = 1_780_000_000 * 1_000_000


def time(local: str, zone: str = BERLIN) -> CalendarTime:
    return CalendarTime(local=local, time_zone=zone)


def meeting(start: str = "2026-10-12T10:00:00", end: str = "2026-10-12T11:00:00", zone: str = BERLIN) -> Item:
    item = Item()
    item.summary.kind = ItemKind.ITEM_KIND_APPOINTMENT
    item.summary.subject = "Budget"
    appointment = item.summary.appointment
    appointment.start.CopyFrom(time(start, zone))
    appointment.end.CopyFrom(time(end, zone))
    attendee = Attendee(person=BOB, response=ResponseStatus.RESPONSE_STATUS_NONE, response_requested=True)
    item.content.appointment.attendees.append(attendee)
    return item


def invitation(*parts: Part, method: SchedulingMethod.ValueType = SchedulingMethod.SCHEDULING_METHOD_REQUEST) -> Itip:
    return Itip(method, ItemKind.ITEM_KIND_APPOINTMENT, "u", ANN, parts or (Part(None, Version(0, STAMP), meeting()),))


def lines(message: Itip) -> Sequence[str]:
    return itip.write(message).decode().replace("\r\n ", "").split("\r\n")


def test_an_invitation_holds_nothing_that_is_its_senders_alone() -> None:
    item = meeting()
    item.summary.created.seconds = 1
    item.summary.appointment.reminder_minutes = 15
    item.state.categories.append("Secret")
    item.content.body.html = "<b>x</b>"
    item.content.appointment.attendees[0].responded.seconds = 1
    item.content.appointment.attendees[0].comment = "between us"
    written = itip.write(invitation(Part(None, Version(0, STAMP), item))).decode()
    for word in ("VALARM", "CATEGORIES", "X-ALT-DESC", "CREATED", "ROOKERY-", "between us"):
        assert word not in written


def test_another_library_reads_what_an_invitation_says() -> None:
    item = meeting()
    item.summary.appointment.recurrence.rules.append("FREQ=WEEKLY")
    item.summary.appointment.location = "Room 4; by the lake"
    calendar = other.Calendar.from_ical(itip.write(invitation(Part(None, Version(2, STAMP), item, comment="Come,\nplease"))))
    assert (str(calendar["METHOD"]), str(calendar["CALSCALE"]), str(calendar["VERSION"])) == ("REQUEST", "GREGORIAN", "2.0")
    (event,) = calendar.walk("VEVENT")
    assert (str(event["UID"]), event["SEQUENCE"], str(event["LOCATION"])) == ("u", 2, "Room 4; by the lake")
    assert event["DTSTAMP"].dt.isoformat() == "2026-05-28T20:26:40+00:00"
    assert event["DTSTART"].dt.isoformat() == "2026-10-12T10:00:00+02:00"
    assert str(event["ORGANIZER"]) == "mailto:ann@example.org"
    assert event["ATTENDEE"].params["PARTSTAT"] == "NEEDS-ACTION"
    assert event["ATTENDEE"].params["RSVP"] == "TRUE"
    assert str(event["COMMENT"]) == "Come,\nplease"
    assert [str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")] == [BERLIN]
    assert not calendar.errors and not event.errors


def test_an_answer_names_only_who_answers() -> None:
    item = meeting()
    item.content.appointment.attendees.append(Attendee(person=ANN))
    written = lines(invitation(Part(None, Version(0, STAMP), item), method=SchedulingMethod.SCHEDULING_METHOD_REPLY))
    assert [line.rpartition(":")[2] for line in written if line.startswith("ATTENDEE")] == ["bob@example.net"]


def test_who_speaks_for_another_is_named_beside_them() -> None:
    request = invitation()
    sent = Itip(request.method, request.kind, "u", ANN, request.parts, "secretary@example.org")
    assert 'ORGANIZER;CN=Ann Adler;SENT-BY="mailto:secretary@example.org":mailto:ann@example.org' in lines(sent)
    answer = Itip(SchedulingMethod.SCHEDULING_METHOD_REPLY, request.kind, "u", ANN, request.parts, "secretary@example.net")
    assert any(line.startswith("ATTENDEE") and 'SENT-BY="mailto:secretary@example.net"' in line for line in lines(answer))


def test_what_is_called_off_says_so_whatever_the_item_says() -> None:
    item = meeting()
    item.summary.appointment.status = EventStatus.EVENT_STATUS_CONFIRMED
    cancelled = invitation(Part(None, Version(1, STAMP), item, cancelled=True), method=SchedulingMethod.SCHEDULING_METHOD_CANCEL)
    assert "STATUS:CANCELLED" in lines(cancelled)


def test_an_occurrence_is_named_in_the_series_own_zone() -> None:
    part = Part(time("2026-10-19T10:00:00"), Version(0, STAMP), meeting("2026-10-20T10:00:00", "2026-10-20T11:00:00"))
    assert "RECURRENCE-ID;TZID=Europe/Berlin:20261019T100000" in lines(invitation(part))
    day = Part(time("2026-10-19", ""), Version(0, STAMP), meeting("2026-10-20", "2026-10-21", ""))
    assert "RECURRENCE-ID;VALUE=DATE:20261019" in lines(invitation(day))


def test_times_of_a_zone_that_nobody_knows_go_in_utc() -> None:
    written = lines(invitation(Part(None, Version(0, STAMP), meeting(zone="Office"))))
    assert "DTSTART:20261012T100000Z" in written
    assert "BEGIN:VTIMEZONE" not in written


@pytest.mark.parametrize(
    ("status", "transparency", "word"),
    [
        (BusyStatus.BUSY_STATUS_FREE, "TRANSPARENT", "FREE"),
        (BusyStatus.BUSY_STATUS_BUSY, "OPAQUE", "BUSY"),
        (BusyStatus.BUSY_STATUS_TENTATIVE, "OPAQUE", "TENTATIVE"),
        (BusyStatus.BUSY_STATUS_OUT_OF_OFFICE, "OPAQUE", "OOF"),
        (BusyStatus.BUSY_STATUS_WORKING_ELSEWHERE, "OPAQUE", "WORKINGELSEWHERE"),
    ],
)
def test_all_are_told_how_the_time_is_to_show_after_the_answer(status: BusyStatus.ValueType, transparency: str, word: str) -> None:
    item = meeting()
    item.summary.appointment.busy_status = status
    written = lines(invitation(Part(None, Version(0, STAMP), item)))
    said = {f"TRANSP:{transparency}", f"X-MICROSOFT-CDO-BUSYSTATUS:{word}", f"X-MICROSOFT-CDO-INTENDEDSTATUS:{word}"}
    assert said <= set(written)


def test_the_organizer_among_the_attendees_comes() -> None:
    item = meeting()
    item.content.appointment.attendees.append(Attendee(person=ANN, response=ResponseStatus.RESPONSE_STATUS_ORGANIZER))
    assert "ATTENDEE;CN=Ann Adler;PARTSTAT=ACCEPTED:mailto:ann@example.org" in lines(
        invitation(Part(None, Version(0, STAMP), item))
    )


def test_a_letter_about_many_occurrences_for_thousands_is_one_that_is_read() -> None:
    item = meeting()
    item.content.body.text = "word " * 100_000
    people = [Attendee(person=Person(address=f"somebody.{number}@example.org")) for number in range(2000)]
    item.content.appointment.attendees.extend(people)
    parts = [Part(time(f"2026-11-{day:02}T10:00:00"), Version(0, STAMP), item) for day in range(1, 31)]
    found = itip.read(itip.write(invitation(*parts)))
    assert [len(part.item.content.appointment.attendees) for part in found.parts] == [2001, 2001, *[0] * 28]
    assert all(part.item.content.body.text.endswith("word …") for part in found.parts)
