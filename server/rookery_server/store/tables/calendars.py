"""Who belongs to a group, and which calendars can be subscribed to."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, SmallInteger, Table

from rookery_server.store.tables.base import Id, metadata

group_member = Table(
    "group_member",
    metadata,
    Column("account_id", Id, ForeignKey("account.id"), primary_key=True),  # the group's
    Column("member_id", Id, ForeignKey("account.id"), primary_key=True),
    Index("ix_group_member_member_id", "member_id"),
)

published_calendar = Table(
    "published_calendar",
    metadata,
    Column("mailbox_id", BigInteger, ForeignKey("mailbox.id"), primary_key=True),
    Column("id", Id, primary_key=True),
    Column("folder_id", Id, nullable=False),
    Column("secret_sha256", LargeBinary(32), nullable=False),  # of the secret in its URL
    Column("detail", SmallInteger, nullable=False),  # rookery.v1.PublishedDetail
    Column("created", BigInteger, nullable=False),
    Column("last_fetched", BigInteger, nullable=True),
    Index("uq_published_calendar_secret_sha256", "secret_sha256", unique=True),
)
