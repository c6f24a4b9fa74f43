"""Items and what devices need to know of their past."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, SmallInteger, String, Table, Text, text

from rookery_server.store.tables.base import NO_TIME, Bytes, Id, metadata

item = Table(
    "item",
    metadata,
    Column("mailbox_id", BigInteger, ForeignKey("mailbox.id"), primary_key=True),
    Column("id", Id, primary_key=True),
    Column("folder_id", Id, nullable=False),
    Column("kind", SmallInteger, nullable=False),  # rookery.v1.ItemKind
    Column("life", SmallInteger, nullable=False),  # rookery.v1.ItemLife: 1 live, 2 recoverable; purged rows are gone
    Column("uid", BigInteger, nullable=False),  # within the folder
    # Revisions; `revision` is the greatest of the other four.
    Column("created", BigInteger, nullable=False),
    Column("content", BigInteger, nullable=False),
    Column("state_revision", BigInteger, nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    # Promoted from the records.
    Column("fill_key", BigInteger, nullable=False),  # the order of a first fill: `received`, by which small folders are filled
    Column("span_start", BigInteger, nullable=False),  # NO_TIME where the kind has none
    Column("span_end", BigInteger, nullable=False),  # FOREVER for an open series
    Column("received", BigInteger, nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("from_key", String(255), nullable=False),
    Column("subject_key", String(255), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("importance", SmallInteger, nullable=False),  # 1 low, 2 normal, 3 high
    Column("sensitivity", SmallInteger, nullable=False),
    Column("has_attachments", Boolean, nullable=False),
    Column("is_read", Boolean, nullable=False),
    Column("flag_status", SmallInteger, nullable=False),
    # Before then there is no reminder of it to show, see rookery_core.rules.reminders; NO_TIME: there never is.
    Column("reminder", BigInteger, nullable=False),
    Column(
        "to_do", SmallInteger, nullable=True
    ),  # rookery_core.rules.to_do: 1 open, 2 done; null for what is not in the list of tasks
    Column("message_class", String(255), nullable=False),
    Column("conversation_id", Bytes(16), nullable=True),
    Column("external_id", Text, nullable=True),  # Message-ID or UID: finds replies, updates and what is there already
    Column("deleted_at", BigInteger, nullable=True),  # when it became recoverable
    # The records as they travel.
    Column("state", Bytes, nullable=False),
    Column("summary", Bytes, nullable=False),
    # One index for each sort of a folder's list; the id makes each order total.
    *(
        Index(f"ix_item_by_{key}", "mailbox_id", "folder_id", "life", key, "id")
        for key in ("received", "sent", "from_key", "subject_key", "size_bytes", "start", "due", "importance")
    ),
    # What can be restored, in whatever folder it was. `life` is always 2 here: without it SQLite prefers other indexes.
    Index(
        "ix_item_recoverable",
        "mailbox_id",
        "life",
        "received",
        "id",
        sqlite_where=text("life = 2"),
        postgresql_where=text("life = 2"),
    ),
    Index("ix_item_revision", "mailbox_id", "revision"),
    Index("ix_item_fill", "mailbox_id", "fill_key", "id"),
    Index(
        "ix_item_span",
        "mailbox_id",
        "span_start",
        sqlite_where=text("span_end > span_start"),
        postgresql_where=text("span_end > span_start"),
    ),
    # What a calendar shows from a time on: it holds all that is asked of it.
    Index(
        "ix_item_calendar",
        "mailbox_id",
        "folder_id",
        "span_end",
        "span_start",
        "id",
        "content",
        sqlite_where=text("life = 1 AND kind = 2"),
        postgresql_where=text("life = 1 AND kind = 2"),
    ),
    # Unread messages as they came: new mail, for those who want to be told of it.
    Index(
        "ix_item_unread",
        "mailbox_id",
        "created",
        "id",
        sqlite_where=text("life = 1 AND kind = 1 AND is_read = 0"),
        postgresql_where=text("life = 1 AND kind = 1 AND NOT is_read"),
    ),
    # The list of tasks.
    Index(
        "ix_item_to_do",
        "mailbox_id",
        "to_do",
        "due",
        sqlite_where=text("to_do IS NOT NULL"),
        postgresql_where=text("to_do IS NOT NULL"),
    ),
    # What people are to be reminded of.
    Index(
        "ix_item_reminder",
        "mailbox_id",
        "reminder",
        sqlite_where=text(f"life = 1 AND reminder > {NO_TIME}"),
        postgresql_where=text(f"life = 1 AND reminder > {NO_TIME}"),
    ),
    Index("ix_item_conversation", "mailbox_id", "conversation_id"),
    Index("ix_item_external", "mailbox_id", "external_id"),
    Index("ix_item_deleted_at", "deleted_at", sqlite_where=text("life = 2"), postgresql_where=text("life = 2")),
)

item_category = Table(
    "item_category",
    metadata,
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("category_key", String(255), primary_key=True),  # NFC, case-folded
    Column("item_id", Id, primary_key=True),
    Index("ix_item_category_item", "mailbox_id", "item_id"),
)

item_content = Table(
    "item_content",
    metadata,
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("item_id", Id, primary_key=True),
    Column("revision", BigInteger, primary_key=True),
    Column("codec", SmallInteger, nullable=False),  # 1 as it is, 2 Zstandard (rookery.v1.ContentEncoding)
    Column("content", Bytes, nullable=False),
)

item_stamp = Table(
    "item_stamp",
    metadata,
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("item_id", Id, primary_key=True),
    Column("unit", String(64), primary_key=True),  # merge unit, see rookery_core.rules.units
    Column("edited", BigInteger, nullable=False),  # the editor's time
    Column("device_id", Id, nullable=False),  # the session
    Column("revision", BigInteger, nullable=False),
)

departure = Table(
    "departure",
    metadata,
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("item_id", Id, primary_key=True),
    Column("folder_id", Id, primary_key=True),  # 16 zero bytes: the item was recoverable, in no folder
    Column("revision", BigInteger, nullable=False),  # the latest at which the item left the folder
    Column("uid", BigInteger, nullable=False),  # the uid it had there
    Column("reason", SmallInteger, nullable=False),  # 1 moved, 2 made recoverable, 3 purged, 4 restored
    Column("created", BigInteger, nullable=False, server_default=text("0")),  # the item's: of later ones a device needs no word
    Index("ix_departure_revision", "mailbox_id", "revision"),
)

retired_id = Table(
    "retired_id",
    metadata,
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("item_id", Id, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)

conflict = Table(
    "conflict",
    metadata,
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("item_id", Id, primary_key=True),
    Column("device_id", Id, primary_key=True),
    Column("content_revision", BigInteger, nullable=False),  # the version of item_content that lost
    Column("units", Text, nullable=False),  # the merge units that lost, joined by commas
    Column("revision", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("summary", Bytes, nullable=False, server_default=text("''")),  # of the version that lost
    Index("ix_conflict_revision", "mailbox_id", "revision"),
)

reader_state = Table(
    "reader_state",
    metadata,
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("item_id", Id, primary_key=True),
    Column("reader_id", Id, primary_key=True),  # the account, other than the owner
    Column("is_read", Boolean, nullable=False),
    Column("flag_status", SmallInteger, nullable=False),
    Column("state", Bytes, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("ix_reader_state_revision", "mailbox_id", "reader_id", "revision"),
)
