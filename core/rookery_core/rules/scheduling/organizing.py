"""What an organiser tells the attendees: invitations, updates, cancellations (RFC 5546 sections 3.2.2 and 3.2.5).

One counter numbers all that is told of a meeting, whole or occurrence, so that any two messages about it can be put in order.
Whoever is told learns what they do not know yet; nobody gets a message that says nothing new to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.calendar_pb2 import (
    ATTENDEE_ROLE_INFORMATION,
    RESPONSE_STATUS_ORGANIZER,
    RESPONSE_STATUS_UNSPECIFIED,
    Attendee,
    OccurrenceException,
    SentMeeting,
)
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item
from rookery.v1.scheduling_pb2 import SCHEDULING_METHOD_CANCEL, SCHEDULING_METHOD_REQUEST
from rookery_core.errors import FailedPrecondition
from rookery_core.rules import checks
from rookery_core.rules.scheduling import people, told, tracking, versions, wording
from rookery_core.rules.scheduling.itip import COMMENT, Letter, Sending, Version
from rookery_core.rules.scheduling.occurrences import Timeline
from rookery_core.rules.scheduling.told import CANCELLED, Changes

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery.v1.person_pb2 import Person
    from rookery.v1.scheduling_pb2 import SchedulingMethod
    from rookery_core.rules.scheduling.itip import Part, Self

_SINGLY = 30
"""Occurrences that are told of by themselves; of more than that the whole series is told anew."""
_OWN = frozenset({RESPONSE_STATUS_UNSPECIFIED, RESPONSE_STATUS_ORGANIZER})


def is_mine(item: Item, me: Self) -> bool:
    """Whether one is the organiser of an appointment, or may become it: it is nobody else's."""
    appointment = item.summary.appointment
    organizer = appointment.organizer.address
    return item.summary.kind == ITEM_KIND_APPOINTMENT and appointment.my_response in _OWN and (not organizer or me.owns(organizer))


def send(item: Item, me: Self, now: int, comment: str = "") -> Sending:
    """Tells the attendees what they do not know yet. The item itself, and no letters, where they know all.

    FailedPrecondition ``NOT_ORGANIZER``; InvalidArgument ``FIELD_INVALID`` for a comment that is too long.
    """
    _require_mine(item, me, comment)
    if item.summary.appointment.status == CANCELLED:
        return _call_off(item, comment, now)
    after = _organized(item, me)
    invited = [each for each in after.content.appointment.attendees if each.person.address]
    return _tell(item, after, told.snapshot(after, invited), now, comment)


def cancel(item: Item, occurrence: CalendarTime | None, me: Self, now: int, comment: str = "") -> Sending:
    """Calls a meeting off, or one occurrence of it, and tells those who were invited.

    Nothing else of what they do not know yet is told, unless the meeting has another time or rule than they know.
    FailedPrecondition ``NOT_ORGANIZER``; InvalidArgument ``NOT_AN_OCCURRENCE``, ``FIELD_INVALID``.
    """
    _require_mine(item, me, comment)
    after = Item()
    after.CopyFrom(item)
    appointment = after.summary.appointment
    if occurrence is None:
        appointment.status = CANCELLED
        return _call_off(item if after == item else after, comment, now)
    timeline = Timeline(appointment)
    point = timeline.require(occurrence)
    gone = timeline.exceptions.get(point) or appointment.exceptions.add(original_start=timeline.time(point))
    gone.CopyFrom(OccurrenceException(original_start=gone.original_start, cancelled=True))
    sent = after.content.appointment.meeting.sent
    if not sent.attendees:
        return Sending(item if after == item else after, ())
    if not told.is_same_course(sent.appointment, appointment):
        return send(after, me, now, comment)
    target = SentMeeting()
    target.CopyFrom(sent)
    known = Timeline(target.appointment).exceptions.get(point)
    (known or target.appointment.exceptions.add()).CopyFrom(gone)
    return _tell(item if after == item else after, after, target, now, comment)


def _require_mine(item: Item, me: Self, comment: str) -> None:
    checks.no_longer(comment, COMMENT, "comment")
    if not is_mine(item, me):
        message = "only the organizer of a meeting can do this: the item is no appointment, or somebody else's meeting"
        raise FailedPrecondition("NOT_ORGANIZER", message, field="item_id")


def _organized(item: Item, me: Self) -> Item:
    """The item as the owner's meeting, with each attendee once, and without the owner among them."""
    after = Item()
    after.CopyFrom(item)
    appointment, attendees = after.summary.appointment, after.content.appointment.attendees
    appointment.my_response = RESPONSE_STATUS_ORGANIZER
    if not appointment.organizer.address:
        appointment.organizer.CopyFrom(me.person)
    others = people.others(attendees, me)
    if len(others) < len(attendees):
        people.replace(attendees, others)
    return after


class _Audience(NamedTuple):
    """Whom there is something to tell."""

    invited: list[Attendee]
    """All who are on the list now."""
    known: tuple[Person, ...]
    """Those of them who were invited before."""
    new: tuple[Person, ...]
    gone: tuple[Person, ...]
    """Those who were invited before, and are not on the list any more."""
    is_back: bool
    """Some of the new were on the list before, were taken off and put back, and never heard of it."""


def _audience(after: Item, sent: SentMeeting, target: SentMeeting) -> _Audience:
    """Who was told has an answer, be it none yet: an entry without one is not the one that was told of."""
    back = {people.key(each.person) for each in after.content.appointment.attendees if not each.response}
    told_before = {people.key(person): person for person in sent.attendees}
    before = {key: person for key, person in told_before.items() if key not in back}
    now = {people.key(person): person for person in target.attendees}
    invited = [each for each in after.content.appointment.attendees if people.key(each.person) in now]
    known = tuple(person for key, person in now.items() if key in before)
    new = tuple(person for key, person in now.items() if key not in before)
    gone = tuple(person for key, person in before.items() if key not in now)
    return _Audience(invited, known, new, gone, len(before) < len(told_before))


def _tell(item: Item, after: Item, target: SentMeeting, now: int, comment: str) -> Sending:
    """Tells of ``target`` what those concerned do not know. Makes ``after``, the item as it is now, what the letters say it is."""
    content = after.content.appointment
    state = content.meeting
    is_first = not state.HasField("sent")
    sent = SentMeeting()
    sent.CopyFrom(state.sent)
    audience = _audience(after, sent, target)
    changes = Changes(whole=True, anew=True) if is_first or not sent.attendees else told.compare(sent, target)
    if not audience.new and not audience.gone and not (audience.known and changes.any):
        return Sending(item, ())
    version = _next(after, now, 0 if is_first else _steps(after, audience, changes))
    _welcome(after, audience, version)
    _ask(after, sent, changes, version)
    state.sent.CopyFrom(target)
    state.sent.version.CopyFrom(version.record())
    state.sent.appointment.sequence = version.sequence if changes.anew else sent.appointment.sequence
    after.summary.appointment.sequence = version.sequence
    return Sending(after, tuple(_letters(after, audience, changes, version, comment)))


def _steps(after: Item, audience: _Audience, changes: Changes) -> int:
    """By how much the sequence is raised.

    Of those who are new some may have been on the list before, and may have answered: a sequence that is left out tells them that
    they are asked anew, whether or not they have heard that they were taken off.
    """
    state = after.content.appointment.meeting
    if audience.is_back:
        return 2
    is_revived = state.sent.appointment.status == CANCELLED
    invites_again = bool(audience.new) and state.HasField("version") and state.version.sequence >= _last(after).sequence
    return int(changes.raises or is_revived or bool(audience.gone) or invites_again)


def _last(item: Item) -> Version:
    """The greatest version that anybody was told of."""
    state = item.content.appointment.meeting
    told_of = Version.of(state.sent.version)
    return Version(max(told_of.sequence, item.summary.appointment.sequence), told_of.stamp)


def _next(item: Item, now: int, steps: int) -> Version:
    last = _last(item)
    return Version(last.sequence + steps, versions.later(now, last.stamp))


def _welcome(after: Item, audience: _Audience, version: Version) -> None:
    """New attendees have not answered, and are asked to if the meeting asks; those who are gone are forgotten."""
    content = after.content.appointment
    new = {people.key(person) for person in audience.new}
    for attendee in content.attendees:
        if people.key(attendee.person) in new:
            tracking.ask(attendee, version.stamp)
            wanted = after.summary.appointment.response_requested and attendee.role != ATTENDEE_ROLE_INFORMATION
            attendee.response_requested = attendee.response_requested or wanted
    tracking.forget(content, map(people.key, (*audience.new, *audience.gone)))
    if audience.gone:
        content.meeting.version.CopyFrom(version.record())


def _ask(after: Item, sent: SentMeeting, changes: Changes, version: Version) -> None:
    content, timeline = after.content.appointment, Timeline(after.summary.appointment)
    if changes.anew:
        is_same = told.is_same_course(sent.appointment, after.summary.appointment)
        tracking.ask_all(content, version, timeline if is_same else None)
    else:
        tracking.ask_about(content, timeline, dict.fromkeys(changes.asked, version), changes.off)


def _letters(after: Item, audience: _Audience, changes: Changes, version: Version, comment: str) -> list[Letter]:
    """One for all who are told the same. Nobody is told twice."""
    letters = []

    def letter(method: SchedulingMethod.ValueType, parts: list[Part], to: tuple[Person, ...]) -> None:
        if to and parts:
            is_update = method == SCHEDULING_METHOD_REQUEST and to is audience.known
            letters.append(Letter(wording.message(after, method, parts), to, is_update))

    def whole() -> list[Part]:
        explained = {*changes.changed, *tracking.in_doubt(after.content.appointment, Timeline(after.summary.appointment))}
        return wording.whole(after, audience.invited, version, comment, also=explained)

    if changes.whole or len(changes.changed) + len(changes.off) > _SINGLY:
        everything = whole()
        letter(SCHEDULING_METHOD_REQUEST, everything, audience.known)
        letter(SCHEDULING_METHOD_REQUEST, everything, audience.new)
    else:
        some = wording.some(after, audience.invited, dict.fromkeys(changes.changed, version), comment)
        letter(SCHEDULING_METHOD_REQUEST, some, audience.known)
        if changes.off:
            gone = wording.off(after, audience.invited, version, changes.off, comment)
            letter(SCHEDULING_METHOD_CANCEL, gone, audience.known)
        if audience.new:
            letter(SCHEDULING_METHOD_REQUEST, whole(), audience.new)
    if audience.gone:
        listed = [_entry(person) for person in audience.gone]
        letter(SCHEDULING_METHOD_CANCEL, wording.off(after, listed, version, (), comment), audience.gone)
    return letters


def _entry(person: Person) -> Attendee:
    return Attendee(person=person)


def _call_off(item: Item, comment: str, now: int) -> Sending:
    """Tells everybody who was invited that it is off, once."""
    sent = item.content.appointment.meeting.sent
    if not sent.attendees:
        return Sending(item, ())
    after = Item()
    after.CopyFrom(item)
    version = _next(after, now, 1)
    after.summary.appointment.sequence = version.sequence
    to = tuple(sent.attendees)
    state = after.content.appointment.meeting.sent
    state.version.CopyFrom(version.record())
    state.appointment.status = CANCELLED
    state.ClearField("attendees")
    parts = wording.off(after, [_entry(person) for person in to], version, (), comment)
    return Sending(after, (Letter(wording.message(after, SCHEDULING_METHOD_CANCEL, parts), to),))
