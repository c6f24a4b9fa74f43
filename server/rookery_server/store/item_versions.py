"""Versions of an item's content: the current one, and those that conflicts name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, exists

from rookery_server.store.bulk import insert_rows
from rookery_server.store.tables import conflict, item, item_blob, item_content

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, Connection, Table


def add(connection: Connection, mailbox_id: int, item_id: bytes, revision: int, codec: int, content: bytes) -> None:
    """Inserts a version of an item's content."""
    row = {"mailbox_id": mailbox_id, "item_id": item_id, "revision": revision, "codec": codec, "content": content}
    insert_rows(connection, item_content, [row])


def sweep(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes]) -> None:
    """Deletes the versions that neither the item itself nor a conflict names, with what they hold; at most 500 items.

    Of an item that is gone only conflicts name any.
    """
    for table, revision in ((item_content, item_content.c.revision), (item_blob, item_blob.c.content_revision)):
        _sweep(connection, table, revision, mailbox_id, item_ids)


def _sweep(connection: Connection, table: Table, revision: Column[Any], mailbox_id: int, item_ids: Sequence[bytes]) -> None:
    current = exists().where(
        and_(item.c.mailbox_id == table.c.mailbox_id, item.c.id == table.c.item_id, item.c.content == revision)
    )
    kept = exists().where(
        and_(
            conflict.c.mailbox_id == table.c.mailbox_id,
            conflict.c.item_id == table.c.item_id,
            conflict.c.content_revision == revision,
        )
    )
    connection.execute(delete(table).where(table.c.mailbox_id == mailbox_id, table.c.item_id.in_(list(item_ids)), ~current, ~kept))
