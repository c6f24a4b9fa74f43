"""What those get who subscribe to a published calendar."""

from __future__ import annotations

import asyncio
import hashlib
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from rookery_core.formats import calendar_feed
from rookery_core.formats.calendar_feed import Feed
from rookery_server.services.calendar.publishing import digest
from rookery_server.services.items import item_packing
from rookery_server.store import calendars, item_contents, items, published_calendars
from rookery_server.store.tables import FOREVER, NO_TIME

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from sqlalchemy import Connection

    from rookery.v1.item_pb2 import Item
    from rookery_core.rules.clock import Clock
    from rookery_server.store.database import Database
    from rookery_server.store.published_calendars import FeedRow

_AT_ONCE = 100
"""Appointments that are read, and written, at once."""
_AT_WORK = 2
"""Calendars that are written at the same time: it is computing, which others wait for."""
_NOTED_EVERY = 3_600_000_000
"""That somebody fetched it is noted once an hour."""
_FORM = b"1"
"""Raised where calendars come to look otherwise, so that everybody fetches them anew."""


class Calendar(NamedTuple):
    """A published calendar, as it is now."""

    row: FeedRow
    etag: str
    """Another one whenever something of it may have changed."""


class CalendarFeeds:
    """Finds and writes published calendars."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._at_work = asyncio.Semaphore(_AT_WORK)

    async def find(self, secret: str) -> Calendar | None:
        """The calendar with this secret in its URL; None if there is none (any more)."""
        row = await self._database.read(lambda connection: published_calendars.feed(connection, digest(secret)))
        if row is None:
            return None
        now = self._clock.micros()
        if row.last_fetched is None or now - row.last_fetched > _NOTED_EVERY:
            noted = partial(published_calendars.fetched, mailbox_id=row.mailbox_id, calendar_id=row.id, at=now)
            await self._database.write(lambda transaction: noted(transaction.connection))
        known = b"\0".join((_FORM, row.epoch, row.id, b"%d %d" % (row.contents_revision, row.detail), _name(row).encode()))
        return Calendar(row, f'"{hashlib.sha256(known).hexdigest()[:32]}"')

    async def pieces(self, calendar: Calendar) -> AsyncGenerator[bytes]:
        """The calendar, piece by piece. What changes meanwhile may or may not be in it: the next look brings it."""
        row, feed = calendar.row, Feed(calendar.row.detail)  # type: ignore[arg-type]  # an enum's number
        yield calendar_feed.head(_name(row))
        spans = await self._database.read(
            lambda connection: calendars.spans(
                connection, row.mailbox_id, [row.folder_id], ends_from=NO_TIME, starts_before=FOREVER
            )
        )
        for begin in range(0, len(spans), _AT_ONCE):
            wanted = [span.id for span in spans[begin : begin + _AT_ONCE]]
            async with self._at_work:  # and not while it is sent: whoever reads slowly keeps nobody else waiting
                found = await self._database.read(partial(_read, row=row, item_ids=wanted))
                piece = await asyncio.to_thread(feed.pieces, found)
            yield piece
        yield calendar_feed.TAIL


def _name(row: FeedRow) -> str:
    return f"{row.owner}: {row.name}"


def _read(connection: Connection, *, row: FeedRow, item_ids: Sequence[bytes]) -> list[Item]:
    """Those of the items that are still in the calendar, with contents."""
    rows = items.packed_many(connection, row.mailbox_id, item_ids)
    there = [each for each in rows.values() if each.life == items.LIVE and each.folder_id == row.folder_id]
    contents = item_contents.each(connection, row.mailbox_id, [each.id for each in there])
    return [
        item_packing.unpack(each, item_packing.decompress(stored))
        for each, stored in zip(there, contents, strict=True)
        if stored is not None
    ]
