"""What calendars show in a window of time, as ListOccurrences gives it: by the server's own rules, of what the person sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, ItemSummary
from rookery_client.replica.reading import holdings
from rookery_client.replica.view import shown_rows
from rookery_core.errors import NotFound
from rookery_core.rules import calendar_time
from rookery_core.rules.recurrence import agenda
from rookery_core.rules.recurrence.entries import Entry
from rookery_core.rules.recurrence.stretches import EMPTY

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from rookery_client.replica.replica import Replica
    from rookery_core.rules.recurrence.agenda import Page, Place, Window
    from rookery_core.rules.recurrence.starts import Budget
    from rookery_core.rules.recurrence.stretches import Stretch, Where


_MOST_STRETCHES = 4
"""Stretches that are kept while somebody turns the pages: those that were laid out last."""


class _Appointment(NamedTuple):
    """An appointment and its span (``calendar_time.span``)."""

    begins: int
    ends: int | None
    entry: Entry


class Agenda:
    """One window of some calendars, read once: whoever pages through it sees the appointments that were there then."""

    def __init__(self, replica: Replica, folder_ids: Sequence[bytes], window: Window) -> None:
        """NotFound ``FOLDER_NOT_FOUND``; FailedPrecondition ``NOT_IN_REPLICA`` for a calendar that is not synced."""
        self._folder_ids = folder_ids
        self._window = window
        with replica.database.reading() as connection:
            self._appointments = list(self._read(connection))
        self._stretches: dict[Where, Stretch] = {}

    def page(self, after: Place | None, most: int) -> Page:
        """The page behind a place, of at most so many occurrences."""
        return agenda.page([self], self._window, after, most)

    def stretch(self, where: Where, budget: Budget) -> Stretch:
        """See ``agenda.Calendar``. Beyond the window something may be missing."""
        known = self._stretches.get(where)
        if known is not None:
            return known
        ends_from, starts_before = where.spans
        entries = (
            each.entry
            for each in self._appointments
            if each.begins < starts_before and (each.ends is None or each.ends >= ends_from)
        )
        stretch = EMPTY.changed(where, self._window.viewer_zone, (), entries, budget)
        if stretch.is_whole:
            self._stretches[where] = stretch
            if len(self._stretches) > _MOST_STRETCHES:
                del self._stretches[next(iter(self._stretches))]
        return stretch

    def _read(self, connection: sqlite3.Connection) -> Iterator[_Appointment]:
        ends_from, starts_before = self._window.spans
        for index, folder_id in enumerate(self._folder_ids):
            folder = shown_rows.folder(connection, folder_id)
            if folder is None:
                raise NotFound("FOLDER_NOT_FOUND", "the mailbox has no such folder", field=f"folder_ids[{index}]")
            holdings.require_folder(connection, folder)
            for row in shown_rows.in_folder(connection, folder_id):
                summary = ItemSummary.FromString(row.summary)
                span = calendar_time.span(summary) if summary.kind == ITEM_KIND_APPOINTMENT else None
                if span is not None and span[0] < starts_before and (span[1] is None or span[1] >= ends_from):
                    yield _Appointment(*span, Entry(row.id, summary))
