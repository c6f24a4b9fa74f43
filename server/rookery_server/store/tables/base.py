"""What all tables share: the metadata with its naming convention, and the types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Integer, LargeBinary, MetaData

if TYPE_CHECKING:
    from sqlalchemy import Dialect

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


class Bytes(LargeBinary):
    """Bytes, handed to the driver and taken from it as they are: both drivers speak ``bytes``, so that nothing is converted."""

    def bind_processor(self, dialect: Dialect) -> None:
        """None: no conversion on the way in."""
        del dialect

    def result_processor(self, dialect: Dialect, coltype: Any) -> None:
        """None: no conversion on the way out."""
        del dialect, coltype


Id = Bytes(16)
"""An id that travels."""

Serial = BigInteger().with_variant(Integer, "sqlite")
"""A small integer that the database mints (SQLite mints only for INTEGER PRIMARY KEY)."""
