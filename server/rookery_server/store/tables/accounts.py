"""Who may sign in, under which addresses, and from which devices."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, SmallInteger, String, Table, Text

from rookery_server.store.tables.base import Id, metadata

domain = Table(
    "domain",
    metadata,
    Column("name", String(255), primary_key=True),  # lower case, ASCII
    Column("created", BigInteger, nullable=False),
)

account = Table(
    "account",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", SmallInteger, nullable=False),  # rookery.v1.AccountKind
    Column("display_name", Text, nullable=False),
    Column("administrator", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("password_hash", Text, nullable=True),  # argon2id; null: can not sign in
    Column("created", BigInteger, nullable=False),
)

address = Table(
    "address",
    metadata,
    Column("key", String(320), primary_key=True),  # NFC, case-folded: what is looked up
    Column("text", String(320), nullable=False),  # as people write it
    Column("domain", String(255), ForeignKey("domain.name"), nullable=False),
    Column("account_id", Id, ForeignKey("account.id"), nullable=False),
    Column("is_primary", Boolean, nullable=False),
    Index("ix_address_account_id", "account_id"),
    Index("ix_address_domain", "domain"),
)

session = Table(
    "session",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, ForeignKey("account.id"), nullable=False),
    Column("device_name", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("generation", Integer, nullable=False),  # counts refreshes: names the tokens that are good
    Column("refresh_expires", BigInteger, nullable=False),
    Column("revoked", Boolean, nullable=False),
    Index("ix_session_account_id", "account_id"),
)
