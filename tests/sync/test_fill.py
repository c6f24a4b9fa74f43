"""The first fill, and those that follow when a device cares for more: newest first, in bounded batches, without ghosts or holes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1 import folder_pb2, item_pb2, sync_pb2
from rookery_server.services.sync.batches import Limits
from rookery_server.services.sync.pull import PullService
from tests.sync.acts import FOR_EVER, SOFTLY, mark, move
from tests.sync.mischief import DAY, NOW
from tests.sync.replicas import Replica, window

if TYPE_CHECKING:
    from rookery_server.services.sync.cursors import Cursors
    from rookery_server.services.sync.followers import Followers
    from tests.support.world import Person, World

INBOX = folder_pb2.FOLDER_ROLE_INBOX
ARCHIVE = folder_pb2.FOLDER_ROLE_ARCHIVE
NOTE = item_pb2.ITEM_KIND_NOTE
MORE_THAN_IS_READ_AT_ONCE = 70


@pytest.fixture
def short(world: World, cursors: Cursors, followers: Followers) -> PullService:
    """A service whose pages have three entries, and pass by five items."""
    return PullService(world.database, cursors, followers, limits=Limits(entries=3, looked_at=5))


async def aged(world: World, person: Person, folder_id: bytes, days: int, **summary: object) -> item_pb2.Item:
    """An item that came so many days ago."""
    record = item_pb2.ItemSummary()
    record.received.FromMicroseconds(NOW - days * DAY)
    return await world.item(person, folder_id, received=record.received, **summary)


async def test_an_empty_mailbox_is_filled_by_one_batch(world: World, anna: Person, pulls: PullService) -> None:
    device = Replica(pulls, anna)
    batch = await device.pull()
    assert batch.caught_up and batch.revision == 1 and batch.epoch
    assert {folder.role for folder in batch.folders} >= {INBOX, ARCHIVE}
    assert (batch.progress.done, batch.progress.total) == (0, 0)
    await device.require_equal(world)


async def test_folders_come_first_and_then_the_newest_items(world: World, anna: Person, short: PullService) -> None:
    inbox = await world.folder_of(anna, INBOX)
    for days in (3, 1, 4, 1, 5, 9, 2, 6):
        await aged(world, anna, inbox, days)
    device = Replica(short, anna)
    batches = await device.catch_up()
    assert [bool(batch.folders) for batch in batches] == [True] + [False] * (len(batches) - 1)
    order = [(told.fill_key, told.item.id) for batch in batches for told in batch.items]
    assert order == sorted(order, reverse=True) and len(order) == 8
    assert [batch.progress.done for batch in batches] == [3, 6, 8]
    assert {batch.progress.total for batch in batches} == {8}
    assert [batch.caught_up for batch in batches] == [False, False, True]
    await device.require_equal(world)


async def test_many_items_of_one_moment_come_once_each(world: World, anna: Person, pulls: PullService) -> None:
    inbox = await world.folder_of(anna, INBOX)
    items = [await aged(world, anna, inbox, days=1) for _ in range(MORE_THAN_IS_READ_AT_ONCE)]
    device = Replica(pulls, anna)
    batch = await device.pull()
    assert [told.item.id for told in batch.items] == sorted((item.id for item in items), reverse=True)
    await device.require_equal(world)


async def test_a_summary_comes_without_content(world: World, anna: Person, pulls: PullService) -> None:
    await world.item(anna, await world.folder_of(anna, INBOX))
    [told] = (await Replica(pulls, anna).pull()).items
    assert (told.extent, told.content, told.content_encoding) == (sync_pb2.CONTENT_EXTENT_NONE, b"", 0)
    assert told.item.life == item_pb2.ITEM_LIFE_LIVE and not told.item.HasField("content")


async def test_only_what_is_in_scope_is_filled(world: World, anna: Person, short: PullService) -> None:
    inbox, archive = await world.folder_of(anna, INBOX), await world.folder_of(anna, ARCHIVE)
    for number in range(24):
        kind = NOTE if number % 5 == 0 else item_pb2.ITEM_KIND_MESSAGE
        await aged(world, anna, archive if number % 3 else inbox, number, kind=kind)
    for scope in (
        sync_pb2.SyncScope(folder_ids=[inbox]),
        sync_pb2.SyncScope(kinds=[NOTE]),
        sync_pb2.SyncScope(window=window(mail_since=NOW - 10 * DAY)),
        sync_pb2.SyncScope(folder_ids=[archive, inbox], kinds=[NOTE], window=window(mail_since=NOW)),
        sync_pb2.SyncScope(folder_ids=[b"n" * 16]),
    ):
        device = Replica(short, anna, scope)
        await device.catch_up()
        await device.require_equal(world)


async def test_small_folders_are_filled_without_passing_by_the_rest(world: World, anna: Person, short: PullService) -> None:
    inbox, archive, sent = [await world.folder_of(anna, role) for role in (INBOX, ARCHIVE, folder_pb2.FOLDER_ROLE_SENT)]
    for days in range(20):
        await aged(world, anna, sent, days)
    for days in (7, 3, 3):
        await aged(world, anna, inbox, days)
    for days, kind in ((5, NOTE), (3, item_pb2.ITEM_KIND_MESSAGE)):
        await aged(world, anna, archive, days, kind=kind)
    device = Replica(short, anna, sync_pb2.SyncScope(folder_ids=[inbox, archive], window=window(mail_since=NOW - 6 * DAY)))
    batches = await device.catch_up()
    order = [(told.fill_key, told.item.id) for batch in batches for told in batch.items]
    assert order == sorted(order, reverse=True) and len(order) == 4
    assert len(batches) == 2
    device.set_window(window(mail_since=NOW - 9 * DAY))
    assert [len(batch.items) for batch in await device.catch_up()] == [1]
    await device.require_equal(world)


async def test_mail_of_the_window_is_counted_before_it_is_filled(world: World, anna: Person, short: PullService) -> None:
    inbox = await world.folder_of(anna, INBOX)
    for days in range(12):
        await aged(world, anna, inbox, days)
    device = Replica(short, anna, sync_pb2.SyncScope(window=window(mail_since=NOW - 6 * DAY)))
    first = await device.pull()
    assert (first.progress.done, first.progress.total) == (3, 7)
    device.set_window(window(mail_since=NOW - 8 * DAY))
    await device.catch_up()
    device.set_window(window(mail_since=NOW - 11 * DAY))
    assert (await device.pull()).progress.total == 3


async def test_what_happens_during_a_fill_is_told_after_it(world: World, anna: Person, short: PullService) -> None:
    inbox, archive = await world.folder_of(anna, INBOX), await world.folder_of(anna, ARCHIVE)
    items = [await aged(world, anna, inbox, days) for days in range(9)]
    for scope in (sync_pb2.SyncScope(), sync_pb2.SyncScope(folder_ids=[inbox])):
        device = Replica(short, anna, scope)
        await device.pull()
        await world.delete(anna, [items[0].id], FOR_EVER)  # filled already
        await world.delete(anna, [items[8].id], SOFTLY)  # not yet
        await move(world, anna, [items[1].id], archive)
        await move(world, anna, [items[7].id], archive)
        await mark(world, anna, [items[2].id, items[6].id], read=False)
        await aged(world, anna, inbox, 0)
        await device.catch_up()
        await device.require_equal(world)


async def test_what_comes_during_a_fill_and_goes_before_its_end_leaves_no_ghost(
    world: World, anna: Person, short: PullService
) -> None:
    inbox = await world.folder_of(anna, INBOX)
    for days in range(9):
        await aged(world, anna, inbox, days)
    device = Replica(short, anna)
    await device.pull()
    # Old by its date: the fill is yet to pass where it belongs.
    late = await aged(world, anna, inbox, 4)
    await device.pull()
    await world.delete(anna, [late.id], FOR_EVER)
    await device.catch_up()
    await device.require_equal(world)


async def test_a_wider_window_brings_what_enters_it_and_nothing_twice(world: World, anna: Person, short: PullService) -> None:
    inbox = await world.folder_of(anna, INBOX)
    items = [await aged(world, anna, inbox, days) for days in range(10)]
    device = Replica(short, anna, sync_pb2.SyncScope(window=window(mail_since=NOW - 2 * DAY)))
    await device.catch_up()
    await mark(world, anna, [items[1].id, items[5].id], read=False)
    device.set_window(window(mail_since=NOW - 7 * DAY))
    batches = await device.catch_up()
    assert [told.item.id for batch in batches for told in batch.items] == [item.id for item in items[3:8]]
    assert not batches[0].folders
    await device.require_equal(world)


async def test_a_narrower_window_brings_nothing(world: World, anna: Person, short: PullService) -> None:
    inbox = await world.folder_of(anna, INBOX)
    for days in range(4):
        await aged(world, anna, inbox, days)
    device = Replica(short, anna)
    await device.catch_up()
    device.set_window(window(mail_since=NOW - DAY))
    batch = await device.pull()
    assert batch.caught_up and not batch.items and not batch.removals
    await device.require_equal(world)


async def test_a_window_may_move_in_the_middle_of_a_fill(world: World, anna: Person, short: PullService) -> None:
    inbox = await world.folder_of(anna, INBOX)
    for days in range(12):
        await aged(world, anna, inbox, days)
    for before, then in ((20, 5), (5, 20), (5, 8)):
        device = Replica(short, anna, sync_pb2.SyncScope(window=window(mail_since=NOW - before * DAY)))
        await device.pull()
        device.set_window(window(mail_since=NOW - then * DAY))
        await device.catch_up()
        await device.require_equal(world)


async def test_what_an_unfinished_tail_brought_is_dropped_when_it_goes_although_the_window_grew(
    world: World, anna: Person, short: PullService, pulls: PullService
) -> None:
    inbox, archive = await world.folder_of(anna, INBOX), await world.folder_of(anna, ARCHIVE)
    scope = sync_pb2.SyncScope(folder_ids=[inbox], window=window(mail_since=NOW - 2 * DAY))
    device = Replica(short, anna, scope)
    await device.catch_up()
    new = [await aged(world, anna, inbox, days) for days in (0, 1, 1, 5, 1, 1)]
    await device.pull()
    assert not device.caught_up and device.items.keys() == {item.id for item in new[:3]}
    device.set_window(window(mail_since=NOW - 7 * DAY))
    await world.delete(anna, [new[0].id], FOR_EVER)
    await move(world, anna, [new[1].id], archive)
    device.service = pulls  # whose pages are long: all that is left of the tail is told at once
    await device.catch_up()
    await device.require_equal(world)


async def test_what_was_dropped_meanwhile_is_filled_again(world: World, anna: Person, short: PullService) -> None:
    """A fill for a window that moved on is not finished when the window goes back: the device has only what both had."""
    inbox = await world.folder_of(anna, INBOX)
    for days in range(16):
        await aged(world, anna, inbox, days)
    start = [NOW - days * DAY for days in range(20)]
    device = Replica(short, anna, sync_pb2.SyncScope(window=window(mail_since=start[9], events_from=start[15])))
    await device.catch_up()
    for wanted in (
        window(mail_since=start[4], events_from=start[19]),  # less mail, more events: a fill begins
        window(mail_since=start[14], events_from=start[19]),  # and the mail that was dropped comes again
    ):
        device.set_window(wanted)
        await device.pull()
    await device.catch_up()
    await device.require_equal(world)


async def test_appointments_are_filled_by_the_time_that_they_take(world: World, anna: Person, short: PullService) -> None:
    calendar = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_CALENDAR)
    for day in range(10, 20):
        record = item_pb2.Item(folder_id=calendar)
        record.summary.kind = item_pb2.ITEM_KIND_APPOINTMENT
        for hour, time in ((10, record.summary.appointment.start), (11, record.summary.appointment.end)):
            time.local, time.time_zone = f"2025-06-{day}T{hour}:00:00", "Etc/UTC"
        await world.create(anna, record)
    noon = 1_749_988_800_000_000  # 2025-06-15T12:00:00Z
    scope = sync_pb2.SyncScope(window=window(events_from=noon - 2 * DAY, events_until=noon + DAY))
    device = Replica(short, anna, scope)
    await device.catch_up()
    assert len(device.items) == 3
    device.set_window(window(events_from=noon - DAY, events_until=noon + 3 * DAY))
    await device.catch_up()
    assert len(device.items) == 4
    await device.require_equal(world)


async def test_more_folders_than_fit_into_a_batch_come_in_several(
    world: World, anna: Person, cursors: Cursors, followers: Followers
) -> None:
    for number in range(20):
        await world.folder(anna, f"{number:02}" + "x" * 200)
    gone = await world.folder(anna, "gone before the end")
    device = Replica(PullService(world.database, cursors, followers, limits=Limits(size=5000)), anna)
    first = await device.pull()
    assert 0 < len(first.folders) < 30 and not first.items
    late = await world.folder(anna, "made meanwhile, gone after the last of them")
    second = await device.pull()
    assert second.folders
    for folder in (gone, late):
        request = folder_pb2.DeleteFolderRequest(operation_id=world.ids.new(), folder_id=folder.id)
        await world.folder_removal.delete_folder(anna.caller, request)
    await world.item(anna, await world.folder_of(anna, INBOX))
    await device.catch_up()
    await device.require_equal(world)
