"""Calendars as agendas look at them: laid out in stretches of some weeks, which are kept until the calendar changes.

A folder tells by its contents revision that nothing has changed in it. If something has, a stretch is not laid out anew: its
appointments are compared with those that are there now, and only what is another one goes or comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.rules.recurrence.stretches import EMPTY
from rookery_server.store import calendars

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_core.rules.recurrence.starts import Budget
    from rookery_core.rules.recurrence.stretches import Stretch, Where
    from rookery_server.services.calendar.parsed_appointments import ParsedAppointments
    from rookery_server.store.folders import FolderRow

_VERSION_BYTES = 150
"""About what it takes in memory to know which version of an appointment was laid out."""


class FolderCalendar:
    """The calendar in a folder, for those who look at dates and floating times in one zone; within one transaction."""

    def __init__(
        self, connection: Connection, mailbox_id: int, folder: FolderRow, viewer_zone: str, parsed: ParsedAppointments
    ) -> None:
        """``folder`` as it was read in this transaction, before anything else is."""
        self._connection = connection
        self._mailbox_id = mailbox_id
        self._folder = folder
        self._zone = viewer_zone
        self._parsed = parsed

    def stretch(self, where: Where, budget: Budget) -> Stretch:
        """See ``agenda.Calendar``."""
        key = (self._mailbox_id, self._folder.id, self._zone, where)
        known: _Known = self._parsed.kept.find(key) or _Known(-1, {}, EMPTY)
        if known.revision == self._folder.contents_revision:
            return known.stretch
        ends_from, starts_before = where.spans
        rows = calendars.spans(
            self._connection, self._mailbox_id, [self._folder.id], ends_from=ends_from, starts_before=starts_before
        )
        versions = {row.id: row.content for row in rows}
        gone = {item_id for item_id, content in known.versions.items() if versions.get(item_id) != content}
        new = (row for row in rows if known.versions.get(row.id) != row.content)
        come = self._parsed.of(self._connection, self._mailbox_id, new, singles=False)
        stretch = known.stretch.changed(where, self._zone, gone, (entry for _, entry in come), budget)
        if stretch.is_whole:
            self._parsed.kept.put(key, _Known(self._folder.contents_revision, versions, stretch))
        return stretch


class _Known:
    """A stretch that was laid out."""

    __slots__ = ("revision", "stretch", "versions", "weight")

    def __init__(self, revision: int, versions: dict[bytes, int], stretch: Stretch) -> None:
        self.revision = revision
        """Of the folder's contents."""
        self.versions = versions
        """Which versions of which items are in it."""
        self.stretch = stretch
        self.weight = stretch.weight + _VERSION_BYTES * len(versions)
