"""What nobody restored in time is purged, mailbox by mailbox."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError

from rookery.v1 import folder_pb2, item_service_pb2
from rookery_server.services.items import recoverable_purge
from rookery_server.services.items.recoverable_purge import RecoverablePurge
from rookery_server.store import items
from rookery_server.store.tables import retired_id

if TYPE_CHECKING:
    from rookery_server.store.database import Transaction
    from tests.support.world import Person, World

INBOX = folder_pb2.FOLDER_ROLE_INBOX
RECOVERABLE = item_service_pb2.DELETE_MODE_RECOVERABLE
DAY = 86_400


async def delete_some(world: World, person: Person, count: int) -> list[bytes]:
    """New items, deleted, but to be restored."""
    inbox = await world.folder_of(person, INBOX)
    item_ids = [(await world.item(person, inbox)).id for _ in range(count)]
    await world.delete(person, item_ids, RECOVERABLE)
    return item_ids


async def left(world: World, person: Person, item_ids: list[bytes]) -> list[bytes]:
    """Those of the items that are still there."""
    found = await world.database.read(lambda connection: items.places(connection, person.number, item_ids))
    return [item_id for item_id in item_ids if item_id in found]


@pytest.fixture
def purge(world: World, monkeypatch: pytest.MonkeyPatch) -> RecoverablePurge:
    monkeypatch.setattr(recoverable_purge, "_STEP", 2)
    return RecoverablePurge(world.database, world.clock, retention_seconds=14 * DAY)


async def test_items_are_purged_when_their_time_is_over_and_not_before(world: World, anna: Person, purge: RecoverablePurge) -> None:
    old = await delete_some(world, anna, 5)
    world.clock.advance(days=10)
    recent = await delete_some(world, anna, 3)
    assert await purge.purge() == 0
    world.clock.advance(days=5)
    assert await purge.purge() == 5
    assert await left(world, anna, old + recent) == recent
    assert await purge.purge() == 0
    await world.check_counters(anna)


async def test_a_mailbox_that_fails_does_not_hold_up_the_others(
    world: World, anna: Person, ben: Person, purge: RecoverablePurge
) -> None:
    stuck = await delete_some(world, anna, 5)  # more than a step, and all of them before the other mailbox's
    due = await delete_some(world, ben, 3)
    world.clock.advance(days=15)
    row = {"mailbox_id": anna.number, "revision": 1}

    def damage(transaction: Transaction) -> None:
        transaction.connection.execute(insert(retired_id), [{**row, "item_id": item_id} for item_id in stuck])

    def mend(transaction: Transaction) -> None:
        transaction.connection.execute(delete(retired_id).where(retired_id.c.mailbox_id == anna.number))

    await world.database.write(damage)
    with pytest.raises((IntegrityError, sqlite3.IntegrityError)):
        await purge.purge()
    assert await left(world, ben, due) == []
    assert await left(world, anna, stuck) == stuck
    await world.database.write(mend)
    assert await purge.purge() == 5
    assert await left(world, anna, stuck) == []
    for person in (anna, ben):
        await world.check_counters(person)
