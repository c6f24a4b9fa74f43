"""Pages of a list: the first, and one nine tenths down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import item_service_pb2
from tests.bench.timing import sample

if TYPE_CHECKING:
    from tests.bench.server import Connection

PAGE = 50


async def page_ms(connection: Connection, token: str, rounds: int) -> float:
    """The median time of one page."""

    async def page(_number: int) -> None:
        answer = await _page(connection, token)
        if len(answer.items) != PAGE:
            raise RuntimeError(f"a page of {PAGE} holds {len(answer.items)} items")

    return (await sample(page, rounds)).median_ms


async def token_at(connection: Connection, depth: int) -> str:
    """The token of the page that begins `depth` items down the list."""
    token, seen = "", 0
    while seen < depth:
        answer = await _page(connection, token)
        token, seen = answer.next_page_token, seen + len(answer.items)
        if not token:
            raise RuntimeError(f"the list ends after {seen} items, {depth} were expected")
    return token


async def _page(connection: Connection, token: str) -> item_service_pb2.ListItemsResponse:
    request = item_service_pb2.ListItemsRequest(folder_id=connection.inbox, page_size=PAGE, page_token=token)
    return await connection.items.ListItems(request, metadata=connection.metadata)
