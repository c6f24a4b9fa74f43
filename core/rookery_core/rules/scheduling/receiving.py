"""What a message about a meeting changes in the mailbox that it arrives in (RFC 5546 sections 2.1.4, 2.1.5 and 3.2).

Who may say what: REQUEST, CANCEL, ADD and DECLINECOUNTER of a meeting that is known only its organiser, REPLY and COUNTER only the
attendee whom they speak of, or somebody of the same domain in their name (SENT-BY). An invitation to a meeting that is not known
may come from anybody: it was forwarded then. All else is ignored:

- PUBLISH: it invites nobody; who wants it imports it.
- REFRESH: the organiser answers it by sending the meeting; that no machine does, since it would tell whoever asks.
- what can not be kept, or has no organiser.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import calendar_pb2, scheduling_pb2
from rookery.v1.calendar_pb2 import Attendee
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item, SchedulingMessage
from rookery_core.errors import RookeryError
from rookery_core.rules import calendar_time, limits, validation
from rookery_core.rules.scheduling import clipping, copies, people, tracking, versions
from rookery_core.rules.scheduling.occurrences import Timeline
from rookery_core.rules.scheduling.recording import Recorder
from rookery_core.rules.scheduling.told import CANCELLED

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery.v1.person_pb2 import Person
    from rookery.v1.scheduling_pb2 import SchedulingEffect, SchedulingMethod
    from rookery_core.rules.scheduling.itip import Itip, Part, Self

_APPLIED = scheduling_pb2.SCHEDULING_EFFECT_APPLIED
_OUTDATED = scheduling_pb2.SCHEDULING_EFFECT_OUTDATED
_IGNORED = scheduling_pb2.SCHEDULING_EFFECT_IGNORED
_COUNTER = scheduling_pb2.SCHEDULING_METHOD_COUNTER
_CANCEL = scheduling_pb2.SCHEDULING_METHOD_CANCEL


class Home(enum.Enum):
    """Where an item belongs after a message."""

    KEEP = enum.auto()
    """Where it is."""
    CALENDAR = enum.auto()
    """In the calendar, or with the tasks: what is in Deleted Items, or deleted, comes back; what is in any other folder stays."""
    DELETED = enum.auto()
    """In Deleted Items."""


class Received(NamedTuple):
    """What a message comes to."""

    effect: SchedulingEffect.ValueType
    item: Item | None
    """What is to be written: without an id if it is new; None: nothing."""
    home: Home
    message: SchedulingMessage
    """What the message itself shows; all but ``item_id``."""


class _Outcome(NamedTuple):
    """What a method comes to."""

    effect: SchedulingEffect.ValueType
    item: Item | None = None
    home: Home = Home.KEEP


def receive(stored: Item | None, itip: Itip, me: Self, sender: str, now: int) -> Received:
    """What becomes of the mailbox's own item, if it has one of this UID, and what the message shows.

    ``sender`` is the address that the message is believed to come from. Never raises: what can not be carried out is IGNORED. An
    item that is given keeps to the contract's limits.
    """
    handler = _METHODS.get(itip.method) if itip.kind == ITEM_KIND_APPOINTMENT else None
    try:
        outcome = handler(stored, itip, me, sender, now) if handler is not None else _Outcome(_IGNORED)
        if outcome.item is not None:
            validation.validate_item(outcome.item.summary, outcome.item.content)
    except RookeryError:
        outcome = _Outcome(_IGNORED)
    return Received(outcome.effect, outcome.item, outcome.home, _shown(itip, sender, outcome))


def _request(stored: Item | None, itip: Itip, me: Self, sender: str, now: int) -> _Outcome:
    """REQUEST and CANCEL."""
    if not itip.organizer.address or me.owns(itip.organizer.address):
        return _Outcome(_IGNORED)
    if stored is None:
        if itip.method == _CANCEL and not _speaks_for(itip.organizer.address, itip, sender):
            return _Outcome(_IGNORED)
    elif not _is_copy(stored, itip, sender):
        return _Outcome(_IGNORED)
    told = copies.tell(stored, itip, me, now)
    if told.item is None:
        return _Outcome(_OUTDATED)
    return _Outcome(_APPLIED, told.item, _home(stored, told.item, asked=told.asked))


def _home(stored: Item | None, item: Item, *, asked: bool) -> Home:
    appointment = item.summary.appointment
    if not _stands(item) or (stored is None and appointment.my_response == tracking.DECLINED):
        return Home.DELETED
    return Home.CALENDAR if asked and appointment.my_response != tracking.DECLINED else Home.KEEP


def _stands(item: Item) -> bool:
    """Whether anything of the meeting takes place."""
    appointment = item.summary.appointment
    if appointment.status == CANCELLED:
        return False
    if not copies.is_alone(item):
        return True
    timeline = Timeline(appointment)
    dates = {timeline.point(date) for date in appointment.recurrence.dates}
    return any(point not in timeline.exceptions or not timeline.exceptions[point].cancelled for point in dates)


def _add(stored: Item | None, itip: Itip, me: Self, sender: str, now: int) -> _Outcome:
    """ADD (RFC 5546 section 3.2.4): one occurrence more.

    Of a meeting that is not known there is nothing that it could be added to.
    """
    del now
    whole = itip.whole
    if stored is None or whole is None or not _is_copy(stored, itip, sender) or me.owns(itip.organizer.address):
        return _Outcome(_IGNORED)
    timeline = Timeline(stored.summary.appointment)
    start = whole.item.summary.appointment.start
    point = timeline.point(start)
    if point is None or len(stored.summary.appointment.recurrence.dates) >= limits.DATES:
        return _Outcome(_IGNORED)
    if whole.version <= versions.of_occurrence(stored, point, timeline):
        return _Outcome(_OUTDATED)
    after = Item()
    after.CopyFrom(stored)
    if not timeline.gives(point):
        after.summary.appointment.recurrence.dates.append(timeline.time(point))
    known = versions.of_occurrences(after.content.appointment.meeting, timeline)
    versions.keep_occurrences(after.content.appointment.meeting, timeline, known | {point: whole.version})
    clipping.clip(after)
    return _Outcome(_APPLIED, after)


def _decline_counter(stored: Item | None, itip: Itip, me: Self, sender: str, now: int) -> _Outcome:
    """DECLINECOUNTER (RFC 5546 section 3.2.8): the proposal is off, the answer that came with it stands."""
    del now
    if stored is None or not _is_copy(stored, itip, sender):
        return _Outcome(_IGNORED)
    own = people.own(stored.content.appointment.attendees, me)
    if own is None or not own.HasField("proposed_start"):
        return _Outcome(_APPLIED)
    after = Item()
    after.CopyFrom(stored)
    own = people.own(after.content.appointment.attendees, me) or own
    own.ClearField("proposed_start")
    own.ClearField("proposed_end")
    return _Outcome(_APPLIED, after)


def _answer(stored: Item | None, itip: Itip, me: Self, sender: str, now: int) -> _Outcome:
    """REPLY and COUNTER: recorded on the organiser's item, and nowhere else."""
    if stored is None or not me.owns(stored.summary.appointment.organizer.address):
        return _Outcome(_IGNORED)
    if stored.summary.appointment.my_response not in {tracking.UNSPECIFIED, calendar_pb2.RESPONSE_STATUS_ORGANIZER}:
        return _Outcome(_IGNORED)
    after = Item()
    after.CopyFrom(stored)
    recorder = Recorder(after)
    effects = set()
    for part in sorted(itip.parts, key=lambda each: each.occurrence is None):
        answer = _answer_of(part, itip, sender, now)
        if answer is not None and not me.owns(answer.person.address):
            effects.add(recorder.record(answer, part.occurrence, part.version.sequence))
    if _APPLIED in effects:
        recorder.close()
        return _Outcome(_APPLIED, after)
    return _Outcome(_OUTDATED if _OUTDATED in effects else _IGNORED)


def _answer_of(part: Part, itip: Itip, sender: str, now: int) -> Attendee | None:
    """The sender's answer in a part, with when it was given; None if there is none.

    By a clock that is more than a day ahead it was given now: once that clock is right, their answers would all be too old.
    """
    speaker = _speaker(part, itip, sender)
    if speaker is None:
        return None
    response = speaker.response
    if itip.method == _COUNTER and response not in tracking.ANSWERED:
        response = calendar_pb2.RESPONSE_STATUS_TENTATIVE
    if response not in tracking.ANSWERED:
        return None
    answer = Attendee(person=speaker.person, response=response, comment=part.comment)
    given = part.version.stamp
    answer.responded.FromMicroseconds(given if given <= now + calendar_time.DAY else now)
    times = part.item.summary.appointment
    if itip.method == _COUNTER and part is itip.parts[0] and times.start.local:
        answer.proposed_start.CopyFrom(times.start)
        answer.proposed_end.CopyFrom(times.end if times.HasField("end") else times.start)
    clipping.clip_attendee(answer)
    return answer


def _speaker(part: Part, itip: Itip, sender: str) -> Attendee | None:
    """Whom a part of an answer is from: of several attendees the sender; of one only that one, or who may speak for them."""
    attendees = part.item.content.appointment.attendees
    found = people.find(attendees, sender)
    if found is None and len(attendees) == 1 and _speaks_for(attendees[0].person.address, itip, sender):
        found = attendees[0]
    return found


def _is_copy(stored: Item, itip: Itip, sender: str) -> bool:
    """Whether an item is a copy of this organiser's meeting, and the sender may speak of that."""
    appointment = stored.summary.appointment
    organizer = appointment.organizer.address
    if appointment.my_response == calendar_pb2.RESPONSE_STATUS_ORGANIZER or not organizer:
        return False
    return people.is_same(organizer, itip.organizer.address) and _speaks_for(organizer, itip, sender)


def _speaks_for(address: str, itip: Itip, sender: str) -> bool:
    """Whether a sender is who an address belongs to, or speaks for them: which anybody could say, so only of the same domain."""
    if people.is_same(address, sender):
        return True
    domains = {each.rpartition("@")[2].casefold() for each in (address, sender)}
    return bool(itip.sent_by) and people.is_same(itip.sent_by, sender) and len(domains) == 1 and "" not in domains


def _shown(itip: Itip, sender: str, outcome: _Outcome) -> SchedulingMessage:
    """What the message shows of itself."""
    part = itip.parts[0]
    appointment = part.item.summary.appointment
    shown = SchedulingMessage(method=itip.method, effect=outcome.effect, version=part.version.record())
    shown.location = appointment.location[: limits.LOCATION]
    shown.comment = next((each.comment for each in itip.parts if each.comment), "")
    who: Person = itip.organizer
    speaker = _speaker(part, itip, sender) if itip.method in people.ANSWERS else None
    if speaker is not None:
        who = speaker.person
        shown.response = speaker.response
    author: Person = getattr(shown, "from")
    author.CopyFrom(who)
    if part.occurrence is not None and calendar_time.wall(part.occurrence) is not None:
        shown.occurrence.CopyFrom(part.occurrence)
    if appointment.start.local:
        is_forwards = appointment.HasField("end") and not calendar_time.before(appointment.end, appointment.start)
        shown.start.CopyFrom(appointment.start)
        shown.end.CopyFrom(appointment.end if is_forwards else appointment.start)
    return shown


_METHODS: dict[SchedulingMethod.ValueType, Callable[[Item | None, Itip, Self, str, int], _Outcome]] = {
    scheduling_pb2.SCHEDULING_METHOD_REQUEST: _request,
    _CANCEL: _request,
    scheduling_pb2.SCHEDULING_METHOD_REPLY: _answer,
    _COUNTER: _answer,
    scheduling_pb2.SCHEDULING_METHOD_DECLINE_COUNTER: _decline_counter,
    scheduling_pb2.SCHEDULING_METHOD_ADD: _add,
}
