"""What people without a calendar read of an invitation, an answer, a cancellation, a task."""

from __future__ import annotations

import pytest

from rookery.v1.calendar_pb2 import Attendee, CalendarTime, Recurrence, ResponseStatus
from rookery.v1.item_pb2 import Item, ItemKind
from rookery.v1.person_pb2 import Person
from rookery.v1.scheduling_pb2 import SchedulingMethod
from rookery.v1.task_pb2 import TaskAssignment, TaskStatus
from rookery_core.formats import imip_text, recurrence_words, time_words
from rookery_core.rules.scheduling.itip import Itip, Part, Version

ANN = Person(name="Ann", address="ann@example.org")
BOB = Person(name="Bob", address="bob@example.net")
VERSION = Version(0, 0)


def time(local: str, zone: str = "Europe/Berlin") -> CalendarTime:
    return CalendarTime(local=local, time_zone=zone)


def meeting(start: str, end: str) -> Item:
    item = Item()
    item.summary.kind = ItemKind.ITEM_KIND_APPOINTMENT
    item.summary.subject = "Budget"
    item.summary.appointment.start.CopyFrom(time(start))
    item.summary.appointment.end.CopyFrom(time(end))
    item.summary.appointment.location = "Room 4,\nfirst floor"
    item.content.appointment.attendees.append(Attendee(person=BOB, response=ResponseStatus.RESPONSE_STATUS_DECLINED))
    return item


def series() -> Item:
    item = meeting("2026-10-12T10:00:00", "2026-10-12T11:00:00")
    item.summary.appointment.recurrence.rules.append("FREQ=WEEKLY;UNTIL=20261221T090000Z")
    return item


def message(method: SchedulingMethod.ValueType, *parts: Part, kind: ItemKind.ValueType = ItemKind.ITEM_KIND_APPOINTMENT) -> Itip:
    return Itip(method, kind, "u", ANN, parts)


def test_an_invitation_tells_all_that_one_needs_to_know() -> None:
    item = series()
    item.summary.appointment.url = "https://meet.example/1"
    item.content.body.text = "Bring figures.\n"
    moved = Part(time("2026-10-19T10:00:00"), VERSION, meeting("2026-10-20T14:00:00", "2026-10-20T15:00:00"))
    dropped = Part(time("2026-10-26T10:00:00"), VERSION, meeting("2026-10-26T10:00:00", "2026-10-26T11:00:00"), cancelled=True)
    request = message(SchedulingMethod.SCHEDULING_METHOD_REQUEST, Part(None, VERSION, item, comment="Please come."), moved, dropped)
    assert imip_text.text(request, ANN) == (
        "Please come.\n"
        "\n"
        "Ann invites you to this meeting:\n"
        "\n"
        "What:      Budget\n"
        "When:      Monday, 12 October 2026, 10:00 to 11:00 (Europe/Berlin)\n"
        "           every week on Monday, until Monday, 21 December 2026\n"
        "Except:    Tuesday, 20 October 2026, 14:00 to 15:00 (Europe/Berlin), "
        "instead of Monday, 19 October 2026, 10:00 (Europe/Berlin)\n"
        "           not Monday, 26 October 2026, 10:00 (Europe/Berlin)\n"
        "Where:     Room 4, first floor\n"
        "Link:      https://meet.example/1\n"
        "Organizer: Ann <ann@example.org>\n"
        "Attendees: Bob <bob@example.net>\n"
        "\n"
        "Bring figures.\n"
    )


def test_who_was_invited_before_reads_of_a_change() -> None:
    request = message(SchedulingMethod.SCHEDULING_METHOD_REQUEST, Part(None, VERSION, series()))
    assert imip_text.text(request, ANN, is_update=True).startswith("Ann has changed this meeting:\n\n")
    assert imip_text.text(request, BOB, is_update=True).startswith("Bob passes on an invitation from Ann")


def test_an_answer_tells_what_was_answered_and_not_what_the_organizer_knows() -> None:
    reply = message(SchedulingMethod.SCHEDULING_METHOD_REPLY, Part(None, VERSION, series()))
    assert imip_text.text(reply, BOB).startswith("Bob declines this meeting:\n\nWhat: ")
    assert "Attendees" not in imip_text.text(reply, BOB)


def test_a_counter_proposal_tells_the_time_as_proposed() -> None:
    occurrence = Part(time("2026-10-19T10:00:00"), VERSION, meeting("2026-10-19T12:00:00", "2026-10-19T13:00:00"))
    text = imip_text.text(message(SchedulingMethod.SCHEDULING_METHOD_COUNTER, occurrence), BOB)
    assert "Bob proposes another time for an occurrence of this meeting:" in text
    assert "Proposed:  Monday, 19 October 2026, 12:00 to 13:00 (Europe/Berlin), instead of Monday, 19 October 2026, 10:00" in text


def test_occurrences_that_change_or_go_are_told_by_their_days() -> None:
    days = [time(f"2026-11-{day:02}T10:00:00") for day in range(1, 31)]
    parts = [Part(day, VERSION, meeting(day.local, day.local), cancelled=True) for day in days]
    text = imip_text.text(message(SchedulingMethod.SCHEDULING_METHOD_CANCEL, *parts), ANN)
    assert "Ann has canceled 30 occurrences of this meeting:" in text
    assert "When:      Sunday, 1 November 2026, 10:00 (Europe/Berlin)\n           Monday, 2 November" in text
    assert "           and 10 others\n" in text
    changed = message(SchedulingMethod.SCHEDULING_METHOD_REQUEST, Part(days[0], VERSION, meeting(days[0].local, days[0].local)))
    assert "Ann has changed an occurrence of this meeting:" in imip_text.text(changed, ANN)


def test_many_attendees_are_counted() -> None:
    item = series()
    item.content.appointment.attendees.extend(Attendee(person=Person(address=f"a{number}@b.org")) for number in range(4999))
    text = imip_text.text(message(SchedulingMethod.SCHEDULING_METHOD_REQUEST, Part(None, VERSION, item)), ANN)
    assert "           a18@b.org\n           and 4,980 others\n" in text


def test_a_forwarded_invitation_names_both() -> None:
    text = imip_text.text(message(SchedulingMethod.SCHEDULING_METHOD_REQUEST, Part(None, VERSION, series())), BOB)
    assert "Bob passes on an invitation from Ann <ann@example.org>:" in text


def test_a_task_tells_when_it_is_due_and_how_far_it_is() -> None:
    item = Item()
    item.summary.kind = ItemKind.ITEM_KIND_TASK
    item.summary.subject = "Chairs"
    task = item.summary.task
    task.due.CopyFrom(time("2026-10-20", ""))
    task.recurrence.rules.append("FREQ=MONTHLY")
    asked = message(SchedulingMethod.SCHEDULING_METHOD_REQUEST, Part(None, VERSION, item), kind=ItemKind.ITEM_KIND_TASK)
    assert imip_text.text(asked, ANN) == (
        "Ann asks you to do this task:\n\nWhat:  Chairs\nDue:   Tuesday, 20 October 2026\nAgain: every month on the 20th\n"
        "From:  Ann <ann@example.org>\n"
    )
    task.assignment, task.status, task.percent_complete = (
        TaskAssignment.TASK_ASSIGNMENT_ACCEPTED,
        TaskStatus.TASK_STATUS_IN_PROGRESS,
        40,
    )
    told = message(SchedulingMethod.SCHEDULING_METHOD_REPLY, Part(None, VERSION, item), kind=ItemKind.ITEM_KIND_TASK)
    assert "Bob tells of this task:" in imip_text.text(told, BOB)
    assert "Status: in progress, 40 percent done\n" in imip_text.text(told, BOB)


def test_a_meeting_of_which_nothing_is_known_still_has_a_text() -> None:
    item = Item()
    item.summary.kind = ItemKind.ITEM_KIND_APPOINTMENT
    for method in SchedulingMethod.values():
        bare = Itip(method, ItemKind.ITEM_KIND_APPOINTMENT, "u", Person(), (Part(None, VERSION, item),))
        assert "What: (no subject)" in imip_text.text(bare, BOB)


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (time("2026-10-12T10:00:00"), time("2026-10-12T11:30:00"), "Monday, 12 October 2026, 10:00 to 11:30 (Europe/Berlin)"),
        (
            time("2026-10-12T22:00:00", ""),
            time("2026-10-13T01:00:00", ""),
            "Monday, 12 October 2026, 22:00 to Tuesday, 13 October 2026, 01:00",
        ),
        (
            time("2026-10-12T10:00:00", "UTC"),
            time("2026-10-12T15:00:00"),
            "Monday, 12 October 2026, 10:00 (UTC) to Monday, 12 October 2026, 15:00 (Europe/Berlin)",
        ),
        (time("2026-10-12T10:00:00"), time("2026-10-12T10:00:00"), "Monday, 12 October 2026, 10:00 (Europe/Berlin)"),
        (time("2026-10-12", ""), time("2026-10-13", ""), "Monday, 12 October 2026, all day"),
        (time("2026-10-12", ""), time("2026-10-15", ""), "Monday, 12 October 2026 to Wednesday, 14 October 2026, all day"),
        (CalendarTime(), CalendarTime(), ""),
        (time("rubbish"), time("2026-10-15", ""), ""),
    ],
)
def test_times_are_told_as_people_write_them(start: CalendarTime, end: CalendarTime, words: str) -> None:
    assert time_words.span(start, end) == words


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=DAILY", "every day"),
        ("FREQ=DAILY;INTERVAL=3;COUNT=10", "every 3 days, 10 times"),
        ("FREQ=DAILY;COUNT=1", "every day, once"),
        ("FREQ=WEEKLY", "every week on Monday"),
        ("FREQ=WEEKLY;BYDAY=FR,MO;INTERVAL=2", "every 2 weeks on Monday and Friday"),
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "every day from Monday to Friday"),
        ("FREQ=WEEKLY;UNTIL=20261221T233000Z", "every week on Monday, until Tuesday, 22 December 2026"),
        ("FREQ=WEEKLY;UNTIL=20261221", "every week on Monday, until Monday, 21 December 2026"),
        ("FREQ=MONTHLY", "every month on the 12th"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,2,3,22", "every month on the 1st, 2nd, 3rd and 22nd"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "every month on the last day"),
        ("FREQ=MONTHLY;BYDAY=2TU", "every month on the second Tuesday"),
        ("FREQ=MONTHLY;BYDAY=-1FR;INTERVAL=2", "every 2 months on the last Friday"),
        ("FREQ=YEARLY", "every year on the 12th of October"),
        ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "every year on the fourth Thursday of November"),
    ],
)
def test_common_rules_are_told_in_plain_words(rule: str, words: str) -> None:
    assert recurrence_words.described(Recurrence(rules=[rule]), time("2026-10-12T10:00:00")) == words


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        "FREQ=MONTHLY;BYMONTHDAY=-2",
        "FREQ=MONTHLY;BYMONTH=1",
        "FREQ=YEARLY;BYDAY=20MO",
        "FREQ=YEARLY;BYWEEKNO=20",
        "FREQ=WEEKLY;BYMONTH=5",
        "FREQ=DAILY;BYMONTH=1",
        "FREQ=HOURLY",
        "FREQ=WEEKLY;COUNT=0",
    ],
)
def test_other_rules_stand_as_they_are(rule: str) -> None:
    assert recurrence_words.described(Recurrence(rules=[rule]), time("2026-10-12T10:00:00")) == rule


def test_further_dates_are_counted() -> None:
    dates = [time("2026-10-14T10:00:00"), time("2026-10-16T10:00:00")]
    start = time("2026-10-12T10:00:00")
    assert recurrence_words.described(Recurrence(dates=dates[:1]), start) == "on 1 further date"
    assert recurrence_words.described(Recurrence(rules=["FREQ=DAILY"], dates=dates), start) == "every day, and on 2 further dates"
    odd = Recurrence(rules=["FREQ=DAILY", "FREQ=WEEKLY"], exclusion_rules=["FREQ=MONTHLY"])
    assert recurrence_words.described(odd, start) == "FREQ=DAILY; FREQ=WEEKLY; not FREQ=MONTHLY"
    assert recurrence_words.described(Recurrence(), start) == ""
