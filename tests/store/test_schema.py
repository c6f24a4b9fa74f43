"""The migrations make exactly the tables that the program uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from rookery_server.store import migrate
from rookery_server.store.tables import metadata

if TYPE_CHECKING:
    from rookery_server.store.database import Database

ENGINE_OWN = {"terms", "ix_search_document_terms"}


def _is_ours(_object: object, name: str | None, kind: str, _reflected: bool, _counterpart: object) -> bool:
    """Leaves out the full-text index, which SQLAlchemy has no words for."""
    return not (kind == "table" and name is not None and name.startswith("search_postings")) and name not in ENGINE_OWN


async def test_a_migrated_database_has_exactly_the_tables_of_the_program(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"include_object": _is_ours, "compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    assert await database.read(differences) == []


async def test_binary_columns_come_back_as_bytes(database: Database) -> None:
    def work(connection: Connection) -> object:
        table = metadata.tables["secret_key"]
        return connection.execute(table.select()).one().key

    key = bytes(range(32))
    await database.write(
        lambda transaction: transaction.connection.execute(
            metadata.tables["secret_key"].insert().values(purpose="test", key_id=1, key=key, created=0)
        )
    )
    found = await database.read(work)
    assert type(found) is bytes and found == key


async def test_text_sorts_by_code_point_on_every_engine(database: Database) -> None:
    names = ["ä", "a", "B", "Z", "_", "b"]
    table = metadata.tables["domain"]
    await database.write(
        lambda transaction: transaction.connection.execute(table.insert(), [{"name": name, "created": 0} for name in names])
    )
    found = await database.read(
        lambda connection: connection.execute(text("SELECT name FROM domain ORDER BY name")).scalars().all()
    )
    assert found == sorted(names)


def test_migrating_again_changes_nothing(database_url: str) -> None:
    migrate.upgrade(database_url)
    assert migrate.current(database_url) == migrate.head()
    assert migrate.check(database_url) == []
