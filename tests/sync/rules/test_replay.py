"""A cursor is all that there is of a synchronisation: the server keeps nothing of it, and the same one gives the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1 import sync_pb2
from tests.sync.rules.home import ARCHIVE, FOR_EVER, INBOX, Home, News

if TYPE_CHECKING:
    from rookery.v1 import sync_service_pb2
    from tests.sync.rules.home import Device

WHOLE = sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_FULL)
LETTERS = 6


def content_of(batch: sync_service_pb2.PullResponse) -> bytes:
    """A batch without its cursor."""
    batch.cursor = ""
    return batch.SerializeToString(deterministic=True)


async def much_happens(home: Home) -> None:
    """Something of everything that a device can be told."""
    inbox, archive = await home.role(INBOX), await home.role(ARCHIVE)
    made = [(await home.item(inbox, subject=f"Letter {number}")).id for number in range(4)]
    await home.mark(made[0], read=False)
    await home.move(archive, made[1])
    await home.rename(made[2], "Changed")
    await home.delete(FOR_EVER, made[3])
    gone = await home.folder("Gone")
    await home.change_folder(await home.folder("Trip"), name="Journey")
    await home.delete_folder(gone)


@pytest.fixture
async def large(home: Home) -> list[bytes]:
    """Letters of which two fill a batch; their ids, oldest first."""
    made = []
    for number in range(LETTERS):
        home.server.clock.advance(seconds=1)
        made.append((await home.item(subject=f"Letter {number}", text=home.server.ids.new().hex() * 14_000)).id)
    return made


async def test_the_same_cursor_gives_the_same_as_often_as_it_is_used(home: Home, phone: Device) -> None:
    """MS-OXCFXICS R3419 (3.2.5.3): the server does not persist the state of a synchronisation; MS-OXWSSYNC R504 (3.1.1)."""
    item = await home.item()
    await phone.news()
    cursor = phone.cursor
    await home.mark(item.id, read=False)
    await much_happens(home)
    first = await phone.ask(cursor)
    assert first.items and first.changes and first.folders
    phone.apply(first)
    assert [content_of(await phone.ask(cursor)) for _ in range(3)] == [content_of(first)] * 3


async def test_a_batch_applied_twice_changes_nothing(home: Home, phone: Device) -> None:
    """MS-OXCFXICS R1792 (3.1.5.6.1): what is as old as what is there is ignored."""
    cursor = phone.cursor
    await much_happens(home)
    await phone.news()
    held = dict(phone.items)
    phone.apply(await phone.ask(cursor))
    assert phone.items == held
    await phone.require_equal()


async def test_without_a_cursor_everything_comes_as_if_for_the_first_time(home: Home, phone: Device) -> None:
    """MS-OXWSSYNC R382 (3.1.4.2.3.8), R262 (3.1.4.1.3.6): all items in their current state."""
    await much_happens(home)
    await phone.news()
    again = await home.device("phone, reset")
    told = await again.news()
    assert told.changes == [] and told.removals == [] and told.removed_folders == []
    assert again.items == phone.items and again.folders == phone.folders


async def test_devices_do_not_disturb_each_other(home: Home, phone: Device) -> None:
    """MS-OXCFXICS R67 (2.2.1.3): servers do not maintain a state of each client; so one can not take what is the other's."""
    laptop = await home.device("laptop")
    await laptop.news()
    await much_happens(home)
    first, second = await phone.news(), await laptop.news()
    assert sorted(first.item_ids) == sorted(second.item_ids) != []
    assert phone.items == laptop.items


async def test_who_is_up_to_date_is_told_so_and_nothing_else(home: Home, phone: Device) -> None:
    """MS-OXWSSYNC R67, R6701 (3.1.4.2.3.6): the last one is included, though there is none."""
    batch = await phone.ask()
    assert batch.caught_up and batch.revision == await home.revision()
    assert content_of(batch) == content_of(type(batch)(caught_up=True, revision=batch.revision, epoch=batch.epoch))


async def test_only_the_last_batch_says_that_nothing_is_missing(home: Home, large: list[bytes]) -> None:
    """MS-OXWSSYNC R6701, R6702 (3.1.4.2.3.6): true with the last one, false before."""
    phone = await home.device("phone", WHOLE)
    batches = [batch async for batch in phone.stream()]
    assert len(batches) > 2
    assert [batch.caught_up for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert all(batch.cursor and batch.ByteSize() <= 1 << 20 for batch in batches)
    assert [batch.progress.total for batch in batches if batch.items] == [LETTERS] * sum(1 for batch in batches if batch.items)


async def test_the_newest_mail_comes_first(home: Home, large: list[bytes]) -> None:
    """MS-OXCFXICS R2198 (3.2.5.9.1.1, OrderByDeliveryTime); and the folders before all mail."""
    phone = await home.device("phone", WHOLE)
    told = await phone.news()
    assert told.item_ids == large[::-1]
    keys = [item.fill_key for item in told.items]
    assert keys == sorted(keys, reverse=True)
    assert (await (await home.device("other", WHOLE)).ask()).folders


async def test_a_stream_cut_anywhere_goes_on_where_it_was(home: Home, large: list[bytes]) -> None:
    """MS-OXCFXICS R3593 (3.3.5.6): a checkpoint is accurate for what was sent; nothing is lost, nothing is sent twice."""
    whole = [batch async for batch in (await home.device("whole", WHOLE)).stream()]
    for cut in range(1, len(whole)):
        phone = await home.device(f"cut after {cut}", WHOLE)
        stream, seen = phone.stream(), News()
        for _ in range(cut):
            batch = await stream.read()
            seen.add(batch)
            phone.apply(batch)
        stream.cancel()
        async for batch in phone.stream():
            seen.add(batch)
            phone.apply(batch)
        assert sorted(seen.item_ids) == sorted(large)
        await phone.require_equal()


async def test_what_changes_while_a_fill_is_cut_is_there_at_its_end(home: Home, large: list[bytes]) -> None:
    """MS-OXCFXICS R2065, R2066 (3.2.5.3): the state after a download is that before it and all that was downloaded."""
    phone = await home.device("phone", WHOLE)
    phone.apply(await phone.ask())
    held = set(phone.items)
    assert 0 < len(held) < LETTERS
    there, missing = sorted(held), sorted(set(large) - held)
    await home.delete(FOR_EVER, there[0], missing[0])
    await home.rename(there[1], "Edited after it came")
    await home.rename(missing[1], "Edited before it came")
    await home.mark(*there[1:], *missing[1:], read=False)
    await home.item(subject="New")
    await phone.news()
    await phone.require_equal()


async def test_a_followed_stream_brings_what_another_device_does_as_it_happens(home: Home, phone: Device) -> None:
    """MS-OXCFXICS R2043 (3.2.5.3), without asking again: the same batches, each complete at its revision."""
    laptop = await home.device("laptop")
    await laptop.news()
    stream = phone.stream(follow=True)
    phone.apply(await stream.read())
    for number in range(5):
        result = await laptop.do(laptop.creation(home.server.ids.new(), f"Note {number}"))
        while phone.base < result.revision:
            phone.apply(await stream.read())
        assert phone.items[result.item.id].summary.subject == f"Note {number}"
    stream.cancel()
    await phone.require_equal()
