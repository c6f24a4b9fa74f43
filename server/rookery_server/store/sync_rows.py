"""Rows for devices that hold a scope: what of it is in a mailbox, newest first, and contents."""

from __future__ import annotations

import heapq
import itertools
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, bindparam, case, func, or_, select, tuple_

from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, ITEM_KIND_MESSAGE
from rookery_server.store.direct import ByKeys, Direct
from rookery_server.store.items import LIVE
from rookery_server.store.tables import folder, item, item_content

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from rookery_core.rules.sync_windows import Window

_PORTION, _LARGEST_PORTION = 64, 512
"""Rows read at once: few, so that their memory is used again and again; more by and by, since who goes on has found them small."""
CONTENTS_AT_ONCE = 16


class SyncRow(NamedTuple):
    """What travels of a live item but its content. Rows of ``SYNC_COLUMNS`` have the same order."""

    fill_key: int
    id: bytes
    folder_id: bytes
    revision: int
    content: int
    uid: int
    state: bytes
    summary: bytes


Place = tuple[int, bytes]
"""A fill key and an id: where a fill is."""
NEWEST: Place = (1 << 63) - 1, b"\xff" * 17
"""Before the first of a fill."""

SYNC_COLUMNS = tuple(item.c[name] for name in SyncRow._fields)

_place = tuple_(item.c.fill_key, item.c.id)
_after = tuple_(bindparam("key", type_=item.c.fill_key.type), bindparam("id", type_=item.c.id.type))
_live = (
    select(*SYNC_COLUMNS)
    .where(item.c.mailbox_id == bindparam("mailbox"), item.c.life == LIVE, item.c.created <= bindparam("created"))
    .limit(bindparam("most"))
)
_newest = _live.where(_place < _after).order_by(item.c.fill_key.desc(), item.c.id.desc())
_newest_of_all = Direct(_newest)
_newest_of_folder = _live.where(item.c.folder_id == bindparam("folder"), tuple_(item.c.received, item.c.id) < _after).order_by(
    item.c.received.desc(), item.c.id.desc()
)
_on = Direct(
    select(item.c.fill_key, item.c.id)
    .where(item.c.mailbox_id == bindparam("mailbox"), _place < _after)
    .order_by(item.c.fill_key.desc(), item.c.id.desc())
    .offset(bindparam("rows"))
    .limit(1)
)
_contents = ByKeys(
    select(
        item.c.id,
        item_content.c.codec,
        case((func.length(item_content.c.content) <= bindparam("most"), item_content.c.content)),
    )
    .join(
        item_content,
        and_(
            item_content.c.mailbox_id == item.c.mailbox_id,
            item_content.c.item_id == item.c.id,
            item_content.c.revision == item.c.content,
        ),
    )
    .where(item.c.mailbox_id == bindparam("mailbox")),
    item.c.id,
)
_live_folders = and_(folder.c.mailbox_id == bindparam("mailbox"), folder.c.deleted == 0)


def in_scope(folder_ids: Sequence[bytes], kinds: Sequence[int], window: Window) -> list[ColumnElement[bool]]:
    """The conditions under which a live item is in a scope; ``services.sync.scopes.Scope.holds`` says the same."""
    conditions: list[ColumnElement[bool]] = []
    if folder_ids:
        conditions.append(item.c.folder_id.in_(folder_ids))
    if kinds:
        conditions.append(item.c.kind.in_(kinds))
    return [*conditions, *_in_window(window)]


def _in_window(window: Window) -> list[ColumnElement[bool]]:
    conditions = []
    if window.mail_since is not None:
        conditions.append(or_(item.c.kind != ITEM_KIND_MESSAGE, item.c.fill_key >= window.mail_since))
    if window.events_from is not None:
        conditions.append(or_(item.c.kind != ITEM_KIND_APPOINTMENT, item.c.span_end > window.events_from))
    if window.events_until is not None:
        conditions.append(or_(item.c.kind != ITEM_KIND_APPOINTMENT, item.c.span_start < window.events_until))
    return conditions


def fill(
    connection: Connection,
    mailbox_id: int,
    conditions: Sequence[ColumnElement[bool]],
    *,
    had: Window | None,
    created: int,
    after: Place,
    floor: Place | None,
    most: int,
) -> Generator[Sequence[Sequence[Any]]]:
    """Live items by (fill key, id), the greatest first, as portions of rows like ``SyncRow``.

    Those under ``conditions``, outside the window ``had`` and created up to a revision; behind ``after``, down to ``floor``, and at
    at most so many. Whoever stops early closes the iterator.
    """
    parameters = {"mailbox": mailbox_id, "created": created, "key": after[0], "id": after[1], "most": most}
    if connection.dialect.name == "postgresql" and not conditions and had is None and floor is None:
        yield from _everything(connection, parameters)
        return
    statement = _narrowed(_newest, conditions, had)
    if floor is not None:
        # The key by itself too: only so is it the end of the range in the index.
        statement = statement.where(item.c.fill_key >= floor[0], or_(item.c.fill_key > floor[0], item.c.id >= floor[1]))
    yield from _portions(connection, statement, parameters)


def _everything(connection: Connection, parameters: dict[str, Any]) -> Generator[Sequence[Sequence[Any]]]:
    """Live items under no condition, by the same statement for each portion, behind the last row of the one before.

    That takes PostgreSQL and its driver half the time of a cursor, which has to be asked again every few rows.
    """
    left, size = parameters["most"], _PORTION
    while left:
        asked = min(left, size)
        rows = _newest_of_all.all(connection, {**parameters, "most": asked})
        yield rows
        if len(rows) < asked:
            return
        parameters["key"], parameters["id"] = _place_of(rows[-1])
        left, size = left - asked, min(size * 2, _LARGEST_PORTION)


def fill_of_folders(
    connection: Connection,
    mailbox_id: int,
    folder_ids: Sequence[bytes],
    conditions: Sequence[ColumnElement[bool]],
    *,
    had: Window | None,
    created: int,
    after: Place,
    most: int,
) -> Generator[Sequence[Sequence[Any]]]:
    """``fill`` of some folders, which looks at nothing else. It reads them side by side, so they are to be few.

    Fill keys are the times of receipt, by which there is an index for each folder.
    """
    statement = _narrowed(_newest_of_folder, conditions, had)
    parameters = {"mailbox": mailbox_id, "created": created, "key": after[0], "id": after[1], "most": most}
    with ExitStack() as opened:
        sources = []
        for folder_id in folder_ids:
            portions = _portions(connection, statement, {**parameters, "folder": folder_id})
            sources.append(itertools.chain.from_iterable(opened.enter_context(closing(portions))))
        newest_first = itertools.islice(heapq.merge(*sources, key=_place_of, reverse=True), most)
        while rows := list(itertools.islice(newest_first, _PORTION)):
            yield rows


def _narrowed(
    statement: Select[tuple[Any, ...]], conditions: Sequence[ColumnElement[bool]], had: Window | None
) -> Select[tuple[Any, ...]]:
    """The statement under conditions; itself where there are none, since a new one costs as much as the first rows."""
    if conditions:
        statement = statement.where(*conditions)
    return statement if had is None else statement.where(~and_(*_in_window(had)))


def _place_of(row: Sequence[Any]) -> Place:
    return row[0], row[1]


def _portions(
    connection: Connection, statement: Select[tuple[Any, ...]], parameters: dict[str, Any]
) -> Generator[Sequence[Sequence[Any]]]:
    # SQLite's driver reads a row when it is fetched, so rows are taken from it directly; PostgreSQL's would read all of them first.
    streamed = connection.dialect.name == "postgresql"
    options = {"stream_results": streamed, "max_row_buffer": _PORTION}
    with closing(connection.execute(statement, parameters, execution_options=options)) as result:
        source: Any = result if streamed else result.cursor
        while rows := source.fetchmany(_PORTION):
            yield rows


def place_after(connection: Connection, mailbox_id: int, after: Place, rows: int) -> Place | None:
    """The place of the item that comes ``rows`` behind another place, whatever item it is; None if there are not so many."""
    found = _on.first(connection, {"mailbox": mailbox_id, "key": after[0], "id": after[1], "rows": rows - 1})
    return (found[0], found[1]) if found else None


def contents(
    connection: Connection, mailbox_id: int, item_ids: Sequence[bytes], most: int
) -> dict[bytes, tuple[int, bytes | None]]:
    """Codec and bytes of the current contents of items, by id; at most 16 ids.

    None for the bytes of one that is stored in more than ``most``: they are not even read.
    """
    rows = _contents.all(connection, item_ids, {"mailbox": mailbox_id, "most": most})
    return {row[0]: (row[1], row[2]) for row in rows}


def held(connection: Connection, mailbox_id: int, folder_ids: Sequence[bytes]) -> int:
    """How many live items are in folders, by their counters."""
    return _whole_folders(connection, [_live_folders, folder.c.id.in_(folder_ids)], {"mailbox": mailbox_id})


def count(connection: Connection, mailbox_id: int, folder_ids: Sequence[bytes], kinds: Sequence[int], since: int | None) -> int:
    """About how many live items are in folders, of kinds, received from a time on: by counters and one index, reading no item.

    What a folder holds is taken for its default kind.
    """
    chosen: list[ColumnElement[bool]] = [_live_folders]
    if folder_ids:
        chosen.append(folder.c.id.in_(folder_ids))
    if kinds:
        chosen.append(folder.c.default_kind.in_(kinds))
    parameters = {"mailbox": mailbox_id}
    if since is None:
        return _whole_folders(connection, chosen, parameters)
    mail, other = folder.c.default_kind == ITEM_KIND_MESSAGE, folder.c.default_kind != ITEM_KIND_MESSAGE
    recent = select(func.count()).where(
        item.c.mailbox_id == bindparam("mailbox"),
        item.c.folder_id.in_(select(folder.c.id).where(*chosen, mail)),
        item.c.life == LIVE,
        item.c.received >= since,
    )
    return int(connection.execute(recent, parameters).scalar_one()) + _whole_folders(connection, [*chosen, other], parameters)


def _whole_folders(connection: Connection, chosen: Sequence[ColumnElement[bool]], parameters: dict[str, int]) -> int:
    statement = select(func.coalesce(func.sum(folder.c.item_count), 0)).where(*chosen)
    return int(connection.execute(statement, parameters).scalar_one())
