"""Two people over every engine that the machine has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.world import Person, World

if TYPE_CHECKING:
    from rookery_server.store.database import Database


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
async def anna(world: World) -> Person:
    return await world.person("anna")


@pytest.fixture
async def ben(world: World) -> Person:
    return await world.person("ben")
