"""Finding items by words, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.internal.v1.packed_pb2 import PackedSearchResponse
from rookery.v1.search_service_pb2 import SearchRequest
from rookery_core.rules import restrictions, search_query
from rookery_core.rules.search_numbers import NUMBERS
from rookery_server.services import access
from rookery_server.services.items import item_reading
from rookery_server.services.search.search_page import Found, Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_server.services.caller import Caller
    from rookery_server.services.page_tokens import PageTokens
    from rookery_server.services.search.indexer import Indexer
    from rookery_server.store.database import Database

INDEXING_MICROS = 120_000
"""How long a search indexes what is missing …"""
BUDGET_MICROS = 200_000
"""… and until when, from its beginning, it looks through what is still missing then, item by item."""
_STEP = 25
"""Items indexed between two looks at the clock."""


class SearchService:
    """Carries out Search."""

    def __init__(self, database: Database, indexer: Indexer, page_tokens: PageTokens, clock: Clock) -> None:
        self._database = database
        self._indexer = indexer
        self._page_tokens = page_tokens
        self._clock = clock

    async def search(self, caller: Caller, request: SearchRequest) -> bytes:
        """A page of hits; the encoded SearchResponse.

        What was acknowledged before the call is found, but for a backlog that takes more than 200 ms to look through: then the
        answer says that it is incomplete.
        """
        began = self._clock.micros()
        query = search_query.parse(request.query)
        own = request.restriction if request.HasField("restriction") else None
        if own is not None:
            restrictions.validate(own)
        restriction = search_query.together(query, own)
        wanted = item_reading.page_size(request.page_size)
        digest = self._page_tokens.digest(caller, request.mailbox_id, _without_page(request))
        token = self._page_tokens.decode(request.page_token, digest)
        page = Page(request, query, restriction, wanted, NUMBERS if token is None else token.number)

        def waits(until: int) -> Callable[[], bool]:
            return lambda: self._clock.micros() - began < until

        mailbox = await self._database.read(lambda connection: access.open_mailbox(connection, caller, request.mailbox_id))
        await self._indexer.catch_up(mailbox.uid, more=waits(INDEXING_MICROS), batch=_STEP)

        def work(connection: Connection) -> tuple[Found, int]:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            return page.find(connection, mailbox.id, mailbox.revision, waits(BUDGET_MICROS)), mailbox.revision

        found, revision = await self._database.read(work)
        following = "" if found.last is None else self._page_tokens.encode(digest, number=found.last)
        return PackedSearchResponse(
            items=found.items, next_page_token=following, incomplete=found.incomplete, revision=revision
        ).SerializeToString()


def _without_page(request: SearchRequest) -> SearchRequest:
    query = SearchRequest()
    query.CopyFrom(request)
    query.ClearField("page_token")
    query.ClearField("page_size")
    return query
