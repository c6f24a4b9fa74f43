"""Keys for DKIM signatures (RFC 6376)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, LargeBinary, SmallInteger, String, Table

from rookery_server.store.tables.base import metadata

dkim_key = Table(
    "dkim_key",
    metadata,
    Column("domain", String(255), ForeignKey("domain.name"), primary_key=True),
    Column("selector", String(255), primary_key=True),  # lower case, ASCII
    Column("algorithm", SmallInteger, nullable=False),  # rookery.v1.DkimAlgorithm
    Column("private_key", LargeBinary, nullable=False),  # PKCS #8, DER
    Column("active", Boolean, nullable=False),  # it signs
    Column("created", BigInteger, nullable=False),
)
