"""Mail that came in."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table

from rookery_server.store.tables.base import Id, metadata

incoming_delivery = Table(
    "incoming_delivery",
    metadata,
    Column("mailbox_id", BigInteger, primary_key=True),
    Column("digest", Id, primary_key=True),  # of the message's bytes and its envelope's sender
    Column("received", BigInteger, nullable=False),
    Index("ix_incoming_delivery_received", "received"),
)
