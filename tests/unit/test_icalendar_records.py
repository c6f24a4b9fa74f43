"""Records made here go through calendar documents and come back; any bytes are read or refused."""

from __future__ import annotations

import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from rookery.v1.calendar_pb2 import (
    Attendee,
    AttendeeRole,
    BusyStatus,
    CalendarTime,
    EventStatus,
    Recurrence,
    ResponseStatus,
)
from rookery.v1.item_pb2 import Importance, ItemKind, Sensitivity
from rookery.v1.person_pb2 import Person
from rookery.v1.task_pb2 import TaskAssignment
from rookery_core.errors import InvalidArgument
from rookery_core.formats import icalendar
from rookery_core.rules import names

BERLIN = "Europe/Berlin"


def rendered(record: icalendar.ItemRecord) -> str:
    return icalendar.render(record.summary, record.state, record.content).decode().replace("\r\n ", "")


def time(local: str, zone: str = BERLIN) -> CalendarTime:
    return CalendarTime(local=local, time_zone=zone)


words = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=30).map(str.strip)
labels = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=30).map(lambda text: " ".join(text.split()))
labels = labels.filter(bool)
stamps = st.integers(-(10**9), 4 * 10**9).map(lambda seconds: Timestamp(seconds=seconds))
zoned = st.sampled_from(["", "UTC", BERLIN, "America/New_York"])
clocks = st.datetimes(datetime.datetime.fromisoformat("1900-01-01"), datetime.datetime.fromisoformat("2100-01-01")).map(
    lambda at: at.replace(microsecond=0)
)
people = st.builds(
    Person,
    name=words.map(lambda text: " ".join(text.split())),
    address=st.from_regex(r"[a-z.+'-]{1,9}@[a-z]{1,9}\.org", fullmatch=True),
)


@st.composite
def appointments(draw: st.DrawFn) -> icalendar.ItemRecord:
    record = icalendar.ItemRecord.empty(ItemKind.ITEM_KIND_APPOINTMENT)
    summary, appointment = record.summary, record.summary.appointment
    summary.subject = draw(words)
    summary.importance = draw(st.sampled_from(Importance.values()))
    summary.sensitivity = draw(st.sampled_from(Sensitivity.values()))
    summary.created.CopyFrom(draw(stamps))
    zone, start = draw(zoned), draw(clocks)
    length = draw(st.timedeltas(datetime.timedelta(hours=3), datetime.timedelta(days=40)))
    if draw(st.booleans()):
        appointment.start.local = start.date().isoformat()
        appointment.end.local = (start.date() + datetime.timedelta(days=length.days + 1)).isoformat()
        appointment.all_day = True
    else:
        appointment.start.CopyFrom(time(start.isoformat(), zone))
        appointment.end.CopyFrom(time((start + length).replace(microsecond=0).isoformat(), zone))
    appointment.meeting_id = draw(words.filter(bool))
    appointment.location = draw(words)
    appointment.busy_status = draw(st.sampled_from(BusyStatus.values()))
    appointment.status = draw(st.sampled_from(EventStatus.values()))
    appointment.sequence = draw(st.integers(0, 2**31 - 1))
    if draw(st.booleans()):
        appointment.organizer.CopyFrom(draw(people))
        appointment.reminder_minutes = draw(st.integers(-(10**6), 10**6))
        appointment.recurrence.CopyFrom(Recurrence(rules=["FREQ=DAILY;INTERVAL=2"], dates=[time("2024-01-01T10:00:00", zone)]))
    record.content.body.text = draw(st.text(st.characters(exclude_categories=("Cc", "Cs"), include_characters="\n\t")))
    record.content.body.html = draw(words)
    for person in draw(st.lists(people, max_size=4, unique_by=lambda person: person.address)):
        role, response = draw(st.sampled_from(AttendeeRole.values())), draw(st.sampled_from(ResponseStatus.values()))
        record.content.appointment.attendees.append(Attendee(person=person, role=role, response=response, responded=draw(stamps)))
    record.content.appointment.SetInParent()
    record.state.categories.extend(names.categories(draw(st.lists(labels, max_size=3))))
    return record


def equal(again: icalendar.ItemRecord, record: icalendar.ItemRecord) -> bool:
    again.content.ClearField("source")
    return again == record


@given(appointments())
def test_an_appointment_made_here_comes_back_from_its_document(record: icalendar.ItemRecord) -> None:
    for attendee in record.content.appointment.attendees:
        if attendee.person.name == attendee.person.address:
            attendee.person.name = ""
    assert equal(icalendar.parse(rendered(record).encode()), record)


@given(appointments(), appointments())
def test_an_appointment_changed_in_every_field_comes_back_from_its_old_document(
    first: icalendar.ItemRecord, second: icalendar.ItemRecord
) -> None:
    second.summary.appointment.meeting_id = first.summary.appointment.meeting_id
    second.content.source.CopyFrom(icalendar.parse(rendered(first).encode()).content.source)
    again = icalendar.parse(rendered(second).encode())
    again.content.source.CopyFrom(second.content.source)
    assert again == second


def test_a_task_and_a_journal_entry_made_here_come_back() -> None:
    task = icalendar.ItemRecord.empty(ItemKind.ITEM_KIND_TASK)
    task.summary.task.task_id = "t"
    task.summary.task.start.CopyFrom(time("2024-01-01", ""))
    task.summary.task.due.CopyFrom(time("2024-02-01", ""))
    task.summary.task.completed.seconds = 1_700_000_000
    task.summary.task.reminder.seconds = 1_700_000_000
    task.summary.task.owner.CopyFrom(Person(name="Ann", address="ann@example.org"))
    task.summary.task.assignment = TaskAssignment.TASK_ASSIGNMENT_ACCEPTED
    task.content.task.actual_work_minutes = 90
    task.content.task.companies.extend(["A, Inc.", "B"])
    task.content.task.progress_requested = True
    task.content.task.assigner.CopyFrom(Person(name="Bob", address="bob@example.org"))
    task.content.body.SetInParent()
    assert equal(icalendar.parse(rendered(task).encode()), task)
    journal = icalendar.ItemRecord.empty(ItemKind.ITEM_KIND_JOURNAL)
    journal.summary.journal.journal_id = "j"
    journal.summary.journal.start.seconds = 1_700_000_000
    journal.summary.journal.end.seconds = 1_700_000_600
    journal.summary.journal.entry_type = "Phone call"
    journal.content.journal.people.append(Person(name="Ann", address="ann@example.org"))
    journal.content.body.SetInParent()
    assert equal(icalendar.parse(rendered(journal).encode()), journal)


fragments = st.sampled_from(
    [
        *(
            "BEGIN:VCALENDAR",
            "END:VCALENDAR",
            "BEGIN:VEVENT",
            "END:VEVENT",
            "BEGIN:VTODO",
            "END:VTODO",
            "BEGIN:VALARM",
            "END:VALARM",
        ),
        *("UID:1", "DTSTART:20240301T100000Z", "DTSTART:00010101T000000", "DTSTART;TZID=Asia/Tokyo:99991231T235959", "RDATE:,,/"),
        *(
            "DURATION:-P9W",
            "TRIGGER:-P999999999W",
            "ACTION:DISPLAY",
            "RRULE:FREQ=DAILY",
            "RECURRENCE-ID:20240301",
            "ATTENDEE:x",
            "=",
        ),
        *(" ", "\t", ":", ';"', "A;B=", "\x00", "CATEGORIES:,\\,", "ORGANIZER:mailto:%", "DUE:00010101T000000Z", "\\", "SUMMARY"),
    ]
)


@given(
    st.one_of(
        st.binary(),
        st.lists(st.one_of(fragments, st.text(max_size=9))).map(lambda parts: "\r\n".join(parts).encode("utf-8", "replace")),
    )
)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (
        icalendar.parse,
        lambda given: [icalendar.parse(one) for one in icalendar.split(given).documents],
        lambda given: icalendar.calendar([given]),
    ):
        try:
            read(data)
        except InvalidArgument as error:
            reason = error.reason
            assert reason == "DOCUMENT_INVALID"
