"""Tests here start real processes; some of them on every engine."""

from __future__ import annotations

from tests.support.databases import database_url, migrated_postgres, migrated_sqlite, postgres_cluster, postgresql_url, sqlite_url

__all__ = ["database_url", "migrated_postgres", "migrated_sqlite", "postgres_cluster", "postgresql_url", "sqlite_url"]
