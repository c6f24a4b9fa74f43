"""What the server tells of itself to everybody: ``grpc.health.v1`` and reflection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc.aio


class Health:
    """The serving status of the whole server ("") and of each of its services."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = ("", *services)
        self._servicer = health.aio.HealthServicer()

    def register(self, server: grpc.aio.Server) -> None:
        """Adds health checks and reflection to a server that has not started."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)
        names = [*self._services[1:], health.SERVICE_NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, server)

    async def serving(self) -> None:
        """From now on SERVING."""
        for service in self._services:
            await self._servicer.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def stopping(self) -> None:
        """From now on NOT_SERVING, for good."""
        await self._servicer.enter_graceful_shutdown()
