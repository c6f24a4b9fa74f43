"""What the attendees of a meeting were told last, beside what is to be told now: the difference is what is sent.

Told are subject, text, time, place, link, rule, and occurrences that are different; not the organiser's own busy status, reminder
and categories. A new time or rule asks everybody anew; that and a new place raise the sequence (RFC 5546 section 2.1.4), other
words only get a new stamp.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import calendar_pb2
from rookery.v1.calendar_pb2 import AppointmentSummary, Recurrence, SentMeeting
from rookery_core.rules.scheduling.occurrences import Timeline, is_same_time, public, text_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from rookery.v1.calendar_pb2 import Attendee, CalendarTime, OccurrenceException
    from rookery.v1.item_pb2 import Item

CANCELLED = calendar_pb2.EVENT_STATUS_CANCELLED
_CONFIRMED = calendar_pb2.EVENT_STATUS_CONFIRMED
_PLAIN = ("location", "url", "counters_disallowed")


@dataclass(slots=True)
class Changes:
    """What differs between two snapshots."""

    whole: bool = False
    """Something about the whole meeting."""
    anew: bool = False
    """Time or rule: all answers fall."""
    raises: bool = False
    """The sequence is raised."""
    changed: list[dt.datetime] = field(default_factory=list)
    """Occurrences that are other than they were; in order. Not looked for if all is anew."""
    off: list[dt.datetime] = field(default_factory=list)
    """Occurrences that are cancelled now; in order."""
    asked: set[dt.datetime] = field(default_factory=set)
    """Those of ``changed`` that have another time, or take place again."""

    @property
    def any(self) -> bool:
        """Whether there is something to tell."""
        return self.whole or bool(self.changed or self.off)


def snapshot(item: Item, invited: Iterable[Attendee]) -> SentMeeting:
    """What is told of an item; without a version."""
    mine = item.summary.appointment
    sent = SentMeeting(subject=item.summary.subject, attendees=[each.person for each in invited])
    sent.text_sha256 = _digest(text_of(item.content.body))
    for name in _PLAIN:
        setattr(sent.appointment, name, getattr(mine, name))
    sent.appointment.start.CopyFrom(mine.start)
    if mine.HasField("end"):
        sent.appointment.end.CopyFrom(mine.end)
    if mine.HasField("recurrence"):
        sent.appointment.recurrence.CopyFrom(mine.recurrence)
    sent.appointment.status = mine.status if mine.status != _CONFIRMED else calendar_pb2.EVENT_STATUS_UNSPECIFIED
    sent.appointment.exceptions.extend(map(public, mine.exceptions))
    return sent


def compare(sent: SentMeeting, target: SentMeeting) -> Changes:
    """What is to be told to those who know ``sent``."""
    was, now = sent.appointment, target.appointment
    found = Changes()
    lasting = [[each for each in part.exceptions if each.this_and_future] for part in (was, now)]
    found.anew = not is_same_course(was, now) or lasting[0] != lasting[1]
    found.whole = (
        found.anew
        or sent.subject != target.subject
        or sent.text_sha256 != target.text_sha256
        or was.status != now.status
        or any(getattr(was, name) != getattr(now, name) for name in _PLAIN)
    )
    found.raises = found.anew or was.location != now.location
    if not found.anew:
        _compare_occurrences(sent, target, found)
    return found


def is_same_course(one: AppointmentSummary, other: AppointmentSummary) -> bool:
    """Whether two appointments have the same time and rule; what is excluded does not count."""
    ends = [each.end if each.HasField("end") else each.start for each in (one, other)]
    return one.start == other.start and ends[0] == ends[1] and _rule(one) == _rule(other)


def _rule(appointment: AppointmentSummary) -> Recurrence:
    recurrence = Recurrence()
    recurrence.CopyFrom(appointment.recurrence)
    recurrence.ClearField("excluded_dates")
    return recurrence


class _Shape(NamedTuple):
    """What is told of an occurrence: None where it is as in the series."""

    cancelled: bool = False
    start: str | None = None
    end: str | None = None
    location: str | None = None
    subject: str | None = None
    text: str | None = None


_REGULAR = _Shape()
_OFF = _Shape(cancelled=True)


def _compare_occurrences(sent: SentMeeting, target: SentMeeting, found: Changes) -> None:
    was, now = sent.appointment, target.appointment
    if was.recurrence.excluded_dates == now.recurrence.excluded_dates and was.exceptions == now.exceptions:
        return
    before, after = _shapes(sent), _shapes(target)
    given = AppointmentSummary(start=now.start, recurrence=_rule(now))
    rule = Timeline(given)
    for point in sorted(before.keys() | after.keys()):
        old, new = before.get(point, _REGULAR), after.get(point, _REGULAR)
        if old == new or (_OFF in (old, new) and _REGULAR in (old, new) and not rule.gives(point)):
            continue
        if new.cancelled:
            found.off.append(point)
        else:
            found.changed.append(point)
            if old.cancelled or old[1:3] != new[1:3]:
                found.asked.add(point)
        found.raises = found.raises or new.cancelled or old[:4] != new[:4]


def _shapes(sent: SentMeeting) -> dict[dt.datetime, _Shape]:
    """What is told of occurrences that are excluded, or have exceptions."""
    timeline = Timeline(sent.appointment)
    points = (timeline.point(date) for date in sent.appointment.recurrence.excluded_dates)
    shapes = {point: _OFF for point in points if point is not None}
    for point, exception in timeline.exceptions.items():
        shapes[point] = _shape(sent, point, exception, timeline)
    return shapes


def _shape(sent: SentMeeting, point: dt.datetime, exception: OccurrenceException, timeline: Timeline) -> _Shape:
    if exception.cancelled:
        return _OFF
    start, end = timeline.times(point, exception)
    usual_start, usual_end = timeline.times(point, None)
    text = exception.text.rstrip() if exception.HasField("text") else None
    return _Shape(
        start=_unless_same(start, usual_start),
        end=_unless_same(end, usual_end),
        location=exception.location if exception.HasField("location") and exception.location != sent.appointment.location else None,
        subject=exception.subject if exception.HasField("subject") and exception.subject != sent.subject else None,
        text=text if text is not None and _digest(text) != sent.text_sha256 else None,
    )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _unless_same(time: CalendarTime, usual: CalendarTime) -> str | None:
    return None if is_same_time(time, usual) else f"{time.local} {time.time_zone}"
