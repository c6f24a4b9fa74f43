"""What a device is told of what happened since it last asked: as much as it needs, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1 import folder_pb2, sync_pb2
from rookery_server.services.sync.batches import Limits
from rookery_server.services.sync.pull import PullService
from tests.sync.acts import FOR_EVER, SOFTLY, TO_BIN, delete_folder, mark, move, rename, rename_folder, restore
from tests.sync.replicas import Replica

if TYPE_CHECKING:
    from rookery_server.services.sync.cursors import Cursors
    from rookery_server.services.sync.followers import Followers
    from tests.support.world import Person, World

DELETED = sync_pb2.REMOVAL_REASON_DELETED
LEFT_SCOPE = sync_pb2.REMOVAL_REASON_LEFT_SCOPE


@pytest.fixture
async def places(world: World, anna: Person) -> list[bytes]:
    """Three folders."""
    return [(await world.folder(anna, name)).id for name in ("A", "B", "C")]


async def held(service: PullService, person: Person, *folder_ids: bytes) -> Replica:
    """A device that has all there is in some folders, or in all."""
    replica = Replica(service, person, sync_pb2.SyncScope(folder_ids=folder_ids))
    await replica.catch_up()
    return replica


def slow(world: World, cursors: Cursors, followers: Followers, entries: int) -> PullService:
    """A service whose pages are short."""
    return PullService(world.database, cursors, followers, limits=Limits(entries=entries))


async def test_a_mark_travels_as_a_mark(world: World, anna: Person, pulls: PullService, places: list[bytes]) -> None:
    item = await world.item(anna, places[0])
    device = await held(pulls, anna)
    await mark(world, anna, [item.id], read=False, add_categories=["red"])
    batch = await device.pull()
    assert not batch.items and not batch.removals
    [change] = batch.changes
    assert list(change.state.categories) == ["red"]
    assert not change.HasField("place")
    await device.require_equal(world)


async def test_a_move_travels_as_a_move(world: World, anna: Person, pulls: PullService, places: list[bytes]) -> None:
    item = await world.item(anna, places[0])
    device = await held(pulls, anna)
    await move(world, anna, [item.id], places[1])
    [change] = (batch := await device.pull()).changes
    assert (change.place.folder_id, change.place.from_folder_id, change.place.uid) == (places[1], places[0], 1)
    assert not change.HasField("state") and not batch.items
    await device.require_equal(world)


async def test_several_marks_and_moves_are_one_entry(world: World, anna: Person, pulls: PullService, places: list[bytes]) -> None:
    item = await world.item(anna, places[0])
    device = await held(pulls, anna)
    await mark(world, anna, [item.id], read=False)
    for folder_id in (places[1], places[2], places[1]):
        await move(world, anna, [item.id], folder_id)
    await mark(world, anna, [item.id], read=True)
    [change] = (await device.pull()).changes
    assert change.state.read and change.place.folder_id == places[1]
    await device.require_equal(world)


async def test_a_changed_content_brings_the_item_whole(world: World, anna: Person, pulls: PullService, places: list[bytes]) -> None:
    item = await world.item(anna, places[0])
    device = await held(pulls, anna)
    await mark(world, anna, [item.id], read=False)
    await rename(world, anna, item.id, "Renamed")
    batch = await device.pull()
    assert [told.item.summary.subject for told in batch.items] == ["Renamed"]
    assert not batch.changes
    await device.require_equal(world)


async def test_what_came_and_went_in_between_is_not_mentioned(
    world: World, anna: Person, pulls: PullService, places: list[bytes]
) -> None:
    device = await held(pulls, anna)
    for mode in (FOR_EVER, SOFTLY):
        item = await world.item(anna, places[0])
        await world.delete(anna, [item.id], mode)
    gone = await world.folder(anna, "Gone")
    await delete_folder(world, anna, gone.id)
    batch = await device.pull()
    assert not batch.items and not batch.changes and not batch.removals and not batch.removed_folders
    assert batch.caught_up
    await device.require_equal(world)


@pytest.mark.parametrize("mode", [SOFTLY, FOR_EVER])
async def test_a_deleted_item_is_dropped(world: World, anna: Person, pulls: PullService, places: list[bytes], mode: int) -> None:
    item = await world.item(anna, places[0])
    device = await held(pulls, anna, places[0])
    await world.delete(anna, [item.id], mode)
    [removal] = (await device.pull()).removals
    assert (removal.item_id, removal.reason) == (item.id, DELETED)
    await device.require_equal(world)


async def test_what_is_thrown_into_the_bin_leaves_a_scope_without_it(
    world: World, anna: Person, pulls: PullService, places: list[bytes]
) -> None:
    item = await world.item(anna, places[0])
    device = await held(pulls, anna, places[0])
    await world.delete(anna, [item.id], TO_BIN)
    [removal] = (await device.pull()).removals
    assert (removal.item_id, removal.reason) == (item.id, LEFT_SCOPE)


async def test_purging_what_was_recoverable_already_says_nothing(
    world: World, anna: Person, pulls: PullService, places: list[bytes]
) -> None:
    item = await world.item(anna, places[0])
    await world.delete(anna, [item.id], SOFTLY)
    device = await held(pulls, anna)
    await world.delete(anna, [item.id], FOR_EVER)
    assert not (await device.pull()).removals


@pytest.mark.parametrize("known", [True, False], ids=["deleted since", "deleted before"])
async def test_a_restored_item_comes_whole(
    world: World, anna: Person, pulls: PullService, places: list[bytes], *, known: bool
) -> None:
    item = await world.item(anna, places[0])
    if known:
        device = await held(pulls, anna)
        await world.delete(anna, [item.id], SOFTLY)
    else:
        await world.delete(anna, [item.id], SOFTLY)
        device = await held(pulls, anna)
    await restore(world, anna, [item.id])
    assert [told.item.id for told in (await device.pull()).items] == [item.id]
    await device.require_equal(world)


@pytest.mark.parametrize("scope", ["A", "B", "C", "AB", "AC", "BC", "ABC"])
async def test_an_item_that_moves_through_a_scope_is_neither_a_ghost_nor_a_hole(
    world: World, anna: Person, cursors: Cursors, followers: Followers, places: list[bytes], scope: str
) -> None:
    item = await world.item(anna, places[0])
    chosen = [places["ABC".index(name)] for name in scope]
    for stops in (0, 1, 2):  # how many moves the device hears of one by one, before the rest
        device = await held(slow(world, cursors, followers, 1), anna, *chosen)
        for number, place in enumerate((places[1], places[2])):
            await move(world, anna, [item.id], place)
            if number < stops:
                await device.catch_up()
                await device.require_equal(world)
        batches = await device.catch_up()
        await device.require_equal(world)
        if scope == "ABC":
            assert not any(batch.items for batch in batches)  # it was held all the time: nothing is sent again
        await move(world, anna, [item.id], places[0])


async def test_an_item_that_leaves_and_comes_back_between_two_pages_is_there(
    world: World, anna: Person, cursors: Cursors, followers: Followers, places: list[bytes]
) -> None:
    first, second = [await world.item(anna, places[0]) for _ in range(2)]
    device = await held(slow(world, cursors, followers, 2), anna, places[0])
    await move(world, anna, [first.id], places[1])
    await mark(world, anna, [second.id], read=False)
    await device.pull()
    assert first.id not in device.items and not device.caught_up
    await move(world, anna, [first.id], places[0])
    await device.catch_up()
    await device.require_equal(world)


async def test_what_a_page_brought_is_dropped_if_it_is_gone_before_the_next(
    world: World, anna: Person, cursors: Cursors, followers: Followers, places: list[bytes]
) -> None:
    device = await held(slow(world, cursors, followers, 2), anna, places[0])
    new = [await world.item(anna, places[0]) for _ in range(4)]
    await device.pull()
    brought = list(device.items)
    assert brought and not device.caught_up
    await world.delete(anna, brought, FOR_EVER)
    await device.catch_up()
    await device.require_equal(world)
    assert len(device.items) == len(new) - len(brought)


async def test_a_departure_that_was_passed_while_the_item_lived_is_told_when_it_dies(
    world: World, anna: Person, cursors: Cursors, followers: Followers, places: list[bytes]
) -> None:
    item = await world.item(anna, places[0])
    others = [await world.item(anna, places[0]) for _ in range(4)]
    device = await held(slow(world, cursors, followers, 3), anna, places[0])
    await move(world, anna, [item.id], places[1])
    for other in others:
        await mark(world, anna, [other.id], read=False)
    await mark(world, anna, [item.id], read=False)
    await device.pull()
    assert not device.caught_up and item.id in device.items  # its mark comes later than where the page ended
    await world.delete(anna, [item.id], FOR_EVER)
    await device.catch_up()
    await device.require_equal(world)


async def test_a_page_may_end_inside_a_revision(
    world: World, anna: Person, cursors: Cursors, followers: Followers, places: list[bytes]
) -> None:
    item_ids = [(await world.item(anna, places[0])).id for _ in range(60)]
    everywhere = await held(slow(world, cursors, followers, 7), anna)
    here, there = [await held(slow(world, cursors, followers, 7), anna, place) for place in places[:2]]
    await move(world, anna, item_ids, places[1])
    for device in (everywhere, here, there):
        batches = await device.catch_up()
        assert len(batches) > 8
        assert sum(len(batch.items) + len(batch.changes) + len(batch.removals) for batch in batches) == 60
        assert [batch.caught_up for batch in batches] == [False] * (len(batches) - 1) + [True]
        await device.require_equal(world)


async def test_the_same_cursor_gives_the_same_twice(world: World, anna: Person, pulls: PullService, places: list[bytes]) -> None:
    items = [await world.item(anna, places[0]) for _ in range(3)]
    device = await held(pulls, anna)
    await mark(world, anna, [items[0].id], read=False)
    await world.delete(anna, [items[1].id], FOR_EVER)
    before, once = device.cursor, await device.pull()
    assert await device.ask(before) == once
    device.apply(await device.ask(before))
    await device.require_equal(world)


async def test_what_happens_inside_a_folder_leaves_its_own_revision_alone(
    world: World, anna: Person, pulls: PullService, places: list[bytes]
) -> None:
    device = await held(pulls, anna)
    before = device.folders[places[0]].revision
    await world.item(anna, places[0])
    [folder] = (await device.pull()).folders
    assert (folder.id, folder.revision, folder.item_count) == (places[0], before, 1)
    assert folder.contents_revision > before


async def test_folders_outside_the_scope_are_told_too(world: World, anna: Person, pulls: PullService, places: list[bytes]) -> None:
    device = await held(pulls, anna, places[0])
    await rename_folder(world, anna, places[1], "Renamed")
    await world.item(anna, places[1])
    await delete_folder(world, anna, places[2])
    batch = await device.pull()
    assert [folder.name for folder in batch.folders] == ["Renamed"]
    assert [gone.folder_id for gone in batch.removed_folders] == [places[2]]
    assert not batch.items
    await device.require_equal(world)


async def test_moving_a_folder_sends_nothing_of_what_is_inside(
    world: World, anna: Person, pulls: PullService, places: list[bytes]
) -> None:
    await world.item(anna, places[0])
    device = await held(pulls, anna)
    request = folder_pb2.UpdateFolderRequest(operation_id=world.ids.new())
    request.folder.id, request.folder.parent_id = places[0], places[1]
    request.update_mask.paths.append("parent_id")
    await world.folders.update_folder(anna.caller, request)
    batch = await device.pull()
    assert [folder.id for folder in batch.folders] == [places[0]]
    assert not batch.items and not batch.changes
    await device.require_equal(world)
