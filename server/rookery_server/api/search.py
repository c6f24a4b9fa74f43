"""``rookery.v1.SearchService``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rookery.v1 import search_service_pb2
    from rookery_server.api.context import Call
    from rookery_server.services.search.search import SearchService


class SearchServicer:
    """Hands each call to the service that carries it out."""

    def __init__(self, service: SearchService) -> None:
        self._service = service

    async def search(self, request: search_service_pb2.SearchRequest, call: Call) -> bytes:
        """Search."""
        return await self._service.search(call.caller, request)
