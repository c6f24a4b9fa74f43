"""What the full-text index knows. The postings themselves are the engine's own: FTS5, or a tsvector with GIN.

A document's number carries the time its item was received in its upper bits, so that the index's own order is the order of a
result, newest first. SQLite: the FTS5 table ``search_postings`` (contentless) has it as rowid. PostgreSQL: the column ``terms``
and its GIN index are added by the migration. Every term begins with its mailbox's number: postings are partitioned by mailbox.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table

from rookery_server.store.tables.base import Id, metadata

search_document = Table(
    "search_document",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("mailbox_id", BigInteger, nullable=False),
    Column("item_id", Id, nullable=False),
    Index("uq_search_document_item", "mailbox_id", "item_id", unique=True),
)

search_progress = Table(
    "search_progress",
    metadata,
    Column("mailbox_id", BigInteger, ForeignKey("mailbox.id"), primary_key=True),
    Column("revision", BigInteger, nullable=False),  # everything up to it is indexed
    Column("stale", BigInteger, nullable=False),  # documents in the postings whose item changed or went
)
