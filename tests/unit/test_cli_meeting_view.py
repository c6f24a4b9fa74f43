"""Meetings and messages about them, as people read them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rookery.v1.calendar_pb2 import Attendee, AttendeeRole, CalendarTime, EventStatus, ResponseStatus
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, ITEM_KIND_MESSAGE, ITEM_KIND_TASK, Item
from rookery.v1.person_pb2 import Person
from rookery.v1.scheduling_pb2 import SchedulingEffect, SchedulingMethod, SchedulingVersion
from rookery_client.cli.meeting_view import accepting, show_meeting
from rookery_client.cli.scheduling_view import show_scheduling
from rookery_core.rules.scheduling import told

BERLIN, TOKYO = "Europe/Berlin", "Asia/Tokyo"
LETTER, MEETING = b"\x01" * 16, b"\x02" * 16
LETTER_TEXT, MEETING_TEXT = "01010101-0101-0101-0101-010101010101", "02020202-0202-0202-0202-020202020202"
ACCEPTED, TENTATIVE, DECLINED, NONE, ORGANIZER = (
    ResponseStatus.RESPONSE_STATUS_ACCEPTED,
    ResponseStatus.RESPONSE_STATUS_TENTATIVE,
    ResponseStatus.RESPONSE_STATUS_DECLINED,
    ResponseStatus.RESPONSE_STATUS_NONE,
    ResponseStatus.RESPONSE_STATUS_ORGANIZER,
)
APPLIED, OUTDATED, IGNORED = (
    SchedulingEffect.SCHEDULING_EFFECT_APPLIED,
    SchedulingEffect.SCHEDULING_EFFECT_OUTDATED,
    SchedulingEffect.SCHEDULING_EFFECT_IGNORED,
)


@pytest.fixture(autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", BERLIN)


def at(day: int, hour: int = 9) -> CalendarTime:
    return CalendarTime(local=f"2026-03-{day:02}T{hour:02}:00:00", time_zone=BERLIN)


def meeting(my_response: ResponseStatus.ValueType = ORGANIZER, *rules: str) -> Item:
    """Anna's meeting with Ben and a room, of which they know."""
    item = Item(id=MEETING)
    item.summary.kind, item.summary.subject = ITEM_KIND_APPOINTMENT, "Plan"
    appointment = item.summary.appointment
    appointment.start.CopyFrom(at(2))
    appointment.end.CopyFrom(at(2, 10))
    appointment.organizer.CopyFrom(Person(name="Anna", address="anna@example.org"))
    appointment.my_response = my_response
    appointment.recurrence.rules.extend(rules)
    attendees = item.content.appointment.attendees
    attendees.append(
        Attendee(person=Person(name="Ben\x1b[31m", address="ben@example.org"), response=ACCEPTED, comment="Fine\nwith me")
    )
    attendees[0].responded.FromSeconds(1_772_400_000)
    attendees.append(Attendee(person=Person(address="room@example.org"), role=AttendeeRole.ATTENDEE_ROLE_RESOURCE, response=NONE))
    attendees[1].responded.FromSeconds(1_772_400_000)  # when it was asked
    if my_response == ORGANIZER:
        item.content.appointment.meeting.sent.CopyFrom(told.snapshot(item, attendees))
    return item


def shown(item: Item, capsys: pytest.CaptureFixture[str], zone: str = BERLIN) -> str:
    show_meeting(item, zone)
    return capsys.readouterr().out


def said(
    method: str,
    capsys: pytest.CaptureFixture[str],
    about: Item | None = None,
    effect: SchedulingEffect.ValueType = APPLIED,
    **fields: Any,
) -> list[str]:
    """What is printed of a message from Ben."""
    letter = Item(id=LETTER)
    letter.summary.kind = ITEM_KIND_MESSAGE
    scheduling = letter.content.message.scheduling
    scheduling.method, scheduling.effect = SchedulingMethod.Value(f"SCHEDULING_METHOD_{method}"), effect
    getattr(scheduling, "from").CopyFrom(Person(name="Ben\x1b]0;x\x07", address="ben@example.org"))
    for name, value in fields.items():
        if isinstance(value, CalendarTime | SchedulingVersion):
            getattr(scheduling, name).CopyFrom(value)
        else:
            setattr(scheduling, name, value)
    show_scheduling(letter, about)
    return capsys.readouterr().out.splitlines()


def test_attendees_are_shown_with_their_answers_and_their_words(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(meeting(), capsys).splitlines()
    assert lines[1] == "Attendees: 1 accepted, 1 not answered"
    assert lines[3].split() == ["Who", "As", "Answer", "Given", "Words"]
    assert re.fullmatch(r"✓  Ben <ben@example.org> +accepted +2026-03-0\d \d\d:20  Fine with me", lines[4])
    assert lines[5].split() == ["?", "room@example.org", "room", "not", "answered"]
    assert len(lines) == 6


def test_an_appointment_without_anybody_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    alone = Item(id=MEETING)
    alone.summary.kind = ITEM_KIND_APPOINTMENT
    alone.summary.appointment.start.CopyFrom(at(2))
    assert shown(alone, capsys) == ""


def test_a_proposal_is_told_with_the_command_that_follows_it(capsys: pytest.CaptureFixture[str]) -> None:
    item = meeting(ORGANIZER, "FREQ=WEEKLY")
    ben = item.content.appointment.attendees[0]
    ben.proposed_start.CopyFrom(at(3, 14))
    ben.proposed_end.CopyFrom(at(3, 15))
    response = item.content.appointment.meeting.occurrence_responses.add(original_start=at(9), attendee=ben)
    response.attendee.response = DECLINED
    text = shown(item, capsys)
    move = f'rookery cal move {MEETING_TEXT} --start "2026-03-03 14:00" --end "15:00"'
    assert f"Ben proposes Tuesday, 3 March 2026, 14:00–15:00 instead. To move it there:\n  {move}\n" in text
    assert "✗ Monday, 9 March 2026, 09:00: Ben, declined: “Fine with me”" in text
    assert f'rookery cal move {MEETING_TEXT} --occurrence "2026-03-09 09:00" --start "2026-03-03 14:00"' in text
    assert "Ben proposes Tuesday, 3 March 2026, 22:00–23:00 instead." in shown(item, capsys, TOKYO)
    assert accepting(MEETING, at(3, 14), at(3, 16), TOKYO).endswith('--start "2026-03-03 22:00" --end "2026-03-04 00:00"')
    day, after = CalendarTime(local="2026-03-03"), CalendarTime(local="2026-03-04")
    assert accepting(MEETING, day, after, BERLIN).endswith(f"{MEETING_TEXT} --start 2026-03-03 --end 2026-03-03")


def test_what_nobody_was_told_yet_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    item = meeting(ORGANIZER, "FREQ=WEEKLY")
    send = f"rookery cal send {MEETING_TEXT}"
    assert "told" not in shown(item, capsys)
    item.summary.appointment.location = "Room 2"
    item.summary.appointment.exceptions.add(original_start=at(9), cancelled=True)
    item.content.appointment.attendees.add(person=Person(name="Cleo", address="cleo@example.org"))
    del item.content.appointment.attendees[1]
    untold = "what was changed; 1 occurrence that was changed; Cleo is invited; room@example.org is taken off the list"
    assert f"Not told yet: {untold}. Tell the attendees: {send}" in shown(item, capsys)
    item.summary.appointment.start.CopyFrom(at(3))
    assert "Not told yet: another time, or rule; Cleo" in shown(item, capsys)
    item.content.appointment.ClearField("meeting")
    assert f"Nobody was invited yet. Invite them: {send}" in shown(item, capsys)


def test_an_attendee_is_reminded_to_answer(capsys: pytest.CaptureFixture[str]) -> None:
    respond = f"rookery cal respond {MEETING_TEXT} accept"
    assert f"Anna waits for your answer: {respond}" in shown(meeting(NONE), capsys)
    assert respond not in shown(meeting(ACCEPTED), capsys)
    off = meeting(NONE)
    off.summary.appointment.status = EventStatus.EVENT_STATUS_CANCELLED
    assert respond not in shown(off, capsys)


@pytest.mark.parametrize(
    ("method", "fields", "words"),
    [
        ("REQUEST", {}, "Ben invites you: Tuesday, 3 March 2026, 09:00–10:00, Room 1."),
        (
            "REQUEST",
            {"version": SchedulingVersion(sequence=1)},
            "Ben changes the meeting: Tuesday, 3 March 2026, 09:00–10:00, Room 1.",
        ),
        (
            "REQUEST",
            {"occurrence": at(2)},
            "Ben changes the meeting for Monday, 2 March 2026, 09:00: Tuesday, 3 March 2026, 09:00–10:00, Room 1.",
        ),
        ("ADD", {}, "Ben adds to the meeting: Tuesday, 3 March 2026, 09:00–10:00, Room 1."),
        ("CANCEL", {}, "Ben calls it off: Tuesday, 3 March 2026, 09:00–10:00, Room 1."),
        ("CANCEL", {"occurrence": at(2)}, "Ben calls it off for Monday, 2 March 2026, 09:00."),
        ("REPLY", {"response": ACCEPTED}, "Ben accepts: Tuesday, 3 March 2026, 09:00–10:00, Room 1."),
        ("REPLY", {"response": DECLINED, "occurrence": at(2)}, "Ben declines for Monday, 2 March 2026, 09:00."),
        ("COUNTER", {"response": TENTATIVE}, "Ben proposes Tuesday, 3 March 2026, 09:00–10:00 instead."),
        (
            "COUNTER",
            {"occurrence": at(2)},
            "Ben proposes Tuesday, 3 March 2026, 09:00–10:00 instead of Monday, 2 March 2026, 09:00.",
        ),
        ("DECLINE_COUNTER", {}, "Ben stays with the time as it is."),
        ("REFRESH", {}, "Ben asks for the latest version."),
        ("PUBLISH", {}, "Ben tells of an appointment: Tuesday, 3 March 2026, 09:00–10:00, Room 1."),
    ],
)
def test_a_message_about_a_meeting_is_put_into_words(
    capsys: pytest.CaptureFixture[str], method: str, fields: dict[str, Any], words: str
) -> None:
    lines = said(method, capsys, start=at(3), end=at(3, 10), location="Room 1\u202e", comment="See\x1b[2J you", **fields)
    assert lines == [words, "“See you”"]


def test_an_invitation_is_answered_by_the_command_that_stands_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    about = meeting(NONE)
    last = f"In your calendar: rookery cal show {MEETING_TEXT}"
    assert said("REQUEST", capsys, about)[1:] == [
        f"Answer it: rookery cal respond {LETTER_TEXT} accept (or tentative, or decline)",
        last,
    ]
    about.summary.appointment.my_response = ACCEPTED
    assert said("REQUEST", capsys, about)[1:] == ["You have accepted it.", last]
    about.summary.appointment.sequence = 2
    assert said("REQUEST", capsys, about)[1] == "It was changed since: Monday, 2 March 2026, 09:00–10:00."
    about.summary.appointment.status = EventStatus.EVENT_STATUS_CANCELLED
    assert said("REQUEST", capsys, about)[1:] == ["It is off by now."]
    moved = said("COUNTER", capsys, meeting(), start=at(3), end=at(3, 10))
    assert moved[1] == f'To move it there: rookery cal move {MEETING_TEXT} --start "2026-03-03 09:00" --end "10:00"'


def test_what_changed_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert said("REQUEST", capsys, meeting(), OUTDATED)[1:] == ["It changed nothing: something later was here before it."]
    assert said("REPLY", capsys, None, IGNORED)[1:] == ["It changed nothing in your calendar."]


@pytest.mark.parametrize(
    ("method", "response", "words"),
    [
        ("REQUEST", NONE, "Ben gives you a task, due Tuesday, 3 March 2026."),
        ("REPLY", DECLINED, "Ben declines the task, due Tuesday, 3 March 2026."),
        ("REPLY", NONE, "Ben reports on the task, due Tuesday, 3 March 2026."),
        ("CANCEL", NONE, "Ben takes the task back."),
    ],
)
def test_a_message_about_a_task_is_put_into_words(
    capsys: pytest.CaptureFixture[str], method: str, response: ResponseStatus.ValueType, words: str
) -> None:
    task = Item(id=MEETING)
    task.summary.kind = ITEM_KIND_TASK
    lines = said(method, capsys, task, start=CalendarTime(local="2026-03-03"), response=response)
    assert lines == [words, f"In your tasks: rookery tasks show {MEETING_TEXT}"]


def test_what_others_answered_is_the_organizers_to_know(capsys: pytest.CaptureFixture[str]) -> None:
    item = meeting(ACCEPTED)
    item.content.appointment.attendees[0].proposed_start.CopyFrom(at(3, 14))
    text = shown(item, capsys)
    assert "Attendees: 2\n" in text and "room@example.org" in text
    assert "accepted" not in text and "not answered" not in text and "rookery cal move" not in text


def test_a_changed_occurrence_is_answered_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    about = meeting(ACCEPTED, "FREQ=WEEKLY")
    about.summary.appointment.exceptions.add(original_start=at(9), my_response=NONE)
    assert said("REQUEST", capsys, about, occurrence=at(9))[1].startswith("Answer it: rookery cal respond")
    assert said("REQUEST", capsys, about, occurrence=at(16))[1] == "You have accepted it."


def test_words_that_stand_in_the_text_anyway_are_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    letter = Item(id=LETTER)
    letter.content.message.scheduling.comment = "Bring a cup"
    letter.content.body.text = "Bring a cup\n\nAnna invites you"
    show_scheduling(letter, None)
    assert "Bring a cup" not in capsys.readouterr().out
