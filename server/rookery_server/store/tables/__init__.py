"""The schema, as SQLAlchemy Core tables: the same on SQLite and PostgreSQL.

Conventions: ids that travel are 16 raw bytes; a mailbox also has a small integer, the first column of every key below it, so that
the schema can be spread by mailbox. Times are microseconds since 1970 UTC. ``NO_TIME`` stands for "no such time" in sort columns,
which are never null, so that a keyset comparison needs no special case. Records are stored encoded (``summary``, ``state``,
``content``); the columns beside them are promoted from the records for queries.
"""

from rookery_server.store.tables.accounts import account, address, domain, session
from rookery_server.store.tables.base import FOREVER, NO_TIME, metadata
from rookery_server.store.tables.blobs import blob, blob_chunk, item_blob, upload
from rookery_server.store.tables.calendars import group_member, published_calendar
from rookery_server.store.tables.dkim import dkim_key
from rookery_server.store.tables.incoming import incoming_delivery
from rookery_server.store.tables.items import (
    conflict,
    departure,
    item,
    item_category,
    item_content,
    item_stamp,
    reader_state,
    retired_id,
)
from rookery_server.store.tables.mailboxes import folder, mailbox
from rookery_server.store.tables.operations import change, job, operation, secret_key
from rookery_server.store.tables.search import search_document, search_progress
from rookery_server.store.tables.submissions import outgoing_recipient, submission

__all__ = [
    "FOREVER",
    "NO_TIME",
    "account",
    "address",
    "blob",
    "blob_chunk",
    "change",
    "conflict",
    "departure",
    "dkim_key",
    "domain",
    "folder",
    "group_member",
    "incoming_delivery",
    "item",
    "item_blob",
    "item_category",
    "item_content",
    "item_stamp",
    "job",
    "mailbox",
    "metadata",
    "operation",
    "outgoing_recipient",
    "published_calendar",
    "reader_state",
    "retired_id",
    "search_document",
    "search_progress",
    "secret_key",
    "session",
    "submission",
    "upload",
]
