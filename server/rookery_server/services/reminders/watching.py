"""Reminders that become due while somebody watches a mailbox.

A stream looks at an item when it may have become due, when it was changed, and when it said that it would have another reminder. So
nothing is looked at as long as nothing changes and nothing is due, and what a look costs does not depend on how many are overdue.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, NamedTuple

from rookery_core.rules import reminders
from rookery_core.rules.zones import UTC
from rookery_server.services.reminders.mailbox_reminders import owner_zone, thrown_away
from rookery_server.store.reminders import FIRST, Reminding, behind

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery.v1.reminder_service_pb2 import Reminder
    from rookery_server.store.mailboxes import MailboxRow
    from rookery_server.store.reminders import Place

MOST_REMINDERS = 100
"""In one response; and items that one look looks at."""

_Told = tuple[int, int]
"""A reminder of an item: when it became due, and when it was to be shown in the first place."""


class Look(NamedTuple):
    """What a look at a mailbox gave. Nothing of it counts before ``WatchedReminders.take``."""

    due: list[Reminder]
    """Reminders that are due and were not told yet, what became due first before the others."""
    told: dict[bytes, _Told]
    """The reminders that are due, of the items that were looked at."""
    later: dict[bytes, int]
    """Items that will have another reminder, and when."""
    looked_at: set[bytes]
    revision: int
    more: bool
    next_due: int | None
    by_time: Place
    by_change: Place
    outside: frozenset[bytes]


class WatchedReminders:
    """What one stream has told of the reminders of one mailbox, and when there will be more to tell."""

    def __init__(self) -> None:
        self.next_due: int | None = None
        """When there may be something to tell even if the mailbox does not change, in microseconds since 1970."""
        self._more = True
        self._revision = 0
        self._told: dict[bytes, _Told] = {}
        self._later: dict[bytes, int] = {}
        self._by_time: Place = FIRST
        """What may be due up to there was looked at …"""
        self._by_change: Place = FIRST
        """… and so was what has changed up to there."""
        self._outside: frozenset[bytes] = frozenset()

    def is_to_look(self, revision: int, now: int) -> bool:
        """Whether there may be something to tell of the mailbox at this revision."""
        return self._more or revision != self._revision or (self.next_due is not None and self.next_due <= now)

    def look(self, connection: Connection, mailbox: MailboxRow, now: int) -> Look:
        """Looks at what may have become due since the last look."""
        outside = thrown_away(connection, mailbox.id)
        items = Reminding(connection, mailbox.id, outside)
        by_time, by_change = self._by_time, self._by_change
        if outside != self._outside:  # whole folders may have come back; and so it is with the first look
            by_time, by_change = FIRST, behind(mailbox.revision)
        rows = items.by_time(now, by_time, MOST_REMINDERS)
        room = MOST_REMINDERS - len(rows)
        by_time = max(by_time, behind(now)) if room else (rows[-1].reminder, rows[-1].id)
        if room and by_change[0] < mailbox.revision:
            changed = items.changed(now, by_change, room)
            rows += changed
            by_change = (changed[-1].revision, changed[-1].id) if len(changed) == room else behind(mailbox.revision)
            room -= len(changed)
        awaited = [item_id for item_id, at in self._later.items() if at <= now][:room]
        rows += items.by_ids(awaited) if awaited else []
        later = {item_id: at for item_id, at in self._later.items() if item_id not in awaited}
        told, zone = {}, owner_zone(connection, mailbox.id) if rows else UTC
        due: list[tuple[_Told, Reminder]] = []
        for row in {row.id: row for row in rows}.values():
            found = reminders.find(row.item, zone, now)
            later.pop(row.id, None)
            if found.following is not None:
                later[row.id] = found.following
            if found.reminder is not None and (key := _key(found.reminder))[0] <= now:
                told[row.id] = key
                if self._told.get(row.id) != key:
                    due.append((key, found.reminder))
        soon = (each for each in (items.next(now), min(later.values(), default=None)) if each is not None)
        return Look(
            due=[reminder for _, reminder in sorted(due, key=operator.itemgetter(0))],
            told=told,
            later=later,
            looked_at={row.id for row in rows}.union(awaited),
            revision=mailbox.revision,
            more=not room,
            next_due=min(soon, default=None),
            by_time=by_time,
            by_change=by_change,
            outside=outside,
        )

    def take(self, look: Look) -> None:
        """The look has been told."""
        for item_id in look.looked_at - look.told.keys():
            self._told.pop(item_id, None)
        self._told |= look.told
        self._later, self._by_time, self._by_change, self._outside = look.later, look.by_time, look.by_change, look.outside
        self._revision, self._more, self.next_due = look.revision, look.more, look.next_due


def _key(reminder: Reminder) -> _Told:
    return reminder.due.ToMicroseconds(), reminder.signal.ToMicroseconds()
