"""Series that were read before: reading rules and exceptions takes longer than laying them out in a month."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ItemSummary
from rookery_core.rules.recurrence.agenda import Entry

if TYPE_CHECKING:
    from rookery_server.store.calendars import SpanRow

MOST_SERIES = 8_192


class ParsedSeries:
    """The series that were asked for last, by mailbox, item and version; a few kilobytes each. May be shared between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[int, bytes, int], Entry] = OrderedDict()

    def find(self, mailbox_id: int, row: SpanRow) -> Entry | None:
        """The appointment, if it is known in this version."""
        key = (mailbox_id, row.id, row.content)
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
            return entry

    def read(self, mailbox_id: int, row: SpanRow, summary: bytes) -> Entry | None:
        """The appointment of a summary, kept if it is a series; None if it has no place in a calendar."""
        try:
            entry = Entry(row.id, ItemSummary.FromString(summary))
        except ValueError:
            return None
        if entry.is_series:
            with self._lock:
                self._entries[mailbox_id, row.id, row.content] = entry
                while len(self._entries) > MOST_SERIES:
                    self._entries.popitem(last=False)
        return entry
