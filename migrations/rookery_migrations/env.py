"""What Alembic runs: the migrations, on the connection and in the transaction that ``rookery_server.store.migrate`` hands in.

Alembic's offline mode (SQL to a file) is not offered: a migration may need to look at the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOCK_KEY = 0x526F6F6B657279
"""Names the advisory lock that lets one process migrate at a time ("Rookery" in ASCII)."""


def main(connection: Connection) -> None:
    """Migrates while holding off others: on SQLite the transaction is begun IMMEDIATE, on PostgreSQL an advisory lock does it.

    A migration that can not get its table locks gives up instead of queueing in front of all readers and writers.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL lock_timeout = '60s'")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
        connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
    context.configure(connection=connection)
    context.run_migrations()


main(context.config.attributes["connection"])
