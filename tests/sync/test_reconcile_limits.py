"""Reconcile is bounded, in what it looks at and in what it answers, and comes to an end all the same."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from rookery.v1 import folder_pb2, item_pb2, sync_pb2
from rookery_server.services.seals import Seal
from rookery_server.services.sync.cursors import Cursors
from rookery_server.services.sync.reconcile import ReconcileService
from tests.support.rows import add_items
from tests.sync.reconciling import Device

if TYPE_CHECKING:
    from rookery_server.store.database import Transaction
    from tests.support.world import Person, World

INBOX = folder_pb2.FOLDER_ROLE_INBOX
CURSORS = Cursors(Seal("sync-cursor", {1: b"k" * 32}, mac_bytes=16))
MOST_BYTES = 16_384


async def fill(world: World, person: Person, count: int, *, summary: bytes = b"") -> list[bytes]:
    """So many items with a summary as it is stored; gives their ids, which ascend."""
    folder_id = await world.folder_of(person, INBOX)

    def work(transaction: Transaction) -> list[bytes]:
        rows = add_items(transaction.connection, person.number, count, folder_id=folder_id, summary=summary)
        return [row["id"] for row in rows]

    return await world.database.write(work)


def summary_of(size: int) -> bytes:
    """A stored summary of about so many bytes."""
    return item_pb2.ItemSummary(subject="s" * size).SerializeToString()


@pytest.fixture
def service(world: World) -> ReconcileService:
    """Looks at 600 items a call and answers 16 KiB."""
    return ReconcileService(world.database, CURSORS, most_items=600, most_bytes=MOST_BYTES)


async def test_ranges_beyond_what_a_call_looks_at_are_to_be_asked_again(
    world: World, anna: Person, service: ReconcileService
) -> None:
    item_ids = await fill(world, anna, 900)
    device = Device(service, anna)
    await device.copy(world)
    bounds = [(b"", item_ids[299]), (item_ids[299], item_ids[599]), (item_ids[599], item_ids[899]), (item_ids[899], b"")]
    answer = await device.ask(ranges=[device.range(part) for part in bounds], leaves=[device.leaf((item_ids[899], b""))])
    assert (answer.differing_ranges, answer.unread_ranges, answer.unread_leaves) == ([], [2, 3], [0])
    answer = await device.ask(ranges=[device.range(part) for part in bounds[2:]], leaves=[device.leaf((item_ids[899], b""))])
    assert (answer.differing_ranges, answer.unread_ranges, answer.unread_leaves) == ([], [], [])


async def test_a_range_that_no_call_can_look_at_is_to_be_narrowed(world: World, anna: Person, service: ReconcileService) -> None:
    await fill(world, anna, 601)
    device = Device(service, anna)
    await device.copy(world)
    answer = await device.ask(ranges=[device.range()])
    assert (answer.differing_ranges, answer.unread_ranges) == ([0], [])
    assert await device.reconcile() == 3
    assert device.received == []


async def test_a_range_of_which_the_mailbox_has_much_more_costs_what_the_device_has(
    world: World, anna: Person, service: ReconcileService
) -> None:
    item_ids = await fill(world, anna, 900)
    device = Device(service, anna)
    device.held = {item_ids[0]: 1, item_ids[450]: 451}
    bounds = [(b"", item_ids[400]), (item_ids[400], item_ids[800]), (item_ids[800], b"")]
    answer = await device.ask(ranges=[device.range(part) for part in bounds])
    assert (answer.differing_ranges, answer.unread_ranges) == ([0, 1, 2], [])


async def test_an_empty_replica_is_filled_by_leaves_in_parts(world: World, anna: Person, service: ReconcileService) -> None:
    await fill(world, anna, 900, summary=summary_of(500))
    device = Device(service, anna, leaf=500)
    first = await device.ask(leaves=[device.leaf()])
    assert MOST_BYTES * 0.6 < first.ByteSize() <= MOST_BYTES
    assert first.unread_leaves == [0]
    await device.reconcile()
    assert device.held == await device.truth(world)
    assert len(device.received) == 900  # each once


async def test_what_comes_of_a_leaf_in_parts_is_true_of_what_has_come(
    world: World, anna: Person, service: ReconcileService
) -> None:
    """Nothing behind the part that was told is dropped, though the device does not know it yet."""
    item_ids = await fill(world, anna, 60, summary=summary_of(500))
    device = Device(service, anna)
    await device.copy(world)
    there = device.held.copy()
    device.held = {item_id: there[item_id] for item_id in item_ids[50:]} | {bytes(16)[:15] + b"\1": 1, b"\xff" * 16: 1}
    answer = await device.ask(leaves=[device.leaf()])
    assert answer.unread_leaves == [0]
    assert 0 < len(answer.items) < 50
    assert {removal.item_id for removal in answer.removals} <= {bytes(15) + b"\1", b"\xff" * 16}
    device.apply(answer)
    await device.reconcile()
    assert device.held == there


async def test_leaves_that_find_no_room_are_to_be_asked_again(world: World, anna: Person, service: ReconcileService) -> None:
    ghosts = [number.to_bytes(16, "big") for number in range(1 << 100, (1 << 100) + 900)]
    device = Device(service, anna, leaf=300)
    device.held = dict.fromkeys(ghosts, 7)
    bounds = [(b"", ghosts[299]), (ghosts[299], ghosts[599]), (ghosts[599], b"")]
    answer = await device.ask(leaves=[device.leaf(part) for part in bounds])
    assert (len(answer.removals), answer.unread_leaves) == (300, [1, 2])
    assert answer.ByteSize() <= MOST_BYTES
    device.apply(answer)
    await device.reconcile()
    assert device.held == {}
    assert sorted(device.dropped) == ghosts


async def test_an_item_larger_than_an_answer_comes_alone(world: World, anna: Person, service: ReconcileService) -> None:
    small, *large = [*await fill(world, anna, 1), *await fill(world, anna, 2, summary=summary_of(2 * MOST_BYTES))]
    device = Device(service, anna, leaf=500)
    assert await device.reconcile() == 3
    assert device.received == [small, *large]


async def test_many_folders_leave_room_for_something_all_the_same(world: World, anna: Person) -> None:
    service = ReconcileService(world.database, CURSORS, most_items=600, most_bytes=3000)
    (item_id, _) = await fill(world, anna, 2, summary=summary_of(500))
    device = Device(service, anna)
    answer = await device.ask(include_folders=True, leaves=[device.leaf()])
    assert (len(answer.folders), [told.item.id for told in answer.items], answer.unread_leaves) == (14, [item_id], [0])


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_differs_in_whatever_scope_the_replica_is_right_in_the_end(
    world: World, anna: Person, service: ReconcileService, seed: int
) -> None:
    chance = random.Random(seed)
    folder_ids = [await world.folder_of(anna, role) for role in (1, 2, 3)]

    def work(transaction: Transaction) -> None:
        for folder_id in folder_ids:
            for kind in (item_pb2.ITEM_KIND_MESSAGE, item_pb2.ITEM_KIND_NOTE, item_pb2.ITEM_KIND_APPOINTMENT):
                span = {"span_start": 0, "span_end": chance.randrange(10) * 1_000_000}
                add_items(transaction.connection, anna.number, 40, folder_id=folder_id, kind=kind, summary=summary_of(200), **span)
            add_items(transaction.connection, anna.number, 10, folder_id=folder_id, life=2)

    await world.database.write(work)
    kinds = chance.sample(
        [item_pb2.ITEM_KIND_MESSAGE, item_pb2.ITEM_KIND_NOTE, item_pb2.ITEM_KIND_APPOINTMENT], chance.randrange(4)
    )
    scope = sync_pb2.SyncScope(folder_ids=chance.sample(folder_ids, chance.randrange(4)), kinds=kinds)
    if chance.random() < 0.5:
        scope.window.mail_since.FromMicroseconds(1_700_000_000_000_000 + 20 * 60_000_000)
        scope.window.events_from.FromMicroseconds(5_000_000)
    device = Device(service, anna, scope, leaf=chance.randrange(1, 60), fan=chance.randrange(2, 9))
    await device.copy(world)
    there = device.held.copy()
    for item_id in chance.sample(sorted(there), len(there) // 4):
        del device.held[item_id]
    for item_id in chance.sample(sorted(device.held), len(device.held) // 4):
        device.held[item_id] += chance.choice([-1, 1])
    device.held |= {chance.randbytes(16): 3 for _ in range(chance.randrange(20))}
    wrong = {item_id for item_id, revision in there.items() if device.held.get(item_id) != revision}
    await device.reconcile()
    assert device.held == there
    assert sorted(device.received) == sorted(wrong)
