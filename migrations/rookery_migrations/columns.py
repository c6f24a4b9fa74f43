"""The types of columns, as migrations write them down. What a migration has used is never changed here."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

ID = sa.LargeBinary(16)
HASH = sa.LargeBinary(32)
BYTES = sa.LargeBinary()
NUMBER = sa.BigInteger()
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def string(length: int | None = None) -> sa.types.TypeEngine[str]:
    """Text that is compared by code point on both engines, whatever the locale of a PostgreSQL database.

    A locale's order would page lists differently from SQLite, and an update of the system's locale data breaks indexes.
    """
    kind = sa.Text if length is None else sa.String
    return kind(length).with_variant(kind(length, collation="C"), "postgresql")


TEXT = string()


def column(name: str, kind: sa.types.TypeEngine[Any], **options: Any) -> sa.Column[Any]:
    """A column, NOT NULL unless it says otherwise."""
    return sa.Column(name, kind, **{"nullable": False, **options})


def where(condition: str) -> dict[str, Any]:
    """The condition of a partial index."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
