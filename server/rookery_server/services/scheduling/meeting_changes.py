"""What people do with meetings, inside the transaction: MeetingService and Push come through here.

The rules of ``rookery_core.rules.scheduling`` say what becomes of the item and who is told; here it is read, written and posted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rookery.v1 import item_pb2
from rookery.v1.calendar_pb2 import RESPONSE_STATUS_DECLINED
from rookery.v1.item_pb2 import ItemSummary
from rookery_core.errors import FailedPrecondition
from rookery_core.rules.scheduling import answering, organizing, requests
from rookery_core.rules.scheduling.receiving import Home
from rookery_server.services.items import item_updates
from rookery_server.services.items.item_reading import require_item
from rookery_server.services.scheduling import keeping, posting
from rookery_server.store import items

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery.v1.item_pb2 import Item
    from rookery.v1.meeting_service_pb2 import (
        CancelMeetingRequest,
        ForwardMeetingRequest,
        RespondToMeetingRequest,
        SendMeetingRequest,
    )
    from rookery.v1.submission_pb2 import Submission
    from rookery_core.rules.scheduling.itip import Self, Sending
    from rookery_server.services.change import MailboxChange
    from rookery_server.store.items import PackedRow


class Told(NamedTuple):
    """What became of a meeting."""

    row: PackedRow
    """The appointment."""
    submissions: list[Submission]
    """What was sent."""


def send(change: MailboxChange, request: SendMeetingRequest) -> Told:
    """Tells the attendees what they do not know yet. Errors as the contract has them of SendMeeting.

    InvalidArgument ``ADDRESS_INVALID`` with the path of the first attendee to whom no mail can be sent.
    """
    row = _organized(change, request.item_id, request.etag)

    def rule(item: Item, owner: Self) -> Sending:
        for index, attendee in enumerate(item.content.appointment.attendees):
            if attendee.person.address:  # others are on the list for people to read
                requests.require_address(attendee.person, f"item.content.appointment.attendees[{index}].person")
        return organizing.send(item, owner, change.now, request.comment)

    return _carry_out(change, row, rule, Home.KEEP)


def cancel(change: MailboxChange, request: CancelMeetingRequest) -> Told:
    """Calls a meeting off, or one occurrence. Errors as the contract has them of CancelMeeting."""
    row = _organized(change, request.item_id, 0)
    occurrence = _time(request, "occurrence")

    def rule(item: Item, owner: Self) -> Sending:
        return organizing.cancel(item, occurrence, owner, change.now, request.comment)

    return _carry_out(change, row, rule, Home.DELETED if occurrence is None else Home.KEEP)


def respond(change: MailboxChange, request: RespondToMeetingRequest, row: PackedRow, *, edited: int | None = None) -> Told:
    """Answers an invitation, which ``invitation`` has found. Errors as the contract has them of RespondToMeeting.

    Who answers otherwise than by declining wants to see it in the calendar, wherever it lay. ``edited``: when it was answered, in
    microseconds, if not now.
    """
    occurrence, start, end = (_time(request, name) for name in ("occurrence", "proposed_start", "proposed_end"))
    declined = request.response == RESPONSE_STATUS_DECLINED
    home = Home.CALENDAR
    if declined:
        home = Home.DELETED if occurrence is None else Home.KEEP
    if home is Home.KEEP:
        item_updates.require_editable(row, 0)

    def rule(item: Item, owner: Self) -> Sending:
        return answering.respond(
            item,
            occurrence,
            request.response,
            owner,
            change.now,
            comment=request.comment,
            proposed=None if start is None or end is None else (start, end),
            silent=request.silent,
        )

    return _carry_out(change, row, rule, home, edited=edited)


def forward(change: MailboxChange, request: ForwardMeetingRequest) -> Told:
    """Invites further people. Errors as the contract has them of ForwardMeeting."""
    row = invitation(change, request.item_id)
    item_updates.require_editable(row, 0)

    def rule(item: Item, owner: Self) -> Sending:
        return answering.forward(item, list(request.to), owner, change.now, request.comment)

    return _carry_out(change, row, rule, Home.KEEP)


def invitation(change: MailboxChange, item_id: bytes) -> PackedRow:
    """The appointment that is named, by itself or by the message that told of it; live or recoverable.

    NotFound ``ITEM_NOT_FOUND``; FailedPrecondition ``NOT_INVITED`` for what tells of none, or of one that is gone.
    """
    row = require_item(change.connection, change.mailbox.id, item_id)
    kind = _kind(row)
    if kind == item_pb2.ITEM_KIND_MESSAGE:
        message, _ = item_updates.read(change, row)
        about = message.content.message.scheduling.item_id
        found = items.packed(change.connection, change.mailbox.id, about) if about else None
        if found is not None:
            row, kind = found, _kind(found)
    if kind != item_pb2.ITEM_KIND_APPOINTMENT:
        message_text = "there is no meeting to this: it is no invitation, or the appointment is gone from your mailbox"
        raise FailedPrecondition("NOT_INVITED", message_text, field="item_id")
    return row


def _organized(change: MailboxChange, item_id: bytes, etag: int) -> PackedRow:
    """A live appointment. NotFound ``ITEM_NOT_FOUND``; FailedPrecondition ``NOT_ORGANIZER``, ``ITEM_NOT_LIVE``; Stale."""
    row = require_item(change.connection, change.mailbox.id, item_id)
    if _kind(row) != item_pb2.ITEM_KIND_APPOINTMENT:
        raise FailedPrecondition("NOT_ORGANIZER", "the item is no appointment: nobody can be invited to it", field="item_id")
    item_updates.require_editable(row, etag)
    return row


def _carry_out(
    change: MailboxChange, row: PackedRow, rule: Callable[[Item, Self], Sending], home: Home, *, edited: int | None = None
) -> Told:
    """Applies a rule to an item. Where it changes nothing, nothing is written, and no revision taken."""
    owner = posting.me(change.connection, change.mailbox.account_id)
    before, held = item_updates.read(change, row)
    sending = rule(before, owner)
    row = keeping.update(change, row, before, held, sending.item, home, edited=edited)
    return Told(row, posting.post(change, owner, sending.letters))


def _kind(row: PackedRow) -> int:
    return ItemSummary.FromString(row.summary).kind


def _time(request: Any, name: str) -> CalendarTime | None:
    return getattr(request, name) if request.HasField(name) else None
