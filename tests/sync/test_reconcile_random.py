"""Whatever people do while a device compares: after the pull behind the comparison its replica equals the mailbox."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from rookery_server.services.sync.batches import Limits
from rookery_server.services.sync.pull import PullService
from rookery_server.services.sync.reconcile import ReconcileService
from tests.sync.mischief import Mischief
from tests.sync.reconciling import Device
from tests.sync.replicas import Held, Replica
from tests.sync.test_pull_random import some_scope

if TYPE_CHECKING:
    from rookery.v1 import sync_service_pb2 as messages
    from rookery_server.services.sync.cursors import Cursors
    from rookery_server.services.sync.followers import Followers
    from tests.support.world import Person, World

REPAIRS = 6


class Repairing(Device):
    """Repairs a replica, while something happens between one call and the next."""

    def __init__(self, service: ReconcileService, replica: Replica, mischief: Mischief) -> None:
        super().__init__(service, replica.person, replica.scope)
        self.held = {item_id: held.item.revision for item_id, held in replica.items.items()}
        self._replica = replica
        self._mischief = mischief
        self._begun = False

    async def ask(self, **parts: Any) -> messages.ReconcileResponse:
        """One call; the first one's cursor and folders are the replica's."""
        for _ in range(6):
            await self._mischief.act()
        answer = await super().ask(include_folders=not self._begun, **parts)
        if not self._begun:
            self._begun = True
            self._replica.cursor = answer.cursor
            self._replica.folders = {folder.id: folder for folder in answer.folders}
        return answer

    def apply(self, answer: messages.ReconcileResponse) -> None:
        """In the replica too."""
        super().apply(answer)
        for told in answer.items:
            self._replica.items[told.item.id] = Held(told.item, told.content, told.extent)
        for removal in answer.removals:
            self._replica.items.pop(removal.item_id, None)


def damage(replica: Replica, chance: random.Random, stranger: bytes) -> None:
    """Loses items, forgets what happened to others, and has one that nobody knows."""
    for item_id in sorted(replica.items):
        if chance.random() < 0.2:
            del replica.items[item_id]
        elif chance.random() < 0.2:
            replica.items[item_id].item.revision = 1
            replica.items[item_id].item.summary.subject = "As it was long ago"
    if replica.items:
        known = next(iter(replica.items.values()))
        replica.items[stranger] = Held(type(known.item)(id=stranger, revision=1), b"", 0)


@pytest.mark.parametrize("seed", [2, 6, 12])
async def test_a_replica_that_was_repaired_while_people_went_on_equals_the_mailbox(
    world: World, anna: Person, cursors: Cursors, followers: Followers, seed: int
) -> None:
    chance = random.Random(seed)
    mischief = Mischief(world, anna, chance)
    await mischief.begin(items=25)
    reconciles = ReconcileService(world.database, cursors)
    for _ in range(REPAIRS):
        limits = Limits(entries=chance.choice((1, 3, 100)), looked_at=chance.choice((2, 100)))
        pulls = PullService(world.database, cursors, followers, limits=limits)
        replica = Replica(pulls, anna, some_scope(chance, mischief.folder_ids))
        await replica.catch_up()
        damage(replica, chance, world.ids.new())
        await Repairing(reconciles, replica, mischief).reconcile()
        for _ in range(8):
            await mischief.act()
        await replica.catch_up()
        await replica.require_equal(world)
