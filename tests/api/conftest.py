"""API tests run against a whole server in this process, on every engine."""

from __future__ import annotations

from tests.support.databases import (
    database_url,
    migrated_postgres,
    migrated_sqlite,
    postgres_cluster,
    postgresql_url,
    sqlite_url,
)
from tests.support.server import server

__all__ = [
    "database_url",
    "migrated_postgres",
    "migrated_sqlite",
    "postgres_cluster",
    "postgresql_url",
    "server",
    "sqlite_url",
]
