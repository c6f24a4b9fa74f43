"""A device that keeps a part of each item is told how much it has, and is never given a part for the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import sync_pb2
from rookery.v1.item_pb2 import ItemContent

if TYPE_CHECKING:
    from tests.sync.rules.home import Device, Home

SyncItem = sync_pb2.SyncItem
NONE, PART = sync_pb2.CONTENT_EXTENT_NONE, sync_pb2.CONTENT_EXTENT_TEXT
FULL, OMITTED = sync_pb2.CONTENT_EXTENT_FULL, sync_pb2.CONTENT_EXTENT_OMITTED


async def only(device: Device) -> SyncItem:
    """The one item that comes."""
    (item,) = (await device.news()).items
    return item


async def test_each_item_says_how_much_of_it_came(home: Home) -> None:
    """MS-OXCFXICS R1916 (3.2.5.7): a partial change has to be unambiguous; R2276 (3.2.5.10): empty and left out are told apart."""
    made = await home.item(text="A long letter. " * 1000)
    whole = await home.get(made.id)
    summary = await only(await home.device("summaries"))
    text = await only(await home.device("texts", sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_TEXT, text_bytes=14)))
    full = await only(await home.device("everything", sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_FULL)))
    assert [each.extent for each in (summary, text, full)] == [NONE, PART, FULL]
    assert summary.content == b""
    assert ItemContent.FromString(text.content).body.text == "A long letter."
    assert ItemContent.FromString(full.content) == whole.content
    assert summary.item == text.item == full.item == made


async def test_what_is_too_large_for_a_batch_is_left_out_and_says_so(home: Home) -> None:
    """The contract's PullResponse: at most 1 MiB. MS-OXCFXICS R2276 (3.2.5.10): left out is not the same as empty."""
    made = await home.item(text="".join(home.server.ids.new().hex() for _ in range(40_000)))
    device = await home.device("everything", sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_FULL))
    told = await only(device)
    assert (told.extent, told.content) == (OMITTED, b"")
    assert told.item == made and len((await home.get(made.id)).content.body.text) == 40_000 * 32


async def test_a_change_of_one_field_does_not_make_a_part_of_the_whole(home: Home) -> None:
    """MS-OXCFXICS R783 (2.2.3.2.4.2): a changed message comes entire, as far as the device keeps it; so nothing goes stale."""
    made = await home.item(text="The text.")
    device = await home.device("everything", sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_FULL))
    await device.news()
    await home.rename(made.id, "Another subject")
    told = await only(device)
    assert told.item.summary.subject == "Another subject" and told.extent == FULL
    assert ItemContent.FromString(told.content) == (await home.get(made.id)).content
