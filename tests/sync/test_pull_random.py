"""Whatever people do, and whenever devices ask: at each caught_up a replica equals the mailbox."""

from __future__ import annotations

import copy
import random
from typing import TYPE_CHECKING

import pytest

from rookery.v1 import sync_pb2
from rookery_server.services.sync.batches import Limits
from rookery_server.services.sync.pull import PullService
from tests.sync.mischief import DAY, KINDS, NOW, Mischief
from tests.sync.replicas import Replica, window

if TYPE_CHECKING:
    from rookery_server.services.sync.cursors import Cursors
    from rookery_server.services.sync.followers import Followers
    from tests.support.world import Person, World

STEPS = 60
DEVICES = 4


def some_window(chance: random.Random) -> sync_pb2.SyncWindow:
    """No limit, or some."""
    limits: dict[str, int] = {}
    if chance.random() < 0.5:
        limits["mail_since"] = NOW - chance.randrange(9) * DAY
    if chance.random() < 0.5:
        limits["events_from"] = NOW - chance.randrange(1, 9) * DAY
    if chance.random() < 0.5:
        limits["events_until"] = NOW + chance.randrange(9) * DAY
    return window(**limits)


def some_scope(chance: random.Random, folder_ids: list[bytes]) -> sync_pb2.SyncScope:
    """All folders, or some; all kinds, or some; all the time, or some."""
    scope = sync_pb2.SyncScope(window=some_window(chance), depth=chance.choice(sync_pb2.SyncDepth.values()))
    if chance.random() < 0.7:
        scope.folder_ids.extend(chance.sample(folder_ids, 3))
    if chance.random() < 0.3:
        scope.kinds.extend(chance.sample(KINDS, 2))
    return scope


async def ask(replica: Replica, world: World, chance: random.Random, stored: list[Replica]) -> None:
    """One device does something: a page, or all of them, or it goes back to what it had on its disk, or cares for another time."""
    what = chance.random()
    if what < 0.05 and stored:
        before = stored.pop()
        replica.items, replica.folders = copy.deepcopy(before.items), copy.deepcopy(before.folders)
        replica.cursor, replica.scope = before.cursor, copy.deepcopy(before.scope)
    elif what < 0.1:
        replica.set_window(some_window(chance))
    if not stored or what > 0.9:
        stored[:] = [replica.copy()]
    if what < 0.3:
        await replica.catch_up()
        await replica.require_equal(world)
    else:
        await replica.pull()
        if replica.caught_up:
            await replica.require_equal(world)


@pytest.mark.parametrize("seed", range(5))
async def test_a_replica_that_has_caught_up_equals_the_mailbox(
    world: World, anna: Person, cursors: Cursors, followers: Followers, seed: int
) -> None:
    chance = random.Random(seed)
    mischief = Mischief(world, anna, chance)
    await mischief.begin(items=10)
    devices: list[tuple[Replica, list[Replica]]] = []
    for _ in range(DEVICES):
        limits = Limits(entries=chance.choice((1, 3, 7)), looked_at=chance.choice((2, 100)))
        service = PullService(world.database, cursors, followers, limits=limits)
        devices.append((Replica(service, anna, some_scope(chance, mischief.folder_ids)), []))
    for _ in range(STEPS):
        await mischief.act()
        for replica, stored in devices:
            if chance.random() < 0.4:
                await ask(replica, world, chance, stored)
    for replica, _ in devices:
        await replica.catch_up()
        await replica.require_equal(world)
