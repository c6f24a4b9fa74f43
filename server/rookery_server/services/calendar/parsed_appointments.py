"""Appointments that were read before: reading rules and exceptions, and laying them out, takes longer than saying it again."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ItemSummary
from rookery_core.rules.recurrence.entries import Entry
from rookery_server.services.calendar.kept import Kept
from rookery_server.store import calendars

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Connection

    from rookery_server.store.calendars import SpanRow

MOST_BYTES = 64 << 20
"""About how much memory the appointments take together, and what was laid out of calendars."""
_AT_ONCE = 200
"""Appointments that are read at once."""


class ParsedAppointments:
    """The appointments that were asked for last, by mailbox, item and version. May be shared between threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.kept = Kept(most_bytes)
        """Where they are, beside what was laid out of calendars."""

    def of(
        self, connection: Connection, mailbox_id: int, rows: Iterable[SpanRow], *, singles: bool = True
    ) -> Iterator[tuple[SpanRow, Entry]]:
        """The appointments of the rows, in their order, read as they are asked for; without what has no place in a calendar.

        ``singles``: whether those that do not recur are kept too.
        """
        remaining = iter(rows)
        while some := list(itertools.islice(remaining, _AT_ONCE)):
            entries = {row.id: self.find(mailbox_id, row) for row in some}
            missing = [item_id for item_id, entry in entries.items() if entry is None]
            encoded = calendars.summaries(connection, mailbox_id, missing) if missing else {}
            for row in some:
                entry = entries[row.id] or self.read(mailbox_id, row, encoded[row.id], singles=singles)
                if entry is not None:
                    yield row, entry

    def find(self, mailbox_id: int, row: SpanRow) -> Entry | None:
        """The appointment, if it is known in this version."""
        found: Entry | None = self.kept.find((mailbox_id, row.id, row.content))
        return found

    def read(self, mailbox_id: int, row: SpanRow, summary: bytes, *, singles: bool = True) -> Entry | None:
        """The appointment of a summary, kept from now on; None if it has no place in a calendar."""
        try:
            entry = Entry(row.id, ItemSummary.FromString(summary))
        except ValueError:
            return None
        if singles or entry.is_series:
            self.kept.put((mailbox_id, row.id, row.content), entry)
        return entry
