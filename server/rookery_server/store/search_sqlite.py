"""Postings in FTS5, contentless: the table holds words and no text (``search_fts5``).

FTS5 gives hits in the order of their numbers, either way, without sorting. It can not take a document out without its text; a
document that is gone keeps its postings, out of sight, until ``compact`` has built the table anew beside the old one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.dialects.sqlite import insert

from rookery_core.rules import search_fts5
from rookery_core.rules.search_query import Document
from rookery_server.store.search_terms import mailbox_prefix
from rookery_server.store.tables import search_document, search_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rookery_core.rules.search_query import Query

_STALE_ALLOWED = 1000
_EMPTY = Document((), (), (), (), ())
_COLUMNS = ", ".join(Document._fields)
_VALUES = ", ".join(f":{name}" for name in Document._fields)
_add = text(f"INSERT INTO search_postings (rowid, {_COLUMNS}) VALUES (:number, {_VALUES})")
_add_next = text(f"INSERT INTO search_postings_next (rowid, {_COLUMNS}) VALUES (:number, {_VALUES})")
_find = text(
    "SELECT d.number, d.item_id FROM search_postings AS p CROSS JOIN search_document AS d ON d.number = p.rowid"
    " WHERE p.search_postings MATCH :expression AND p.rowid >= :at_least AND p.rowid < :below AND d.mailbox_id = :mailbox"
    " ORDER BY p.rowid DESC LIMIT :limit"
).columns(search_document.c.number, search_document.c.item_id)
_worth_compacting = select(func.coalesce(func.sum(search_progress.c.stale), 0))
_count = select(func.count()).select_from(search_document)
_ensure_progress = insert(search_progress).values(mailbox_id=bindparam("mailbox"), revision=0, stale=0).on_conflict_do_nothing()
_compacting = text("SELECT 1 FROM sqlite_master WHERE name = 'search_postings_next'")
_compacted = text("SELECT max(id) FROM search_postings_next_docsize")
_next_documents = (
    select(search_document.c.number, search_document.c.mailbox_id, search_document.c.item_id)
    .where(search_document.c.number > bindparam("after"))
    .order_by(search_document.c.number)
    .limit(bindparam("limit"))
)


def ensure_progress(connection: Connection, mailbox_id: int) -> None:
    """Sees that the mailbox has its row in ``search_progress``."""
    connection.execute(_ensure_progress, {"mailbox": mailbox_id})


def add(connection: Connection, mailbox_id: int, documents: Sequence[tuple[int, bytes, Document]]) -> None:
    """Inserts documents: number, item, terms; by ascending number (FTS5 begins a new segment where numbers go down)."""
    connection.execute(
        insert(search_document),
        [{"number": number, "mailbox_id": mailbox_id, "item_id": item_id} for number, item_id, _ in documents],
    )
    rows = [{"number": number, **search_fts5.texts(mailbox_prefix(mailbox_id), document)} for number, _, document in documents]
    connection.execute(_add, rows)
    if connection.execute(_compacting).first():
        # What is beyond the place that compaction has come to is met when it gets there.
        done = connection.execute(_compacted).scalar() or 0
        passed = [row for row, (number, _, _) in zip(rows, documents, strict=True) if number <= done]
        if passed:
            connection.execute(_add_next, passed)


def find(
    connection: Connection, mailbox_id: int, query: Query, *, at_least: int, below: int, limit: int
) -> list[tuple[int, bytes]]:
    """See ``search.find``."""
    given = {"mailbox": mailbox_id, "at_least": at_least, "below": below, "limit": limit}
    rows = connection.execute(_find, {**given, "expression": search_fts5.expression(mailbox_prefix(mailbox_id), query.words)})
    return [(row.number, row.item_id) for row in rows]


def is_worth_compacting(connection: Connection) -> bool:
    """Whether more than 1,000 documents and more than half of all are stale, or a compaction was begun and not finished."""
    if connection.execute(_compacting).first():
        return True
    stale = int(connection.execute(_worth_compacting).scalar_one())
    return stale > max(_STALE_ALLOWED, int(connection.execute(_count).scalar_one()) // 2)


def begin_compaction(connection: Connection) -> None:
    """Makes the new table, empty, unless it is there: an interrupted compaction goes on.

    From here to the end every new document is written to both tables, so nothing becomes stale unseen: the count begins anew.
    """
    if connection.execute(_compacting).first() is None:
        connection.execute(text(f"CREATE VIRTUAL TABLE search_postings_next USING fts5({search_fts5.OPTIONS})"))
        connection.execute(update(search_progress).values(stale=0))


def restart_compaction(connection: Connection) -> None:
    """Sees that a compaction comes, whatever the number of stale documents, and that it begins after what this transaction did.

    One that is under way may have copied what is stale now, so it starts anew.
    """
    connection.execute(text("DROP TABLE IF EXISTS search_postings_next"))
    begin_compaction(connection)


def next_to_compact(connection: Connection, limit: int) -> list[tuple[int, int, bytes]]:
    """Number, mailbox and item of the next documents that the new table lacks, by ascending number."""
    done = connection.execute(_compacted).scalar() or 0
    rows = connection.execute(_next_documents, {"after": done, "limit": limit})
    return [(row.number, row.mailbox_id, row.item_id) for row in rows]


def compact(connection: Connection, listed: Sequence[tuple[int, int, Document]]) -> None:
    """Writes what ``next_to_compact`` listed to the new table: number, mailbox, terms; nothing for what is gone by now.

    If a document came between them meanwhile, nothing is written: list them again. An empty document stands for one that is gone,
    so that the greatest number in the new table says how far this has come.
    """
    done = connection.execute(_compacted).scalar() or 0
    between = search_document.c.number.between(done + 1, listed[-1][0])
    present = set(connection.execute(select(search_document.c.number).where(between)).scalars())
    if listed[0][0] <= done or present - {number for number, _, _ in listed}:
        return
    rows = [
        {"number": number, **search_fts5.texts(mailbox_prefix(mailbox_id), document if number in present else _EMPTY)}
        for number, mailbox_id, document in listed
    ]
    connection.execute(_add_next, rows)


def finish_compaction(connection: Connection) -> bool:
    """Puts the new table into the place of the old one; False if it lacks documents still."""
    if next_to_compact(connection, 1):
        return False
    connection.execute(text("DROP TABLE search_postings"))
    connection.execute(text("ALTER TABLE search_postings_next RENAME TO search_postings"))
    return True
