"""Meetings: inviting, answering, calling off, forwarding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from rookery.v1 import meeting_service_pb2 as messages
from rookery_core.rules.scheduling import requests
from rookery_server.services.items import item_packing
from rookery_server.services.scheduling import meeting_changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.operations import Operations
    from rookery_server.services.scheduling.meeting_changes import Told

Request = TypeVar(
    "Request",
    messages.SendMeetingRequest,
    messages.RespondToMeetingRequest,
    messages.CancelMeetingRequest,
    messages.ForwardMeetingRequest,
)


class MeetingService:
    """Carries out the calls of ``rookery.v1.MeetingService``.

    ``wake`` is called after each commit that may give the queue of outgoing mail something to do.
    """

    def __init__(self, operations: Operations, *, wake: Callable[[], None]) -> None:
        self._operations = operations
        self._wake = wake

    async def send_meeting(self, caller: Caller, request: messages.SendMeetingRequest) -> bytes:
        """Tells the attendees what they do not know yet; the encoded SendMeetingResponse."""
        requests.check_send(request)

        def work(change: MailboxChange) -> messages.SendMeetingResponse:
            told = meeting_changes.send(change, request)
            return messages.SendMeetingResponse(**_answer(change, told))

        return await self._run(caller, request, "meeting.send", work)

    async def respond_to_meeting(self, caller: Caller, request: messages.RespondToMeetingRequest) -> bytes:
        """Answers an invitation; the encoded RespondToMeetingResponse."""
        requests.check_respond(request)

        def work(change: MailboxChange) -> messages.RespondToMeetingResponse:
            told = meeting_changes.respond(change, request, meeting_changes.invitation(change, request.item_id))
            return messages.RespondToMeetingResponse(**_answer(change, told))

        return await self._run(caller, request, "meeting.respond", work)

    async def cancel_meeting(self, caller: Caller, request: messages.CancelMeetingRequest) -> bytes:
        """Calls a meeting off, or one occurrence; the encoded CancelMeetingResponse."""
        requests.check_cancel(request)

        def work(change: MailboxChange) -> messages.CancelMeetingResponse:
            told = meeting_changes.cancel(change, request)
            return messages.CancelMeetingResponse(**_answer(change, told))

        return await self._run(caller, request, "meeting.cancel", work)

    async def forward_meeting(self, caller: Caller, request: messages.ForwardMeetingRequest) -> bytes:
        """Invites further people; the encoded ForwardMeetingResponse."""
        requests.check_forward(request)

        def work(change: MailboxChange) -> messages.ForwardMeetingResponse:
            told = meeting_changes.forward(change, request)
            return messages.ForwardMeetingResponse(submissions=told.submissions, revision=change.current_revision)

        return await self._run(caller, request, "meeting.forward", work)

    async def _run(self, caller: Caller, request: Request, name: str, work: Callable[[MailboxChange], Message]) -> bytes:
        try:
            return await self._operations.on_mailbox(caller, request.mailbox_id, request.operation_id, name, request, work)
        finally:  # whoever hangs up meanwhile may have sent something
            self._wake()


def _answer(change: MailboxChange, told: Told) -> dict[str, Any]:
    """What the answers have in common."""
    return {"item": item_packing.unpack(told.row), "submissions": told.submissions, "revision": change.current_revision}
