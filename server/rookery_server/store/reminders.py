"""Items that have reminders: walks along an index of their own, by the earliest instant at which each may be due.

The instant is a bound (``rookery_core.rules.reminders.earliest``): whether there is a reminder, and when exactly, summary and
state tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, bindparam, literal_column, select, tuple_

from rookery.v1.item_pb2 import Item
from rookery_server.store.items import LIVE
from rookery_server.store.tables import NO_TIME, item

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement, Connection, Row

Place = tuple[int, bytes]
"""Where an item comes: a number, and its id."""

FIRST: Place = (NO_TIME, b"")
"""Before all items."""


def behind(number: int) -> Place:
    """Behind all items that have this number."""
    return number, b"\xff" * 17


class ReminderRow(NamedTuple):
    """An item that may have a reminder."""

    id: bytes
    reminder: int
    """Not before then, in microseconds."""
    revision: int
    state: bytes
    summary: bytes

    @property
    def item(self) -> Item:
        """What the rules look at."""
        found = Item(id=self.id)
        found.summary.MergeFromString(self.summary)
        found.state.MergeFromString(self.state)
        return found


_COLUMNS = tuple(item.c[name] for name in ReminderRow._fields)
_reminding = and_(
    item.c.mailbox_id == bindparam("mailbox"),
    # The numbers themselves, not parameters: only so is the partial index used.
    item.c.life == literal_column(str(LIVE)),
    item.c.reminder > literal_column(str(NO_TIME)),
    item.c.folder_id.not_in(bindparam("outside", expanding=True)),
)


def _behind(column: ColumnElement[int]) -> ColumnElement[bool]:
    """The column stands by itself too: the walk along the index begins there."""
    place = tuple_(bindparam("key", type_=column.type), bindparam("id", type_=item.c.id.type))
    return and_(column >= bindparam("key"), tuple_(column, item.c.id) > place)


_by_time = (
    select(*_COLUMNS)
    .where(_reminding, item.c.reminder <= bindparam("until"), _behind(item.c.reminder))
    .order_by(item.c.reminder, item.c.id)
    .limit(bindparam("most"))
)
_changed = (
    select(*_COLUMNS)
    .where(_reminding, item.c.reminder <= bindparam("until"), _behind(item.c.revision))
    .order_by(item.c.revision, item.c.id)
    .limit(bindparam("most"))
)
_by_ids = select(*_COLUMNS).where(_reminding, item.c.id.in_(bindparam("items", expanding=True)))
_next = select(item.c.reminder).where(_reminding, item.c.reminder > bindparam("after")).order_by(item.c.reminder).limit(1)


class Reminding:
    """The items of a mailbox that may have reminders, but for those in some folders."""

    def __init__(self, connection: Connection, mailbox_id: int, outside: Iterable[bytes]) -> None:
        self._connection = connection
        self._where = {"mailbox": mailbox_id, "outside": list(outside)}

    def by_time(self, until: int, behind: Place, most: int) -> list[ReminderRow]:
        """Up to ``most`` of those that may be due at ``until`` or before, in that order, behind a place by time."""
        return _rows(self._connection.execute(_by_time, {**self._where, **_after(behind), "until": until, "most": most}))

    def changed(self, until: int, behind: Place, most: int) -> list[ReminderRow]:
        """The same in the order of the latest change, behind a place by revision."""
        return _rows(self._connection.execute(_changed, {**self._where, **_after(behind), "until": until, "most": most}))

    def by_ids(self, item_ids: Sequence[bytes]) -> list[ReminderRow]:
        """Those of at most 500 items that still may have one."""
        return _rows(self._connection.execute(_by_ids, {**self._where, "items": list(item_ids)}))

    def next(self, after: int) -> int | None:
        """The earliest instant, later than ``after``, at which one may be due."""
        return self._connection.execute(_next, {**self._where, "after": after}).scalar()


def _after(place: Place) -> dict[str, int | bytes]:
    return {"key": place[0], "id": place[1]}


def _rows(found: Iterable[Row[tuple[object, ...]]]) -> list[ReminderRow]:
    return [ReminderRow._make(row) for row in found]
