"""Meetings: inviting, answering, calling off, forwarding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import meeting_service_pb2 as pb
from rookery.v1.meeting_service_pb2_grpc import MeetingServiceStub

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.calendar_pb2 import CalendarTime, ResponseStatus
    from rookery.v1.person_pb2 import Person
    from rookery_client.connection import Connection


class Meetings:
    """The MeetingService. Otherwise meetings are appointments: ``items`` creates and changes them, ``calendar`` splits a series.

    An `occurrence` is named by its ``original_start``: the start that the rule gave it. Left out, the whole meeting is meant.
    InvalidArgument ``NOT_AN_OCCURRENCE`` if the meeting has none such; NotFound ``ITEM_NOT_FOUND``.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = MeetingServiceStub(connection.channel)

    async def send(self, item_id: bytes, *, comment: str = "", etag: int = 0, mailbox_id: bytes = b"") -> pb.SendMeetingResponse:
        """Tells the attendees what they do not know yet; nothing is sent where that is nothing.

        `etag`: the content_revision that is meant; Stale ``STALE_ETAG``. FailedPrecondition ``NOT_ORGANIZER``.
        """
        request = pb.SendMeetingRequest(
            mailbox_id=mailbox_id, operation_id=self._connection.ids.new(), item_id=item_id, etag=etag, comment=comment
        )
        return await self._connection.unary(self._stub.SendMeeting, request)

    async def respond(
        self,
        item_id: bytes,
        response: ResponseStatus.ValueType,
        *,
        occurrence: CalendarTime | None = None,
        comment: str = "",
        proposed: tuple[CalendarTime, CalendarTime] | None = None,
        silent: bool = False,
        mailbox_id: bytes = b"",
    ) -> pb.RespondToMeetingResponse:
        """Answers an invitation: TENTATIVE, ACCEPTED or DECLINED. The item is the appointment, or the message that invited.

        `proposed`: another time, from and to, with TENTATIVE or DECLINED. `silent` tells the organiser nothing. FailedPrecondition
        ``NOT_INVITED``, ``COUNTER_DISALLOWED``.
        """
        start, end = proposed or (None, None)
        request = pb.RespondToMeetingRequest(
            mailbox_id=mailbox_id,
            operation_id=self._connection.ids.new(),
            item_id=item_id,
            occurrence=occurrence,
            response=response,
            comment=comment,
            proposed_start=start,
            proposed_end=end,
            silent=silent,
        )
        return await self._connection.unary(self._stub.RespondToMeeting, request)

    async def cancel(
        self, item_id: bytes, *, occurrence: CalendarTime | None = None, comment: str = "", mailbox_id: bytes = b""
    ) -> pb.CancelMeetingResponse:
        """Calls a meeting off, or one occurrence, and tells those who were invited. FailedPrecondition ``NOT_ORGANIZER``."""
        request = pb.CancelMeetingRequest(
            mailbox_id=mailbox_id,
            operation_id=self._connection.ids.new(),
            item_id=item_id,
            occurrence=occurrence,
            comment=comment,
        )
        return await self._connection.unary(self._stub.CancelMeeting, request)

    async def forward(
        self, item_id: bytes, to: Sequence[Person], *, comment: str = "", mailbox_id: bytes = b""
    ) -> pb.ForwardMeetingResponse:
        """Invites further people, at most 100, in the organiser's name. The item is the appointment, or the message that invited.

        FailedPrecondition ``NOT_INVITED`` for what is no meeting.
        """
        request = pb.ForwardMeetingRequest(
            mailbox_id=mailbox_id, operation_id=self._connection.ids.new(), item_id=item_id, to=to, comment=comment
        )
        return await self._connection.unary(self._stub.ForwardMeeting, request)
