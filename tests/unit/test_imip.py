"""Scheduling messages as mail: what is sent, and what is found in what others send."""

from __future__ import annotations

import base64
import email
import email.policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.v1.calendar_pb2 import Attendee, CalendarTime, ResponseStatus
from rookery.v1.item_pb2 import Importance, Item, ItemKind, Sensitivity
from rookery.v1.person_pb2 import Person
from rookery.v1.scheduling_pb2 import SchedulingMethod
from rookery.v1.task_pb2 import TaskAssignment, TaskStatus
from rookery_core.formats import imip, itip, mime
from rookery_core.rules.scheduling.itip import Itip, Letter, Part, Version

ANN = Person(name="Ann Ådler", address="ann@example.org")
BOB = Person(name="Bob", address="bob@example.net")
REQUEST = SchedulingMethod.SCHEDULING_METHOD_REQUEST
REPLY = SchedulingMethod.SCHEDULING_METHOD_REPLY
COUNTER = SchedulingMethod.SCHEDULING_METHOD_COUNTER
CANCEL = SchedulingMethod.SCHEDULING_METHOD_CANCEL
REFUSED = SchedulingMethod.SCHEDULING_METHOD_DECLINE_COUNTER
NOTE = "IPM.Note"
INVITATION = b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTART:20260101\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"


def of_meeting(
    method: SchedulingMethod.ValueType, response: ResponseStatus.ValueType = ResponseStatus.RESPONSE_STATUS_NONE
) -> Itip:
    item = Item()
    item.summary.kind = ItemKind.ITEM_KIND_APPOINTMENT
    item.summary.subject = "Budget"
    item.summary.appointment.start.CopyFrom(CalendarTime(local="2026-10-12T10:00:00", time_zone="Europe/Berlin"))
    item.summary.appointment.end.CopyFrom(CalendarTime(local="2026-10-12T11:00:00", time_zone="Europe/Berlin"))
    item.content.appointment.attendees.append(Attendee(person=BOB, response=response))
    return Itip(method, ItemKind.ITEM_KIND_APPOINTMENT, "u", ANN, (Part(None, Version(0, 0), item),))


def of_task(
    method: SchedulingMethod.ValueType,
    assignment: TaskAssignment.ValueType,
    status: TaskStatus.ValueType = TaskStatus.TASK_STATUS_NOT_STARTED,
) -> Itip:
    item = Item()
    item.summary.kind = ItemKind.ITEM_KIND_TASK
    item.summary.subject = "Chairs"
    item.summary.task.owner.CopyFrom(BOB)
    item.summary.task.assignment = assignment
    item.summary.task.status = status
    return Itip(method, ItemKind.ITEM_KIND_TASK, "u", ANN, (Part(None, Version(0, 0), item),))


def sent(message: Itip, *to: Person, automatic: bool = False) -> bytes:
    return imip.compose(Letter(message, to or (BOB,)), ANN, message_id="m@example.org", date=1_790_000_000, automatic=automatic)


@pytest.mark.parametrize(
    ("message", "subject", "message_class"),
    [
        (of_meeting(REQUEST), "Budget", "IPM.Schedule.Meeting.Request"),
        (of_meeting(REPLY, ResponseStatus.RESPONSE_STATUS_ACCEPTED), "Accepted: Budget", "IPM.Schedule.Meeting.Resp.Pos"),
        (of_meeting(REPLY, ResponseStatus.RESPONSE_STATUS_TENTATIVE), "Tentative: Budget", "IPM.Schedule.Meeting.Resp.Tent"),
        (of_meeting(REPLY, ResponseStatus.RESPONSE_STATUS_DECLINED), "Declined: Budget", "IPM.Schedule.Meeting.Resp.Neg"),
        (
            of_meeting(COUNTER, ResponseStatus.RESPONSE_STATUS_TENTATIVE),
            "New time proposed: Budget",
            "IPM.Schedule.Meeting.Resp.Tent",
        ),
        (of_meeting(CANCEL), "Canceled: Budget", "IPM.Schedule.Meeting.Canceled"),
        (of_meeting(REFUSED), "Proposed time declined: Budget", NOTE),
        (of_task(REQUEST, TaskAssignment.TASK_ASSIGNMENT_REQUESTED), "Task: Chairs", "IPM.TaskRequest"),
        (of_task(REPLY, TaskAssignment.TASK_ASSIGNMENT_ACCEPTED), "Task accepted: Chairs", "IPM.TaskRequest.Accept"),
        (of_task(REPLY, TaskAssignment.TASK_ASSIGNMENT_DECLINED), "Task declined: Chairs", "IPM.TaskRequest.Decline"),
        (
            of_task(REPLY, TaskAssignment.TASK_ASSIGNMENT_ACCEPTED, TaskStatus.TASK_STATUS_COMPLETED),
            "Task update: Chairs",
            "IPM.TaskRequest.Update",
        ),
        (of_task(CANCEL, TaskAssignment.TASK_ASSIGNMENT_REQUESTED), "Task canceled: Chairs", "IPM.TaskRequest.Update"),
    ],
)
def test_a_message_says_in_its_subject_and_its_class_what_it_is_for(message: Itip, subject: str, message_class: str) -> None:
    mail = mime.parse(sent(message))
    assert (mail.summary.subject, mail.summary.message_class) == (subject, message_class)
    assert mail.summary.message.has_calendar
    assert mail.content.message.defects == []


def test_a_message_is_of_7_bits_in_short_lines_and_the_same_each_time() -> None:
    message = of_meeting(REQUEST)
    message.parts[0].item.content.body.text = "Ünd so weiter " * 200 + "\nFrom the top\n.\n"
    raw = sent(message)
    assert raw == sent(message)
    assert raw.isascii()
    assert all(len(line) <= 78 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")


def test_other_programs_find_a_text_and_a_calendar_whose_method_the_field_tells() -> None:
    mail = email.message_from_bytes(sent(of_meeting(REQUEST)), policy=email.policy.default)
    assert mail.get_content_type() == "multipart/alternative"
    plain, calendar = mail.iter_parts()
    assert plain.get_content_type() == "text/plain"
    assert (calendar.get_content_type(), calendar.get_param("method"), calendar.get_param("charset")) == (
        "text/calendar",
        "REQUEST",
        "utf-8",
    )
    assert mail["Subject"] == "Budget" and not mail.defects
    assert mail["From"].addresses[0].display_name == "Ann Ådler"
    assert itip.read(calendar.get_content().encode()).uid == "u"


def test_importance_and_sensitivity_are_those_of_the_meeting() -> None:
    message = of_meeting(REQUEST)
    message.parts[0].item.summary.importance = Importance.IMPORTANCE_HIGH
    message.parts[0].item.summary.sensitivity = Sensitivity.SENSITIVITY_PRIVATE
    mail = mime.parse(sent(message))
    assert mail.summary.importance == Importance.IMPORTANCE_HIGH
    assert mail.summary.sensitivity == Sensitivity.SENSITIVITY_PRIVATE


def test_a_hundred_recipients_are_named_and_more_are_not() -> None:
    people = [Person(address=f"somebody.{number}@example.org") for number in range(101)]
    named = mime.parse(sent(of_meeting(REQUEST), *people[:100]))
    assert [recipient.person.address for recipient in named.content.recipients] == [person.address for person in people[:100]]
    assert b"To: undisclosed-recipients:;\r\n" in sent(of_meeting(REQUEST), *people)


def test_a_program_that_answers_says_that_it_is_one() -> None:
    assert b"\r\nAuto-Submitted: auto-replied\r\n" in sent(of_meeting(REPLY), automatic=True)
    assert b"\r\nAuto-Submitted: auto-generated\r\n" in sent(of_meeting(CANCEL), automatic=True)
    assert b"Auto-Submitted" not in sent(of_meeting(REPLY))


def test_what_is_sent_is_found_and_read() -> None:
    message = of_meeting(REQUEST)
    found = imip.calendar_part(sent(message))
    assert found == itip.write(message)


def leaf(content: bytes, *fields: str) -> bytes:
    return "\r\n".join([*fields, "", ""]).encode() + content


def multipart(subtype: str, *parts: bytes, boundary: str = "b") -> bytes:
    mark = f"--{boundary}".encode()
    inner = b"\r\n".join(mark + b"\r\n" + part for part in parts)
    return f"Content-Type: multipart/{subtype}; boundary={boundary}\r\n\r\n".encode() + inner + b"\r\n" + mark + b"--\r\n"


TEXT = leaf(b"Hello", "Content-Type: text/plain; charset=utf-8")
PACKED = base64.encodebytes(INVITATION)
EXCHANGE = multipart(
    "alternative",
    TEXT,
    leaf(PACKED, 'Content-Type: text/calendar; charset="utf-8"; method=REQUEST', "Content-Transfer-Encoding: base64"),
)
GOOGLE = multipart(
    "mixed",
    multipart("alternative", TEXT, leaf(INVITATION, 'Content-Type: text/calendar; charset="UTF-8"; method=REQUEST'), boundary="c"),
    leaf(PACKED, 'Content-Type: application/ics; name="invite.ics"', "Content-Transfer-Encoding: base64"),
)
APPLE = multipart(
    "mixed",
    TEXT,
    leaf(
        PACKED,
        "Content-Type: text/calendar; name=meeting.ics; method=REQUEST",
        "Content-Disposition: attachment",
        "Content-Transfer-Encoding: base64",
    ),
)
THUNDERBIRD = multipart(
    "mixed", TEXT, leaf(PACKED, 'Content-Type: text/calendar; name="event.ics"', "Content-Transfer-Encoding: BASE64")
)
OUTLOOK = leaf(INVITATION, 'Content-Type: text/calendar; method=REQUEST; charset="utf-8"', "Subject: x")
FILE_ALONE = multipart("mixed", TEXT, leaf(PACKED, "Content-Type: application/ics", "Content-Transfer-Encoding: base64"))
NAMED_FILE = multipart(
    "mixed",
    TEXT,
    leaf(INVITATION, "Content-Type: application/octet-stream", 'Content-Disposition: attachment; filename="Invite.ICS"'),
)


@pytest.mark.parametrize("mail", [EXCHANGE, GOOGLE, APPLE, THUNDERBIRD, OUTLOOK, FILE_ALONE, NAMED_FILE])
def test_an_invitation_is_found_wherever_programs_put_it(mail: bytes) -> None:
    found = imip.calendar_part(mail)
    assert found is not None
    assert itip.read(found).method == REQUEST
    assert mime.parse(mail).summary.message_class == "IPM.Schedule.Meeting.Request"
    assert mime.parse(mail).summary.message.has_calendar


def test_a_calendar_without_a_method_or_within_another_message_is_no_invitation() -> None:
    calendar = INVITATION.replace(b"METHOD:REQUEST\r\n", b"")
    assert imip.calendar_part(multipart("mixed", TEXT, leaf(calendar, "Content-Type: text/calendar"))) is None
    published = INVITATION.replace(b"REQUEST", b"PUBLISH")
    assert imip.calendar_part(multipart("mixed", TEXT, leaf(published, "Content-Type: application/ics"))) is None
    assert imip.calendar_part(multipart("mixed", TEXT, leaf(EXCHANGE, "Content-Type: message/rfc822"), boundary="d")) is None
    assert imip.calendar_part(TEXT) is None
    assert imip.calendar_part(b"") is None


def test_a_calendar_in_another_charset_is_put_into_utf_8() -> None:
    data = INVITATION.decode().replace("UID", "SUMMARY:Café\r\nUID").encode("iso-8859-1")
    found = imip.calendar_part(leaf(data, "Content-Type: text/calendar; method=REQUEST; charset=iso-8859-1"))
    assert found is not None
    assert "Café" in found.decode()
    wide = imip.calendar_part(
        leaf(
            base64.encodebytes(INVITATION.decode().encode("utf-16")),
            "Content-Type: text/calendar; method=REQUEST; charset=utf-16",
            "Content-Transfer-Encoding: base64",
        )
    )
    assert wide == INVITATION


def test_a_method_that_only_the_field_tells_counts() -> None:
    calendar = INVITATION.replace(b"METHOD:REQUEST\r\n", b"")
    found = imip.calendar_part(leaf(calendar, "Content-Type: text/calendar; method=request"))
    assert found is not None
    assert itip.read(found).method == REQUEST


FRAGMENTS = [
    b"Content-Type: ", b"multipart/mixed; boundary=b", b"multipart/alternative; boundary=b", b"text/calendar", b"; method=REPLY",
    b"; method=\xff", b"; charset=utf-16", b"; charset=utf-7", b"application/ics", b"Content-Transfer-Encoding: base64", b"\r\n",
    b"\r\n\r\n", b"--b", b"--b--", b"message/rfc822", INVITATION, PACKED, b"METHOD:REQUEST\r\n", b"BEGIN:VCALENDAR\r\n", b"\0",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=30).map(b"".join))
def test_any_mail_has_a_scheduling_message_or_none(raw: bytes) -> None:
    assert isinstance(imip.calendar_part(raw), bytes | None)
    mime.parse(raw)
