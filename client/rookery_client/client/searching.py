"""Search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import search_service_pb2 as pb
from rookery.v1.item_service_pb2 import ItemView
from rookery.v1.search_service_pb2_grpc import SearchServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rookery.v1.item_pb2 import Item
    from rookery.v1.restriction_pb2 import Restriction
    from rookery_client.connection import Connection


class Searching:
    """The SearchService."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = SearchServiceStub(connection.channel)

    async def page(
        self,
        query: str,
        *,
        restriction: Restriction | None = None,
        folder_ids: Sequence[bytes] = (),
        view: ItemView.ValueType | None = None,
        page_size: int = 0,
        page_token: str = "",
        mailbox_id: bytes = b"",
    ) -> pb.SearchResponse:
        """One page of hits, newest first. InvalidArgument ``QUERY_INVALID`` if the query can not be understood."""
        request = pb.SearchRequest(
            mailbox_id=mailbox_id,
            query=query,
            restriction=restriction,
            folder_ids=folder_ids,
            view=ItemView.ITEM_VIEW_UNSPECIFIED if view is None else view,
            page_size=page_size,
            page_token=page_token,
        )
        return await self._connection.unary(self._stub.Search, request)

    async def all(
        self,
        query: str,
        *,
        restriction: Restriction | None = None,
        folder_ids: Sequence[bytes] = (),
        view: ItemView.ValueType | None = None,
        page_size: int = 0,
        mailbox_id: bytes = b"",
    ) -> AsyncIterator[Item]:
        """The hits, page after page."""
        token = ""
        while True:
            page = await self.page(
                query,
                restriction=restriction,
                folder_ids=folder_ids,
                view=view,
                page_size=page_size,
                page_token=token,
                mailbox_id=mailbox_id,
            )
            for item in page.items:
                yield item
            token = page.next_page_token
            if not token:
                return
