"""A series cut in two, "this and following", as items: the second part is an appointment of its own, and so is its meeting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import (
    RESPONSE_STATUS_NONE,
    RESPONSE_STATUS_ORGANIZER,
)
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item
from rookery_core.errors import FailedPrecondition, InvalidArgument
from rookery_core.rules import records
from rookery_core.rules.recurrence import splitting
from rookery_core.rules.recurrence.recurring import Recurring
from rookery_core.rules.recurrence.starts import Budget
from rookery_core.rules.scheduling import organizing

if TYPE_CHECKING:
    import datetime as dt

    from rookery.v1.calendar_pb2 import Attendee, CalendarTime
    from rookery_core.rules.scheduling.itip import Self

_STARTS = 100_000
_AT = "at"


def part(item: Item, at: CalendarTime, new_item_id: bytes, me: Self) -> tuple[Item, Item]:
    """The series up to an occurrence, and another from there on, as summary and content; ``item`` is left as it is.

    The first keeps its id, its ``meeting_id``, and what its attendees were told. Of the second nobody was told yet: it has the id
    that is given, no folder, a ``meeting_id`` of its own, and no answers. FailedPrecondition ``NOT_A_SERIES``, ``NOT_ORGANIZER``;
    InvalidArgument ``NOT_AN_OCCURRENCE`` for what is none, and for the first; and what ``splitting.split`` raises.
    """
    appointment = item.summary.appointment
    if item.summary.kind != ITEM_KIND_APPOINTMENT or not (appointment.recurrence.rules or appointment.recurrence.dates):
        raise FailedPrecondition("NOT_A_SERIES", "only a series can be split: this is a single appointment", field="item_id")
    if not organizing.is_mine(item, me):
        raise FailedPrecondition("NOT_ORGANIZER", "only its organizer can split the series", field="item_id")
    recurring, point = _found(item, at)
    before, after = splitting.split(appointment, at, _AT)
    first, second = Item(), Item(id=new_item_id)
    first.CopyFrom(item)
    second.summary.CopyFrom(item.summary)
    second.content.CopyFrom(item.content)
    first.summary.appointment.CopyFrom(before)
    second.summary.appointment.CopyFrom(after)
    second.summary.appointment.ClearField("sequence")
    _keep_responses(first, recurring, point)
    second.content.appointment.ClearField("meeting")
    for attendee in second.content.appointment.attendees:
        _forget_answer(attendee)
    records.complete(second.summary, second.content, new_item_id)
    return first, second


def _found(item: Item, at: CalendarTime) -> tuple[Recurring, dt.datetime]:
    """The series, and the occurrence at which it is to be split."""
    try:
        recurring = Recurring(item.summary.appointment.start, item.summary.appointment.recurrence)
    except ValueError:
        raise FailedPrecondition("NOT_A_SERIES", "the appointment has no start that a series could have", field="item_id") from None
    point = recurring.point(at)
    if point is None or point <= recurring.first or not recurring.gives(point, Budget(_STARTS)):
        message = "a series is split at one of its occurrences, and not at the first: it has none such"
        raise InvalidArgument("NOT_AN_OCCURRENCE", message, field=_AT)
    return recurring, point


def _forget_answer(attendee: Attendee) -> None:
    if attendee.response != RESPONSE_STATUS_ORGANIZER:
        attendee.response = RESPONSE_STATUS_NONE
    for name in ("responded", "comment", "proposed_start", "proposed_end"):
        attendee.ClearField(name)


def _keep_responses(first: Item, recurring: Recurring, point: dt.datetime) -> None:
    """Answers for occurrences that the first part has not any more say nothing of the new meeting."""
    meeting = first.content.appointment.meeting
    points = ((each, recurring.point(each.original_start)) for each in meeting.occurrence_responses)
    kept = [each for each, original in points if original is not None and original < point]
    if len(kept) < len(meeting.occurrence_responses):
        del meeting.occurrence_responses[:]
        meeting.occurrence_responses.extend(kept)
