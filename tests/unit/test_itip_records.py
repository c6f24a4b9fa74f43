"""Scheduling messages made here are read as what was written; any bytes are read or refused, in bounded time."""

from __future__ import annotations

import contextlib
import datetime
import time as clock
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.v1.calendar_pb2 import Attendee, AttendeeRole, BusyStatus, CalendarTime, EventStatus, ResponseStatus
from rookery.v1.item_pb2 import Importance, Item, ItemKind, Sensitivity
from rookery.v1.person_pb2 import Person
from rookery.v1.scheduling_pb2 import SchedulingMethod
from rookery.v1.task_pb2 import TaskAssignment, TaskStatus
from rookery_core.errors import InvalidArgument
from rookery_core.formats import imip, itip
from rookery_core.formats.itip_words import ANSWERS
from rookery_core.rules import limits
from rookery_core.rules.scheduling.itip import Itip, Part, Version
from tests.support import corpus

if TYPE_CHECKING:
    from collections.abc import Callable

METHODS = [method for method in SchedulingMethod.values() if method]
CANCEL = SchedulingMethod.SCHEDULING_METHOD_CANCEL

words = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=30).map(lambda text: " ".join(text.split()))
texts = st.text(st.characters(exclude_categories=("Cc", "Cs"), include_characters="\n\t"), max_size=60)
addresses = st.from_regex(r"[a-z.+'%?-]{1,9}@[a-z]{1,9}\.org", fullmatch=True)
people = st.builds(Person, name=words, address=addresses)
zones = st.sampled_from(["", "UTC", "Europe/Berlin", "America/New_York", "Africa/Casablanca"])
clocks = st.datetimes(datetime.datetime.fromisoformat("1970-01-02"), datetime.datetime.fromisoformat("2100-01-01")).map(
    lambda at: at.replace(microsecond=0)
)
versions = st.builds(Version, st.integers(0, 2**31 - 1), st.integers(-(10**9), 4 * 10**9).map(lambda seconds: seconds * 1_000_000))


def but(enum: list[int], *left_out: int) -> st.SearchStrategy[int]:
    return st.sampled_from([value for value in enum if value not in left_out])


@st.composite
def calendar_times(draw: st.DrawFn) -> CalendarTime:
    at = draw(clocks)
    if draw(st.booleans()):
        return CalendarTime(local=at.date().isoformat())
    return CalendarTime(local=at.isoformat(), time_zone=draw(zones))


@st.composite
def common(draw: st.DrawFn, kind: ItemKind.ValueType) -> Item:
    item = Item()
    item.summary.kind = kind
    item.summary.subject = draw(words)
    item.summary.importance = draw(but(Importance.values()))
    item.summary.sensitivity = draw(but(Sensitivity.values()))
    item.content.body.text = draw(texts)
    item.state.SetInParent()
    return item


@st.composite
def meetings(draw: st.DrawFn, head: Itip, version: Version, *, cancelled: bool, whole: bool) -> Item:
    item = draw(common(ItemKind.ITEM_KIND_APPOINTMENT))
    appointment = item.summary.appointment
    start = draw(calendar_times())
    appointment.start.CopyFrom(start)
    appointment.all_day = "T" not in start.local
    length = datetime.timedelta(hours=30) if appointment.all_day else draw(st.timedeltas(datetime.timedelta(hours=3)))
    end = datetime.datetime.fromisoformat(start.local) + min(length, datetime.timedelta(days=40))
    end = end.replace(microsecond=0)
    appointment.end.CopyFrom(start)
    appointment.end.local = end.date().isoformat() if appointment.all_day else end.isoformat()
    appointment.meeting_id, appointment.sequence = head.uid, version.sequence
    appointment.organizer.CopyFrom(head.organizer)
    appointment.location, appointment.url = draw(words), draw(st.sampled_from(["", "https://meet.example/1"]))
    appointment.busy_status = draw(but(BusyStatus.values()))
    appointment.response_requested, appointment.counters_disallowed = draw(st.booleans()), draw(st.booleans())
    status = draw(but(EventStatus.values(), EventStatus.EVENT_STATUS_CANCELLED))
    appointment.status = EventStatus.EVENT_STATUS_CANCELLED if cancelled else status
    if whole and draw(st.booleans()):
        appointment.recurrence.rules.append("FREQ=WEEKLY;COUNT=10")
        appointment.recurrence.dates.extend(draw(st.lists(calendar_times(), max_size=2)))
        appointment.recurrence.excluded_dates.extend(draw(st.lists(calendar_times(), max_size=2)))
    most = 1 if head.method in ANSWERS else 4
    for person in draw(st.lists(people, min_size=1, max_size=most, unique_by=lambda person: person.address)):
        item.content.appointment.attendees.append(
            Attendee(
                person=person,
                role=draw(but(AttendeeRole.values())),
                response=draw(but(ResponseStatus.values(), ResponseStatus.RESPONSE_STATUS_ORGANIZER)),
                response_requested=draw(st.booleans()),
            )
        )
    return item


@st.composite
def tasks(draw: st.DrawFn, head: Itip, version: Version) -> Item:
    item = draw(common(ItemKind.ITEM_KIND_TASK))
    task, content = item.summary.task, item.content.task
    task.status, task.percent_complete = draw(but(TaskStatus.values())), draw(st.integers(0, 100))
    task.due.CopyFrom(draw(calendar_times()))
    if draw(st.booleans()):
        task.completed.seconds = draw(st.integers(0, 10**9))
    task.owner.CopyFrom(draw(people))
    task.assignment = draw(but(TaskAssignment.values()))
    task.task_id, task.sequence, task.location = head.uid, version.sequence, draw(words)
    content.assigner.CopyFrom(head.organizer)
    content.actual_work_minutes, content.progress_requested = draw(st.integers(0, 10**6)), draw(st.booleans())
    content.companies.extend(draw(st.lists(words.filter(bool), max_size=2)))
    return item


@st.composite
def messages(draw: st.DrawFn) -> Itip:
    method, organizer = draw(st.sampled_from(METHODS)), draw(people)
    uid, sent_by = draw(words.filter(bool)), draw(st.one_of(st.just(""), addresses))
    kind = draw(st.sampled_from([ItemKind.ITEM_KIND_APPOINTMENT, ItemKind.ITEM_KIND_TASK]))
    head = Itip(method, kind, uid, organizer, ())
    occurrences = draw(st.lists(calendar_times(), max_size=2, unique_by=lambda at: (at.local, at.time_zone)))
    identities = [*([None] if draw(st.booleans()) or not occurrences else []), *occurrences]
    parts = []
    for occurrence in identities if kind == ItemKind.ITEM_KIND_APPOINTMENT else [None]:
        version, cancelled = draw(versions), method == CANCEL or (kind == ItemKind.ITEM_KIND_APPOINTMENT and draw(st.booleans()))
        if kind == ItemKind.ITEM_KIND_TASK:
            item = draw(tasks(head, version))
            cancelled = cancelled or item.summary.task.status == TaskStatus.TASK_STATUS_CANCELLED
        else:
            item = draw(meetings(head, version, cancelled=cancelled, whole=occurrence is None))
        comment, later = draw(texts).strip(), occurrence is not None and draw(st.booleans())
        parts.append(Part(occurrence, version, item, cancelled, comment, later))
    return Itip(method, kind, uid, organizer, tuple(parts), sent_by)


@settings(deadline=None, max_examples=150)
@given(messages())
def test_what_is_written_is_read_again(message: Itip) -> None:
    for part in message.parts:
        for person in (attendee.person for attendee in part.item.content.appointment.attendees):
            person.name = "" if person.name == person.address else person.name
        if not part.item.content.HasField("appointment"):
            part.item.content.ClearField("appointment")
    assert itip.read(itip.write(message)) == message


def read_or_refused(data: bytes) -> Itip | None:
    """What a message says; None if it was refused as one that can not be read, and in no other way."""
    with contextlib.suppress(InvalidArgument):
        return itip.read(data)
    with pytest.raises(InvalidArgument) as refusal:
        itip.read(data)
    assert refusal.value.reason == "DOCUMENT_INVALID"
    return None


FRAGMENTS = [
    b"BEGIN:VCALENDAR\r\n", b"END:VCALENDAR\r\n", b"METHOD:REQUEST\r\n", b"METHOD:REPLY\r\n", b"METHOD:CANCEL\r\n",
    b"METHOD:COUNTER\r\n", b"BEGIN:VEVENT\r\n", b"END:VEVENT\r\n", b"BEGIN:VTODO\r\n", b"END:VTODO\r\n",
    b"BEGIN:VTIMEZONE\r\nTZID:Z\r\n", b"END:VTIMEZONE\r\n", b"UID:u\r\n", b"UID:v\r\n", b"DTSTART;TZID=Z:20260101T100000\r\n",
    b"DTSTART:0001-01-01\r\n", b"DTEND:99991231T235960Z\r\n", b"DURATION:P999999999W\r\n", b"RECURRENCE-ID;VALUE=DATE:20260101\r\n",
    b"RECURRENCE-ID:x\r\n", b"DTSTAMP:00010101T000000Z\r\n", b"SEQUENCE:-99999999999\r\n", b"SEQUENCE:9e9\r\n",
    b"ORGANIZER:MAILTO:\xff@x\r\n", b'ATTENDEE;SENT-BY="x":mailto:a@b\r\n', b"ATTENDEE;PARTSTAT=:a\r\n", b"COMMENT:\xff\xfe\\",
    b"RRULE:FREQ=SECONDLY;COUNT=999999999\r\n", b"PERCENT-COMPLETE:900\r\n", b"COMPLETED:99999999T999999Z\r\n",
    b"X-MICROSOFT-CDO-INTENDEDSTATUS:?\r\n", b"\0", b"\r\n ", b":", b";", b'"', b"\xef\xbb\xbf",
]  # fmt: skip
whole_documents = st.lists(st.sampled_from(FRAGMENTS), max_size=25).map(b"".join)
enclosed = whole_documents.map(
    lambda inner: b"BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\nUID:u\r\n" + inner + b"END:VEVENT\r\nEND:VCALENDAR\r\n"
)


@settings(max_examples=500, deadline=None)
@given(data=st.one_of(st.binary(max_size=200), whole_documents, enclosed))
def test_any_bytes_are_read_or_refused_and_what_is_read_can_be_written(data: bytes) -> None:
    found = read_or_refused(data)
    if found is not None:
        assert found.parts
        assert itip.read(itip.write(found)).uid == found.uid


def event(*lines: str, method: str = "REQUEST") -> bytes:
    inner = "\r\n".join(["BEGIN:VEVENT", "UID:u", "DTSTART:20260101T100000Z", *lines, "END:VEVENT"])
    return f"BEGIN:VCALENDAR\r\nMETHOD:{method}\r\n{inner}\r\nEND:VCALENDAR\r\n".encode()


def test_a_hundred_thousand_attendees_are_refused_and_of_some_fewer_the_first_are_read() -> None:
    with pytest.raises(InvalidArgument, match="bytes"):
        itip.read(event(*(f"ATTENDEE:mailto:a{number}@example.org" for number in range(100_000))))
    found = itip.read(event(*(f"ATTENDEE:mailto:a{number}@example.org" for number in range(20_000))))
    assert len(found.parts[0].item.content.appointment.attendees) == limits.ATTENDEES


def test_a_component_within_another_is_no_part_of_the_message() -> None:
    nested = event("BEGIN:VEVENT", "UID:inner", "SUMMARY:inner", "END:VEVENT", "SUMMARY:outer")
    (part,) = itip.read(nested).parts
    assert part.item.summary.subject == "outer"
    with pytest.raises(InvalidArgument):
        itip.read(b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\n" + b"BEGIN:VEVENT\r\nUID:u\r\n" * 10_000)


def test_wrong_utf_8_is_read_as_what_old_programs_write() -> None:
    found = itip.read(
        event("SUMMARY:Caf\N{LATIN SMALL LETTER E WITH ACUTE}").replace("\N{LATIN SMALL LETTER E WITH ACUTE}".encode(), b"\xe9")
    )
    assert found.parts[0].item.summary.subject == "Caf\N{LATIN SMALL LETTER E WITH ACUTE}"


def test_an_occurrence_of_a_timed_series_may_be_named_by_its_date() -> None:
    (part,) = itip.read(event("RECURRENCE-ID;VALUE=DATE:20260108")).parts
    assert part.occurrence == CalendarTime(local="2026-01-08")


def test_occurrences_that_are_too_many_are_left_out() -> None:
    component = "BEGIN:VEVENT\r\nUID:u\r\nRECURRENCE-ID:{}\r\nEND:VEVENT\r\n"
    start = datetime.date(2026, 1, 1)
    days = [(start + datetime.timedelta(days=number)).strftime("%Y%m%d") for number in range(6000)]
    inner = "".join(component.format(day) for day in days)
    found = itip.read(f"BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\n{inner}END:VCALENDAR\r\n".encode())
    assert len(found.parts) == limits.EXCEPTIONS


MADE_TO_HURT: dict[str, Callable[[int], bytes]] = {
    "attendees": lambda n: event(*["ATTENDEE;CN=x;PARTSTAT=ACCEPTED:mailto:a@example.org"] * n),
    "parts": lambda n: event(*["END:VEVENT\r\nBEGIN:VEVENT\r\nUID:u\r\nRECURRENCE-ID:20260108"] * n),
    "comments": lambda n: event(*["COMMENT:x"] * n),
    "strangers": lambda n: event(*["END:VEVENT\r\nBEGIN:VEVENT\r\nUID:v"] * n),
    "methods": lambda n: event().replace(b"METHOD:REQUEST\r\n", b"METHOD:REQUEST\r\n" * n),
    "zones": lambda n: event().replace(b"BEGIN:VEVENT", b"BEGIN:VTIMEZONE\r\nTZID:Q\r\nEND:VTIMEZONE\r\n" * n + b"BEGIN:VEVENT"),
}


@pytest.mark.parametrize("kind", MADE_TO_HURT)
def test_reading_takes_time_in_proportion_to_the_bytes(kind: str) -> None:
    def seconds(count: int) -> float:
        data = MADE_TO_HURT[kind](count)
        times = []
        for _ in range(3):
            begin = clock.perf_counter()
            itip.read(data)
            times.append(clock.perf_counter() - begin)
        return min(times)

    assert seconds(3200) < 40 * (seconds(400) + 0.001)


def test_no_mail_of_the_corpus_is_a_scheduling_message_and_its_calendars_are_these() -> None:
    """The mail is from before calendars were sent by mail; of the calendar files, fourteen say that they are messages."""
    corpus.require("mime.tar.gz")
    mails = [path.read_bytes() for path in corpus.files("mime")]
    mails += corpus.mbox().read_bytes().split(b"\nFrom ")
    assert len(mails) > 1700
    assert [part for part in map(imip.calendar_part, mails) if part is not None] == []

    found = {}
    for path in corpus.files("calendars", "*.ics"):
        message = read_or_refused(path.read_bytes())
        if message is not None:
            found[path.name] = SchedulingMethod.Name(message.method).removeprefix("SCHEDULING_METHOD_")
    assert found == {
        "alarm_etar_future.ics": "PUBLISH",
        "alarm_etar_notification.ics": "PUBLISH",
        "alarm_etar_notification_clicked.ics": "PUBLISH",
        "alarm_google_acknowledged.ics": "PUBLISH",
        "alarm_google_future.ics": "PUBLISH",
        "example.ics": "PUBLISH",
        "issue_348_exception_parsing_value.ics": "PUBLISH",
        "issue_350.ics": "REQUEST",
        "issue_836_do_not_quote_tzid.ics": "PUBLISH",
        "multiple_calendar_components.ics": "PUBLISH",
        "property_params.ics": "REQUEST",
        "rfc_7529.ics": "REQUEST",
        "timezone_same_start.ics": "REQUEST",
        "x_location.ics": "PUBLISH",
    }
