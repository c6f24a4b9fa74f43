"""The list of tasks: a walk along an index of its own, that knows nothing of folders."""

from __future__ import annotations

import heapq
import operator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, or_, select

from rookery.v1.item_pb2 import ITEM_KIND_TASK
from rookery_core.rules import to_do
from rookery_server.store.items import LIVE, PACKED_COLUMNS, PackedRow
from rookery_server.store.tables import NO_TIME, item

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection

    from rookery_core.rules.to_do import Place


class Wanted(NamedTuple):
    """What a list is of."""

    standings: tuple[int, ...]
    """``rookery_core.rules.to_do``: open, done."""
    flagged: bool
    """Items of other kinds too."""
    outside: Sequence[bytes]
    """Folders that do not count."""
    due_from: int | None
    """Due from then on, in microseconds."""
    due_before: int | None


def page(
    connection: Connection, mailbox_id: int, wanted: Wanted, *, after: Place | None, limit: int
) -> list[tuple[Place, PackedRow]]:
    """Up to ``limit`` items behind a place, with their places, in the order of ``rookery_core.rules.to_do``."""
    found: list[tuple[Place, PackedRow]] = []
    windowed = wanted.due_from is not None or wanted.due_before is not None
    for no_due in (0, 1):
        if len(found) == limit or (no_due and windowed) or (after is not None and after[0] > no_due):
            continue
        behind = after if after is not None and after[0] == no_due else None
        lists = (_walk(connection, mailbox_id, wanted, each, no_due, behind, limit) for each in wanted.standings)
        found += islice(heapq.merge(*lists, key=operator.itemgetter(0)), limit - len(found))
    return found


def _walk(
    connection: Connection, mailbox_id: int, wanted: Wanted, standing: int, no_due: int, behind: Place | None, limit: int
) -> Iterator[tuple[Place, PackedRow]]:
    """Items of one standing, those with a due time or those without, behind a place among them."""
    conditions = [item.c.mailbox_id == mailbox_id, item.c.to_do == standing, item.c.life == LIVE]
    conditions.append(item.c.due == NO_TIME if no_due else item.c.due > NO_TIME)
    conditions += list(_limits(wanted))
    if behind is not None:
        conditions.append(_behind(behind))
    statement = (
        select(item.c.due, item.c.importance, *PACKED_COLUMNS)
        .where(*conditions)
        .order_by(item.c.due, item.c.importance.desc(), item.c.id)
        .limit(limit)
    )
    for due, importance, *columns in connection.execute(statement):
        row = PackedRow(*columns)
        yield to_do.place(due, importance, row.id), row


def _limits(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if not wanted.flagged:
        yield item.c.kind == ITEM_KIND_TASK
    if wanted.outside:
        yield item.c.folder_id.not_in(wanted.outside)
    if wanted.due_from is not None:
        yield item.c.due >= wanted.due_from
    if wanted.due_before is not None:
        yield item.c.due < wanted.due_before


def _behind(place: Place) -> ColumnElement[bool]:
    """``due`` stands by itself too: the walk along the index begins there."""
    _, due, negative, item_id = place
    among = or_(item.c.importance < -negative, and_(item.c.importance == -negative, item.c.id > item_id))
    return and_(item.c.due >= due, or_(item.c.due > due, among))
