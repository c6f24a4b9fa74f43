"""What an attendee's copy takes over of the whole meeting, and whether its owner's answer stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import BUSY_STATUS_BUSY, BUSY_STATUS_UNSPECIFIED, AppointmentSummary
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT
from rookery_core.rules.scheduling import people, showing, tracking
from rookery_core.rules.scheduling.tracking import ANSWERED, NONE

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import OccurrenceException, ResponseStatus
    from rookery.v1.item_pb2 import Item
    from rookery_core.rules.scheduling.itip import Itip, Part, Self, Version


def follow(copy: Item, part: Part, itip: Itip, me: Self) -> None:
    """Makes a copy say what the organiser says; answer, busy status, reminder, private mark and categories stay its owner's.

    A copy that was empty takes the private mark over. Exceptions are left out.
    """
    theirs, mine = part.item.summary, copy.summary
    kept = AppointmentSummary()
    kept.CopyFrom(mine.appointment)
    if not mine.kind:
        mine.kind = ITEM_KIND_APPOINTMENT
        mine.sensitivity = theirs.sensitivity
    mine.subject = theirs.subject
    mine.importance = theirs.importance
    appointment = mine.appointment
    appointment.CopyFrom(theirs.appointment)
    appointment.ClearField("exceptions")
    appointment.ClearField("reminder_minutes")
    if kept.HasField("reminder_minutes"):
        appointment.reminder_minutes = kept.reminder_minutes
    appointment.my_response = kept.my_response
    appointment.busy_status = kept.busy_status
    copy.content.appointment.meeting.intended_busy_status = theirs.appointment.busy_status or BUSY_STATUS_BUSY
    appointment.organizer.CopyFrom(itip.organizer)
    appointment.meeting_id = itip.uid
    appointment.sequence = part.version.sequence
    copy.content.body.Clear()
    copy.content.body.text = part.item.content.body.text
    told = part.item.content.appointment.attendees
    own = people.own(told, me)
    if own is not None:
        appointment.response_requested = own.response_requested
    people.replace(copy.content.appointment.attendees, [people.shown(each) for each in told])


def greet(copy: Item, told: Item, me: Self) -> None:
    """The owner hears of the meeting for the first time.

    An answer that the organiser has already counts: it was given elsewhere.
    """
    appointment = copy.summary.appointment
    appointment.my_response = said(told, me) or NONE
    appointment.busy_status = showing.usual(copy)


def said(told: Item, me: Self) -> ResponseStatus.ValueType:
    """What the organiser has as the owner's answer: NONE, or UNSPECIFIED where the owner is not on the list."""
    own = people.own(told.content.appointment.attendees, me)
    if own is None:
        return tracking.UNSPECIFIED
    return own.response if own.response in ANSWERED else NONE


def is_asked_between(known: Version | None, version: Version, answer: ResponseStatus.ValueType) -> bool:
    """Whether a message may be missing that asked anew: others went before, and the organiser has no answer."""
    return known is not None and version.sequence > known.sequence + 1 and answer == NONE


def answer(was: Item, copy: Item, me: Self, *, asks: bool) -> None:
    """Lets the owner's answer stand, or asks for another. It is only ever the owner who gives one."""
    appointment = copy.summary.appointment
    if asks:
        appointment.my_response = NONE
    else:
        own, answered = (people.own(each.content.appointment.attendees, me) for each in (copy, was))
        if own is not None and answered is not None:
            tracking.copy_answer(answered, own)
    if asks or _knows_intention(was):
        appointment.busy_status = showing.follow(appointment.busy_status, showing.usual(was), showing.usual(copy))


def show_answered(exception: OccurrenceException, was: Item, copy: Item) -> None:
    """An occurrence that was answered by itself shows as that answer has it, whatever has become of the series."""
    response = exception.my_response
    if not response or not _knows_intention(was):
        return
    before, after = (showing.showing(response, showing.intended(each)) for each in (was, copy))
    shown = showing.follow(exception.busy_status or was.summary.appointment.busy_status, before, after)
    exception.busy_status = shown if shown != copy.summary.appointment.busy_status else BUSY_STATUS_UNSPECIFIED


def _knows_intention(copy: Item) -> bool:
    """Whether a copy tells what the organiser intends from what its owner chose."""
    return bool(copy.content.appointment.meeting.intended_busy_status)
