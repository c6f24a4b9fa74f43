"""The tables of a replica's file.

Three layers: what the server has (``folder``, ``item``, ``content``, ``attachment``, ``submission``), what was done here
(``operation`` and the tables beside it), and how the person sees it (``local_folder``, ``local_item``: rows that differ because of
operations which have not come back yet). Who reads for people reads the views ``shown_folder`` and ``shown_item``. Submissions are
few: operations are laid over them when they are read.

Ids are 16 raw bytes. Times are microseconds since 1970. Records are encoded as the server sent them.
"""

from __future__ import annotations

from rookery_core.rules import search_fts5

APPLICATION_ID = 0x526F6F6B
"""``PRAGMA application_id``: "Rook"."""
VERSION = 2
"""``PRAGMA user_version``: a file of another version is not read."""

WAITING, ANSWERED, PASSED, REJECTED, INCLUDED = range(5)
"""``operation.status``. Waiting: to be pushed. Answered: carried out, laid over until the replica has seen what became of it.
Passed: seen; kept for 14 days, in case the server is restored from a backup. Rejected: not carried out; kept until dismissed.
Included: to be pushed only if the operation that creates its item again, and has it in it, is refused (``behind`` has its id)."""

LIVE_STATUSES = f"({WAITING}, {ANSWERED})"
"""The states of operations that lie over the server's rows, as SQL."""

TO_DO = "(kind = 3 OR flag_status > 0)"
"""The condition on items that the list of tasks may hold: tasks, and what is flagged. An index has these."""

_ITEM_COLUMNS = """
    folder_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    content_revision INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    fill_key INTEGER NOT NULL,
    is_read INTEGER NOT NULL,
    flag_status INTEGER NOT NULL,
    state BLOB NOT NULL,
    summary BLOB NOT NULL
"""
"""What both the server's items and those of the local view have: the columns of ``rookery.v1.Item``, with ``ItemState`` and
``ItemSummary`` encoded, and what lists filter and sort by."""

TABLES = (
    # One fact each; see ``facts.py`` for the names.
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID",
    # rookery.v1.Folder as the server has it.
    """CREATE TABLE folder (
        id BLOB PRIMARY KEY,
        revision INTEGER NOT NULL,
        contents_revision INTEGER NOT NULL,
        record BLOB NOT NULL
    ) WITHOUT ROWID""",
    # Items as the server has them. Numbers are never given twice, so a search index may name documents by them.
    f"CREATE TABLE item (number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, {_ITEM_COLUMNS})",
    "CREATE INDEX item_by_folder ON item (folder_id, fill_key DESC, id)",
    f"CREATE INDEX item_to_do ON item (id) WHERE {TO_DO}",
    # Numbers of items whose summary or content has changed since they came: what a search index knows of them is old.
    "CREATE TABLE item_changed (number INTEGER PRIMARY KEY)",
    # While a fill replaces an older one: items and folders that it has not mentioned yet.
    "CREATE TABLE item_unseen (id BLOB PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE folder_unseen (id BLOB PRIMARY KEY) WITHOUT ROWID",
    # Encoded ItemContent: `extent` is a ContentExtent (TEXT or FULL), `encoding` a ContentEncoding, `size` the bytes of `data`.
    """CREATE TABLE content (
        item_id BLOB PRIMARY KEY,
        content_revision INTEGER NOT NULL,
        extent INTEGER NOT NULL,
        encoding INTEGER NOT NULL,
        size INTEGER NOT NULL,
        used_at INTEGER NOT NULL,
        data BLOB NOT NULL
    )""",
    "CREATE INDEX content_by_use ON content (used_at, size)",
    # Decoded bytes of attachments.
    """CREATE TABLE attachment (
        item_id BLOB NOT NULL,
        attachment_id INTEGER NOT NULL,
        content_revision INTEGER NOT NULL,
        size INTEGER NOT NULL,
        used_at INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (item_id, attachment_id, content_revision)
    )""",
    "CREATE INDEX attachment_by_use ON attachment (used_at, size)",
    # rookery.v1.Submission as the server has it; `unfinished` is 1 while something is still to be done for it.
    """CREATE TABLE submission (
        id BLOB PRIMARY KEY,
        item_id BLOB NOT NULL,
        revision INTEGER NOT NULL,
        submitted INTEGER NOT NULL,
        unfinished INTEGER NOT NULL,
        record BLOB NOT NULL
    )""",
    "CREATE INDEX submission_by_time ON submission (submitted DESC, id DESC)",
    "CREATE INDEX submission_by_item ON submission (item_id)",
    # What was done here, in order. `body` is a SyncOperation, `sent` 1 once the server may have got it, `result` a PushResult,
    # `answered` when that came.
    """CREATE TABLE operation (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL UNIQUE,
        body BLOB NOT NULL,
        created INTEGER NOT NULL,
        status INTEGER NOT NULL,
        sent INTEGER NOT NULL DEFAULT 0,
        result BLOB,
        revision INTEGER NOT NULL DEFAULT 0,
        answered INTEGER NOT NULL DEFAULT 0,
        behind BLOB
    )""",
    "CREATE INDEX operation_by_status ON operation (status)",
    "CREATE INDEX operation_by_behind ON operation (behind) WHERE behind IS NOT NULL",
    # The items that an operation touches, and the folders that it creates, changes, deletes or empties.
    "CREATE TABLE operation_item (item_id BLOB, seq INTEGER, PRIMARY KEY (item_id, seq)) WITHOUT ROWID",
    "CREATE INDEX operation_item_by_seq ON operation_item (seq)",
    "CREATE TABLE operation_folder (folder_id BLOB, seq INTEGER, PRIMARY KEY (folder_id, seq)) WITHOUT ROWID",
    "CREATE INDEX operation_folder_by_seq ON operation_folder (seq)",
    # The submission that an operation makes, calls back or sends again.
    "CREATE TABLE operation_submission (seq INTEGER PRIMARY KEY, submission_id BLOB NOT NULL)",
    "CREATE INDEX operation_submission_by_id ON operation_submission (submission_id)",
    # Bytes of attachments that were made here, as long as their operation is kept.
    """CREATE TABLE upload (
        id BLOB PRIMARY KEY,
        operation_seq INTEGER NOT NULL,
        size INTEGER NOT NULL,
        data BLOB NOT NULL
    )""",
    "CREATE INDEX upload_by_operation ON upload (operation_seq)",
    # Items as the person sees them, where operations lie over them. `gone` hides the item. `content` is an encoded ItemContent of
    # `extent` (TEXT or FULL), null where the operations do not touch it, and then what the table `content` has is good.
    f"CREATE TABLE local_item (id BLOB PRIMARY KEY, gone INTEGER NOT NULL, {_ITEM_COLUMNS}, extent INTEGER NOT NULL, content BLOB)",
    "CREATE INDEX local_item_by_folder ON local_item (folder_id, fill_key DESC, id)",
    # Folders as the person sees them, likewise.
    "CREATE TABLE local_folder (id BLOB PRIMARY KEY, gone INTEGER NOT NULL, record BLOB NOT NULL) WITHOUT ROWID",
)

SHOWN_COLUMNS = "id, folder_id, kind, revision, content_revision, uid, fill_key, is_read, flag_status, state, summary"
"""The columns of ``shown_item`` that it has from either table."""

LOST_COLUMNS = "id, folder_id, revision, state, summary, content"

LOST = (
    # Items that were lost when the server was restored from a backup, and could not be made again from what is here. `content` is
    # an encoded ItemContent, as much of it as there was; null where there was none.
    """CREATE TABLE lost (
        id BLOB PRIMARY KEY,
        folder_id BLOB NOT NULL,
        revision INTEGER NOT NULL,
        state BLOB NOT NULL,
        summary BLOB NOT NULL,
        content BLOB
    )""",
)

VIEWS = (
    """CREATE VIEW shown_folder AS
        SELECT id, record FROM folder WHERE id NOT IN (SELECT id FROM local_folder)
        UNION ALL SELECT id, record FROM local_folder WHERE NOT gone""",
    # Items whose folder has not come, or is gone, are hidden. `number` is null for rows of the local view.
    f"""CREATE VIEW shown_item AS
        SELECT number, {SHOWN_COLUMNS} FROM item
        WHERE folder_id IN (SELECT id FROM shown_folder) AND NOT EXISTS (SELECT 1 FROM local_item l WHERE l.id = item.id)
        UNION ALL
        SELECT NULL, {SHOWN_COLUMNS} FROM local_item
        WHERE NOT gone AND folder_id IN (SELECT id FROM shown_folder)""",
)

SEARCH = (
    # The documents of the search index: their numbers are in the order in which the items were received. Searches join `item`, so
    # documents of items that are gone are out of sight; so are documents that another one of the same item has replaced.
    "CREATE TABLE search_document (number INTEGER PRIMARY KEY, item_number INTEGER NOT NULL UNIQUE)",
    f"CREATE VIRTUAL TABLE search USING fts5({search_fts5.OPTIONS})",
)

STATEMENTS = (*TABLES, *LOST, *VIEWS, *SEARCH)
"""What makes an empty file a replica."""
