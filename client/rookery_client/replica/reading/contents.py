"""The cache of contents and attachments: what was opened last stays, what nobody opened for the longest time goes first.

A content that came with a fill counts as opened when its item was received, so that old mail goes before new. What operations
that have not come back yet rest on stays in any case.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal

from rookery.v1.content_service_pb2 import CONTENT_ENCODING_IDENTITY
from rookery.v1.item_pb2 import Attachment, ItemContent
from rookery.v1.sync_pb2 import CONTENT_EXTENT_FULL
from rookery_client.replica.storage import facts, schema
from rookery_client.replica.view import shown_contents, shown_rows
from rookery_core.errors import ResourceExhausted, Unavailable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from rookery_client.replica.replica import Replica
    from rookery_client.replica.view.shown_contents import Held
    from rookery_core.rules.clock import Clock

LIMIT_BYTES = 1 << 30
"""What the cache holds at the most where nobody has said otherwise."""
_LIMIT = "cache_limit"
_TOUCHED_AGAIN_MICROS = 86_400_000_000
"""Opening something is noted once a day: a note costs a write."""
_STEP_ROWS = 500
_STEP_BYTES = 64 << 20
"""What one transaction takes out."""

_OLDEST = f"""WITH needed AS MATERIALIZED (SELECT o.item_id FROM operation_item AS o JOIN operation USING (seq)
        WHERE operation.status IN {schema.LIVE_STATUSES})
    SELECT 'content' AS kind, rowid AS number, used_at, size FROM content
        WHERE item_id NOT IN (SELECT item_id FROM needed)
    UNION ALL SELECT 'attachment', rowid, used_at, size FROM attachment
        WHERE item_id NOT IN (SELECT item_id FROM needed)
    ORDER BY used_at LIMIT {_STEP_ROWS}"""
_SIZE = "SELECT (SELECT coalesce(sum(size), 0) FROM content) + (SELECT coalesce(sum(size), 0) FROM attachment)"


class Contents:
    """Contents and attachments of one replica."""

    def __init__(self, replica: Replica, clock: Clock) -> None:
        self._database = replica.database
        self._clock = clock

    def get(self, item_id: bytes) -> Held | None:
        """The content of an item as it is shown; None if the item or its content is not here."""
        with self._database.reading() as connection:
            row = shown_rows.by_ids(connection, [item_id]).get(item_id)
            found = None if row is None else shown_contents.find(connection, item_id, row.content_revision)
        if found is not None:
            self.note_use(item_id)
        return found

    def put(self, item_id: bytes, content_revision: int, content: bytes, extent: int = CONTENT_EXTENT_FULL) -> bool:
        """Keeps an encoded ItemContent. False, and nothing happens, if the replica has the item at another content revision."""
        with self._database.writing() as connection:
            held = connection.execute(
                "SELECT number FROM item WHERE id = ? AND content_revision = ?", (item_id, content_revision)
            ).fetchone()
            if held is None:
                return False
            connection.execute(
                "INSERT OR REPLACE INTO content (item_id, content_revision, extent, encoding, size, used_at, data)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (item_id, content_revision, extent, CONTENT_ENCODING_IDENTITY, len(content), self._clock.micros(), content),
            )
            # Its words are to be found from now on.
            connection.execute("INSERT OR IGNORE INTO item_changed (number) VALUES (?)", held)
        return True

    def attachment(self, item_id: bytes, attachment_id: int) -> bytes | None:
        """The bytes of an attachment; None if they are not here. An id never gets other bytes."""
        with self._database.reading() as connection:
            data = _kept(connection, item_id, attachment_id)
            if data is None:
                return _made_here(connection, item_id, attachment_id)
        self.note_use(item_id, "attachment")
        return data

    def put_attachment(self, item_id: bytes, attachment_id: int, content_revision: int, data: bytes) -> bool:
        """Keeps the bytes of an attachment, as they were at a content revision of the item.

        False, and nothing happens, if the replica does not have the item.
        """
        with self._database.writing() as connection:
            if connection.execute("SELECT 1 FROM item WHERE id = ?", (item_id,)).fetchone() is None:
                return False
            connection.execute("DELETE FROM attachment WHERE item_id = ? AND attachment_id = ?", (item_id, attachment_id))
            connection.execute(
                "INSERT INTO attachment (item_id, attachment_id, content_revision, size, used_at, data) VALUES (?, ?, ?, ?, ?, ?)",
                (item_id, attachment_id, content_revision, len(data), self._clock.micros(), data),
            )
        return True

    def limit(self) -> int:
        """The most bytes that the cache shall hold."""
        with self._database.reading() as connection:
            return facts.number(connection, _LIMIT) or LIMIT_BYTES

    def set_limit(self, limit_bytes: int) -> None:
        """Sets that limit; ``evict`` sees to it."""
        with self._database.writing() as connection:
            facts.put(connection, {_LIMIT: limit_bytes})

    def size(self) -> int:
        """Bytes that the cache holds."""
        with self._database.reading() as connection:
            return _size(connection)

    def evict(self, limit_bytes: int | None = None) -> int:
        """Takes out what was not used for the longest time until the limit is kept, or nothing is left that may go; how many bytes.

        In steps, between which others write.
        """
        limit = self.limit() if limit_bytes is None else limit_bytes
        freed = 0
        while self.size() > limit:  # looked at without keeping others from writing
            with self._database.writing() as connection:
                excess = _size(connection) - limit
                step = _take_out(connection, excess) if excess > 0 else 0
            if not step:
                break
            freed += step
        return freed

    def note_use(self, item_id: bytes, kind: Literal["content", "attachment"] = "content") -> None:
        """Notes that an item's content, or its attachments, were opened, as far as the file can be written now."""
        now = self._clock.micros()
        with self._database.reading() as connection:
            due = connection.execute(
                f"SELECT 1 FROM {kind} WHERE item_id = ? AND used_at < ?", (item_id, now - _TOUCHED_AGAIN_MICROS)
            ).fetchone()
        if not due:
            return
        # A full disk, or another program that is writing, must not keep anybody from reading.
        with contextlib.suppress(ResourceExhausted, Unavailable), self._database.writing() as connection:
            connection.execute(f"UPDATE {kind} SET used_at = ? WHERE item_id = ?", (now, item_id))


def _kept(connection: sqlite3.Connection, item_id: bytes, attachment_id: int) -> bytes | None:
    row = connection.execute(
        "SELECT data FROM attachment WHERE item_id = ? AND attachment_id = ? ORDER BY content_revision DESC LIMIT 1",
        (item_id, attachment_id),
    ).fetchone()
    return None if row is None else bytes(row[0])


def _made_here(connection: sqlite3.Connection, item_id: bytes, attachment_id: int) -> bytes | None:
    """The bytes of an attachment that waits to be uploaded, or to be taken over from another item."""
    row = connection.execute("SELECT content FROM local_item WHERE id = ? AND content IS NOT NULL", (item_id,)).fetchone()
    if row is None:
        return None
    wanted = next((each for each in ItemContent.FromString(row[0]).attachments if each.id == attachment_id), Attachment())
    if wanted.HasField("copy_of"):
        return _kept(connection, wanted.copy_of.item_id, wanted.copy_of.attachment_id)
    found = connection.execute("SELECT data FROM upload WHERE id = ?", (wanted.upload_id,)).fetchone()
    return None if found is None else bytes(found[0])


def _size(connection: sqlite3.Connection) -> int:
    return int(connection.execute(_SIZE).fetchone()[0])


def _take_out(connection: sqlite3.Connection, excess: int) -> int:
    """Takes out about so many bytes, but no more than one step; how many."""
    freed = 0
    for kind, number, _, size in _until(connection.execute(_OLDEST).fetchall(), min(excess, _STEP_BYTES)):
        connection.execute(f"DELETE FROM {kind} WHERE rowid = ?", (number,))
        freed += size
    return freed


def _until(rows: list[tuple[str, int, int, int]], wanted: int) -> Iterable[tuple[str, int, int, int]]:
    """The first rows, until they have as many bytes."""
    found = 0
    for row in rows:
        if found >= wanted:
            return
        found += row[3]
        yield row
