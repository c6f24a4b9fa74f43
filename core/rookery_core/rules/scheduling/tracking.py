"""The answers of a meeting's attendees, on the organiser's item only (MS-OXWSMTGS 2.2.4.4).

An attendee's entry has the answer for the whole meeting, ``MeetingState.occurrence_responses`` those for single occurrences.
Whoever is asked anew has no answer: an entry then keeps the time of asking in ``responded``, so that an edit of the list that was
made on a device before can not bring an answer to the old time back.

Which version somebody was asked in last decides whether an answer is stale, not which was sent last: who accepted before the room
changed has still accepted. ``sent.appointment.sequence`` has it for the whole, ``occurrence_versions`` for occurrences that were
asked about since. ``MeetingState.version`` has the version in which somebody was taken off the list last: an answer of one who is
not on the list counts from there on only, or those who are taken off while they answer would be added again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import calendar_pb2
from rookery.v1.calendar_pb2 import Attendee, OccurrenceResponse
from rookery_core.rules.scheduling import people, versions

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable

    from rookery.v1.calendar_pb2 import AppointmentContent, ResponseStatus
    from rookery.v1.item_pb2 import Item
    from rookery_core.rules.scheduling.itip import Version
    from rookery_core.rules.scheduling.occurrences import Timeline

UNSPECIFIED = calendar_pb2.RESPONSE_STATUS_UNSPECIFIED
NONE = calendar_pb2.RESPONSE_STATUS_NONE
DECLINED = calendar_pb2.RESPONSE_STATUS_DECLINED
ANSWERED = frozenset(
    {
        calendar_pb2.RESPONSE_STATUS_TENTATIVE,
        calendar_pb2.RESPONSE_STATUS_ACCEPTED,
        DECLINED,
        calendar_pb2.RESPONSE_STATUS_DELEGATED,
    }
)
"""What is an answer."""


def keep_answers(before: Item, after: Item) -> None:
    """Puts the later answers of ``before`` into the attendees of ``after``.

    So an edit of the list does not take back an answer that came later than the one it has, nor the name that came with one. Who
    is not on the list of ``after`` stays off it.
    """
    known = {people.key(each.person): each for each in before.content.appointment.attendees if each.HasField("responded")}
    if not known:
        return
    for attendee in after.content.appointment.attendees:
        was = known.get(people.key(attendee.person))
        if was is None:
            continue
        people.fill_name(attendee.person, was.person)
        if was.responded.ToMicroseconds() > attendee.responded.ToMicroseconds():
            copy_answer(was, attendee)


def copy_answer(source: Attendee, target: Attendee) -> None:
    """Gives an entry the answer of another, with all that came with it."""
    answered = Attendee()
    answered.CopyFrom(source)
    answered.person.CopyFrom(target.person)
    answered.role = target.role
    answered.response_requested = target.response_requested
    target.CopyFrom(answered)


def ask(attendee: Attendee, stamp: int) -> None:
    """Takes back what an attendee answered, since there is something else to be answered now."""
    unanswered = Attendee(response=NONE)
    unanswered.responded.FromMicroseconds(stamp)
    copy_answer(unanswered, attendee)


def ask_all(content: AppointmentContent, version: Version, told: Timeline | None) -> None:
    """Asks everybody for everything anew.

    ``told``: the occurrences, if they are what was told before. What was said of them by themselves, or asked, is then asked about
    by itself again: nobody sees from the time that there is something new to be answered.
    """
    for attendee in content.attendees:
        ask(attendee, version.stamp)
    asked: dict[dt.datetime, Version] = {}
    if told is not None:
        answered = (told.point(each.original_start) for each in content.meeting.occurrence_responses)
        points = {*answered, *versions.of_occurrences(content.meeting, told)}
        asked = {point: version for point in points if point is not None and told.gives(point)}
    content.meeting.ClearField("occurrence_responses")
    content.meeting.ClearField("occurrence_versions")
    if told is not None:
        versions.keep_occurrences(content.meeting, told, asked)


def ask_about(
    content: AppointmentContent, timeline: Timeline, asked: dict[dt.datetime, Version], off: Iterable[dt.datetime]
) -> None:
    """Asks anew about single occurrences; about those that are ``off`` nothing more."""
    gone = {*asked, *off}
    if not gone:
        return
    known = {point: version for point, version in versions.of_occurrences(content.meeting, timeline).items() if point not in gone}
    versions.keep_occurrences(content.meeting, timeline, known | asked)
    _keep_responses(content, lambda each: timeline.point(each.original_start) not in gone)


def in_doubt(content: AppointmentContent, timeline: Timeline) -> set[dt.datetime]:
    """Occurrences whose answers do not follow from those for the whole.

    Those asked about by themselves, and those that were answered by somebody who has not answered the whole.
    """
    unanswered = {people.key(each.person) for each in content.attendees if each.response not in ANSWERED}
    responses = (each for each in content.meeting.occurrence_responses if people.key(each.attendee.person) in unanswered)
    points = {timeline.point(each.original_start) for each in responses}
    return {*versions.of_occurrences(content.meeting, timeline), *(point for point in points if point is not None)}


def forget(content: AppointmentContent, keys: Iterable[str]) -> None:
    """Drops what people who are not invited any more answered about occurrences."""
    gone = set(keys)
    if gone:
        _keep_responses(content, lambda each: people.key(each.attendee.person) not in gone)


class Answers:
    """What the attendees of the organiser's item answer for single occurrences: for each by itself, or for all."""

    def __init__(self, item: Item, timeline: Timeline) -> None:
        meeting = item.content.appointment.meeting
        self._asked = versions.of_occurrences(meeting, timeline).keys()
        self._single: dict[tuple[dt.datetime | None, str], ResponseStatus.ValueType] = {}
        for each in meeting.occurrence_responses:
            self._single[timeline.point(each.original_start), people.key(each.attendee.person)] = each.attendee.response

    def of(self, attendee: Attendee, point: dt.datetime) -> ResponseStatus.ValueType:
        """What an attendee answers for an occurrence."""
        return self._single.get((point, people.key(attendee.person)), NONE if point in self._asked else attendee.response)


def _keep_responses(content: AppointmentContent, stays: Callable[[OccurrenceResponse], bool]) -> None:
    listed = content.meeting.occurrence_responses
    kept = [each for each in listed if stays(each)]
    if len(kept) < len(listed):
        kept = [OccurrenceResponse.FromString(each.SerializeToString()) for each in kept]
        del listed[:]
        listed.extend(kept)
