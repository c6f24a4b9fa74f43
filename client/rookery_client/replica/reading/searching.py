"""Search without a server: the same language, the same words and the same order, over what the replica holds."""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.item_pb2 import ItemContent, ItemSummary
from rookery_client.replica.reading import search_index
from rookery_client.replica.reading.listing import Matcher
from rookery_client.replica.view import shown_contents, shown_rows
from rookery_core.errors import ResourceExhausted, Unavailable
from rookery_core.rules import folder_tree, restrictions, search_query
from rookery_core.rules.search_documents import document_of
from rookery_core.rules.search_numbers import NUMBERS, number_at

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from rookery.v1.restriction_pb2 import Restriction
    from rookery_client.replica.replica import Replica
    from rookery_client.replica.view.shown_rows import ShownItem
    from rookery_core.rules.clock import Clock

BATCH = 200
"""Items that are indexed in one transaction."""
BUDGET_MICROS = 200_000
"""How long a search indexes what is missing before it looks."""
_STEP = 25
"""Items indexed between two looks at the clock."""
_FIRST_HITS = 128
_CHUNK = 500

_CHANGED_HERE = """SELECT l.id FROM local_item AS l LEFT JOIN item AS i ON i.id = l.id
    WHERE NOT l.gone AND (i.id IS NULL OR l.content IS NOT NULL OR l.summary <> i.summary)"""

Hit = tuple[int, bytes]
"""Number and item id."""


class Hits(NamedTuple):
    """A page of a search."""

    rows: list[ShownItem]
    last: int | None
    """Where the page after this begins: below this number. None at the end."""
    incomplete: bool
    """There was no time to index everything that came."""


class Searcher:
    """Searches one replica, and keeps its index up."""

    def __init__(self, replica: Replica, clock: Clock) -> None:
        self._database = replica.database
        self._clock = clock

    def index_some(self, limit: int = BATCH) -> int:
        """Indexes up to so many items; gives about how many are left: 0 when the index has them all."""
        while True:
            step = min(limit, BATCH)
            with self._database.writing() as connection:
                remaining = search_index.index(connection, step)
            limit -= step
            if not remaining or limit <= 0:
                return remaining

    def search(
        self,
        query: str,
        *,
        restriction: Restriction | None = None,
        folder_ids: Sequence[bytes] = (),
        below: int = NUMBERS,
        size: int = 50,
    ) -> Hits:
        """Up to ``size`` items whose numbers are ``below``, newest first.

        InvalidArgument ``QUERY_INVALID``, ``RESTRICTION_INVALID``; NotFound ``FOLDER_NOT_FOUND``; FailedPrecondition
        ``NOT_IN_REPLICA`` if the restriction is about contents that are not here.
        """
        parsed = search_query.parse(query)
        if restriction is not None:
            restrictions.validate(restriction)
        matcher = Matcher(search_query.together(parsed, restriction))
        incomplete = not self._catch_up()
        with self._database.reading() as connection:
            chosen = folder_tree.searched(shown_rows.folders(connection), folder_ids, parsed.folders)
            hits = _hits(connection, parsed, chosen, below)
            rows, last = _page(connection, hits, chosen, matcher, size)
            return Hits(rows, last, incomplete)

    def _catch_up(self) -> bool:
        """Indexes what is missing, while there is time; whether nothing is missing then."""
        began = self._clock.micros()
        with self._database.reading() as connection:
            remaining = search_index.left(connection)
        try:
            while remaining and self._clock.micros() - began < BUDGET_MICROS:
                remaining = self.index_some(_STEP)
        except (ResourceExhausted, Unavailable):
            # No room, or another program is writing for long: what is indexed can be searched all the same.
            return False
        return not remaining


def _page(
    connection: sqlite3.Connection, hits: Iterator[Hit], folder_ids: set[bytes], matcher: Matcher, size: int
) -> tuple[list[ShownItem], int | None]:
    """The first hits that are shown, in one of the folders, and fit; and the number of the last one if there are more."""
    found: list[tuple[int, ShownItem]] = []
    step = _FIRST_HITS
    while chunk := list(islice(hits, step)):
        there = shown_rows.by_ids(connection, [item_id for _, item_id in chunk])
        for number, item_id in chunk:
            row = there.get(item_id)
            if row is not None and row.folder_id in folder_ids and matcher.holds(connection, row):
                found.append((number, row))
                if len(found) > size:
                    return [row for _, row in found[:size]], found[size - 1][0]
        step = _CHUNK
    return [row for _, row in found], None


def _hits(connection: sqlite3.Connection, query: search_query.Query, folder_ids: set[bytes], below: int) -> Iterator[Hit]:
    """The index's hits and those among what was changed here, in one order."""
    at_least = 0 if query.after is None else number_at(query.after)
    below = below if query.before is None else min(below, number_at(query.before))
    changed = [row[0] for row in connection.execute(_CHANGED_HERE)]
    indexed = search_index.find(connection, query, folder_ids=folder_ids, at_least=at_least, below=below)
    here = sorted(_hits_here(connection, query, changed), reverse=True)
    passed_over = set(changed)
    return heapq.merge(
        (hit for hit in indexed if hit[1] not in passed_over),
        (hit for hit in here if at_least <= hit[0] < below),
        key=lambda hit: -hit[0],
    )


def _hits_here(connection: sqlite3.Connection, query: search_query.Query, item_ids: Sequence[bytes]) -> Iterator[Hit]:
    for row in shown_rows.by_ids(connection, item_ids).values():
        held = shown_contents.find(connection, row.id, row.content_revision)
        content = ItemContent() if held is None else ItemContent.FromString(held.encoded)
        if search_query.holds(query, document_of(ItemSummary.FromString(row.summary), content)):
            yield search_index.number_for(row.fill_key, row.id), row.id
