"""A series cut in two as items: what each part keeps of the meeting."""

from __future__ import annotations

import pytest

from rookery.v1.calendar_pb2 import Attendee, CalendarTime, ResponseStatus
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, ITEM_KIND_MESSAGE, Item
from rookery.v1.person_pb2 import Person
from rookery_core.errors import FailedPrecondition, InvalidArgument
from rookery_core.rules.ids import text_of
from rookery_core.rules.scheduling.itip import Self
from rookery_core.rules.scheduling.parting import part
from rookery_core.rules.validation import validate_item

ANNA = Person(name="Anna", address="anna@example.org")
ME = Self(ANNA, frozenset({"anna@example.org", "berg@example.org"}))
FIRST, SECOND = b"\x01" * 16, b"\x02" * 16
ACCEPTED = ResponseStatus.RESPONSE_STATUS_ACCEPTED


def at(day: int, hour: int = 9) -> CalendarTime:
    return CalendarTime(local=f"2026-03-{day:02}T{hour:02}:00:00", time_zone="Europe/Berlin")


def series(organizer: str = "anna@example.org") -> Item:
    """Mondays from 2 March on; the 9th and the 23rd are moved; Ben has accepted, and declined the 9th and the 23rd."""
    item = Item(id=FIRST)
    item.summary.kind, item.summary.subject = ITEM_KIND_APPOINTMENT, "Plan"
    appointment = item.summary.appointment
    appointment.start.CopyFrom(at(2))
    appointment.end.CopyFrom(at(2, 10))
    appointment.recurrence.rules.append("FREQ=WEEKLY;COUNT=6")
    appointment.organizer.address, appointment.meeting_id, appointment.sequence = organizer, "uid", 3
    appointment.my_response = ResponseStatus.RESPONSE_STATUS_ORGANIZER
    content = item.content.appointment
    content.attendees.append(Attendee(person=Person(address="ben@example.org"), response=ACCEPTED, comment="Yes"))
    content.attendees[0].responded.FromSeconds(5)
    content.meeting.sent.subject = "Plan"
    for day in (9, 23):
        appointment.exceptions.add(original_start=at(day), start=at(day, 14), end=at(day, 15))
        content.meeting.occurrence_responses.add(original_start=at(day), attendee=content.attendees[0])
    return item


def test_the_second_part_is_a_meeting_of_its_own_of_which_nobody_was_told() -> None:
    item = series()
    before = item.SerializeToString(deterministic=True)
    first, second = part(item, at(16), SECOND, ME)
    assert item.SerializeToString(deterministic=True) == before
    appointment = second.summary.appointment
    assert (second.id, second.folder_id, appointment.meeting_id, appointment.sequence) == (SECOND, b"", text_of(SECOND), 0)
    assert appointment.start == at(16) and appointment.end == at(16, 10)
    assert list(appointment.recurrence.rules) == ["FREQ=WEEKLY;COUNT=4"]
    assert [each.original_start for each in appointment.exceptions] == [at(23)]
    assert not second.content.appointment.HasField("meeting")
    [ben] = second.content.appointment.attendees
    assert ben == Attendee(person=Person(address="ben@example.org"), response=ResponseStatus.RESPONSE_STATUS_NONE)
    assert first.summary.appointment.meeting_id == "uid" and first.summary.appointment.sequence == 3
    assert [each.original_start for each in first.summary.appointment.exceptions] == [at(9)]
    assert first.content.appointment.attendees == item.content.appointment.attendees
    assert [each.original_start for each in first.content.appointment.meeting.occurrence_responses] == [at(9)]
    assert first.content.appointment.meeting.sent.subject == "Plan"
    for each in (first, second):
        validate_item(each.summary, each.content)


@pytest.mark.parametrize(
    ("occurrence", "reason"),
    [(at(2), "NOT_AN_OCCURRENCE"), (at(17), "NOT_AN_OCCURRENCE"), (CalendarTime(local="soon"), "NOT_AN_OCCURRENCE")],
)
def test_a_series_is_split_only_at_a_later_occurrence(occurrence: CalendarTime, reason: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        part(series(), occurrence, SECOND, ME)
    assert refused.value.reason == reason


def test_only_a_series_of_ones_own_is_split() -> None:
    single, letter, other = series(), Item(), series("cleo@example.org")
    single.summary.appointment.ClearField("recurrence")
    letter.summary.kind = ITEM_KIND_MESSAGE
    invited = series()
    invited.summary.appointment.my_response = ACCEPTED
    reasons = []
    for item in (single, letter, other, invited):
        with pytest.raises(FailedPrecondition) as refused:
            part(item, at(16), SECOND, ME)
        reasons.append(refused.value.reason)
    assert reasons == ["NOT_A_SERIES", "NOT_A_SERIES", "NOT_ORGANIZER", "NOT_ORGANIZER"]
    assert part(series("Berg@Example.ORG"), at(16), SECOND, ME)[1].id == SECOND
    private = series()
    private.summary.appointment.my_response = ResponseStatus.RESPONSE_STATUS_UNSPECIFIED
    private.summary.appointment.ClearField("organizer")
    assert part(private, at(16), SECOND, ME)[1].id == SECOND
