"""An attendee's copy of a meeting: what the organiser's messages make of it (RFC 5546 sections 2.1.5, 3.2.2, 3.2.5).

The copy follows the organiser in subject, text, time, place, rule and attendees. Its owner's are the answer, how the time shows,
the reminder, the private mark and the categories. Another time asks the owner anew; so does a message that others went before,
and in which the organiser has no answer of the owner's: one of those may have asked.

Of what is told of the whole and of single occurrences the later stands, in whatever order it comes. An occurrence that comes
without its series is kept as a series of just that date; the series takes it in.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.calendar_pb2 import RESPONSE_STATUS_UNSPECIFIED, OccurrenceException
from rookery.v1.item_pb2 import Item
from rookery_core.rules import calendar_time
from rookery_core.rules.scheduling import adopting, clipping, occurrences, showing, told, versions
from rookery_core.rules.scheduling.occurrences import Timeline
from rookery_core.rules.scheduling.told import CANCELLED
from rookery_core.rules.scheduling.tracking import ANSWERED, DECLINED, NONE

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery_core.rules.scheduling.itip import Itip, Part, Self, Version


class Told(NamedTuple):
    """A copy after a message of its organiser's."""

    item: Item | None
    """None: the message says nothing that was not known."""
    asked: bool = False
    """The owner is asked, for the first time or anew."""


def tell(copy: Item | None, itip: Itip, me: Self, now: int) -> Told:
    """What a REQUEST or a CANCEL makes of a copy, or of none. ``now``: when a meeting is that was called off without a time."""
    teller = _Teller(copy, itip, me)
    singles = [(part, part.occurrence) for part in itip.parts if part.occurrence is not None]
    if itip.whole is not None:
        teller.tell_whole(itip.whole, now)
    if singles:
        teller.make_room(singles)
    for part, occurrence in singles:
        teller.tell_occurrence(part, occurrence)
    return teller.result()


def is_alone(copy: Item) -> bool:
    """Whether a copy holds occurrences that came without their series."""
    state = copy.content.appointment.meeting
    return bool(state.occurrence_versions) and not state.HasField("version")


class _Teller:
    """A message's way into a copy."""

    def __init__(self, copy: Item | None, itip: Itip, me: Self) -> None:
        self._itip, self._me = itip, me
        self._item = Item()
        self._is_new = copy is None
        self._before: Version | None = None
        """The version of the whole that was known before."""
        self._told_whole = self._applied = self._asked = self._misses = False
        self._answer = RESPONSE_STATUS_UNSPECIFIED
        """What the owner had answered for the whole before."""
        self._previous: dict[dt.datetime, OccurrenceException] = {}
        """What was different about occurrences before the message told of the whole."""
        self._new: set[dt.datetime] = set()
        """Occurrences without a series that come with this message."""
        if copy is not None:
            self._item.CopyFrom(copy)
            self._before = versions.whole_of(copy)
            self._answer = copy.summary.appointment.my_response
            self._read()

    def _read(self) -> None:
        """Looks up what the item says of occurrences. From here on that is kept here, and written by ``result``."""
        self._timeline = self._past = Timeline(self._item.summary.appointment)
        self._exceptions = {}
        for point, exception in self._timeline.exceptions.items():
            self._exceptions[point] = OccurrenceException()
            self._exceptions[point].CopyFrom(exception)
        self._known = versions.of_occurrences(self._item.content.appointment.meeting, self._timeline)

    def result(self) -> Told:
        """What has become of the copy."""
        if not self._applied:
            return Told(None)
        for point, exception in self._previous.items():
            if point not in self._exceptions and self._timeline.gives(point) and self._is_regular(point, exception):
                kept = occurrences.personal(_unanswered(exception) if self._misses else exception)
                kept.cancelled = kept.my_response == DECLINED
                self._exceptions[point] = kept
        listed = []
        for point, exception in sorted(self._exceptions.items(), key=lambda each: each[0]):
            name = self._timeline.time(point)
            exception.original_start.CopyFrom(name)
            if exception != OccurrenceException(original_start=name) or not self._timeline.gives(point):
                listed.append(OccurrenceException.FromString(exception.SerializeToString()))
        appointment = self._item.summary.appointment
        del appointment.exceptions[:]
        appointment.exceptions.extend(listed)
        versions.keep_occurrences(self._item.content.appointment.meeting, self._timeline, self._known)
        clipping.clip(self._item)
        return Told(self._item, self._asked)

    def _is_regular(self, point: dt.datetime, exception: OccurrenceException) -> bool:
        """Whether an occurrence has the series' time."""
        return self._is_when(point, exception, None)

    def _is_when(self, point: dt.datetime, one: OccurrenceException | None, other: OccurrenceException | None) -> bool:
        return all(map(occurrences.is_same_time, self._timeline.times(point, one), self._timeline.times(point, other)))

    def tell_whole(self, part: Part, now: int) -> None:
        """The message speaks of the whole meeting."""
        if self._before is not None and part.version <= self._before:
            return
        is_new = not self._item.HasField("summary")
        if is_new:
            self._begin(part, part.item.summary.appointment.start, now)
        elif not part.cancelled:
            self._replace(part)
        if part.cancelled:
            self._item.summary.appointment.status = CANCELLED
            self._item.summary.appointment.sequence = part.version.sequence
        self._applied = self._told_whole = True
        self._item.content.appointment.meeting.version.CopyFrom(part.version.record())
        self._known = {point: version for point, version in self._known.items() if version > part.version}

    def _begin(self, part: Part, start: CalendarTime, now: int) -> None:
        """Makes a copy where there was none. One of what was called off remembers that invitations to it come late."""
        adopting.follow(self._item, part, self._itip, self._me)
        adopting.greet(self._item, part.item, self._me)
        mine = self._item.summary.appointment
        if not start.local:
            start = calendar_time.from_instant(now, "UTC") or calendar_time.on(dt.date(1970, 1, 1))
        if mine.start.local:
            mine.end.CopyFrom(calendar_time.moved(mine.start, mine.end if mine.HasField("end") else mine.start, start))
        mine.start.CopyFrom(start)
        self._asked = True
        self._read()

    def _replace(self, part: Part) -> None:
        """The whole is told anew: that replaces all that was known, but for occurrences that were told of later."""
        was = Item()
        was.CopyFrom(self._item)
        timeline, exceptions = self._timeline, self._exceptions
        later = [point for point, version in self._known.items() if version > part.version]
        adopting.follow(self._item, part, self._itip, self._me)
        before, after = was.summary.appointment, self._item.summary.appointment
        anew = self._before is None or before.status == CANCELLED or not told.is_same_course(before, after)
        misses = adopting.is_asked_between(self._before, part.version, adopting.said(part.item, self._me))
        asks = anew or misses or before.my_response not in ANSWERED
        self._asked = anew or (misses and before.my_response in ANSWERED)
        adopting.answer(was, self._item, self._me, asks=asks)
        for each in exceptions.values():
            adopting.show_answered(each, was, self._item)
        self._timeline = self._past = Timeline(after)
        moved = {point: self._timeline.point(timeline.time(point)) or point for point in {*self._known, *exceptions}}
        self._known = {moved[point]: version for point, version in self._known.items()}
        bare = occurrences.bare(was)
        self._exceptions = {}
        for point in later:
            exception = exceptions.get(point)
            if exception is None or not exception.cancelled or exception.my_response == DECLINED:
                alone = occurrences.alone(bare, point, exception, timeline)
                exception = self._taken_in(alone, moved[point], exception)
            self._exceptions[moved[point]] = exception
        if not anew:
            self._past, self._misses = timeline, misses
            self._previous = {moved[point]: each for point, each in exceptions.items() if point not in later}
        if asks:
            self._answer = NONE

    def _taken_in(self, alone: Item, point: dt.datetime, exception: OccurrenceException | None) -> OccurrenceException:
        """An occurrence that was told of later than its series, as it differs from that."""
        found = occurrences.exception_of(alone, point, self._item, self._timeline)
        answer = alone.summary.appointment.my_response
        if exception is not None:
            found.MergeFrom(occurrences.personal(exception))
            found.this_and_future = exception.this_and_future
            found.cancelled = exception.cancelled
        if self._before is None and answer in ANSWERED:  # without its series it had the answer that now is the series'
            found.my_response = answer
        return found

    def make_room(self, singles: list[tuple[Part, CalendarTime]]) -> None:
        """Occurrences that come without their series become dates of a series of their own."""
        if not self._item.HasField("summary"):
            self._begin(singles[0][0], _first(*singles[0]), 0)
            self._item.summary.appointment.ClearField("recurrence")
        elif self._told_whole or not is_alone(self._item):
            return
        dates = self._item.summary.appointment.recurrence.dates
        for part, occurrence in singles:
            point = self._timeline.point(occurrence)
            if point is not None and not part.cancelled and point not in self._known and point not in self._new:
                self._new.add(point)
                dates.append(self._timeline.time(point))
        self._timeline = Timeline(self._item.summary.appointment)

    def tell_occurrence(self, part: Part, occurrence: CalendarTime) -> None:
        """The message speaks of one occurrence."""
        point = self._timeline.point(occurrence)
        if point is None:
            return
        own = self._known.get(point)
        whole = None if self._told_whole else self._before
        if any(known is not None and known >= part.version for known in (own, whole)):
            return
        self._applied = True
        known = max((each for each in (own, self._before) if each is not None), default=None)
        if part.cancelled:
            self._exceptions[point] = OccurrenceException(cancelled=True)
        else:
            self._exceptions[point] = self._told_of(part, point, known)
        if not self._told_whole or part.version > (versions.whole_of(self._item) or part.version):
            self._known[point] = part.version

    def _told_of(self, part: Part, point: dt.datetime, known: Version | None) -> OccurrenceException:
        """How an occurrence is now, with what its owner has said and set for it."""
        old = self._exceptions.get(point) or self._previous.get(point)
        new = occurrences.exception_of(part.item, point, self._item, self._timeline)
        new.this_and_future = part.this_and_future
        if old is not None and old.HasField("reminder_minutes"):
            new.reminder_minutes = old.reminder_minutes
        series = self._item.summary.appointment
        before = old.my_response if old is not None and old.my_response else self._answer
        is_off = point in self._new or (
            not self._past.gives(point) if old is None else old.cancelled and old.my_response != DECLINED
        )
        said = adopting.said(part.item, self._me)
        misses = before in ANSWERED and adopting.is_asked_between(known, part.version, said)
        if not is_off and not misses and self._is_when(point, old, new):
            if old is not None:
                new.MergeFrom(occurrences.personal(old))
                new.cancelled = old.cancelled
            return new
        response = said if self._is_new and said else NONE
        self._asked = self._asked or response == NONE
        if response != series.my_response:
            new.my_response = response
            new.cancelled = response == DECLINED
        shown = showing.showing(response, showing.intended(self._item))
        if shown != series.busy_status:
            new.busy_status = shown
        return new


def _unanswered(exception: OccurrenceException) -> OccurrenceException:
    """An exception without what its owner has answered."""
    found = OccurrenceException()
    found.CopyFrom(exception)
    if exception.my_response:
        found.cancelled = False
        found.ClearField("my_response")
        found.ClearField("busy_status")
    return found


def _first(part: Part, occurrence: CalendarTime) -> CalendarTime:
    """The name of an occurrence that comes without its series. A date names one that has a time of day by its day."""
    start = part.item.summary.appointment.start
    hour, day = calendar_time.wall(start), calendar_time.wall(occurrence)
    if hour is None or day is None or calendar_time.is_date(start) or not calendar_time.is_date(occurrence):
        return occurrence
    return calendar_time.at(dt.datetime.combine(day.date(), hour.time()), start.time_zone)
