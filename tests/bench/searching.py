"""The first page of a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import search_service_pb2
from tests.bench.timing import sample

if TYPE_CHECKING:
    from tests.bench.server import Connection


async def first_page_ms(connection: Connection, query: str, rounds: int) -> float:
    """The median time of the first page of hits."""
    if not (await _search(connection, query)).items:
        raise RuntimeError(f"nothing found for {query!r}")

    async def search(_number: int) -> None:
        await _search(connection, query)

    return (await sample(search, rounds)).median_ms


async def _search(connection: Connection, query: str) -> search_service_pb2.SearchResponse:
    return await connection.search.Search(search_service_pb2.SearchRequest(query=query), metadata=connection.metadata)
