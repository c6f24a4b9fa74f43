"""Copies of a migrated PostgreSQL database, used again: to empty one takes a hundredth of the time that making one takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.postgres import PostgresCluster

_SCHEMA = """
    SELECT md5(string_agg(pg_get_indexdef(indexrelid), '' ORDER BY indexrelid)) FROM pg_index
        WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    UNION ALL SELECT md5(string_agg(table_name || column_name || data_type, '' ORDER BY table_name, ordinal_position))
        FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT string_agg(setdatabase || setconfig::text, '') FROM pg_db_role_setting
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION ALL SELECT version_num FROM alembic_version
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
_SEQUENCES = "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'"
_MOST_BYTES = 24 << 20
"""A database that has grown beyond is full of dead rows, and slow."""


class PostgresCopies:
    """Databases as the template is, one for each test that asks. Those of tests that are over come again, without a row."""

    def __init__(self, cluster: PostgresCluster, template: str) -> None:
        self._cluster = cluster
        self._template = template
        self._schema = cluster.execute(_SCHEMA, template)
        emptying = ["SET session_replication_role = replica"]  # no order among the tables: foreign keys are not looked at
        emptying += [f'DELETE FROM "{table}"' for (table,) in cluster.execute(_TABLES, template)]
        emptying += [f'ALTER SEQUENCE "{sequence}" RESTART' for (sequence,) in cluster.execute(_SEQUENCES, template)]
        self._emptying = ";".join(emptying)
        self._made = 0
        self._empty: list[str] = []

    def take(self) -> str:
        """The name of an empty database."""
        if self._empty:
            return self._empty.pop()
        self._made += 1
        name = f"test_{self._made}"
        self._cluster.create(name, template=self._template)
        return name

    def give_back(self, name: str) -> None:
        """Ends what still uses the database, and empties it; one that has another schema or settings now, or has grown, goes."""
        ended = (
            f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        )
        self._cluster.execute(ended)
        [(size,)] = self._cluster.execute(f"SELECT pg_database_size('{name}')")
        if size > _MOST_BYTES or self._cluster.execute(_SCHEMA, name) != self._schema:
            self._cluster.drop(name)
            return
        self._cluster.execute(self._emptying, name)
        self._empty.append(name)
