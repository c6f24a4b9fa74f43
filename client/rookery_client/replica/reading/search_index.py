"""The replica's full-text index: which items it has, and bringing it up with what came.

It is about the items as the server has them; what operations made of them is looked through beside it. Documents of items that
changed or are gone keep their postings, out of sight, until the index is begun anew.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.message import DecodeError

from rookery.v1.item_pb2 import ItemContent, ItemSummary
from rookery_client.replica.storage import facts
from rookery_client.replica.view import shown_contents
from rookery_core.errors import DataLoss
from rookery_core.rules import search_fts5
from rookery_core.rules.search_documents import document_of
from rookery_core.rules.search_numbers import HASH_BITS, MAX_MILLIS, number_at
from rookery_core.rules.search_query import Document

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Container, Iterator

    from rookery_core.rules.search_query import Query

PREFIX = "_"
"""Before every term (``search_fts5``): there is one mailbox only, so any will do."""
_PROGRESS = "indexed_number"
"""The fact that names the last item in the index, by the order in which they came."""
_STALE_ALLOWED = 1000
_COLUMNS = ", ".join(Document._fields)
_VALUES = ", ".join(f":{name}" for name in Document._fields)
_ADD = f"INSERT INTO search (rowid, {_COLUMNS}) VALUES (:number, {_VALUES})"
_CHANGED = """SELECT i.number, i.id, i.content_revision, i.fill_key, i.summary FROM item_changed AS c CROSS JOIN item AS i
    ON i.number = c.number WHERE c.number <= ? ORDER BY c.number LIMIT ?"""
_NEW = "SELECT number, id, content_revision, fill_key, summary FROM item WHERE number > ? ORDER BY number LIMIT ?"
_CONTENT = "SELECT encoding, data FROM content WHERE item_id = ? AND content_revision = ?"
_FIND = """SELECT d.number, i.id, i.folder_id, EXISTS (SELECT 1 FROM local_item AS l WHERE l.id = i.id)
    FROM search AS p CROSS JOIN search_document AS d ON d.number = p.rowid CROSS JOIN item AS i ON i.number = d.item_number
    WHERE p.search MATCH ? AND p.rowid >= ? AND p.rowid < ?
    AND NOT EXISTS (SELECT 1 FROM item_changed AS c WHERE c.number = i.number) ORDER BY p.rowid DESC"""


class _Entry(NamedTuple):
    """An item that the index lacks."""

    number: int
    item_id: bytes
    content_revision: int
    received: int
    summary: bytes


def left(connection: sqlite3.Connection) -> int:
    """About how many items the index lacks; 0 only if it lacks none."""
    newest = connection.execute("SELECT coalesce(max(number), 0) FROM item").fetchone()[0]
    changed = connection.execute("SELECT count(*) FROM item_changed").fetchone()[0]
    return int(changed) + max(0, int(newest) - facts.number(connection, _PROGRESS))


def index(connection: sqlite3.Connection, limit: int) -> int:
    """Indexes up to so many items, in the caller's transaction; gives about how many are left."""
    done = facts.number(connection, _PROGRESS)
    # What changed before its turn came is indexed when that comes; of what is gone there is nothing to index.
    connection.execute("DELETE FROM item_changed WHERE number > ? OR number NOT IN (SELECT number FROM item)", (done,))
    changed = [_Entry(*row) for row in connection.execute(_CHANGED, (done, limit))]
    new = [_Entry(*row) for row in connection.execute(_NEW, (done, limit - len(changed)))] if len(changed) < limit else []
    _add(connection, [*changed, *new])
    connection.executemany("DELETE FROM item_changed WHERE number = ?", [(entry.number,) for entry in changed])
    if new:
        facts.put(connection, {_PROGRESS: new[-1].number})
    remaining = left(connection)
    if (changed or new) and not remaining and _is_worn(connection):
        return _begin_anew(connection)
    return remaining


def find(
    connection: sqlite3.Connection, query: Query, *, folder_ids: Container[bytes], at_least: int, below: int
) -> Iterator[tuple[int, bytes]]:
    """Numbers and item ids of the documents that hold the words, newest first; numbers are ``at_least`` and less than ``below``.

    Items of other folders are left out, but for those over which an operation lies: the person may see them elsewhere.
    """
    rows = connection.execute(_FIND, (search_fts5.expression(PREFIX, query.words), at_least, below))
    return ((number, item_id) for number, item_id, folder_id, laid_over in rows if laid_over or folder_id in folder_ids)


def document(connection: sqlite3.Connection, item_id: bytes, content_revision: int, summary: bytes) -> Document:
    """What is searched of an item as the server has it. What is damaged has no words: it must not stop the rest."""
    held = connection.execute(_CONTENT, (item_id, content_revision)).fetchone()
    try:
        content = ItemContent() if held is None else ItemContent.FromString(shown_contents.decoded(*held))
        return document_of(ItemSummary.FromString(summary), content)
    except (DecodeError, DataLoss):
        return Document((), (), (), (), ())


def number_for(received: int, version: bytes) -> int:
    """The number of a document that would be received then; ``version`` tells it from others of the same millisecond."""
    place = int.from_bytes(hashlib.blake2b(version, digest_size=4).digest(), "big") & ((1 << HASH_BITS) - 1)
    return min(number_at(received), MAX_MILLIS << HASH_BITS) | place


def _add(connection: sqlite3.Connection, entries: list[_Entry]) -> None:
    """Adds documents, in the order of their numbers: FTS5 begins a new segment where numbers go down."""
    connection.executemany("DELETE FROM search_document WHERE item_number = ?", [(entry.number,) for entry in entries])
    taken: set[int] = set()
    numbered = []
    for entry in entries:
        version = entry.number.to_bytes(8, "big") + entry.content_revision.to_bytes(8, "big")
        number = number_for(entry.received, version)
        while number in taken or connection.execute("SELECT 1 FROM search_docsize WHERE id = ?", (number,)).fetchone():
            number = number_for(entry.received, version := version + b"+")
        taken.add(number)
        numbered.append((number, entry))
    for number, entry in sorted(numbered):
        found = document(connection, entry.item_id, entry.content_revision, entry.summary)
        connection.execute(_ADD, {"number": number, **search_fts5.texts(PREFIX, found)})
        connection.execute("INSERT INTO search_document (number, item_number) VALUES (?, ?)", (number, entry.number))


def _is_worn(connection: sqlite3.Connection) -> bool:
    """Whether more than 1,000 documents and more than half of all are of no use any more."""
    documents = connection.execute("SELECT count(*) FROM search_docsize").fetchone()[0]
    items = facts.number(connection, facts.ITEMS)
    return int(documents) - items > max(_STALE_ALLOWED, items)


def _begin_anew(connection: sqlite3.Connection) -> int:
    connection.execute("INSERT INTO search (search) VALUES ('delete-all')")
    connection.execute("DELETE FROM search_document")
    connection.execute("DELETE FROM item_changed")
    facts.put(connection, {_PROGRESS: 0})
    return left(connection)
