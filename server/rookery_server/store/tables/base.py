"""What all tables share: the metadata with its naming convention, and the types."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, LargeBinary, MetaData

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

NO_TIME = -(1 << 62)
"""Sorts before every time."""

FOREVER = 1 << 62
"""Sorts after every time: the end of an open series."""

Id = LargeBinary(16)
"""An id that travels."""

Serial = BigInteger().with_variant(Integer, "sqlite")
"""A small integer that the database mints (SQLite mints only for INTEGER PRIMARY KEY)."""
