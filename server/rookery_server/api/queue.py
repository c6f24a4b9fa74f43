"""``rookery.v1.QueueService``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rookery.v1 import queue_service_pb2 as messages
    from rookery_server.api.context import Call
    from rookery_server.services.submission.queue_administration import QueueAdministration


class QueueServicer:
    """Hands each call to the service, which refuses whoever is no administrator."""

    def __init__(self, service: QueueAdministration) -> None:
        self._service = service

    async def list_queue(self, request: messages.ListQueueRequest, call: Call) -> messages.ListQueueResponse:
        """ListQueue."""
        return await self._service.list_queue(call.caller, request)

    async def retry_queued(self, request: messages.RetryQueuedRequest, call: Call) -> bytes:
        """RetryQueued."""
        return await self._service.retry_queued(call.caller, request)

    async def delete_queued(self, request: messages.DeleteQueuedRequest, call: Call) -> bytes:
        """DeleteQueued."""
        return await self._service.delete_queued(call.caller, request)
