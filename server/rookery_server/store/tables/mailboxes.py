"""Mailboxes and folders."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, SmallInteger, String, Table, text

from rookery_server.store.tables.base import Bytes, Id, Serial, metadata

mailbox = Table(
    "mailbox",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("uid", Id, nullable=False, unique=True),
    Column("account_id", Id, ForeignKey("account.id"), nullable=False, unique=True),
    Column("epoch", Id, nullable=False),
    Column("revision", BigInteger, nullable=False),  # the mailbox's clock
    Column("oldest_revision", BigInteger, nullable=False),
    Column("quota_bytes", BigInteger, nullable=False),  # 0: no limit
    Column("used_bytes", BigInteger, nullable=False),  # live and recoverable items
    Column("item_count", BigInteger, nullable=False),  # live items
    Column("folder_count", Integer, nullable=False),
    # Of the backup that the mailbox was restored from; 0 for none.
    Column("backup_revision", BigInteger, nullable=False, server_default=text("0")),
    Column("backup_time", BigInteger, nullable=False, server_default=text("0")),
    Column("calendar_settings", Bytes, nullable=True),  # rookery.v1.CalendarSettings; null: nothing was set
    sqlite_autoincrement=True,  # a removed mailbox's number never comes back: old keys can not meet a new mailbox
)

folder = Table(
    "folder",
    metadata,
    Column("mailbox_id", BigInteger, ForeignKey("mailbox.id"), primary_key=True),
    Column("id", Id, primary_key=True),
    Column("parent_id", Bytes(16), nullable=False),  # 16 zero bytes at the top
    Column("name", String(255), nullable=False),
    Column("name_key", String(765), nullable=False),  # NFC, case-folded: unique among live siblings
    Column("role", SmallInteger, nullable=False),  # rookery.v1.FolderRole
    Column("default_kind", SmallInteger, nullable=False),
    Column("created", BigInteger, nullable=False),  # revision
    Column("revision", BigInteger, nullable=False),
    Column("contents_revision", BigInteger, nullable=False),
    Column("item_count", Integer, nullable=False),
    Column("unread_count", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("next_uid", BigInteger, nullable=False),
    Column("uid_validity", BigInteger, nullable=False),
    Column("deleted", SmallInteger, nullable=False),  # 1: a tombstone, for devices that still hold it
    Index(
        "uq_folder_sibling_name",
        "mailbox_id",
        "parent_id",
        "name_key",
        unique=True,
        sqlite_where=text("deleted = 0"),
        postgresql_where=text("deleted = 0"),
    ),
    Index(
        "uq_folder_role",
        "mailbox_id",
        "role",
        unique=True,
        sqlite_where=text("role <> 0"),
        postgresql_where=text("role <> 0"),
    ),
    Index("ix_folder_revision", "mailbox_id", "revision"),
)
