"""Lists of a folder, page by page, as ListItems gives them."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.item_service_pb2 import SortKey
from rookery_client.replica.view import shown_contents, shown_rows
from rookery_core.rules import restrictions, sort_keys

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from rookery.v1.item_pb2 import Item
    from rookery.v1.restriction_pb2 import Restriction
    from rookery_client.replica.view.shown_rows import ShownItem

_STEP = 500
"""Items looked at in one go where not all fit."""

Place = tuple[int | str, bytes]
"""Sort key and id of an item: where a list goes on behind it."""


class Wish(NamedTuple):
    """What a list is of."""

    folder_id: bytes
    sort_key: int = SortKey.SORT_KEY_RECEIVED
    descending: bool = True
    restriction: Restriction | None = None


class Order:
    """The order of one list, worked out once: whoever pages through it sees the items that were there then, and still are.

    By received time the order is an index of the file. Any other takes a look at all items of the folder.
    """

    def __init__(self, wish: Wish) -> None:
        """InvalidArgument if the sort key is none, or the restriction not well formed."""
        self._wish = wish
        self._key = sort_keys.key_function(wish.sort_key)
        self._matcher = Matcher(wish.restriction)
        self._by_index = wish.sort_key in {SortKey.SORT_KEY_UNSPECIFIED, SortKey.SORT_KEY_RECEIVED}
        self._sorted: list[Place] | None = None

    @property
    def folder_id(self) -> bytes:
        """The folder that is listed."""
        return self._wish.folder_id

    def page(self, connection: sqlite3.Connection, after: Place | None, size: int) -> tuple[list[ShownItem], Place | None]:
        """Up to ``size`` items behind a place, and the place of the last one if there may be more."""
        if not self._by_index:
            return self._page_of_sorted(connection, after, size)
        last = None if after is None else (int(after[0]), after[1])
        found: list[ShownItem] = []
        while True:
            step = size + 1 if self._matcher.takes_all else _STEP
            rows = shown_rows.walk(connection, self._wish.folder_id, descending=self._wish.descending, after=last, limit=step)
            for row in rows:
                if len(found) == size:
                    return found, last
                if self._matcher.holds(connection, row):
                    found.append(row)
                last = (row.fill_key, row.id)
            if len(rows) < step:
                return found, None

    def _page_of_sorted(
        self, connection: sqlite3.Connection, after: Place | None, size: int
    ) -> tuple[list[ShownItem], Place | None]:
        if self._sorted is None:
            rows = shown_rows.in_folder(connection, self._wish.folder_id)
            self._sorted = sorted((self._key(row.item()), row.id) for row in rows if self._matcher.holds(connection, row))
        entries = self._sorted
        if self._wish.descending:
            end = len(entries) if after is None else bisect.bisect_left(entries, after)
            chosen = entries[max(0, end - size) : end][::-1]
            more = end > size
        else:
            begin = 0 if after is None else bisect.bisect_right(entries, after)
            chosen = entries[begin : begin + size]
            more = begin + size < len(entries)
        there = shown_rows.by_ids(connection, [item_id for _, item_id in chosen])
        rows_found = [there[item_id] for _, item_id in chosen if item_id in there]
        here = [row for row in rows_found if row.folder_id == self._wish.folder_id]
        return here, chosen[-1] if more else None


class Matcher:
    """Whether items fit a restriction."""

    def __init__(self, restriction: Restriction | None) -> None:
        """None fits everything. InvalidArgument unless the restriction is well formed."""
        self._predicate: Callable[[Item], bool] | None = None
        self._needs_content = False
        if restriction is not None:
            self._predicate = restrictions.predicate(restriction)
            self._needs_content = restrictions.needs_content(restriction)

    @property
    def takes_all(self) -> bool:
        """Whether there is nothing to look at."""
        return self._predicate is None

    def holds(self, connection: sqlite3.Connection, row: ShownItem) -> bool:
        """Whether it holds. FailedPrecondition ``NOT_IN_REPLICA`` if that takes a content that is not there."""
        if self._predicate is None:
            return True
        return self._predicate(shown_contents.full_item(connection, row) if self._needs_content else row.item())
