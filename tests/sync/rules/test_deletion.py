"""What was deleted stays deleted: only a restore brings it back, and an id that was purged is never used again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.rpc import code_pb2

from rookery.v1 import content_service_pb2, item_pb2, item_service_pb2
from tests.sync.rules.home import (
    APPLIED,
    ARCHIVE,
    DELETED,
    FOR_EVER,
    MERGED,
    REJECTED,
    SOFTLY,
    Home,
    explained,
    refusal,
)

if TYPE_CHECKING:
    from tests.sync.rules.home import Device

EXISTS = code_pb2.ALREADY_EXISTS


def record(item_id: bytes) -> item_pb2.Item:
    """A note under an id."""
    item = item_pb2.Item(id=item_id)
    item.summary.kind, item.summary.subject = item_pb2.ITEM_KIND_NOTE, "Back again"
    return item


@pytest.mark.parametrize(("mode", "reason"), [(SOFTLY, "ID_TAKEN"), (FOR_EVER, "ID_RETIRED")])
async def test_a_deleted_id_imported_again_stays_deleted(home: Home, phone: Device, mode: int, reason: str) -> None:
    """MS-OXCFXICS R2251 (3.2.5.9.4.5): imports do not restore what was deleted. Whichever way it comes in."""
    item, other = await home.item(), await home.item()
    await phone.news()
    await home.delete(mode, item.id)  # type: ignore[arg-type]
    assert (await phone.news()).dropped == [(item.id, DELETED)]
    before = await home.everything()
    pushed = await phone.do(phone.creation(item.id))
    assert pushed.outcome == REJECTED and explained(pushed.error)[:2] == (EXISTS, reason)
    created = home.ask(home.items.CreateItem, item_service_pb2.CreateItemRequest(item=record(item.id)))
    assert (await refusal(created))[:2] == (EXISTS, reason)
    document = content_service_pb2.ImportDocument(
        operation_id=home.server.ids.new(),
        format=item_pb2.DOCUMENT_FORMAT_MESSAGE,
        item_id=item.id,
        data=b"Subject: Hi\r\n\r\nHi\r\n",
    )
    imported = home.ask(home.content.ImportItem, content_service_pb2.ImportItemRequest(document=document))
    assert (await refusal(imported))[:2] == (EXISTS, reason)
    copied = phone.operation(
        copy_items=item_service_pb2.CopyItemsRequest(item_ids=[other.id], folder_id=other.folder_id, new_ids=[item.id])
    )
    assert explained((await phone.do(copied)).error)[:2] == (EXISTS, reason)
    assert await home.everything() == before
    assert (await phone.news()).of_items == [] and set(phone.items) == {other.id}


@pytest.mark.parametrize("mode", [SOFTLY, FOR_EVER])
async def test_marks_moves_and_copies_revive_nothing(home: Home, phone: Device, mode: int) -> None:
    """MS-OXCFXICS R2251 (3.2.5.9.4.5): what a device did, not knowing of the deletion, is answered with the ids that it missed."""
    item = await home.item()
    await phone.news()
    await home.delete(mode, item.id)  # type: ignore[arg-type]
    before = await home.everything()
    archive, ids = await home.role(ARCHIVE), [item.id]
    results = await phone.push(
        phone.operation(set_item_state=item_service_pb2.SetItemStateRequest(item_ids=ids, read=False)),
        phone.operation(move_items=item_service_pb2.MoveItemsRequest(item_ids=ids, folder_id=archive)),
        phone.operation(
            copy_items=item_service_pb2.CopyItemsRequest(item_ids=ids, folder_id=archive, new_ids=[home.server.ids.new()])
        ),
    )
    assert [(result.outcome, list(result.missing_ids)) for result in results] == [(APPLIED, ids)] * 3
    assert await home.everything() == before
    assert (await phone.news()).dropped == [(item.id, DELETED)]


async def test_only_a_restore_brings_an_item_back_and_it_is_the_same_one(home: Home, phone: Device) -> None:
    """MS-OXCFOLD R391 (3.1.1.2), R1049 (3.1.4.8): what was soft deleted can be had again; here as itself, not as a copy."""
    item = await home.item(text="As it was.")
    await phone.news()
    await home.delete(SOFTLY, item.id)
    await phone.news()
    restored = await phone.do(phone.operation(restore_items=item_service_pb2.RestoreItemsRequest(item_ids=[item.id])))
    assert restored.outcome == APPLIED
    told = await phone.news()
    assert told.item_ids == [item.id] and told.removals == []
    back = await home.get(item.id)
    assert (back.folder_id, back.content.body.text, back.content_revision) == (item.folder_id, "As it was.", item.content_revision)
    await phone.require_equal()


async def test_what_was_purged_is_beyond_restoring(home: Home, phone: Device) -> None:
    """MS-OXCFOLD R434 (3.1.4.8): hard deletion is for good."""
    item = await home.item()
    await home.delete(FOR_EVER, item.id)
    before = await home.everything()
    result = await phone.do(phone.operation(restore_items=item_service_pb2.RestoreItemsRequest(item_ids=[item.id])))
    assert list(result.missing_ids) == [item.id]
    assert await home.everything() == before


@pytest.mark.parametrize("mode", [SOFTLY, FOR_EVER])
async def test_deleting_twice_is_deleting_once(home: Home, phone: Device, mode: int) -> None:
    """MS-OXCFXICS R2250 (3.2.5.9.4.5): requests to delete what was deleted already are ignored."""
    laptop, item = await home.device("laptop"), await home.item()
    for device in (phone, laptop):
        await device.news()
    first = await phone.do(phone.deletion(mode, item.id))  # type: ignore[arg-type]
    again = await laptop.do(laptop.deletion(mode, item.id))  # type: ignore[arg-type]
    assert (first.outcome, again.outcome) == (APPLIED, APPLIED) and list(again.missing_ids) == []
    assert again.revision == first.revision == await home.revision()


async def test_a_deletion_that_did_not_see_the_latest_edit_is_a_soft_one(home: Home, phone: Device) -> None:
    """MS-OXCFXICS R3507 (3.2.5.9.4.2): a device that deletes for ever what it has not read would destroy somebody's work."""
    laptop, item = await home.device("laptop"), await home.item()
    for device in (phone, laptop):
        await device.news()
    await laptop.do(laptop.rename(item.id, "With a paragraph that nobody has seen"))
    result = await phone.do(phone.deletion(FOR_EVER, item.id))
    assert result.outcome == MERGED
    await laptop.news()
    assert laptop.items == {}
    assert await home.restore(item.id) == 1
    assert (await home.get(item.id)).summary.subject.startswith("With a paragraph")


async def test_a_batch_with_ids_that_never_were_deletes_the_others_and_names_those(home: Home, phone: Device) -> None:
    """MS-OXCFXICS R3511, R3512 (3.2.5.9.4.5): a client is told what part of an operation has succeeded."""
    items, nobody = [await home.item() for _ in range(3)], home.server.ids.new()
    await phone.news()
    result = await phone.do(phone.deletion(FOR_EVER, items[0].id, nobody, items[2].id))
    assert (result.outcome, list(result.missing_ids)) == (APPLIED, [nobody])
    await phone.news()
    assert set(phone.items) == {items[1].id}
    await phone.require_equal()
