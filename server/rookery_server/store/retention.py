"""What may be forgotten: tombstones that no device asks for any more, items that nobody restores any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, literal_column, select, tuple_, update

from rookery_server.store.items import RECOVERABLE
from rookery_server.store.tables import change, departure, folder, item, mailbox

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

_is_tombstone = folder.c.deleted == 1


def mailboxes_after(connection: Connection, mailbox_id: int, limit: int) -> list[int]:
    """The numbers of up to ``limit`` mailboxes after one."""
    statement = select(mailbox.c.id).where(mailbox.c.id > mailbox_id).order_by(mailbox.c.id).limit(limit)
    return list(connection.execute(statement).scalars())


def uids(connection: Connection, numbers: list[int]) -> dict[int, bytes]:
    """The uids of mailboxes, by number."""
    rows = connection.execute(select(mailbox.c.id, mailbox.c.uid).where(mailbox.c.id.in_(numbers)))
    return {int(row.id): row.uid for row in rows}


def due(connection: Connection, before: int, limit: int, *, but: Collection[int] = ()) -> list[tuple[int, bytes]]:
    """Mailbox numbers and ids of up to ``limit`` items made recoverable before a time (microseconds), not in mailboxes ``but``."""
    # The number itself, not a parameter: only so does SQLite use the index of recoverable items.
    recoverable = item.c.life == literal_column(str(RECOVERABLE))
    statement = select(item.c.mailbox_id, item.c.id).where(recoverable, item.c.deleted_at < before)
    rows = connection.execute(statement.where(item.c.mailbox_id.not_in(but)).limit(limit))
    return [(row.mailbox_id, row.id) for row in rows]


def still_due(connection: Connection, mailbox_id: int, item_ids: list[bytes], before: int) -> list[bytes]:
    """Those of the items that were made recoverable before a time (microseconds) and still are; at most 500 ids."""
    statement = select(item.c.id).where(
        item.c.mailbox_id == mailbox_id, item.c.id.in_(item_ids), item.c.life == RECOVERABLE, item.c.deleted_at < before
    )
    return list(connection.execute(statement).scalars())


def horizon(connection: Connection, mailbox_id: int, before: int) -> int:
    """The greatest revision of a mailbox that was taken before a time (microseconds); 0 if none was.

    Revisions and times grow together, so the log is searched by halves, not read.
    """
    low, high = connection.execute(
        select(func.min(change.c.revision), func.max(change.c.revision)).where(change.c.mailbox_id == mailbox_id)
    ).one()
    if low is None or _next(connection, mailbox_id, low)[1] >= before:
        return 0
    known = low
    while low <= high:
        revision, at = _next(connection, mailbox_id, (low + high) // 2)
        if at < before:
            known, low = revision, revision + 1
        else:
            high = (low + high) // 2 - 1
    return int(known)


def forget_tombstones(connection: Connection, mailbox_id: int, revision: int, limit: int) -> int:
    """Deletes up to ``limit`` departures and tombstones of folders up to a revision; gives how many.

    The mailbox's ``oldest_revision`` moves on first: from this transaction on, a cursor from before it is told that it has
    expired, so that no device is shown a past of which a part is gone.
    """
    connection.execute(
        update(mailbox).where(mailbox.c.id == mailbox_id, mailbox.c.oldest_revision < revision).values(oldest_revision=revision)
    )
    done = 0
    for table, which in ((departure, departure.c.revision <= revision), (folder, _is_tombstone & (folder.c.revision <= revision))):
        key = [*table.primary_key.columns]
        old = select(*key).where(table.c.mailbox_id == mailbox_id, which).limit(limit - done)
        done += connection.execute(delete(table).where(tuple_(*key).in_(old))).rowcount
    return done


def _next(connection: Connection, mailbox_id: int, revision: int) -> tuple[int, int]:
    """The first revision in the log from this one on, and its time. There is one."""
    row = connection.execute(
        select(change.c.revision, change.c.at)
        .where(change.c.mailbox_id == mailbox_id, change.c.revision >= revision)
        .order_by(change.c.revision)
        .limit(1)
    ).one()
    return int(row.revision), int(row.at)
