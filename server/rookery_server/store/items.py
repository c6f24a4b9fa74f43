"""Item rows: what lists, reads and changes need of them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import ColumnElement, Table, and_, bindparam, case, delete, func, literal_column, select, tuple_, update

from rookery_server.store import item_versions
from rookery_server.store.bulk import insert_rows, put_rows
from rookery_server.store.direct import ByKeys, Direct
from rookery_server.store.tables import (
    conflict,
    departure,
    item,
    item_category,
    item_content,
    item_stamp,
    reader_state,
    retired_id,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Select

LIVE = 1
RECOVERABLE = 2

MOVED = 1
MADE_RECOVERABLE = 2
PURGED = 3
RESTORED = 4

NOWHERE = bytes(16)
"""Where an item is that is recoverable: in no folder. It departs from there too, when it is restored or purged."""


class PackedRow(NamedTuple):
    """What travels of an item but its content."""

    id: bytes
    folder_id: bytes
    revision: int
    content: int
    uid: int
    life: int
    state: bytes
    summary: bytes


class PlaceRow(NamedTuple):
    """What moving and deleting need to know of an item."""

    id: bytes
    folder_id: bytes
    life: int
    uid: int
    kind: int
    content: int
    size_bytes: int
    is_read: bool
    created: int


class MarkRow(NamedTuple):
    """What marking needs to know of an item."""

    id: bytes
    folder_id: bytes
    life: int
    is_read: bool
    state: bytes
    summary: bytes


# The number itself, not a parameter: only so does SQLite use the indexes of recoverable items.
_is_recoverable = item.c.life == literal_column(str(RECOVERABLE))

PACKED_COLUMNS = tuple(item.c[name] for name in PackedRow._fields)
_place_columns = tuple(item.c[name] for name in PlaceRow._fields)

_packed_by_id = Direct(select(*PACKED_COLUMNS).where(item.c.mailbox_id == bindparam("mailbox"), item.c.id == bindparam("item")))
_packed_by_ids = ByKeys(select(*PACKED_COLUMNS).where(item.c.mailbox_id == bindparam("mailbox")), item.c.id)
_places_by_ids = ByKeys(select(*_place_columns).where(item.c.mailbox_id == bindparam("mailbox")), item.c.id)
_marks_by_ids = ByKeys(
    select(*(item.c[name] for name in MarkRow._fields)).where(item.c.mailbox_id == bindparam("mailbox")), item.c.id
)
_taken = ByKeys(select(item.c.id).where(item.c.mailbox_id == bindparam("mailbox")), item.c.id)
_retired = ByKeys(select(retired_id.c.item_id).where(retired_id.c.mailbox_id == bindparam("mailbox")), retired_id.c.item_id)
_of_external = Direct(
    select(item.c.id).where(item.c.mailbox_id == bindparam("mailbox"), item.c.external_id == bindparam("external")).limit(50)
)
_content = Direct(
    select(item_content.c.codec, item_content.c.content).where(
        item_content.c.mailbox_id == bindparam("mailbox"),
        item_content.c.item_id == bindparam("item"),
        item_content.c.revision == bindparam("revision"),
    )
)
_drop_contents = Direct(
    delete(item_content).where(
        item_content.c.mailbox_id == bindparam("mailbox"),
        item_content.c.item_id == bindparam("item"),
        item_content.c.revision.not_in(
            select(conflict.c.content_revision).where(
                conflict.c.mailbox_id == bindparam("mailbox"), conflict.c.item_id == bindparam("item")
            )
        ),
    )
)
_delete = Direct(delete(item).where(item.c.mailbox_id == bindparam("mailbox"), item.c.id == bindparam("item")))
_whole = Direct(
    select(
        *PACKED_COLUMNS,
        item_content.c.codec,
        case((func.length(item_content.c.content) <= bindparam("most"), item_content.c.content)).label("encoded"),
    )
    .outerjoin(
        item_content,
        and_(
            item_content.c.mailbox_id == item.c.mailbox_id,
            item_content.c.item_id == item.c.id,
            item_content.c.revision == item.c.content,
        ),
    )
    .where(item.c.mailbox_id == bindparam("mailbox"), item.c.id == bindparam("item"))
)


def packed(connection: Connection, mailbox_id: int, item_id: bytes) -> PackedRow | None:
    """One item, live or recoverable."""
    row = _packed_by_id.first(connection, {"mailbox": mailbox_id, "item": item_id})
    return PackedRow(*row) if row else None


def whole(
    connection: Connection, mailbox_id: int, item_id: bytes, *, most: int
) -> tuple[PackedRow, tuple[int, bytes] | None] | None:
    """One item, live or recoverable, with the codec and the bytes of its content, in one statement.

    None in place of a content that is stored in more than ``most`` bytes: it is not even read from the disk.
    """
    row = _whole.first(connection, {"mailbox": mailbox_id, "item": item_id, "most": most})
    if row is None:
        return None
    *columns, codec, encoded = row
    return PackedRow(*columns), None if encoded is None else (codec, encoded)


def packed_many(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes]) -> dict[bytes, PackedRow]:
    """Those of the items that exist, live or recoverable; at most 500 ids."""
    rows = _packed_by_ids.all(connection, item_ids, {"mailbox": mailbox_id})
    return {row[0]: PackedRow(*row) for row in rows}


def places(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes]) -> dict[bytes, PlaceRow]:
    """Where those of the items are that exist, live or recoverable; at most 500 ids."""
    rows = _places_by_ids.all(connection, item_ids, {"mailbox": mailbox_id})
    return {row[0]: PlaceRow(*row) for row in rows}


def marks(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes]) -> dict[bytes, MarkRow]:
    """How those of the items are marked that exist, live or recoverable; at most 500 ids."""
    rows = _marks_by_ids.all(connection, item_ids, {"mailbox": mailbox_id})
    return {row[0]: MarkRow(*row) for row in rows}


def content(connection: Connection, mailbox_id: int, item_id: bytes, revision: int) -> tuple[int, bytes] | None:
    """The codec and the bytes of one version of an item's content."""
    row = _content.first(connection, {"mailbox": mailbox_id, "item": item_id, "revision": revision})
    return (row[0], row[1]) if row else None


def columns(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes]) -> list[dict[str, Any]]:
    """Whole rows, for copies."""
    rows = connection.execute(select(item).where(item.c.mailbox_id == mailbox_id, item.c.id.in_(item_ids))).mappings()
    return [dict(row) for row in rows]


def page(
    connection: Connection,
    mailbox_id: int,
    folder_id: bytes | None,
    *,
    life: int,
    sort: str,
    descending: bool,
    after: tuple[int | str, bytes] | None,
    where: ColumnElement[bool] | None,
    limit: int,
) -> list[tuple[int | str, PackedRow]]:
    """Up to ``limit`` items of a folder in the order of a sort column and id, beginning behind ``after``; with their sort keys.

    ``after`` is the sort key and id of the last item looked at. Each order has its index, so that a deep page costs what the
    first does. Without a folder: the recoverable items of the whole mailbox, whatever ``life``; there only the order by
    ``received`` has an index, and the others sort them all.
    """
    values: dict[str, Any] = {"mailbox": mailbox_id, "most": limit}
    if folder_id is not None:
        values |= {"folder": folder_id, "life": life}
    if after is not None:
        values |= {"after_key": after[0], "after_id": after[1]}
    shape = {"descending": descending, "continued": after is not None, "anywhere": folder_id is None}
    if where is None:
        rows = _direct_page(sort, **shape).all(connection, values)
    else:
        rows = connection.execute(_page(sort, **shape).where(where), values).all()
    return [(row[0], PackedRow(*row[1:])) for row in rows]


@cache
def _direct_page(sort: str, *, descending: bool, continued: bool, anywhere: bool) -> Direct:
    return Direct(_page(sort, descending=descending, continued=continued, anywhere=anywhere))


@cache
def _page(sort: str, *, descending: bool, continued: bool, anywhere: bool) -> Select[Any]:
    key = item.c[sort]
    statement = select(key, *PACKED_COLUMNS).where(item.c.mailbox_id == bindparam("mailbox"))
    if anywhere:
        statement = statement.where(_is_recoverable)
    else:
        statement = statement.where(item.c.folder_id == bindparam("folder"), item.c.life == bindparam("life"))
    if continued:
        place = tuple_(key, item.c.id)
        last = tuple_(bindparam("after_key", type_=key.type), bindparam("after_id", type_=item.c.id.type))
        statement = statement.where(place < last if descending else place > last)
    order = (key.desc(), item.c.id.desc()) if descending else (key, item.c.id)
    return statement.order_by(*order).limit(bindparam("most"))


def known(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes]) -> tuple[set[bytes], set[bytes]]:
    """Which of the ids name items (live or recoverable), and which were retired by a purge."""
    taken, retired = (by_ids.all(connection, item_ids, {"mailbox": mailbox_id}) for by_ids in (_taken, _retired))
    return {row[0] for row in taken}, {row[0] for row in retired}


def find_external(connection: Connection, mailbox_id: int, folder_id: bytes, external_ids: Sequence[str]) -> dict[str, bytes]:
    """Live items of a folder by Message-ID or UID."""
    rows = connection.execute(
        select(item.c.external_id, item.c.id).where(
            item.c.mailbox_id == mailbox_id,
            item.c.external_id.in_(external_ids),
            item.c.folder_id == folder_id,
            item.c.life == LIVE,
        )
    )
    return {row.external_id: row.id for row in rows}


def by_external(connection: Connection, mailbox_id: int, external_id: str) -> list[bytes]:
    """Up to 50 items, live or recoverable, with this Message-ID or UID, as the column has it."""
    return [row[0] for row in _of_external.all(connection, {"mailbox": mailbox_id, "external": external_id})]


def in_folder(connection: Connection, mailbox_id: int, folder_id: bytes, *, life: int, limit: int) -> list[bytes]:
    """Ids of up to ``limit`` items that a folder holds."""
    statement = (
        select(item.c.id)
        .where(item.c.mailbox_id == mailbox_id, item.c.folder_id == folder_id, item.c.life == life)
        .order_by(item.c.received)
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def add(connection: Connection, rows: list[dict[str, Any]], categories: list[dict[str, Any]]) -> None:
    """Inserts items with their categories, in bulk."""
    insert_rows(connection, item, rows)
    insert_rows(connection, item_category, categories)


def add_contents(connection: Connection, contents: list[dict[str, Any]]) -> None:
    """Inserts the contents of new items, in bulk."""
    insert_rows(connection, item_content, contents)


def change(connection: Connection, mailbox_id: int, changes: list[dict[str, Any]]) -> None:
    """Sets columns of items: each dict has ``id`` and the same other columns."""
    names = tuple(name for name in changes[0] if name != "id")
    rows = [{"b_mailbox": mailbox_id, "b_id": values["id"], **{f"v_{name}": values[name] for name in names}} for values in changes]
    _change(names).run_many(connection, rows)


@cache
def _change(names: tuple[str, ...]) -> Direct:
    this = (item.c.mailbox_id == bindparam("b_mailbox")) & (item.c.id == bindparam("b_id"))
    return Direct(update(item).where(this).values({name: bindparam(f"v_{name}") for name in names}))


def replace_content(connection: Connection, mailbox_id: int, item_id: bytes, revision: int, codec: int, content_: bytes) -> None:
    """Makes this the item's only kept version of the content but for those that a conflict names."""
    _drop_contents.run(connection, {"mailbox": mailbox_id, "item": item_id})
    item_versions.add(connection, mailbox_id, item_id, revision, codec, content_)


def replace_categories(connection: Connection, mailbox_id: int, categories: Mapping[bytes, Iterable[str]]) -> None:
    """Sets the categories (as keys) of items."""
    _delete_of(connection, item_category, mailbox_id, categories)
    rows = [
        {"mailbox_id": mailbox_id, "item_id": item_id, "category_key": key} for item_id, keys in categories.items() for key in keys
    ]
    insert_rows(connection, item_category, rows)


def note_departures(connection: Connection, mailbox_id: int, revision: int, reason: int, gone: Iterable[PlaceRow]) -> None:
    """Notes that items left where they were at a revision; only the latest departure from a folder is kept.

    A recoverable item was in no folder, whichever it would be restored to: it departs from ``NOWHERE``.
    """
    rows = [
        {
            "mailbox_id": mailbox_id,
            "item_id": row.id,
            "folder_id": row.folder_id if row.life == LIVE else NOWHERE,
            "revision": revision,
            "uid": row.uid,
            "reason": reason,
            "created": row.created,
        }
        for row in gone
    ]
    put_rows(connection, departure, rows)


def purge(connection: Connection, mailbox_id: int, revision: int, item_ids: list[bytes], *, with_conflicts: bool) -> None:
    """Removes items for ever, with what their contents hold, but for their ids. Search documents are their own module's business.

    Versions that lost in a conflict stay unless they go ``with_conflicts``.
    """
    for table in (item_category, item_stamp, reader_state, *([conflict] if with_conflicts else [])):
        _delete_of(connection, table, mailbox_id, item_ids)
    _delete.run_many(connection, [{"mailbox": mailbox_id, "item": item_id} for item_id in item_ids])
    item_versions.sweep(connection, mailbox_id, item_ids)
    insert_rows(
        connection, retired_id, [{"mailbox_id": mailbox_id, "item_id": item_id, "revision": revision} for item_id in item_ids]
    )


def recount(connection: Connection, mailbox_id: int) -> dict[bytes, tuple[int, int, int]]:
    """Live items, unread ones and bytes by folder, counted anew: what the counters must equal."""
    rows = connection.execute(
        select(
            item.c.folder_id,
            func.count(),
            func.count().filter(item.c.is_read.is_(False)),
            func.coalesce(func.sum(item.c.size_bytes), 0),
        )
        .where(item.c.mailbox_id == mailbox_id, item.c.life == LIVE)
        .group_by(item.c.folder_id)
    )
    return {row[0]: (int(row[1]), int(row[2]), int(row[3])) for row in rows}


def _delete_of(connection: Connection, table: Table, mailbox_id: int, item_ids: Iterable[bytes]) -> None:
    _deletion(table).run_many(connection, [{"mailbox": mailbox_id, "item": item_id} for item_id in item_ids])


@cache
def _deletion(table: Table) -> Direct:
    return Direct(delete(table).where(table.c.mailbox_id == bindparam("mailbox"), table.c.item_id == bindparam("item")))
