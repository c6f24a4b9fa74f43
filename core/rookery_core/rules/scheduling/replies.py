"""An answer to an invitation: what becomes of the copy, and what the organiser is told (RFC 5546 sections 3.2.3 and 3.2.7).

An answer for the whole says all that the attendee has to say: with it go the answers for occurrences that were asked about by
themselves. So the organiser can put answers in order by their stamps, whichever come late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import BUSY_STATUS_UNSPECIFIED, Attendee, OccurrenceException
from rookery.v1.item_pb2 import Item
from rookery.v1.scheduling_pb2 import SCHEDULING_METHOD_COUNTER, SCHEDULING_METHOD_REPLY
from rookery_core.errors import FailedPrecondition
from rookery_core.rules import calendar_time
from rookery_core.rules.scheduling import copies, occurrences, people, showing, versions, wording
from rookery_core.rules.scheduling.itip import Letter, Part, Sending, Version
from rookery_core.rules.scheduling.occurrences import Timeline
from rookery_core.rules.scheduling.tracking import DECLINED, UNSPECIFIED

if TYPE_CHECKING:
    import datetime as dt

    from rookery.v1.calendar_pb2 import CalendarTime, ResponseStatus
    from rookery_core.rules.scheduling.itip import Self


class Reply:
    """An answer on its way. What is said comes first, then ``told``."""

    def __init__(self, item: Item, me: Self, now: int, proposed: tuple[CalendarTime, CalendarTime] | None = None) -> None:
        self._was, self._me, self._proposed = item, me, proposed
        self._item = Item()
        self._item.CopyFrom(item)
        self._appointment = self._item.summary.appointment
        self._timeline = Timeline(self._appointment)
        state = self._item.content.appointment.meeting
        self._known = versions.of_occurrences(state, self._timeline)
        self._whole = versions.whole_of(self._item)
        self._is_alone = copies.is_alone(self._item)
        self._stamp = versions.later(now, state.replied.ToMicroseconds())
        self._said: dict[dt.datetime | None, ResponseStatus.ValueType] = {}
        """What is said of which occurrence, and of all (None)."""
        self._is_news = False

    def say(self, occurrence: CalendarTime | None, response: ResponseStatus.ValueType) -> None:
        """Answers for an occurrence, or for all."""
        if occurrence is None or self._timeline.is_all(occurrence):
            self._say_all(response)
        else:
            self._say_one(occurrence, response)

    def _say_all(self, response: ResponseStatus.ValueType) -> None:
        """What was said of single occurrences before falls, but for those that were declined."""
        appointment = self._appointment
        before = appointment.my_response
        settled = all(each.my_response in {UNSPECIFIED, DECLINED} for each in appointment.exceptions)
        self._is_news = self._is_news or before != response or not settled or self._proposes_anew()
        usual, shows = showing.usual(self._item), showing.showing(response, showing.intended(self._item))
        appointment.my_response = response
        appointment.busy_status = showing.follow(appointment.busy_status, usual, shows)
        self._settle(response)
        if not self._is_alone:
            self._said[None] = response
        if not self._said:
            raise FailedPrecondition("NOT_INVITED", "the meeting was called off: nobody is invited any more", field="item_id")
        own = self._entry()
        own.response = response
        own.ClearField("proposed_start")
        own.ClearField("proposed_end")
        if self._proposed is not None:
            own.proposed_start.CopyFrom(self._proposed[0])
            own.proposed_end.CopyFrom(self._proposed[1])

    def _settle(self, response: ResponseStatus.ValueType) -> None:
        """Lets occurrences that were answered by themselves follow the whole, but for those that were declined.

        Said is something of them, and of those that the organiser has asked about since the whole.
        """
        for point, version in self._known.items():
            if self._whole is None or version.sequence > self._whole.sequence:
                self._said[point] = response
        kept = []
        for point, exception in self._timeline.exceptions.items():
            if exception.my_response == DECLINED:
                self._said[point] = DECLINED
            elif exception.cancelled:
                self._said.pop(point, None)
            elif exception.my_response:
                self._said[point] = response
                exception.ClearField("my_response")
                exception.ClearField("busy_status")
                if exception == OccurrenceException(original_start=exception.original_start) and self._timeline.gives(point):
                    continue
            kept.append(OccurrenceException.FromString(exception.SerializeToString()))
        del self._appointment.exceptions[:]
        self._appointment.exceptions.extend(kept)
        self._timeline.look()

    def _say_one(self, occurrence: CalendarTime, response: ResponseStatus.ValueType) -> None:
        point = self._timeline.require(occurrence)
        appointment = self._appointment
        exception = self._timeline.exceptions.get(point)
        if exception is not None and exception.cancelled and exception.my_response != DECLINED:
            raise FailedPrecondition("NOT_INVITED", "the occurrence was called off: nobody is invited any more", field="occurrence")
        before = (exception.my_response if exception is not None else UNSPECIFIED) or appointment.my_response
        self._said[point] = response
        if before == response and self._proposed is None:
            return
        self._is_news = True
        if exception is None:
            exception = appointment.exceptions.add(original_start=self._timeline.time(point))
            self._timeline.exceptions[point] = exception
        exception.my_response = response
        exception.cancelled = response == DECLINED
        shown = showing.showing(response, showing.intended(self._item))
        exception.busy_status = shown if shown != appointment.busy_status else BUSY_STATUS_UNSPECIFIED

    def _proposes_anew(self) -> bool:
        own = people.own(self._item.content.appointment.attendees, self._me)
        return self._proposed is not None and (own is None or (own.proposed_start, own.proposed_end) != self._proposed)

    def _entry(self) -> Attendee:
        """The owner's entry in the copy; a new one where they were invited as one of a group."""
        attendees = self._item.content.appointment.attendees
        own = people.own(attendees, self._me)
        return own if own is not None else attendees.add(person=self._me.person)

    def told(self, comment: str, *, silent: bool) -> Sending:
        """The copy as it is now, and what the organiser is told of it. The item itself, if nothing that was said is new."""
        if not self._is_news and not comment:
            return Sending(self._was, ())
        state, appointment = self._item.content.appointment.meeting, self._appointment
        state.replied.FromMicroseconds(self._stamp)
        own = self._entry()
        if None in self._said or self._is_alone:
            own.responded.FromMicroseconds(self._stamp)
        if silent or not appointment.response_requested or not appointment.organizer.address:
            return Sending(self._item, ())
        base = occurrences.bare(wording.told(self._item))
        base.content.ClearField("body")
        points = sorted(point for point in self._said if point is not None)
        speaker = Attendee(person=people.speaking(own.person, self._me), role=own.role)
        parts = [self._part(base, speaker, point) for point in ([None, *points] if None in self._said else points)]
        parts[0] = Part(parts[0].occurrence, parts[0].version, parts[0].item, comment=comment)
        if self._proposed is not None:
            proposal = parts[0].item.summary.appointment
            proposal.start.CopyFrom(self._proposed[0])
            proposal.end.CopyFrom(self._proposed[1])
            proposal.all_day = calendar_time.is_date(proposal.start)
        method = SCHEDULING_METHOD_COUNTER if self._proposed is not None else SCHEDULING_METHOD_REPLY
        letter = Letter(wording.message(self._item, method, parts), (appointment.organizer,))
        return Sending(self._item, (letter,))

    def _part(self, base: Item, speaker: Attendee, point: dt.datetime | None) -> Part:
        """An answer names the version that it is to, and its own time (RFC 5546 section 2.1.5)."""
        known = self._whole or Version(0, 0)
        if point is None:
            alone = Item()
            alone.CopyFrom(base)
        else:
            known = max(known, self._known.get(point, known))
            alone = occurrences.alone(base, point, self._timeline.exceptions.get(point), self._timeline)
        appointment = alone.summary.appointment
        for name in ("busy_status", "my_response", "reminder_minutes"):
            appointment.ClearField(name)
        alone.content.appointment.attendees.add(person=speaker.person, role=speaker.role, response=self._said[point])
        occurrence = self._timeline.time(point) if point is not None else None
        return Part(occurrence, Version(known.sequence, self._stamp), alone)
