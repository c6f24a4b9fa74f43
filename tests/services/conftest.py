"""Two people over every engine that the machine has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
from tests.support.world import Person, World

if TYPE_CHECKING:
    from rookery_server.store.database import Database

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


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
async def anna(world: World) -> Person:
    return await world.person("anna")


@pytest.fixture
async def ben(world: World) -> Person:
    return await world.person("ben")
