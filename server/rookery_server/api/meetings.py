"""``rookery.v1.MeetingService``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rookery.v1 import meeting_service_pb2
    from rookery_server.api.context import Call
    from rookery_server.services.scheduling.meetings import MeetingService


class MeetingServicer:
    """Hands each call to the service that carries it out."""

    def __init__(self, service: MeetingService) -> None:
        self._service = service

    async def send_meeting(self, request: meeting_service_pb2.SendMeetingRequest, call: Call) -> bytes:
        """SendMeeting."""
        return await self._service.send_meeting(call.caller, request)

    async def respond_to_meeting(self, request: meeting_service_pb2.RespondToMeetingRequest, call: Call) -> bytes:
        """RespondToMeeting."""
        return await self._service.respond_to_meeting(call.caller, request)

    async def cancel_meeting(self, request: meeting_service_pb2.CancelMeetingRequest, call: Call) -> bytes:
        """CancelMeeting."""
        return await self._service.cancel_meeting(call.caller, request)

    async def forward_meeting(self, request: meeting_service_pb2.ForwardMeetingRequest, call: Call) -> bytes:
        """ForwardMeeting."""
        return await self._service.forward_meeting(call.caller, request)
