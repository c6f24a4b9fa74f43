"""People with mailboxes and the services that devices call, over every engine that the machine has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery_server.services.announcements import Announcements
from rookery_server.services.seals import Seal
from rookery_server.services.sync.cursors import Cursors
from rookery_server.services.sync.followers import Followers
from rookery_server.services.sync.pull import PullService
from tests.support.world import Person, World

if TYPE_CHECKING:
    from rookery_server.store.database import Database


@pytest.fixture
def notifier() -> Announcements:
    """Where the database under test announces its commits."""
    return Announcements()


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
async def anna(world: World) -> Person:
    return await world.person("anna")


@pytest.fixture
async def ben(world: World) -> Person:
    return await world.person("ben")


@pytest.fixture
def cursors() -> Cursors:
    return Cursors(Seal("sync-cursor", {1: b"k" * 32}, mac_bytes=16))


@pytest.fixture
def followers(notifier: Announcements) -> Followers:
    followers = Followers()
    notifier.listen_everywhere(followers.on_commit, followers.after_gap)
    return followers


@pytest.fixture
def pulls(world: World, cursors: Cursors, followers: Followers) -> PullService:
    return PullService(world.database, cursors, followers)
