"""Postings in PostgreSQL: a ``tsvector`` beside each document, with a GIN index. Updates and deletions are real here.

A term stands in the vector once for any field, behind the mailbox's prefix, and once more for subject, sender and recipients,
behind a prefix of their own: PostgreSQL's weights would make it read the vector of every hit again. A ``tsvector`` counts
positions up to 16,383 and keeps 255 for a term; what is beyond is found as words, but no longer as a phrase. It holds less than
1 MiB: of longer documents the rest is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import insert

from rookery_core.rules.search_numbers import micros_after, micros_from, number_at
from rookery_core.rules.search_query import Field
from rookery_server.store.direct import Direct
from rookery_server.store.prepared import Prepared
from rookery_server.store.search_terms import mailbox_prefix
from rookery_server.store.tables import FOREVER, NO_TIME, item, search_document, search_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rookery_core.rules.search_query import Document, Query, Words

_LETTERS = {Field.SUBJECT: "S", Field.SENDER: "F", Field.RECIPIENTS: "T"}
"""What goes before the underscore of the prefix. No mailbox's number has capital letters."""
_GAP = 2
"""Positions left free between fields, so that no phrase reaches from one into the next."""
_MAX_POSITION = 16_383
_MAX_POSITIONS = 255
_MAX_BYTES = 900_000
"""Of a tsvector's 1 MiB: four bytes a term and two a position are the engine's own."""

_add = Prepared(
    text(
        "INSERT INTO search_document (number, mailbox_id, item_id, terms)"
        " VALUES (:number, :mailbox, :item, CAST(CAST(:terms AS text) AS tsvector))"
    )
)
_FEW = 2_000
"""So many hits are fetched by the GIN index and sorted; where there are more, the newest documents are looked through instead."""
_FIRST_WINDOW = 1_000

_find = text(
    "SELECT number, item_id FROM search_document"
    " WHERE terms @@ CAST(:expression AS tsquery) AND number >= :at_least AND number < :below AND mailbox_id = :mailbox"
    f" LIMIT {_FEW + 1}"
).columns(search_document.c.number, search_document.c.item_id)
# Materialised, or the planner would go by its guess of how rare the words are.
_find_among = text(
    "WITH newest AS MATERIALIZED ("
    " SELECT d.number, d.item_id, d.terms FROM item AS i"
    " JOIN search_document AS d ON d.mailbox_id = i.mailbox_id AND d.item_id = i.id"
    " WHERE i.mailbox_id = :mailbox AND i.fill_key >= :begin AND i.fill_key < :end"
    " AND d.number >= :at_least AND d.number < :below)"
    " SELECT number, item_id FROM newest WHERE terms @@ CAST(:expression AS tsquery) ORDER BY number DESC LIMIT :limit"
).columns(search_document.c.number, search_document.c.item_id)
_window_end = Direct(
    select(item.c.fill_key)
    .where(item.c.mailbox_id == bindparam("mailbox"), item.c.fill_key < bindparam("end"))
    .order_by(item.c.fill_key.desc())
    .offset(bindparam("size"))
    .limit(1)
)
_ensure_progress = Direct(
    insert(search_progress).values(mailbox_id=bindparam("mailbox"), revision=0, stale=0).on_conflict_do_nothing()
)


def ensure_progress(connection: Connection, mailbox_id: int) -> None:
    """Sees that the mailbox has its row in ``search_progress``."""
    _ensure_progress.run(connection, {"mailbox": mailbox_id})


def add(connection: Connection, mailbox_id: int, documents: Sequence[tuple[int, bytes, Document]]) -> None:
    """Inserts documents: number, item, terms."""
    prefix = mailbox_prefix(mailbox_id)
    rows = [
        {"number": number, "mailbox": mailbox_id, "item": item_id, "terms": _vector(prefix, document)}
        for number, item_id, document in documents
    ]
    _add.run_many(connection, rows)


def find(
    connection: Connection, mailbox_id: int, query: Query, *, at_least: int, below: int, limit: int
) -> list[tuple[int, bytes]]:
    """See ``search.find``."""
    given: dict[str, Any] = {"mailbox": mailbox_id, "expression": _expression(mailbox_id, query.words)}
    rows = connection.execute(_find, {**given, "at_least": at_least, "below": below})
    hits = sorted(((row.number, row.item_id) for row in rows), reverse=True)
    if len(hits) <= _FEW:
        return hits[:limit]
    hits, size = [], _FIRST_WINDOW
    while len(hits) < limit and below > at_least:
        end = micros_after(below)
        end = FOREVER if end is None else end
        window = _window_end.first(connection, {"mailbox": mailbox_id, "end": end, "size": size})
        begin = at_least if window is None else max(at_least, number_at(window[0]))
        limits = {"at_least": begin, "below": below, "begin": _begin(begin), "end": end, "limit": limit - len(hits)}
        hits += [(row.number, row.item_id) for row in connection.execute(_find_among, {**given, **limits})]
        below, size = begin, 4 * size
    return hits


def _begin(number: int) -> int:
    micros = micros_from(number)
    return NO_TIME if micros is None else micros


def _vector(prefix: str, document: Document) -> str:
    """The document as a tsvector is written. Terms hold letters, digits and marks only, so nothing in it needs escaping."""
    places: dict[str, list[int]] = {prefix: []}  # the mark that every document of the mailbox has
    position, size = 0, 0
    for field, terms in zip(Field, document, strict=True):
        prefixes = [prefix, _field_prefix(prefix, field)] if field in _LETTERS else [prefix]
        first = position + _GAP
        for position, term in enumerate(terms, first):
            for before in prefixes:
                size += _add_place(places, before + term, position)
            if size > _MAX_BYTES:
                break
    return " ".join(f"'{term}'" + (f":{','.join(map(str, found))}" if found else "") for term, found in places.items())


def _add_place(places: dict[str, list[int]], term: str, position: int) -> int:
    """Notes a place of a term, if there is room for it; gives the bytes that it takes."""
    found = places.get(term)
    size = 2
    if found is None:
        found = places[term] = []
        size = len(term.encode()) + 10
    if position <= _MAX_POSITION and len(found) < _MAX_POSITIONS:
        found.append(position)
    return size


def _field_prefix(prefix: str, field: Field) -> str:
    return f"{prefix[:-1]}{_LETTERS[field]}_"


def _expression(mailbox_id: int, wanted: Sequence[Words]) -> str:
    """The query as a tsquery is written."""
    prefix = mailbox_prefix(mailbox_id)
    parts = [f"{'!' if words.negated else ''}({_phrase(prefix, words)})" for words in wanted]
    if all(words.negated for words in wanted):
        parts.append(f"'{prefix}'")
    return " & ".join(parts)


def _phrase(prefix: str, words: Words) -> str:
    before = prefix if words.field is None else _field_prefix(prefix, words.field)
    return " <-> ".join(f"'{before}{term}'" for term in words.terms) + (":*" if words.prefix else "")
