"""What an attendee does with an invitation: answers it, proposes another time, hands it on (RFC 5546 section 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import calendar_pb2
from rookery.v1.calendar_pb2 import Attendee
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item
from rookery.v1.scheduling_pb2 import SCHEDULING_METHOD_REQUEST
from rookery_core.errors import FailedPrecondition, InvalidArgument
from rookery_core.rules import calendar_time, checks
from rookery_core.rules.scheduling import copies, organizing, people, showing, versions, wording
from rookery_core.rules.scheduling.itip import COMMENT, Letter, Part, Sending
from rookery_core.rules.scheduling.occurrences import Timeline
from rookery_core.rules.scheduling.replies import Reply
from rookery_core.rules.scheduling.told import CANCELLED
from rookery_core.rules.scheduling.tracking import UNSPECIFIED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.calendar_pb2 import CalendarTime, ResponseStatus
    from rookery.v1.person_pb2 import Person
    from rookery_core.rules.scheduling.itip import Self

_GIVEN = frozenset(
    {
        calendar_pb2.RESPONSE_STATUS_TENTATIVE,
        calendar_pb2.RESPONSE_STATUS_ACCEPTED,
        calendar_pb2.RESPONSE_STATUS_DECLINED,
    }
)
_NOT_ASKED = frozenset({UNSPECIFIED, calendar_pb2.RESPONSE_STATUS_ORGANIZER})


def respond(
    item: Item,
    occurrence: CalendarTime | None,
    response: ResponseStatus.ValueType,
    me: Self,
    now: int,
    *,
    comment: str = "",
    proposed: tuple[CalendarTime, CalendarTime] | None = None,
    silent: bool = False,
) -> Sending:
    """Answers an invitation, for all of it or one occurrence. A declined occurrence becomes a cancelled one of the copy.

    The organiser is told unless ``silent``, where an answer is asked for, and where the same was not answered to this version
    already. ``proposed``: another time, start and end. FailedPrecondition ``NOT_INVITED``, ``COUNTER_DISALLOWED``;
    InvalidArgument ``NOT_AN_OCCURRENCE``, ``FIELD_INVALID``.
    """
    checks.no_longer(comment, COMMENT, "comment")
    _require_invited(item)
    _require_answer(item, response, proposed)
    reply = Reply(item, me, now, proposed)
    reply.say(occurrence, response)
    return reply.told(comment, silent=silent)


def respond_each(
    item: Item,
    answers: Sequence[tuple[CalendarTime | None, ResponseStatus.ValueType]],
    me: Self,
    now: int,
    *,
    comment: str = "",
    silent: bool = False,
) -> Sending:
    """Answers several occurrences at once, and the whole (None) before them: with one letter, in time that grows with their number.

    Otherwise as ``respond``.
    """
    checks.no_longer(comment, COMMENT, "comment")
    _require_invited(item)
    reply = Reply(item, me, now)
    for occurrence, response in sorted(answers, key=lambda each: each[0] is not None):
        _require_answer(item, response, None)
        reply.say(occurrence, response)
    return reply.told(comment, silent=silent)


def forward(item: Item, to: Sequence[Person], me: Self, now: int, comment: str = "") -> Sending:
    """Invites further people: the organiser's own become attendees, an attendee's get the invitation as it came.

    FailedPrecondition ``NOT_INVITED``; InvalidArgument ``NO_RECIPIENTS``, ``FIELD_INVALID``.
    """
    checks.no_longer(comment, COMMENT, "comment")
    known = {people.key(item.summary.appointment.organizer)}
    guests = people.others((Attendee(person=person, response_requested=True) for person in to if person.address), me)
    guests = [each for each in guests if people.key(each.person) not in known]
    if not guests:
        raise InvalidArgument("NO_RECIPIENTS", "name somebody else with an address to forward the invitation to", field="to")
    if organizing.is_mine(item, me):
        return _invite(item, guests, me, now, comment)
    _require_invited(item)
    listed = people.others((*item.content.appointment.attendees, *guests), me)
    parts = _as_told(_intended(item), [*_own(item, me), *listed], comment)
    letter = Letter(wording.message(item, SCHEDULING_METHOD_REQUEST, parts), tuple(each.person for each in guests))
    return Sending(item, (letter,))


def _invite(item: Item, guests: list[Attendee], me: Self, now: int, comment: str) -> Sending:
    after = Item()
    after.CopyFrom(item)
    listed = {people.key(each.person) for each in item.content.appointment.attendees}
    for guest in guests:
        if people.key(guest.person) not in listed:
            guest.response_requested = item.summary.appointment.response_requested
            after.content.appointment.attendees.append(guest)
    return organizing.send(after, me, now, comment)


def _own(item: Item, me: Self) -> list[Attendee]:
    own = people.own(item.content.appointment.attendees, me)
    return [own] if own is not None else []


def _intended(copy: Item) -> Item:
    """A copy whose time shows as the organiser means it to."""
    found = Item()
    found.CopyFrom(copy)
    appointment = found.summary.appointment
    appointment.busy_status = showing.intended(copy)
    for exception in appointment.exceptions:
        exception.ClearField("busy_status")
    return found


def _as_told(copy: Item, listed: list[Attendee], comment: str) -> list[Part]:
    """A copy as it was told, each part in the version that the copy has of it."""
    timeline = Timeline(copy.summary.appointment)
    known = versions.of_occurrences(copy.content.appointment.meeting, timeline)
    if copies.is_alone(copy):
        return wording.some(copy, listed, known, comment)
    version = versions.of_occurrence(copy, None, timeline)
    parts = wording.whole(copy, listed, version, comment)
    points = (timeline.point(part.occurrence) if part.occurrence is not None else None for part in parts)
    return [
        Part(each.occurrence, known.get(point, version) if point else version, each.item, each.cancelled, each.comment)
        for each, point in zip(parts, points, strict=True)
    ]


def _require_invited(item: Item) -> None:
    appointment = item.summary.appointment
    if item.summary.kind != ITEM_KIND_APPOINTMENT or appointment.my_response in _NOT_ASKED:
        raise FailedPrecondition("NOT_INVITED", "the item is no invitation of somebody else's", field="item_id")
    if appointment.status == CANCELLED:
        raise FailedPrecondition("NOT_INVITED", "the meeting was called off: nobody is invited any more", field="item_id")


def _require_answer(item: Item, response: ResponseStatus.ValueType, proposed: tuple[CalendarTime, CalendarTime] | None) -> None:
    if response not in _GIVEN:
        raise checks.invalid("an invitation is accepted, accepted tentatively, or declined", "response")
    if proposed is None:
        return
    for time, name in zip(proposed, ("proposed_start", "proposed_end"), strict=True):
        calendar_time.validate(time, name)
    if not calendar_time.before(*proposed):
        raise checks.invalid("the proposed time ends after it begins", "proposed_end")
    if response == calendar_pb2.RESPONSE_STATUS_ACCEPTED:
        raise checks.invalid("who accepts proposes no other time: answer tentatively, or decline", "response")
    if item.summary.appointment.counters_disallowed:
        raise FailedPrecondition("COUNTER_DISALLOWED", "the organizer wants no other times proposed", field="proposed_start")
