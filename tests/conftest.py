"""Databases for all tests: here, so that a run has one PostgreSQL server and one migrated database of each kind to copy."""

from __future__ import annotations

from tests.support.databases import (
    database,
    database_url,
    migrated_postgres,
    migrated_sqlite,
    notifier,
    postgres_cluster,
    postgres_copies,
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
    "postgres_copies",
    "postgresql_url",
    "sqlite_url",
]
