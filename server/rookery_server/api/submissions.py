"""``rookery.v1.SubmissionService``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rookery.v1 import submission_service_pb2 as messages
    from rookery_server.api.context import Call
    from rookery_server.services.submission.submissions import SubmissionService


class SubmissionServicer:
    """Hands each call to the service that carries it out."""

    def __init__(self, service: SubmissionService) -> None:
        self._service = service

    async def submit(self, request: messages.SubmitRequest, call: Call) -> bytes:
        """Submit."""
        return await self._service.submit(call.caller, request)

    async def cancel_submission(self, request: messages.CancelSubmissionRequest, call: Call) -> bytes:
        """CancelSubmission."""
        return await self._service.cancel_submission(call.caller, request)

    async def get_submission(self, request: messages.GetSubmissionRequest, call: Call) -> messages.GetSubmissionResponse:
        """GetSubmission."""
        return await self._service.get_submission(call.caller, request)

    async def list_submissions(self, request: messages.ListSubmissionsRequest, call: Call) -> messages.ListSubmissionsResponse:
        """ListSubmissions."""
        return await self._service.list_submissions(call.caller, request)

    async def resend_submission(self, request: messages.ResendSubmissionRequest, call: Call) -> bytes:
        """ResendSubmission."""
        return await self._service.resend_submission(call.caller, request)
