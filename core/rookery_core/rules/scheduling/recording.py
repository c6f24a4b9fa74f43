"""Answers written down on the organiser's item (RFC 5546 section 3.2.3), in time that grows with their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import ATTENDEE_ROLE_OPTIONAL, Attendee, OccurrenceResponse
from rookery.v1.scheduling_pb2 import SCHEDULING_EFFECT_APPLIED, SCHEDULING_EFFECT_IGNORED, SCHEDULING_EFFECT_OUTDATED
from rookery_core.rules import limits
from rookery_core.rules.scheduling import people, versions
from rookery_core.rules.scheduling.occurrences import Timeline
from rookery_core.rules.scheduling.tracking import ANSWERED, NONE, copy_answer

if TYPE_CHECKING:
    import datetime as dt

    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery.v1.item_pb2 import Item
    from rookery.v1.scheduling_pb2 import SchedulingEffect

_APPLIED = SCHEDULING_EFFECT_APPLIED
_OUTDATED = SCHEDULING_EFFECT_OUTDATED


class Recorder:
    """Writes answers into an item: first those for occurrences, then those for the whole, then ``close``.

    An answer for the whole replaces all that the attendee said of single occurrences before.
    """

    def __init__(self, item: Item) -> None:
        """InvalidArgument ``FIELD_INVALID`` if the item has no start."""
        self._content = item.content.appointment
        self._state = self._content.meeting
        self._timeline = Timeline(item.summary.appointment)
        self._asked_about = versions.of_occurrences(self._state, self._timeline) if self._timeline.is_series else {}
        has_sent = self._state.HasField("sent")
        self._asked = self._state.sent.appointment.sequence if has_sent else item.summary.appointment.sequence
        self._attendees: dict[str, Attendee] = {}
        """Those who answer, by address."""
        self._responses: dict[tuple[str, dt.datetime | None], Attendee] = {}
        for each in self._state.occurrence_responses:
            kept = Attendee.FromString(each.attendee.SerializeToString())
            self._responses[people.key(kept.person), self._timeline.point(each.original_start)] = kept

    def record(self, answer: Attendee, occurrence: CalendarTime | None, sequence: int) -> SchedulingEffect.ValueType:
        """Takes an answer, with when it was given in ``responded``.

        APPLIED; OUTDATED if it is to an older version than was asked in last, or is not later than what is there; IGNORED for an
        occurrence that there is not. Somebody who is not on the list is added as optional: the invitation was forwarded. An entry
        without a name takes that of the answer over.
        """
        point = self._timeline.point(occurrence) if occurrence is not None and self._timeline.is_series else None
        if occurrence is not None and self._timeline.is_series and (point is None or not self._timeline.has(point)):
            return SCHEDULING_EFFECT_IGNORED
        asked = self._asked
        if point in self._asked_about:
            asked = max(asked, self._asked_about[point].sequence)
        attendee = self._find(answer.person.address)
        if attendee is None:
            asked = max(asked, self._state.version.sequence)
        if sequence < asked or (attendee is None and len(self._content.attendees) >= limits.ATTENDEES):
            return _OUTDATED
        attendee = attendee or self._add(answer, sequence)
        return self._record_all(attendee, answer, sequence) if point is None else self._record_one(attendee, answer, point)

    def close(self) -> None:
        """Writes the answers for occurrences; of too many the latest."""
        kept = list(self._responses.items())
        if len(kept) > limits.EXCEPTIONS:
            order = sorted(kept, key=lambda each: each[1].responded.ToMicroseconds())
            for key, _ in order[: len(kept) - limits.EXCEPTIONS]:
                del self._responses[key]
        del self._state.occurrence_responses[:]
        self._state.occurrence_responses.extend(
            OccurrenceResponse(original_start=self._timeline.time(point), attendee=response)
            for (_, point), response in self._responses.items()
            if point is not None
        )

    def _find(self, address: str) -> Attendee | None:
        if address not in self._attendees:
            found = people.find(self._content.attendees, address)
            if found is None:
                return None
            self._attendees[address] = found
        return self._attendees[address]

    def _add(self, answer: Attendee, sequence: int) -> Attendee:
        """An entry for somebody who was invited by another attendee. They know what was sent last if they answer to it."""
        added = self._content.attendees.add(
            person=answer.person, role=ATTENDEE_ROLE_OPTIONAL, response=NONE, response_requested=True
        )
        if self._state.HasField("sent") and sequence >= self._state.sent.version.sequence:
            self._state.sent.attendees.append(answer.person)
        return added

    def _record_all(self, attendee: Attendee, answer: Attendee, sequence: int) -> SchedulingEffect.ValueType:
        """Of the occurrences that were asked about by themselves it covers those that were asked about before."""
        given = answer.responded.ToMicroseconds()
        if attendee.response in ANSWERED and given <= attendee.responded.ToMicroseconds():
            return _OUTDATED
        copy_answer(answer, attendee)
        people.fill_name(attendee.person, answer.person)
        who = people.key(attendee.person)
        for key, response in list(self._responses.items()):
            if key[0] == who and response.responded.ToMicroseconds() < given:
                del self._responses[key]
        for point, version in self._asked_about.items():
            if version.sequence <= sequence and (who, point) not in self._responses:
                self._put(attendee, answer, point)
        return _APPLIED

    def _record_one(self, attendee: Attendee, answer: Attendee, point: dt.datetime) -> SchedulingEffect.ValueType:
        given = answer.responded.ToMicroseconds()
        known = self._responses.get((people.key(attendee.person), point))
        is_overtaken = attendee.response in ANSWERED and given < attendee.responded.ToMicroseconds()
        if is_overtaken or (known is not None and given <= known.responded.ToMicroseconds()):
            return _OUTDATED
        people.fill_name(attendee.person, answer.person)
        self._put(attendee, answer, point)
        return _APPLIED

    def _put(self, attendee: Attendee, answer: Attendee, point: dt.datetime) -> None:
        response = Attendee(person=attendee.person)
        copy_answer(answer, response)
        self._responses[people.key(attendee.person), point] = response
