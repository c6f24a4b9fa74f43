"""``rookery.v1.ReminderService``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rookery.v1 import reminder_service_pb2
    from rookery_server.api.context import Call
    from rookery_server.services.reminders.listing import ReminderService


class ReminderServicer:
    """Hands each call to the service that carries it out."""

    def __init__(self, service: ReminderService) -> None:
        self._service = service

    async def list_reminders(
        self, request: reminder_service_pb2.ListRemindersRequest, call: Call
    ) -> reminder_service_pb2.ListRemindersResponse:
        """ListReminders."""
        return await self._service.list_reminders(call.caller, request)
