"""A database on every engine that the machine has."""

from __future__ import annotations

from tests.support.databases import (
    database,
    database_url,
    migrated_postgres,
    migrated_sqlite,
    notifier,
    postgres_cluster,
    postgresql_url,
    sqlite_url,
)

__all__ = [
    "database",
    "database_url",
    "migrated_postgres",
    "migrated_sqlite",
    "notifier",
    "postgres_cluster",
    "postgresql_url",
    "sqlite_url",
]
