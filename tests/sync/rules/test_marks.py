"""Read marks, flags and categories travel alone: they are no change of an item's content, and never bring it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1 import item_pb2, item_service_pb2, sync_pb2
from tests.sync.rules.home import APPLIED, ARCHIVE, DELETED, FOR_EVER, INBOX, Home

if TYPE_CHECKING:
    from tests.sync.rules.home import Device

WHOLE = sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_FULL)
TEXT = "A line of a long letter.\n" * 400


@pytest.fixture
async def tablet(home: Home) -> Device:
    """Keeps everything whole, has caught up, and holds a letter in the inbox."""
    await home.item(text=TEXT)
    device = await home.device("tablet", WHOLE)
    await device.news()
    return device


def only(device: Device) -> item_pb2.Item:
    """The one item that the device holds."""
    (item,) = device.items.values()
    return item


async def test_a_read_mark_carries_no_body(home: Home, tablet: Device) -> None:
    """MS-OXCFXICS R2048 (3.2.5.3), R5000 (2.2.1.1.4); MS-OXWSSYNC R136 (ReadFlagChange): the id and the mark, nothing else."""
    item = only(tablet)
    for read in (False, True):
        await home.mark(item.id, read=read)
        batch = await tablet.ask()
        assert (len(batch.items), len(batch.removals), len(batch.changes)) == (0, 0, 1)
        assert batch.changes[0].state.read is read and not batch.changes[0].HasField("place")
        assert batch.changes[0].ByteSize() < 60
        tablet.apply(batch)
    await tablet.require_equal()


async def test_flags_and_categories_carry_no_body_either(home: Home, tablet: Device) -> None:
    """MS-OXCFXICS R1921, R1925 (3.2.5.7): a change within one group of properties is that group's alone."""
    flag = item_pb2.FollowUp(status=item_pb2.FLAG_STATUS_FLAGGED)
    await home.mark(only(tablet).id, follow_up=flag, add_categories=["Red", "Blue"])
    told = await tablet.news()
    assert told.items == [] and len(told.changes) == 1
    assert only(tablet).state.categories == ["Red", "Blue"] and only(tablet).state.follow_up.status == flag.status
    await tablet.require_equal()


async def test_a_mark_leaves_the_number_of_the_content_alone(home: Home, tablet: Device) -> None:
    """MS-OXCFXICS R2083, R2084 (3.2.5.6): the mark has a number of its own, the message's is not modified."""
    before = only(tablet)
    await home.mark(before.id, read=False)
    marked = await home.get(before.id)
    assert marked.content_revision == before.content_revision < marked.revision
    edited = await home.rename(before.id, "Read it, then answered", etag=before.content_revision)
    assert edited.content_revision > before.content_revision and not edited.state.read


async def test_an_item_edited_and_marked_comes_once(home: Home, tablet: Device) -> None:
    """MS-OXCFXICS R2076 (3.2.5.3): no item is both among the changes and among the changed marks."""
    item = only(tablet)
    await home.mark(item.id, read=False)
    await home.rename(item.id, "Edited")
    await home.mark(item.id, add_categories=["Red"])
    told = await tablet.news()
    assert told.item_ids == [item.id] and told.changes == [] and told.removals == []
    await tablet.require_equal()


async def test_an_item_marked_and_deleted_is_deleted(home: Home, tablet: Device) -> None:
    """MS-OXCFXICS R2075 (3.2.5.3): no item is both among the changed marks and among the deletions."""
    item = only(tablet)
    await home.mark(item.id, read=False)
    await home.delete(FOR_EVER, item.id)
    told = await tablet.news()
    assert told.dropped == [(item.id, DELETED)] and told.changes == [] and told.items == []


async def test_marks_of_what_a_device_does_not_hold_are_not_its_business(home: Home) -> None:
    """MS-OXCFXICS R2071 (3.2.5.3): marks are told of items that the client was given."""
    archive = await home.role(ARCHIVE)
    item = await home.item(archive)
    phone = await home.device("phone", sync_pb2.SyncScope(folder_ids=[await home.role(INBOX)]))
    await phone.news()
    await home.mark(item.id, read=False)
    told = await phone.news()
    assert told.of_items == []
    assert phone.folders[archive].unread_count == 1


async def test_many_marks_at_once_are_the_same_as_one_by_one(home: Home, phone: Device) -> None:
    """MS-OXCFXICS R2258 (3.2.5.9.4.6): in bulk and message by message, the result is identical."""
    items = [await home.item(subject=f"Letter {number}") for number in range(6)]
    await phone.news()
    marks = [item_service_pb2.SetItemStateRequest(item_ids=[each.id], read=False) for each in items[:3]]
    results = await phone.push(*(phone.operation(set_item_state=each) for each in marks))
    bulk = item_service_pb2.SetItemStateRequest(item_ids=[each.id for each in items[3:]], read=False)
    results.append(await phone.do(phone.operation(set_item_state=bulk)))
    assert [result.outcome for result in results] == [APPLIED] * 4
    told = await phone.news()
    assert told.items == [] and {change.item_id for change in told.changes} == {each.id for each in items}
    assert {change.state.SerializeToString() for change in told.changes} == {b""}
    await phone.require_equal()


async def test_marking_what_is_marked_so_already_is_no_change(home: Home, phone: Device) -> None:
    """MS-OXCFXICS R2083 (3.2.5.6): a new number is for a mark that changes."""
    item = await home.item()
    await phone.news()
    before = phone.base
    result = await phone.do(
        phone.operation(set_item_state=item_service_pb2.SetItemStateRequest(item_ids=[item.id], read=item.state.read))
    )
    assert (result.outcome, result.revision) == (APPLIED, before)
    assert (await phone.news()).of_items == [] and phone.base == before


async def test_read_and_unread_again_between_two_syncs_leaves_the_device_as_it_was(home: Home, tablet: Device) -> None:
    """MS-OXCFXICS R2072 (3.2.5.3): an item is among the read ones or the unread ones, as it is now, once."""
    item = only(tablet)
    for read in (False, True, False, True):
        await home.mark(item.id, read=read)
    told = await tablet.news()
    assert told.items == [] and len(told.changes) == 1
    assert only(tablet).state == item.state
    await tablet.require_equal()
