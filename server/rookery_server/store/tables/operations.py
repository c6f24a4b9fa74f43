"""The ledger of operations, the log of changes, unfinished jobs, and the server's keys."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table

from rookery_server.store.tables.base import Bytes, Id, metadata

operation = Table(
    "operation",
    metadata,
    Column("account_id", Id, primary_key=True),  # the acting account; 16 zero bytes for the machine's administrator
    Column("id", Id, primary_key=True),
    Column("request_hash", Bytes(32), nullable=False),
    Column("refusal", Bytes, nullable=True),  # rookery.internal.v1.RecordedError, of a definitive refusal
    Column("result", Bytes, nullable=True),  # the encoded response
    Column("created", BigInteger, nullable=False),
    Index("ix_operation_created", "created"),
)

change = Table(
    "change",
    metadata,
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("revision", BigInteger, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor_id", Id, nullable=False),  # account
    Column("device_id", Id, nullable=False),  # session; 16 zero bytes for none
    Column("operation", String(40), nullable=False),  # e.g. "item.create"
    Column("operation_id", Id, nullable=False),
)

job = Table(
    "job",
    metadata,
    Column("account_id", Id, primary_key=True),
    Column("id", Id, primary_key=True),  # the operation id that began it
    Column("kind", String(40), nullable=False),
    Column("arguments", Bytes, nullable=False),  # the encoded request
    Column("session_id", Id, nullable=False),
    Column("progress", BigInteger, nullable=False),  # rows done
    Column("created", BigInteger, nullable=False),
    Index("ix_job_created", "created"),
)

secret_key = Table(
    "secret_key",
    metadata,
    Column("purpose", String(40), primary_key=True),  # e.g. "page-token", "session-token"
    Column("key_id", BigInteger, primary_key=True),
    Column("key", Bytes(32), nullable=False),
    Column("created", BigInteger, nullable=False),
)
