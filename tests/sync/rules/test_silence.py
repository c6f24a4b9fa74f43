"""What came and went between two looks is not mentioned: a device is told of what it has, not of what it missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1 import sync_pb2
from tests.sync.rules.home import ARCHIVE, DELETED, FOR_EVER, INBOX, LEFT_SCOPE, SOFTLY, TO_BIN

if TYPE_CHECKING:
    from tests.sync.rules.home import Device, Home


@pytest.mark.parametrize("modes", [[SOFTLY], [FOR_EVER], [TO_BIN, SOFTLY], [SOFTLY, FOR_EVER]])
async def test_an_item_created_and_deleted_between_two_syncs_is_silence(home: Home, phone: Device, modes: list[int]) -> None:
    """MS-OXCFXICS R2046 (3.2.5.3): deletions are told of what is in MetaTagIdsetGiven, which is what the client was given."""
    item = await home.item()
    for mode in modes:
        await home.delete(mode, item.id)  # type: ignore[arg-type]
    told = await phone.news()
    assert told.of_items == []
    await phone.require_equal()


async def test_a_folder_created_and_deleted_between_two_syncs_is_silence(home: Home, phone: Device) -> None:
    """MS-OXCFXICS R2045 (3.2.5.3), for folders; with all that was in it."""
    folder_id = await home.folder("Trip")
    await home.item(folder_id)
    below = await home.folder("Photos", folder_id)
    await home.item(below)
    await home.delete_folder(folder_id)
    told = await phone.news()
    assert told.removed_folders == []
    assert told.of_items == []
    assert {folder_id, below}.isdisjoint(phone.folders)


async def test_an_item_that_passed_through_the_scope_between_two_syncs_is_silence(home: Home) -> None:
    """MS-OXCFXICS R75 (2.2.1.3.2), R2047: what got out of scope is told of what the client has."""
    inbox, archive = await home.role(INBOX), await home.role(ARCHIVE)
    phone = await home.device("phone", sync_pb2.SyncScope(folder_ids=[inbox]))
    await phone.news()
    await home.move(archive, (await home.item(inbox)).id)
    assert (await phone.news()).of_items == []


async def test_an_item_restored_and_deleted_again_between_two_syncs_brings_nothing_back(home: Home, phone: Device) -> None:
    """MS-OXCFXICS R2073 (3.2.5.3): no item is both among the changes and among the deletions; a deletion may be told twice."""
    item = await home.item()
    await phone.news()
    await home.delete(SOFTLY, item.id)
    assert (await phone.news()).dropped == [(item.id, DELETED)]
    await home.restore(item.id)
    await home.delete(SOFTLY, item.id)
    told = await phone.news()
    assert told.items == [] and told.changes == []
    assert phone.items == {}


@pytest.mark.parametrize("mode", [SOFTLY, FOR_EVER])
async def test_whoever_deletes_what_is_gone_already_tells_nobody(home: Home, phone: Device, mode: int) -> None:
    """MS-OXCFXICS R2250 (3.2.5.9.4.5): requests to delete what was deleted already are ignored."""
    item = await home.item()
    await phone.news()
    await home.delete(FOR_EVER, item.id)
    assert (await phone.news()).dropped == [(item.id, DELETED)]
    before = await home.revision()
    assert await home.delete(mode, item.id) == 0  # type: ignore[arg-type]
    assert await home.revision() == before
    assert (await phone.news()).of_items == []


async def test_what_left_the_scope_and_dies_elsewhere_is_not_mentioned_again(home: Home) -> None:
    """MS-OXCFXICS R2047 (3.2.5.3): the client, told that it left, does not have it any more."""
    inbox, archive = await home.role(INBOX), await home.role(ARCHIVE)
    phone = await home.device("phone", sync_pb2.SyncScope(folder_ids=[inbox]))
    item = await home.item(inbox)
    await phone.news()
    await home.move(archive, item.id)
    assert (await phone.news()).dropped == [(item.id, LEFT_SCOPE)]
    await home.delete(FOR_EVER, item.id)
    assert (await phone.news()).of_items == []
