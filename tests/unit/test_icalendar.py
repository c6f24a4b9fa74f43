"""What calendar documents mean, and how changed items go back into them."""

from __future__ import annotations

import datetime

import icalendar as library
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1.calendar_pb2 import (
    AppointmentSummary,
    AttendeeRole,
    BusyStatus,
    CalendarTime,
    OccurrenceException,
    ResponseStatus,
)
from rookery.v1.item_pb2 import Importance, ItemContent, ItemKind, ItemState, ItemSummary, Sensitivity
from rookery.v1.person_pb2 import Person
from rookery.v1.task_pb2 import TaskStatus
from rookery_core.errors import InvalidArgument
from rookery_core.formats import icalendar

BERLIN = "Europe/Berlin"


def document(*lines: str, kind: str = "VEVENT", around: str = "") -> bytes:
    body = "\r\n".join(("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test", *filter(None, [around]), f"BEGIN:{kind}", *lines))
    return f"{body}\r\nEND:{kind}\r\nEND:VCALENDAR\r\n".encode()


def event(*lines: str) -> AppointmentSummary:
    return icalendar.parse(document("UID:1", *lines)).summary.appointment


def rendered(record: icalendar.ItemRecord) -> str:
    return icalendar.render(record.summary, record.state, record.content).decode().replace("\r\n ", "")


def time(local: str, zone: str = BERLIN) -> CalendarTime:
    return CalendarTime(local=local, time_zone=zone)


@pytest.mark.parametrize(
    ("tzid", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("/freeassociation.sourceforge.net/Tzfile/America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("/mozilla.org/20070129_1/America/New_York", "America/New_York"),
        ("Etc/UTC", "UTC"),
        ("My own zone", "My own zone"),
    ],
)
def test_a_tzid_becomes_an_iana_name_where_it_stands_for_one(tzid: str, zone: str) -> None:
    assert event(f'DTSTART;TZID="{tzid}":20240301T100000').start == CalendarTime(local="2024-03-01T10:00:00", time_zone=zone)


def test_a_zones_own_location_tells_what_it_is() -> None:
    zone = "BEGIN:VTIMEZONE\r\nTZID:Office\r\nX-LIC-LOCATION:Europe/Vienna\r\nEND:VTIMEZONE"
    record = icalendar.parse(document("UID:1", "DTSTART;TZID=Office:20240301T100000", around=zone))
    assert record.summary.appointment.start.time_zone == "Europe/Vienna"
    record.summary.appointment.start.local = "2024-03-01T11:00:00"
    assert "DTSTART;TZID=Office:20240301T110000" in rendered(record)


@pytest.mark.parametrize(
    ("lines", "end"),
    [
        (["DTSTART:20240301T100000Z"], time("2024-03-01T10:00:00", "UTC")),
        (["DTSTART;VALUE=DATE:20240301"], time("2024-03-02", "")),
        (["DTSTART;VALUE=DATE:20240301", "DTEND;VALUE=DATE:20240301"], time("2024-03-02", "")),
        (["DTSTART;VALUE=DATE:20240301", "DURATION:P3D"], time("2024-03-04", "")),
        (["DTSTART:20240301T100000", "DURATION:PT90M"], time("2024-03-01T11:30:00", "")),
        (["DTSTART:20240301T100000Z", "DTEND:20240301T090000Z"], time("2024-03-01T10:00:00", "UTC")),
        (["DTSTART:20240301T100000Z", "DTEND;VALUE=DATE:20240302"], time("2024-03-01T10:00:00", "UTC")),
        # Days are nominal and hours exact: the clocks go forward in between (RFC 5545 section 3.3.6).
        ([f"DTSTART;TZID={BERLIN}:20240330T120000", "DURATION:P1D"], time("2024-03-31T12:00:00")),
        ([f"DTSTART;TZID={BERLIN}:20240330T120000", "DURATION:PT24H"], time("2024-03-31T13:00:00")),
        (["DTSTART:20240301T100000Z", "DURATION:P999999999999W"], time("2024-03-01T10:00:00", "UTC")),
    ],
)
def test_an_event_ends_where_rfc_5545_says(lines: list[str], end: CalendarTime) -> None:
    assert event(*lines).end == end


def test_dates_and_floating_times_stay_what_they_are() -> None:
    assert event("DTSTART;VALUE=DATE:20240301").all_day
    floating = event("DTSTART:20240301T100000").start
    assert floating == CalendarTime(local="2024-03-01T10:00:00")


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([], BusyStatus.BUSY_STATUS_UNSPECIFIED),
        (["TRANSP:OPAQUE"], BusyStatus.BUSY_STATUS_BUSY),
        (["TRANSP:TRANSPARENT"], BusyStatus.BUSY_STATUS_FREE),
        (["TRANSP:OPAQUE", "X-MICROSOFT-CDO-BUSYSTATUS:OOF"], BusyStatus.BUSY_STATUS_OUT_OF_OFFICE),
        (["TRANSP:TRANSPARENT", "X-MICROSOFT-CDO-BUSYSTATUS:BUSY"], BusyStatus.BUSY_STATUS_FREE),
        (["X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE"], BusyStatus.BUSY_STATUS_TENTATIVE),
    ],
)
def test_busy_status_comes_from_transp_and_outlooks_word(lines: list[str], status: BusyStatus.ValueType) -> None:
    assert event("DTSTART:20240301T100000Z", *lines).busy_status == status


def test_priority_class_and_categories_are_read() -> None:
    record = icalendar.parse(
        document(
            "UID:1", "DTSTART:20240301T100000Z", "PRIORITY:2", "CLASS:CONFIDENTIAL", "CATEGORIES:A\\,B,work", "CATEGORIES:Work,C"
        )
    )
    assert record.summary.importance == Importance.IMPORTANCE_HIGH
    assert record.summary.sensitivity == Sensitivity.SENSITIVITY_CONFIDENTIAL
    assert record.categories == ["A,B", "work", "C"]


def test_an_unknown_class_counts_as_private() -> None:
    record = icalendar.parse(document("UID:1", "DTSTART:20240301T100000Z", "CLASS:X-SECRET"))
    assert record.summary.sensitivity == Sensitivity.SENSITIVITY_PRIVATE


ALARMS = (
    *("BEGIN:VALARM", "ACTION:EMAIL", "TRIGGER:-PT5M", "END:VALARM"),
    *("BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER;VALUE=DATE-TIME:20240301T080000Z", "END:VALARM"),
    *("BEGIN:VALARM", "ACTION:AUDIO", "TRIGGER:-PT1H", "X-MOZ-LASTACK:20240301T080000Z", "END:VALARM"),
    *("BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER:-PT10M", "END:VALARM"),
)


def test_the_reminder_is_the_first_relative_alarm_that_shows_or_sounds() -> None:
    assert event("DTSTART:20240301T100000Z", *ALARMS).reminder_minutes == 60
    assert not event("DTSTART:20240301T100000Z").HasField("reminder_minutes")


def test_a_new_reminder_moves_its_alarm_and_leaves_the_others() -> None:
    record = icalendar.parse(document("UID:1", "DTSTART:20240301T100000Z", *ALARMS))
    record.summary.appointment.reminder_minutes = 30
    text = rendered(record)
    assert "TRIGGER:-PT30M\r\nX-MOZ-LASTACK" in text
    assert text.count("BEGIN:VALARM") == 4
    assert icalendar.parse(text.encode()).summary.appointment.reminder_minutes == 30


def test_without_a_reminder_no_alarm_that_could_be_one_is_left() -> None:
    record = icalendar.parse(document("UID:1", "DTSTART:20240301T100000Z", *ALARMS))
    record.summary.appointment.ClearField("reminder_minutes")
    text = rendered(record)
    assert "ACTION:EMAIL" in text and "DATE-TIME" in text
    assert not icalendar.parse(text.encode()).summary.appointment.HasField("reminder_minutes")


def test_an_attendees_answer_changes_one_parameter() -> None:
    record = icalendar.parse(
        document(
            "UID:1",
            "DTSTART:20240301T100000Z",
            "ATTENDEE;CN=Ann;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;X-NUM-GUESTS=2:mailto:ann@EXAMPLE.org",
            'ATTENDEE;CN="Bob, Jr.";DIR="ldap://x":MAILTO:bob@example.org',
            "ATTENDEE;CUTYPE=ROOM;CN=Hall:urn:uuid:1",
        )
    )
    ann, bob, hall = record.content.appointment.attendees
    assert ann.person == Person(name="Ann", address="ann@example.org") and ann.response_requested
    assert bob.person.name == "Bob, Jr." and hall.role == AttendeeRole.ATTENDEE_ROLE_RESOURCE
    ann.response = ResponseStatus.RESPONSE_STATUS_ACCEPTED
    text = rendered(record)
    assert "ATTENDEE;PARTSTAT=ACCEPTED;RSVP=TRUE;X-NUM-GUESTS=2;CN=Ann:mailto:ann@example.org\r\n" in text
    assert 'ATTENDEE;CN="Bob, Jr.";DIR="ldap://x":MAILTO:bob@example.org' in text
    assert "ATTENDEE;CUTYPE=ROOM;CN=Hall:urn:uuid:1" in text
    assert icalendar.parse(text.encode()).content.appointment == record.content.appointment


SERIES = (
    "UID:s",
    f"DTSTART;TZID={BERLIN}:20240304T100000",
    f"DTEND;TZID={BERLIN}:20240304T110000",
    "RRULE:FREQ=WEEKLY;BYDAY=MO",
    f"EXDATE;TZID={BERLIN}:20240401T100000",
    "SUMMARY:Jour fixe",
    "LOCATION:Room 1",
    "END:VEVENT",
    "BEGIN:VEVENT",
    "UID:s",
    f"RECURRENCE-ID;TZID={BERLIN}:20240311T100000",
    f"DTSTART;TZID={BERLIN}:20240311T140000",
    f"DTEND;TZID={BERLIN}:20240311T150000",
    "SUMMARY:Jour fixe",
    "LOCATION:Room 2",
    "X-NOTE:stays",
    "END:VEVENT",
    "BEGIN:VEVENT",
    "UID:s",
    f"RECURRENCE-ID;TZID={BERLIN}:20240318T100000",
    "STATUS:CANCELLED",
)


def test_a_series_has_its_changed_and_cancelled_occurrences() -> None:
    appointment = icalendar.parse(document(*SERIES)).summary.appointment
    moved, cancelled = appointment.exceptions
    assert list(appointment.recurrence.rules) == ["FREQ=WEEKLY;BYDAY=MO"]
    assert list(appointment.recurrence.excluded_dates) == [time("2024-04-01T10:00:00")]
    assert moved == OccurrenceException(
        original_start=time("2024-03-11T10:00:00"),
        start=time("2024-03-11T14:00:00"),
        end=time("2024-03-11T15:00:00"),
        location="Room 2",
    )
    assert cancelled == OccurrenceException(original_start=time("2024-03-18T10:00:00"), cancelled=True)


def test_changed_occurrences_are_edited_added_and_removed_one_by_one() -> None:
    record = icalendar.parse(document(*SERIES))
    appointment = record.summary.appointment
    appointment.exceptions[0].location = "Room 3"
    del appointment.exceptions[1]
    appointment.exceptions.add(original_start=time("2024-03-25T10:00:00"), subject="With cake")
    text = rendered(record)
    assert "X-NOTE:stays" in text and "Room 3" in text and "Room 2" not in text and "STATUS:CANCELLED" not in text
    again = icalendar.parse(text.encode()).summary.appointment
    assert again.exceptions[0] == appointment.exceptions[0]
    assert again.exceptions[1].subject == "With cake"
    assert again.exceptions[1].original_start == time("2024-03-25T10:00:00")


def test_a_new_title_of_the_series_is_that_of_its_occurrences_too() -> None:
    record = icalendar.parse(document(*SERIES))
    record.summary.subject = "Weekly"
    text = rendered(record)
    assert "Jour fixe" not in text
    assert icalendar.parse(text.encode()).summary == record.summary


def test_an_occurrence_is_cancelled_in_its_own_component() -> None:
    record = icalendar.parse(document(*SERIES))
    exception = record.summary.appointment.exceptions[0]
    exception.CopyFrom(OccurrenceException(original_start=exception.original_start, cancelled=True))
    assert icalendar.parse(rendered(record).encode()).summary == record.summary


def test_a_period_in_rdate_keeps_its_end_when_another_date_is_added() -> None:
    record = icalendar.parse(document("UID:1", "DTSTART:20240301T100000Z", "RDATE;VALUE=PERIOD:20240401T100000Z/PT3H"))
    assert list(record.summary.appointment.recurrence.dates) == [time("2024-04-01T10:00:00", "UTC")]
    record.summary.appointment.recurrence.dates.append(time("2024-05-01T10:00:00", "UTC"))
    text = rendered(record)
    assert "RDATE;VALUE=PERIOD:20240401T100000Z/PT3H" in text and "RDATE:20240501T100000Z" in text


def test_what_can_not_be_read_stays_in_the_document_and_out_of_the_fields() -> None:
    source = document("UID:1", "DTSTART:20240301T100000Z", "RRULE:FREQ=NEVER", "EXDATE:tomorrow", "SEQUENCE:many", "CREATED:once")
    record = icalendar.parse(source)
    assert not record.summary.appointment.HasField("recurrence") and not record.summary.HasField("created")
    record.summary.subject = "New"
    text = rendered(record)
    assert all(line in text for line in ("RRULE:FREQ=NEVER", "EXDATE:tomorrow", "SEQUENCE:many", "CREATED:once", "SUMMARY:New"))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no iCalendar"),
        (b"From: me\r\n\r\nHello", "no iCalendar"),
        (b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "no complete"),
        (b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\n", "no complete"),
        (document("SUMMARY:Party"), "Party"),
        (document("DTSTART:someday", "SUMMARY:Party"), "someday"),
        (
            document("UID:1", "DTSTART:20240301T100000Z", "END:VEVENT", "BEGIN:VEVENT", "UID:2", "DTSTART:20240301T100000Z"),
            "several",
        ),
        (document("UID:1", "DTSTART:20240301T100000Z", "X:" + "x" * (1 << 20)), "1,048,576"),
    ],
)
def test_a_document_that_is_none_is_refused_with_what_is_wrong(data: bytes, told: str) -> None:
    with pytest.raises(InvalidArgument) as error:
        icalendar.parse(data)
    assert error.value.reason == "DOCUMENT_INVALID" and told in error.value.message


def test_a_file_is_split_by_uid_with_the_zones_each_item_uses() -> None:
    zones = "".join(f"BEGIN:VTIMEZONE\r\nTZID:{name}\r\nEND:VTIMEZONE\r\n" for name in ("A", "B")).rstrip()
    data = document("UID:1", "DTSTART;TZID=B:20240301T100000", "END:VEVENT", "BEGIN:VEVENT", *SERIES, around=zones)
    data += document("UID:t", "SUMMARY:Task", kind="VTODO") + document("UID:f", kind="VFREEBUSY")
    split = icalendar.split(data)
    first, series, task = split.documents
    assert b"TZID:B\r\n" in first and b"TZID:A\r\n" not in first
    assert series.count(b"BEGIN:VEVENT") == 3
    assert icalendar.parse(task).summary.kind == ItemKind.ITEM_KIND_TASK
    assert [skipped.what for skipped in split.skipped] == ["VFREEBUSY “f”"]


def test_what_is_cut_off_is_told() -> None:
    split = icalendar.split(document("UID:1", "DTSTART:20240301T100000Z") + b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Half\r\n")
    assert len(split.documents) == 1
    assert "Half" in split.skipped[0].what and "END:VEVENT" in split.skipped[0].reason


def test_a_small_file_with_a_huge_zone_does_not_grow() -> None:
    zone = "BEGIN:VTIMEZONE\r\nTZID:Z\r\n" + "COMMENT:x\r\n" * 10_000 + "END:VTIMEZONE"
    split = icalendar.split(document("UID:1", "DTSTART;TZID=Z:20240301T100000", around=zone))
    assert len(split.documents[0]) < 1000
    assert "time zone" in split.skipped[0].reason


def test_joining_tells_apart_two_zones_of_one_name() -> None:
    def one(uid: str, offset: str) -> bytes:
        zone = f"BEGIN:VTIMEZONE\r\nTZID:Custom\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:{offset}\r\n"
        zone += f"TZOFFSETTO:{offset}\r\nEND:STANDARD\r\nEND:VTIMEZONE"
        return document(f"UID:{uid}", "DTSTART;TZID=Custom:20240301T100000", around=zone)

    whole = icalendar.calendar([one("1", "+0100"), one("2", "+0500"), one("3", "+0100"), one("4", "+0500")])
    offsets = {str(part["UID"]): part.decoded("DTSTART").utcoffset() for part in library.Calendar.from_ical(whole).walk("VEVENT")}
    assert [offsets[uid] for uid in "1234"] == [datetime.timedelta(hours=hours) for hours in (1, 5, 1, 5)]
    assert whole.count(b"BEGIN:VTIMEZONE") == 2


def test_folded_characters_and_other_charsets_are_read() -> None:
    folded = "SUMMARY:Gru\u00df".encode()
    record = icalendar.parse(
        document("UID:1", "DTSTART:20240301T100000Z", "SUMMARY:x").replace(b"SUMMARY:x", folded[:-1] + b"\r\n " + folded[-1:])
    )
    assert record.summary.subject == "Gru\u00df"
    latin = document("UID:1", "DTSTART:20240301T100000Z", "SUMMARY:Gru\u00df").decode().encode("latin-1")
    assert icalendar.parse(latin).summary.subject == "Gru\u00df"
    wide = document("UID:1", "DTSTART:20240301T100000Z", "SUMMARY:Gru\u00df").decode().encode("utf-16")
    assert icalendar.parse(wide).summary.subject == "Gru\u00df"


def test_a_tasks_reminder_is_an_instant_and_its_alarm_moves() -> None:
    source = document(
        *("UID:t", f"DUE;TZID={BERLIN}:20240301T100000", "STATUS:IN-PROCESS", "PERCENT-COMPLETE:30"),
        *("BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER;RELATED=END:-PT1H", "END:VALARM"),
        kind="VTODO",
    )
    record = icalendar.parse(source)
    task = record.summary.task
    assert task.reminder == Timestamp(seconds=1709280000)
    assert task.status == TaskStatus.TASK_STATUS_IN_PROGRESS and task.percent_complete == 30
    task.due.local = "2024-03-02T10:00:00"
    again = icalendar.parse(rendered(record).encode())
    assert again.summary == record.summary


def test_a_waiting_task_says_so_to_others_as_well_as_it_can() -> None:
    record = icalendar.ItemRecord.empty(ItemKind.ITEM_KIND_TASK)
    record.summary.task.task_id = "t"
    record.summary.task.status = TaskStatus.TASK_STATUS_WAITING
    text = rendered(record)
    assert "STATUS:IN-PROCESS" in text
    assert icalendar.parse(text.encode()).summary.task.status == TaskStatus.TASK_STATUS_WAITING


def test_a_new_document_defines_the_zones_it_uses() -> None:
    record = icalendar.ItemRecord.empty(ItemKind.ITEM_KIND_APPOINTMENT)
    appointment = record.summary.appointment
    appointment.meeting_id = "new"
    appointment.start.CopyFrom(time("2024-07-01T10:00:00"))
    appointment.end.CopyFrom(time("2024-07-01T11:00:00"))
    whole = library.Calendar.from_ical(rendered(record))
    assert [str(part["TZID"]) for part in whole.walk("VTIMEZONE")] == [BERLIN]
    (made,) = whole.walk("VEVENT")
    assert made.decoded("DTSTART").utcoffset() == datetime.timedelta(hours=2)
    assert "DTSTAMP" in made and str(whole["PRODID"]) == "-//Rookery//EN"


def test_other_kinds_have_no_calendar_form() -> None:
    with pytest.raises(InvalidArgument) as error:
        icalendar.render(ItemSummary(kind=ItemKind.ITEM_KIND_CONTACT), ItemState(), ItemContent())
    assert error.value.reason == "KIND_MISMATCH"
