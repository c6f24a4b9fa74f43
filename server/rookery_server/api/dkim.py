"""``rookery.v1.DkimService``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rookery.v1 import dkim_service_pb2 as messages
    from rookery_server.api.context import Call
    from rookery_server.services.signing.dkim_administration import DkimAdministration


class DkimServicer:
    """Hands each call to the service, which refuses whoever is no administrator."""

    def __init__(self, service: DkimAdministration) -> None:
        self._service = service

    async def create_dkim_key(self, request: messages.CreateDkimKeyRequest, call: Call) -> bytes:
        """CreateDkimKey."""
        return await self._service.create_dkim_key(call.caller, request)

    async def list_dkim_keys(self, request: messages.ListDkimKeysRequest, call: Call) -> messages.ListDkimKeysResponse:
        """ListDkimKeys."""
        return await self._service.list_dkim_keys(call.caller, request)

    async def set_dkim_key_active(self, request: messages.SetDkimKeyActiveRequest, call: Call) -> bytes:
        """SetDkimKeyActive."""
        return await self._service.set_dkim_key_active(call.caller, request)

    async def delete_dkim_key(self, request: messages.DeleteDkimKeyRequest, call: Call) -> bytes:
        """DeleteDkimKey."""
        return await self._service.delete_dkim_key(call.caller, request)
