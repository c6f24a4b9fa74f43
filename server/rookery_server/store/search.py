"""The full-text index as the services see it, on either engine.

What is indexed: the terms (``rookery_core.rules.words``) of each document's fields, each behind its mailbox's number, so that the
postings of one mailbox are no part of another's. Folder, life, state and everything else that may change without the content
are not indexed; they are joined to the hits. The index follows the commits: ``search_progress.revision`` says how far it has come.

A document's number is ``received in milliseconds << 22 | 22 bits of (mailbox, item, content revision)``: the order of the numbers
is the order of the items, and a document whose content changed gets another number. Where a number is taken the next of
``_PLACES`` is tried. What is stale stays out of sight, because the number is in ``search_document`` no more; on SQLite its postings
wait for ``search_sqlite.compact``.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import structlog
from sqlalchemy import bindparam, delete, select, update

from rookery_core.rules.search_numbers import HASH_BITS, MAX_MILLIS, NUMBERS, number_at
from rookery_server.store import search_postgresql, search_sqlite
from rookery_server.store.direct import ByKeys, Direct
from rookery_server.store.items import LIVE, PACKED_COLUMNS, PackedRow
from rookery_server.store.tables import item, mailbox, search_document, search_progress

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from types import ModuleType

    from sqlalchemy import ColumnElement, Connection

    from rookery_core.rules.search_query import Document, Query

_PLACES = 21
"""Numbers that a document may have within its millisecond, foreseeable by nobody who does not know the number of the mailbox. With
three million documents in one millisecond one in a thousand finds all of them taken; it is left out of the index."""
_PLACE_BYTES = 3
"""Of the digest, which has 64 at the most, for each place: enough for ``HASH_BITS``."""

_log = structlog.get_logger(__name__)


class Candidate(NamedTuple):
    """An item that the index may have to learn of."""

    mailbox_id: int
    item_id: bytes
    content: int
    revision: int
    received: int
    number: int | None
    """Under which the item is in the index, with this content or an older one."""

    @property
    def is_current(self) -> bool:
        """Whether the index has the item with this very content."""
        return self.number is not None and self.number in self._numbers()

    @property
    def preferred_number(self) -> int:
        """The number that it gets if that is free."""
        return self._numbers()[0]

    def _numbers(self) -> tuple[int, ...]:
        return _numbers(self.mailbox_id, self.item_id, self.content, self.received)


class Indexed(NamedTuple):
    """A document for the index."""

    item_id: bytes
    content: int
    received: int
    document: Document


_window_end = Direct(
    select(item.c.revision)
    .where(item.c.mailbox_id == bindparam("mailbox"), item.c.revision > bindparam("since"))
    .order_by(item.c.revision)
    .offset(bindparam("skip"))
    .limit(1)
)
_window = Direct(
    select(item.c.id, item.c.content, item.c.revision, item.c.received, search_document.c.number)
    .outerjoin(search_document, (search_document.c.mailbox_id == item.c.mailbox_id) & (search_document.c.item_id == item.c.id))
    .where(item.c.mailbox_id == bindparam("mailbox"), item.c.revision > bindparam("since"), item.c.revision <= bindparam("upto"))
    .order_by(item.c.revision)
)
_of_mailbox = select(search_progress.c.revision).where(search_progress.c.mailbox_id == bindparam("mailbox"))
_progress, _progress_locked = Direct(_of_mailbox), Direct(_of_mailbox.with_for_update())
_advance = Direct(
    update(search_progress)
    .where(search_progress.c.mailbox_id == bindparam("mailbox"))
    .values(revision=bindparam("to"), stale=search_progress.c.stale + bindparam("more"))
)
_forget = delete(search_document).where(
    search_document.c.mailbox_id == bindparam("mailbox"), search_document.c.item_id.in_(bindparam("items", expanding=True))
)
_present = ByKeys(select(item.c.id, item.c.content).where(item.c.mailbox_id == bindparam("mailbox")), item.c.id)
_hold = Direct(select(mailbox.c.id).where(mailbox.c.id == bindparam("mailbox")).with_for_update(read=True, key_share=True))
_live = select(*PACKED_COLUMNS).where(
    item.c.mailbox_id == bindparam("mailbox"),
    item.c.id.in_(bindparam("items", expanding=True)),
    item.c.life == LIVE,
)
_taken = ByKeys(select(search_document.c.number), search_document.c.number)
_behind = (
    select(mailbox.c.uid)
    .outerjoin(search_progress, search_progress.c.mailbox_id == mailbox.c.id)
    .where((search_progress.c.revision.is_(None)) | (search_progress.c.revision < mailbox.c.revision))
    .order_by(mailbox.c.id)
)


def progress(connection: Connection, mailbox_id: int) -> int:
    """Everything up to this revision is in the index."""
    row = _progress.first(connection, {"mailbox": mailbox_id})
    return row[0] if row else 0


def behind(connection: Connection) -> list[bytes]:
    """Uids of the mailboxes whose index is not at their revision."""
    return list(connection.execute(_behind).scalars())


def pending(connection: Connection, mailbox_id: int, since: int, limit: int) -> tuple[list[Candidate], int | None]:
    """The next items that changed after revision ``since``, in the order of their revisions: about ``limit``.

    All items of the last revision are among them. The second value is that revision, or None if nothing follows.
    """
    window = {"mailbox": mailbox_id, "since": since, "skip": limit - 1}
    end = _window_end.first(connection, window)
    upto = end[0] if end else None
    rows = _window.all(connection, {"mailbox": mailbox_id, "since": since, "upto": NUMBERS if upto is None else upto})
    return [Candidate(mailbox_id, *row) for row in rows], upto


def index_batch(connection: Connection, mailbox_id: int, documents: Sequence[Indexed], *, since: int, upto: int) -> bool:
    """Puts documents into the index and notes that everything up to revision ``upto`` is there. At most 1,000 documents.

    False, and nothing happens, if the index has moved on from ``since`` meanwhile. Items that are gone or have other content by
    now are passed over: their change is beyond ``upto``.
    """
    engine = _engine(connection)
    # Nothing is purged or changed while it is looked at.
    if _hold.first(connection, {"mailbox": mailbox_id}) is None:  # the mailbox was removed meanwhile
        return True
    engine.ensure_progress(connection, mailbox_id)
    if _progress_locked.all(connection, {"mailbox": mailbox_id})[0][0] != since:
        return False
    stale = 0
    if documents:
        present = _present.all(connection, [document.item_id for document in documents], {"mailbox": mailbox_id})
        contents = dict(map(tuple, present))
        current = [document for document in documents if contents.get(document.item_id) == document.content]
        stale = _remove(connection, mailbox_id, [document.item_id for document in current])
        _insert(connection, mailbox_id, current)
    _advance.run(connection, {"mailbox": mailbox_id, "to": upto, "more": stale})
    return True


def forget(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes]) -> None:
    """Takes purged items out of the index, in the transaction that purges them. At most 500."""
    removed = _remove(connection, mailbox_id, item_ids)
    if removed:
        connection.execute(
            update(search_progress)
            .where(search_progress.c.mailbox_id == mailbox_id)
            .values(stale=search_progress.c.stale + removed)
        )


def find(
    connection: Connection, mailbox_id: int, query: Query, *, at_least: int, below: int, limit: int
) -> list[tuple[int, bytes]]:
    """Numbers and item ids of up to ``limit`` documents that hold the query's words, newest first.

    Their numbers are ``at_least`` or greater, and less than ``below``.
    """
    if connection.dialect.name == "postgresql":
        return search_postgresql.find(connection, mailbox_id, query, at_least=at_least, below=below, limit=limit)
    return search_sqlite.find(connection, mailbox_id, query, at_least=at_least, below=below, limit=limit)


def live(
    connection: Connection,
    mailbox_id: int,
    item_ids: Sequence[bytes],
    folder_ids: Collection[bytes],
    where: ColumnElement[bool] | None,
) -> dict[bytes, PackedRow]:
    """Those of the items (at most 500) that are live, in one of the folders, and for which a condition on ``item`` holds.

    Folders are compared here: SQL would be tempted to walk the folders' indexes instead of looking the items up.
    """
    statement = _live if where is None else _live.where(where)
    rows = connection.execute(statement, {"mailbox": mailbox_id, "items": item_ids})
    return {row.id: PackedRow(*row) for row in rows if row.folder_id in folder_ids}


def _insert(connection: Connection, mailbox_id: int, documents: Sequence[Indexed]) -> None:
    numbered = sorted(_number(connection, mailbox_id, documents), key=lambda pair: pair[0])
    if numbered:
        rows = [(number, document.item_id, document.document) for number, document in numbered]
        _engine(connection).add(connection, mailbox_id, rows)


def _number(connection: Connection, mailbox_id: int, documents: Iterable[Indexed]) -> Iterator[tuple[int, Indexed]]:
    """Gives each document a number that no other has."""
    waiting = [(_numbers(mailbox_id, document.item_id, document.content, document.received), document) for document in documents]
    taken: set[int] = set()
    for place in range(_PLACES):
        taken |= _already_taken(connection, [numbers[place] for numbers, _ in waiting])
        left = []
        for numbers, document in waiting:
            if numbers[place] in taken:
                left.append((numbers, document))
            else:
                taken.add(numbers[place])
                yield numbers[place], document
        waiting = left
        if not waiting:
            return
    _log.warning("documents left out of the index: too many were received in the same millisecond", count=len(waiting))


def _already_taken(connection: Connection, numbers: Sequence[int]) -> set[int]:
    taken: set[int] = set()
    for begin in range(0, len(numbers), 500):
        taken |= {row[0] for row in _taken.all(connection, numbers[begin : begin + 500], {})}
    return taken


def _remove(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes]) -> int:
    return connection.execute(_forget, {"mailbox": mailbox_id, "items": item_ids}).rowcount if item_ids else 0


def _numbers(mailbox_id: int, item_id: bytes, content: int, received: int) -> tuple[int, ...]:
    """The numbers that this version of an item may have, the preferred one first."""
    millis = number_at(received) if received // 1000 <= MAX_MILLIS else MAX_MILLIS << HASH_BITS
    version = mailbox_id.to_bytes(8, "big") + item_id + content.to_bytes(8, "big")
    digest = hashlib.blake2b(version, digest_size=_PLACES * _PLACE_BYTES).digest()
    places = (digest[begin : begin + _PLACE_BYTES] for begin in range(0, len(digest), _PLACE_BYTES))
    return tuple(millis | int.from_bytes(place, "big") & ((1 << HASH_BITS) - 1) for place in places)


def _engine(connection: Connection) -> ModuleType:
    return search_postgresql if connection.dialect.name == "postgresql" else search_sqlite
