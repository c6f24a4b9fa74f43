"""What became of mail on its way out: the submissions that changed since a cursor. They concern every device, whatever its scope.

A cursor remembers the last one that was told, by (revision, id), or the first revision that it has not heard of, with no id.
Nothing tells of those that the server forgets: the device forgets old ones by the same rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_server.services.submission.submission_records import as_stored
from rookery_server.store import submissions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery.internal.v1.packed_pb2 import SyncCursor
    from rookery_server.services.sync.batches import Batch
    from rookery_server.store.mailboxes import MailboxRow

_AT_ONCE = 20
"""Submissions whose recipients, up to a thousand each, are read together."""


def is_known(cursor: SyncCursor, revision: int) -> bool:
    """Whether the device knows all submissions as they were at a revision, without a look at the database."""
    return cursor.submission_revision > revision


def page(connection: Connection, mailbox: MailboxRow, cursor: SyncCursor, batch: Batch, most: int) -> bool:
    """Adds the next submissions, at most so many, to a batch, and moves the cursor on; gives whether the device knows all then."""
    if is_known(cursor, mailbox.revision):
        return True
    rows = submissions.changed(connection, mailbox.id, (cursor.submission_revision, cursor.submission_id), most)
    for start in range(0, len(rows), _AT_ONCE):
        portion = rows[start : start + _AT_ONCE]
        recipients = submissions.recipients(connection, mailbox.id, [row.id for row in portion])
        for row in portion:
            if not batch.add(batch.response.submissions, as_stored(row, recipients[row.id])):
                return False
            cursor.submission_revision, cursor.submission_id = row.revision, row.id
    if len(rows) == most:
        return False
    cursor.submission_revision, cursor.submission_id = mailbox.revision + 1, b""
    return True
