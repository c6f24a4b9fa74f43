"""One page of a search: the hits of the index and of what it lacks, in one order, checked against the rows."""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from rookery_core.rules import folder_tree, search_query
from rookery_core.rules.search_numbers import number_at
from rookery_server.services.items import item_reading
from rookery_server.services.items.item_matching import Matcher
from rookery_server.services.search import indexer
from rookery_server.store import folders, restriction_sql, search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from rookery.internal.v1.packed_pb2 import PackedItem
    from rookery.v1.restriction_pb2 import Restriction
    from rookery.v1.search_service_pb2 import SearchRequest
    from rookery_core.rules.search_query import Query
    from rookery_server.store.items import PackedRow

HIT_BUDGET = 5_000
"""Hits of the index that one page looks at."""
_FIRST_HITS = 128
"""Hits asked for at first: most pages need no more."""
_LOOK = 25
"""Items looked through between two looks at the clock."""

Hit = tuple[int, bytes]
"""Number and item id."""


class Found(NamedTuple):
    """A page, as one transaction gives it."""

    items: list[PackedItem]
    last: int | None
    """The number of the last hit looked at, if there may be more."""
    incomplete: bool
    """There was no time to look through all that the index lacks."""


class _Unindexed(NamedTuple):
    """What the index lacks."""

    ids: set[bytes]
    """All that was looked through: the index may know older versions."""
    hits: list[Hit]
    """Those of them that hold the words, newest first."""
    incomplete: bool


class Page:
    """One page: at most ``wanted`` items whose numbers are below ``below``."""

    def __init__(self, request: SearchRequest, query: Query, restriction: Restriction | None, wanted: int, below: int) -> None:
        self._request = request
        self._query = query
        self._wanted = wanted
        self._below = below if query.before is None else min(below, number_at(query.before))
        self._at_least = 0 if query.after is None else number_at(query.after)
        self._where, self._residual = (None, None) if restriction is None else restriction_sql.compile(restriction)

    def find(self, connection: Connection, mailbox_id: int, revision: int, more: Callable[[], bool]) -> Found:
        """The page; ``more()`` says whether there is time to look through what is not indexed up to the mailbox's revision."""
        folder_ids = folder_tree.searched(folders.list_all(connection, mailbox_id), self._request.folder_ids, self._query.folders)
        unindexed = self._look_through(connection, mailbox_id, revision, more)
        indexed = (hit for hit in self._indexed(connection, mailbox_id) if hit[1] not in unindexed.ids)
        hits = islice(heapq.merge(indexed, unindexed.hits, key=lambda hit: -hit[0]), HIT_BUDGET)
        matcher = Matcher(self._residual)
        rows: list[tuple[int, PackedRow]] = []
        last: int | None = None
        seen = 0
        while len(rows) <= self._wanted and not matcher.exhausted:
            chunk = list(islice(hits, item_reading.MOST_ITEMS if seen else _FIRST_HITS))
            if not chunk:
                break
            seen += len(chunk)
            live = search.live(connection, mailbox_id, [item_id for _, item_id in chunk], folder_ids, self._where)
            there = [(number, live[item_id]) for number, item_id in chunk if item_id in live]
            checked = matcher.check(connection, mailbox_id, [row for _, row in there])
            for (number, row), fits in zip(there, checked, strict=False):
                last = number
                if fits:
                    rows.append((number, row))
                if len(rows) > self._wanted:
                    break
            if not matcher.exhausted:
                last = chunk[-1][0]
        packed = item_reading.pack_rows(connection, mailbox_id, [row for _, row in rows[: self._wanted]], self._request.view)
        if len(packed) < len(rows):
            last = rows[len(packed) - 1][0]
        elif seen < HIT_BUDGET and not matcher.exhausted:
            last = None
        return Found(packed, last, unindexed.incomplete)

    def _look_through(self, connection: Connection, mailbox_id: int, revision: int, more: Callable[[], bool]) -> _Unindexed:
        found: set[bytes] = set()
        hits: list[Hit] = []
        since = search.progress(connection, mailbox_id)
        while since < revision:
            backlog = indexer.read_backlog(connection, mailbox_id, since, revision, limit=_LOOK) if more() else None
            if backlog is None or backlog.upto == since:  # no time, or one revision brought more than a look takes
                return _Unindexed(found, sorted(hits, reverse=True), incomplete=True)
            for unindexed in backlog.items:
                item_id, number = unindexed.candidate.item_id, unindexed.candidate.preferred_number
                found.add(item_id)
                if self._at_least <= number < self._below and search_query.holds(self._query, unindexed.document()):
                    hits.append((number, item_id))
            since = backlog.upto
        return _Unindexed(found, sorted(hits, reverse=True), incomplete=False)

    def _indexed(self, connection: Connection, mailbox_id: int) -> Iterator[Hit]:
        """The hits of the index, fetched in growing portions."""
        below, limit = self._below, _FIRST_HITS
        while True:
            portion = search.find(connection, mailbox_id, self._query, at_least=self._at_least, below=below, limit=limit)
            yield from portion
            if len(portion) < limit:
                return
            below, limit = portion[-1][0], HIT_BUDGET
