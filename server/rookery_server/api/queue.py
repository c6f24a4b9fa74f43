"""``rookery.v1.QueueService``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rookery.v1 import queue_service_pb2 as messages
    from rookery_server.api.context import Call
    from rookery_server.services.submission.queue_administration import QueueAdministration
    from rookery_server.services.submission.queue_destinations import QueueDestinations


class QueueServicer:
    """Hands each call to a service, which refuses whoever is no administrator."""

    def __init__(self, service: QueueAdministration, destinations: QueueDestinations) -> None:
        self._service = service
        self._destinations = destinations

    async def list_queue(self, request: messages.ListQueueRequest, call: Call) -> messages.ListQueueResponse:
        """ListQueue."""
        return await self._service.list_queue(call.caller, request)

    async def retry_queued(self, request: messages.RetryQueuedRequest, call: Call) -> bytes:
        """RetryQueued."""
        return await self._service.retry_queued(call.caller, request)

    async def hold_queued(self, request: messages.HoldQueuedRequest, call: Call) -> bytes:
        """HoldQueued."""
        return await self._service.hold_queued(call.caller, request)

    async def release_queued(self, request: messages.ReleaseQueuedRequest, call: Call) -> bytes:
        """ReleaseQueued."""
        return await self._service.release_queued(call.caller, request)

    async def list_destinations(self, request: messages.ListDestinationsRequest, call: Call) -> messages.ListDestinationsResponse:
        """ListDestinations."""
        return await self._destinations.list_destinations(call.caller, request)

    async def delete_queued(self, request: messages.DeleteQueuedRequest, call: Call) -> bytes:
        """DeleteQueued."""
        return await self._service.delete_queued(call.caller, request)
