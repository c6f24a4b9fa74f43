"""Deletes what belongs to an account, a bounded number of rows at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, tuple_, update

from rookery_server.store import search_sqlite, tables

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Table

_BESIDE_ITEMS = (
    tables.item_category,
    tables.item_content,
    tables.item_stamp,
    tables.item_blob,
    tables.conflict,
    tables.reader_state,
    tables.departure,
    tables.retired_id,
    tables.search_document,
    tables.upload,
    tables.outgoing_recipient,
    tables.submission,
    tables.incoming_delivery,
    tables.published_calendar,
    tables.change,
)


def remove_some(connection: Connection, mailbox_id: int, limit: int) -> tuple[int, int]:
    """Deletes up to ``limit`` rows of a mailbox; gives how many, and how many of them were items. (0, 0): nothing is left.

    Blobs stay: the sweep takes those that nobody else holds.
    """
    for table in _BESIDE_ITEMS:
        if removed := _some(connection, table, table.c.mailbox_id == mailbox_id, limit):
            if table is tables.search_document:
                _add_stale(connection, mailbox_id, removed)
            return removed, 0
    removed = _some(connection, tables.item, tables.item.c.mailbox_id == mailbox_id, limit)
    return removed, removed


def remove_rest(connection: Connection, account_id: bytes, mailbox_id: int | None, limit: int) -> int:
    """Deletes up to ``limit`` sessions or ledger entries of an account; gives how many. 0: mailbox and account are gone too.

    Words that the full-text index could not forget at once go with the next compaction, however few they are.
    """
    for table in (tables.session, tables.operation):
        if removed := _some(connection, table, table.c.account_id == account_id, limit):
            return removed
    members = tables.group_member
    connection.execute(delete(members).where((members.c.account_id == account_id) | (members.c.member_id == account_id)))
    if mailbox_id is not None:
        if connection.dialect.name == "sqlite" and _stale(connection, mailbox_id):
            search_sqlite.restart_compaction(connection)
        for table in (tables.search_progress, tables.folder):
            connection.execute(delete(table).where(table.c.mailbox_id == mailbox_id))
        connection.execute(delete(tables.mailbox).where(tables.mailbox.c.id == mailbox_id))
    connection.execute(delete(tables.account).where(tables.account.c.id == account_id))
    return 0


def _some(connection: Connection, table: Table, which: ColumnElement[bool], limit: int) -> int:
    key: list[ColumnElement[Any]] = list(table.primary_key.columns)
    found = select(*key).where(which).limit(limit)
    named = key[0].in_(found) if len(key) == 1 else tuple_(*key).in_(found)
    return connection.execute(delete(table).where(named)).rowcount


def _add_stale(connection: Connection, mailbox_id: int, documents: int) -> None:
    progress = tables.search_progress
    more = {"stale": progress.c.stale + documents}
    connection.execute(update(progress).where(progress.c.mailbox_id == mailbox_id).values(more))


def _stale(connection: Connection, mailbox_id: int) -> int:
    """How many of the mailbox's documents may still have their words in the index."""
    progress = tables.search_progress
    return connection.execute(select(progress.c.stale).where(progress.c.mailbox_id == mailbox_id)).scalar() or 0


def number_of(connection: Connection, account_id: bytes) -> int | None:
    """The number of the account's mailbox, which stays locked until the transaction ends."""
    statement = select(tables.mailbox.c.id).where(tables.mailbox.c.account_id == account_id).with_for_update()
    return connection.execute(statement).scalar_one_or_none()
