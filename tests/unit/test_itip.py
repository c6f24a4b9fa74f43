"""Scheduling messages as Outlook, Google, Apple, Exchange and Thunderbird write them, read."""

from __future__ import annotations

import pytest

from rookery.v1.calendar_pb2 import AttendeeRole, BusyStatus, CalendarTime, ResponseStatus
from rookery.v1.item_pb2 import ItemKind
from rookery.v1.person_pb2 import Person
from rookery.v1.scheduling_pb2 import SchedulingMethod
from rookery.v1.task_pb2 import TaskAssignment, TaskStatus
from rookery_core.errors import InvalidArgument
from rookery_core.formats import icalendar, itip
from rookery_core.rules.scheduling.itip import Itip, Version

BERLIN = "Europe/Berlin"
ANN = Person(name="Ann Adler", address="ann@example.org")
BOB = Person(name="Bob", address="bob@example.net")
SECOND = 1_000_000

EXCHANGE_REQUEST = """\
BEGIN:VCALENDAR
METHOD:REQUEST
PRODID:Microsoft Exchange Server 2010
VERSION:2.0
BEGIN:VTIMEZONE
TZID:W. Europe Standard Time
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
BEGIN:VEVENT
ORGANIZER;CN=Ann Adler;SENT-BY="MAILTO:Secretary@Example.org":MAILTO:ann@Example.org
ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=bob@exam
 ple.net:MAILTO:bob@example.net
ATTENDEE;ROLE=NON-PARTICIPANT;PARTSTAT=NEEDS-ACTION;CUTYPE=RESOURCE;RSVP=TRUE;CN=Room 4:MAILTO:room4@example.org
DESCRIPTION;LANGUAGE=en-US:Bring figures.\\n
UID:040000008200E00074C5B7101A82E00800000000D0AA8057A561CC01
SUMMARY;LANGUAGE=en-US:Budget
DTSTART;TZID=W. Europe Standard Time:20261012T100000
DTEND;TZID=W. Europe Standard Time:20261012T110000
CLASS:PRIVATE
PRIORITY:5
DTSTAMP:20261001T080000Z
TRANSP:OPAQUE
STATUS:CONFIRMED
SEQUENCE:3
LOCATION;LANGUAGE=en-US:Room 4
X-MICROSOFT-CDO-APPT-SEQUENCE:3
X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE
X-MICROSOFT-CDO-INTENDEDSTATUS:OOF
X-MICROSOFT-DISALLOW-COUNTER:TRUE
X-MICROSOFT-ISRESPONSEREQUESTED:TRUE
BEGIN:VALARM
DESCRIPTION:REMINDER
TRIGGER;RELATED=START:-PT15M
ACTION:DISPLAY
END:VALARM
END:VEVENT
END:VCALENDAR
"""

OUTLOOK_REPLY = """\
BEGIN:VCALENDAR
PRODID:-//Microsoft Corporation//Outlook 16.0 MIMEDIR//EN
VERSION:2.0
METHOD:REPLY
BEGIN:VEVENT
ATTENDEE;PARTSTAT=TENTATIVE:mailto:bob@example.net
CLASS:PUBLIC
COMMENT;LANGUAGE=en-US:Perhaps\\, if the train
 is on time.
DTEND:20261012T090000Z
DTSTAMP:20261001T093000Z
DTSTART:20261012T080000Z
ORGANIZER:mailto:ann@example.org
SEQUENCE:3
SUMMARY;LANGUAGE=en-us:Tentative: Budget
UID:040000008200E00074C5B7101A82E00800000000D0AA8057A561CC01
X-MS-OLK-APPTSEQTIME:20261001T080000Z
END:VEVENT
END:VCALENDAR
"""

OUTLOOK_COUNTER = """\
BEGIN:VCALENDAR
METHOD:COUNTER
PRODID:Microsoft Exchange Server 2010
VERSION:2.0
BEGIN:VEVENT
ATTENDEE;PARTSTAT=TENTATIVE;CN=Bob:MAILTO:bob@example.net
COMMENT;LANGUAGE=en-US:Later?\\n
UID:u
SUMMARY;LANGUAGE=en-US:New Time Proposed: Budget
DTSTART;TZID=Europe/Berlin:20261012T140000
DTEND;TZID=Europe/Berlin:20261012T150000
DTSTAMP:20261001T093000Z
SEQUENCE:0
X-MS-OLK-ORIGINALSTART;TZID=Europe/Berlin:20261012T100000
X-MS-OLK-ORIGINALEND;TZID=Europe/Berlin:20261012T110000
END:VEVENT
END:VCALENDAR
"""

GOOGLE_CANCEL = """\
BEGIN:VCALENDAR
PRODID:-//Google Inc//Google Calendar 70.9054//EN
VERSION:2.0
CALSCALE:GREGORIAN
METHOD:CANCEL
BEGIN:VEVENT
DTSTART:20261019T080000Z
DTEND:20261019T090000Z
DTSTAMP:20261005T070000Z
ORGANIZER;CN=Ann Adler:mailto:ann@example.org
UID:79fs7pkqvht9m5igs0vjv1sfra@google.com
ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=
 TRUE;CN=bob@example.net;X-NUM-GUESTS=0:mailto:bob@example.net
RECURRENCE-ID:20261019T080000Z
SEQUENCE:1
STATUS:CANCELLED
SUMMARY:Round
TRANSP:OPAQUE
END:VEVENT
END:VCALENDAR
"""

APPLE_REPLY = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Apple Inc.//iOS 17.5//EN
CALSCALE:GREGORIAN
METHOD:REPLY
BEGIN:VEVENT
UID:5E4C
DTSTAMP:20261001T093000Z
ORGANIZER;CN="Ann Adler";EMAIL="ann@example.org":/aMjQ5/principal/
ATTENDEE;CN="Bob";CUTYPE=INDIVIDUAL;EMAIL="bob@example.net";PARTSTAT=DECLINED:mailto:bob@example.net
REQUEST-STATUS:2.0;Success
END:VEVENT
END:VCALENDAR
"""

THUNDERBIRD_TASK = """\
BEGIN:VCALENDAR
PRODID:-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN
VERSION:2.0
METHOD:REPLY
BEGIN:VTODO
CREATED:20261001T080000Z
LAST-MODIFIED:20261001T090000Z
UID:task-1
SUMMARY:Count the chairs
PERCENT-COMPLETE:40
STATUS:IN-PROCESS
DUE;VALUE=DATE:20261020
ORGANIZER;CN=Ann Adler:mailto:ann@example.org
ATTENDEE;CN=Bob;PARTSTAT=IN-PROCESS:mailto:bob@example.net
END:VTODO
END:VCALENDAR
"""


def received(text: str) -> Itip:
    return itip.read(text.replace("\n", "\r\n").encode())


def time(local: str, zone: str = BERLIN) -> CalendarTime:
    return CalendarTime(local=local, time_zone=zone)


def test_an_invitation_from_exchange_says_who_asks_whom_and_when() -> None:
    found = received(EXCHANGE_REQUEST)
    assert found.method == SchedulingMethod.SCHEDULING_METHOD_REQUEST
    assert found.kind == ItemKind.ITEM_KIND_APPOINTMENT
    assert found.uid == "040000008200E00074C5B7101A82E00800000000D0AA8057A561CC01"
    assert (found.organizer, found.sent_by) == (ANN, "Secretary@example.org")
    whole = found.whole
    assert whole is not None
    assert whole.version == Version(3, 1_790_841_600 * SECOND)
    appointment = whole.item.summary.appointment
    assert appointment.start == time("2026-10-12T10:00:00")
    assert (appointment.response_requested, appointment.counters_disallowed) == (True, True)
    assert (
        appointment.busy_status == BusyStatus.BUSY_STATUS_OUT_OF_OFFICE
    )  # what the organizer intends, not the time until the answer
    bob, room = whole.item.content.appointment.attendees
    assert bob.person == Person(address="bob@example.net")
    assert (room.person.name, room.role) == ("Room 4", AttendeeRole.ATTENDEE_ROLE_RESOURCE)


@pytest.mark.parametrize(
    ("shown", "intended", "status"),
    [
        ("TENTATIVE", "OOF", BusyStatus.BUSY_STATUS_OUT_OF_OFFICE),
        ("TENTATIVE", "WORKINGELSEWHERE", BusyStatus.BUSY_STATUS_WORKING_ELSEWHERE),
        ("TENTATIVE", "FREE", BusyStatus.BUSY_STATUS_FREE),
        ("TENTATIVE", "TENTATIVE", BusyStatus.BUSY_STATUS_TENTATIVE),
        ("OOF", "OOF", BusyStatus.BUSY_STATUS_OUT_OF_OFFICE),
        ("OOF", None, BusyStatus.BUSY_STATUS_OUT_OF_OFFICE),
        ("TENTATIVE", None, BusyStatus.BUSY_STATUS_BUSY),
        ("TENTATIVE", "SOMETHING", BusyStatus.BUSY_STATUS_BUSY),
    ],
)
def test_an_invitation_says_how_the_time_is_to_show_once_it_is_accepted(
    shown: str, intended: str | None, status: BusyStatus.ValueType
) -> None:
    word = "X-MICROSOFT-CDO-INTENDEDSTATUS:"
    message = EXCHANGE_REQUEST.replace("BUSYSTATUS:TENTATIVE", f"BUSYSTATUS:{shown}")
    message = message.replace(f"{word}OOF\n", f"{word}{intended}\n" if intended else "")
    whole = received(message).whole
    assert whole is not None
    assert whole.item.summary.appointment.busy_status == status


def test_but_for_how_the_time_is_to_show_an_invitation_says_what_its_import_would_give() -> None:
    found = received(EXCHANGE_REQUEST).parts[0].item
    imported = icalendar.parse(EXCHANGE_REQUEST.replace("\n", "\r\n").encode())
    imported.content.ClearField("source")
    imported.summary.appointment.busy_status = found.summary.appointment.busy_status
    assert (found.summary, found.content, found.state) == (imported.summary, imported.content, imported.state)


def test_an_answer_from_outlook_comes_with_its_words() -> None:
    found = received(OUTLOOK_REPLY)
    (attendee,) = found.parts[0].item.content.appointment.attendees
    assert found.method == SchedulingMethod.SCHEDULING_METHOD_REPLY
    assert (attendee.person.address, attendee.response) == ("bob@example.net", ResponseStatus.RESPONSE_STATUS_TENTATIVE)
    assert found.parts[0].comment == "Perhaps, if the trainis on time."
    assert found.organizer == Person(address="ann@example.org")


def test_a_counter_proposal_from_outlook_has_the_proposed_time_and_no_organizer() -> None:
    found = received(OUTLOOK_COUNTER)
    assert found.method == SchedulingMethod.SCHEDULING_METHOD_COUNTER
    appointment = found.parts[0].item.summary.appointment
    assert (appointment.start, appointment.end) == (time("2026-10-12T14:00:00"), time("2026-10-12T15:00:00"))
    assert (found.parts[0].comment, found.organizer) == ("Later?", Person())


def test_google_calls_off_one_occurrence() -> None:
    (part,) = received(GOOGLE_CANCEL).parts
    assert received(GOOGLE_CANCEL).whole is None
    assert part.cancelled
    assert part.occurrence == time("2026-10-19T08:00:00", "UTC")
    assert part.version.sequence == 1


def test_an_answer_from_apple_needs_no_start_and_names_people_beside_its_own_paths() -> None:
    found = received(APPLE_REPLY)
    assert found.organizer == ANN
    assert not found.parts[0].item.summary.appointment.HasField("start")
    assert found.parts[0].item.content.appointment.attendees[0].response == ResponseStatus.RESPONSE_STATUS_DECLINED


def test_a_task_in_progress_is_an_accepted_one_and_its_version_is_when_it_was_changed() -> None:
    found = received(THUNDERBIRD_TASK)
    task = found.parts[0].item.summary.task
    assert (found.kind, found.organizer) == (ItemKind.ITEM_KIND_TASK, ANN)
    assert (task.owner, task.assignment) == (BOB, TaskAssignment.TASK_ASSIGNMENT_ACCEPTED)
    assert (task.status, task.percent_complete) == (TaskStatus.TASK_STATUS_IN_PROGRESS, 40)
    assert found.parts[0].version == Version(0, 1_790_845_200 * SECOND)


def test_a_version_without_any_time_is_older_than_all_others() -> None:
    text = APPLE_REPLY.replace("DTSTAMP:20261001T093000Z\n", "")
    assert received(text).parts[0].version == Version(0, 0)


def test_the_whole_comes_first_and_of_two_parts_about_the_same_the_newer_counts() -> None:
    def event(occurrence: str, sequence: int, subject: str) -> str:
        return (
            f"BEGIN:VEVENT\nUID:u\n{occurrence}DTSTAMP:20260101T000000Z\nDTSTART:20260101T100000Z\n"
            f"SEQUENCE:{sequence}\nSUMMARY:{subject}\nEND:VEVENT\n"
        )

    moved, stranger = "RECURRENCE-ID:20260108T100000Z\n", event("", 9, "stranger").replace("UID:u", "UID:v")
    events = [event(moved, 1, "new"), event("", 0, "old"), event(moved, 0, "old"), stranger, event("", 2, "new")]
    found = received(f"BEGIN:VCALENDAR\nMETHOD:REQUEST\n{''.join(events)}END:VCALENDAR\n")
    assert [(part.occurrence is None, part.item.summary.subject) for part in found.parts] == [(True, "new"), (False, "new")]


@pytest.mark.parametrize("method", ["REPLY", "CANCEL", "REFRESH", "DECLINECOUNTER"])
def test_what_asks_nobody_to_come_needs_no_start(method: str) -> None:
    assert received(APPLE_REPLY.replace("REPLY", method)).parts[0].item.summary.appointment.start == CalendarTime()


@pytest.mark.parametrize("method", ["REQUEST", "PUBLISH", "ADD", "COUNTER"])
def test_what_asks_somebody_to_come_needs_a_start(method: str) -> None:
    with pytest.raises(InvalidArgument, match="has no start"):
        received(APPLE_REPLY.replace("REPLY", method))


def test_an_occurrence_may_be_without_a_start_of_its_own() -> None:
    text = APPLE_REPLY.replace("METHOD:REPLY", "METHOD:REQUEST").replace("UID", "RECURRENCE-ID;VALUE=DATE:20261012\nUID", 1)
    (part,) = received(text).parts
    assert part.occurrence == time("2026-10-12", "")
    assert not part.item.summary.appointment.HasField("start")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no BEGIN:VCALENDAR"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\nDTSTART:20260101\nEND:VEVENT\nEND:VCALENDAR", "no METHOD"),
        ("BEGIN:VCALENDAR\nMETHOD:GREET\nBEGIN:VEVENT\nUID:u\nEND:VEVENT\nEND:VCALENDAR", "“GREET” is no kind"),
        (
            "BEGIN:VCALENDAR\nMETHOD:REQUEST\nMETHOD:CANCEL\nBEGIN:VEVENT\nUID:u\nEND:VEVENT\nEND:VCALENDAR",
            "both CANCEL and REQUEST",
        ),
        ("BEGIN:VCALENDAR\nMETHOD:REQUEST\nEND:VCALENDAR", "no VEVENT or VTODO"),
        ("BEGIN:VCALENDAR\nMETHOD:REPLY\nBEGIN:VEVENT\nSUMMARY:x\nEND:VEVENT\nEND:VCALENDAR", "with a UID"),
        ("BEGIN:VCALENDAR\nMETHOD:REPLY\nBEGIN:VEVENT\nUID:u\nRECURRENCE-ID:x\nEND:VEVENT\nEND:VCALENDAR", "does not say which"),
        ("BEGIN:VCALENDAR\nMETHOD:REPLY\nBEGIN:VEVENT\nUID:u\nSUMMARY:cut off", "no VEVENT or VTODO"),
        ("BEGIN:VCALENDAR\nMETHOD:REPLY\nBEGIN:VJOURNAL\nUID:u\nEND:VJOURNAL\nEND:VCALENDAR", "no VEVENT or VTODO"),
    ],
)
def test_what_is_no_scheduling_message_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words) as refusal:
        received(text)
    assert refusal.value.reason == "DOCUMENT_INVALID"
