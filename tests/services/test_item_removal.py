"""Items deleted, restored, purged; and a mailbox that is full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1.item_pb2 import Item
from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted
from rookery_server.store import mailboxes

if TYPE_CHECKING:
    from tests.support.world import Person, World

INBOX = folder_pb2.FOLDER_ROLE_INBOX
DELETED = folder_pb2.FOLDER_ROLE_DELETED


async def room(world: World, person: Person) -> int:
    """How many bytes more fit into the mailbox."""
    row = await world.database.read(lambda connection: mailboxes.find(connection, person.mailbox))
    assert row
    return row.quota_bytes - row.used_bytes


async def test_deleting_goes_by_deleted_items_to_recoverable_to_nothing(world: World, anna: Person) -> None:
    inbox, bin_id = await world.folder_of(anna, INBOX), await world.folder_of(anna, DELETED)
    item = await world.item(anna, inbox)
    await world.delete(anna, [item.id], item_service_pb2.DELETE_MODE_TO_DELETED_ITEMS)
    assert (await world.get(anna, item.id)).folder_id == bin_id
    await world.delete(anna, [item.id], item_service_pb2.DELETE_MODE_TO_DELETED_ITEMS)
    found = await world.get(anna, item.id)
    assert (found.life, found.folder_id) == (item_pb2.ITEM_LIFE_RECOVERABLE, bin_id)
    await world.check_counters(anna)
    listed = await world.walk(anna, bin_id, life=item_pb2.ITEM_LIFE_RECOVERABLE)
    assert [entry.id for entry in listed] == [item.id]
    answer = await world.delete(anna, [item.id], item_service_pb2.DELETE_MODE_PERMANENT)
    assert answer.deleted == 1
    with pytest.raises(NotFound):
        await world.get(anna, item.id)
    again = await world.delete(anna, [item.id, world.ids.new()], item_service_pb2.DELETE_MODE_PERMANENT)
    assert (again.deleted, len(again.missing_ids), again.revision) == (0, 1, answer.revision)
    await world.check_counters(anna)


async def test_a_restore_brings_an_item_back_under_its_id(world: World, anna: Person) -> None:
    folder = await world.folder(anna, "Projects")
    item = await world.item(anna, folder.id)
    await world.delete(anna, [item.id], item_service_pb2.DELETE_MODE_RECOVERABLE)
    request = item_service_pb2.RestoreItemsRequest(operation_id=world.ids.new(), item_ids=[item.id])
    answer = item_service_pb2.RestoreItemsResponse.FromString(await world.removal.restore_items(anna.caller, request))
    found = await world.get(anna, item.id)
    assert (answer.restored, found.folder_id, found.life) == (1, folder.id, item_pb2.ITEM_LIFE_LIVE)
    assert found.uid == 2
    await world.check_counters(anna)


async def test_an_item_whose_folder_is_gone_is_restored_into_recovered(world: World, anna: Person) -> None:
    folder = await world.folder(anna, "Projects")
    item = await world.item(anna, folder.id)
    removal = folder_pb2.DeleteFolderRequest(operation_id=world.ids.new(), folder_id=folder.id)
    await world.folder_removal.delete_folder(anna.caller, removal)
    request = item_service_pb2.RestoreItemsRequest(operation_id=world.ids.new(), item_ids=[item.id])
    await world.removal.restore_items(anna.caller, request)
    assert (await world.get(anna, item.id)).folder_id == await world.folder_of(anna, folder_pb2.FOLDER_ROLE_RECOVERED)
    await world.check_counters(anna)


async def test_what_was_in_a_deleted_folder_is_listed_there_and_can_be_restored(world: World, anna: Person) -> None:
    folder = await world.folder(anna, "Projects")
    items = [await world.item(anna, folder.id, f"Plan {number}") for number in range(3)]
    removal = folder_pb2.DeleteFolderRequest(operation_id=world.ids.new(), folder_id=folder.id)
    await world.folder_removal.delete_folder(anna.caller, removal)
    listed = await world.walk(anna, folder.id, life=item_pb2.ITEM_LIFE_RECOVERABLE, page_size=2)
    assert sorted(item.id for item in listed) == sorted(item.id for item in items)
    with pytest.raises(NotFound) as refused:
        await world.walk(anna, folder.id)
    assert refused.value.reason == "FOLDER_NOT_FOUND"
    request = item_service_pb2.RestoreItemsRequest(operation_id=world.ids.new(), item_ids=[item.id for item in listed])
    await world.removal.restore_items(anna.caller, request)
    assert await world.walk(anna, folder.id, life=item_pb2.ITEM_LIFE_RECOVERABLE) == []
    assert len(await world.walk(anna, await world.folder_of(anna, folder_pb2.FOLDER_ROLE_RECOVERED))) == 3


async def test_a_folder_that_never_was_holds_nothing_recoverable(world: World, anna: Person, ben: Person) -> None:
    his = await world.folder(ben, "His")
    for folder_id in (world.ids.new(), his.id):
        with pytest.raises(NotFound):
            await world.walk(anna, folder_id, life=item_pb2.ITEM_LIFE_RECOVERABLE)


@pytest.mark.parametrize("sort", item_service_pb2.SortKey.values())
async def test_all_that_is_recoverable_in_a_mailbox_is_one_list(world: World, anna: Person, ben: Person, sort: int) -> None:
    thrown = []
    for number in range(4):
        folder = await world.folder(anna, f"Folder {number}")
        kept, gone = await world.item(anna, folder.id), await world.item(anna, folder.id)
        await world.delete(anna, [gone.id], item_service_pb2.DELETE_MODE_RECOVERABLE)
        thrown.append(gone.id)
        assert kept.life == item_pb2.ITEM_LIFE_LIVE
    his = await world.item(ben, await world.folder_of(ben, INBOX))
    await world.delete(ben, [his.id], item_service_pb2.DELETE_MODE_RECOVERABLE)
    order = {"sort_key": item_service_pb2.SortKey.ValueType(sort), "life": item_pb2.ITEM_LIFE_RECOVERABLE}
    whole = await world.walk(anna, b"", **order)
    assert sorted(item.id for item in whole) == sorted(thrown)
    assert [item.id for item in await world.walk(anna, b"", page_size=1, **order)] == [item.id for item in whole]
    with pytest.raises(InvalidArgument):
        await world.walk(anna, b"")


async def test_restoring_what_is_live_is_no_failure_and_changes_nothing(world: World, anna: Person) -> None:
    item = await world.item(anna, await world.folder_of(anna, INBOX))
    unknown = world.ids.new()
    request = item_service_pb2.RestoreItemsRequest(operation_id=world.ids.new(), item_ids=[item.id, unknown])
    answer = item_service_pb2.RestoreItemsResponse.FromString(await world.removal.restore_items(anna.caller, request))
    assert (answer.restored, list(answer.missing_ids), answer.revision) == (0, [unknown], item.revision)


async def test_a_deleted_item_is_restored_before_it_is_changed(world: World, anna: Person) -> None:
    item = await world.item(anna, await world.folder_of(anna, INBOX))
    await world.delete(anna, [item.id], item_service_pb2.DELETE_MODE_RECOVERABLE)
    request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=Item(id=item.id))
    request.update_mask.paths.append("summary.subject")
    with pytest.raises(FailedPrecondition) as refused:
        await world.editing.update_item(anna.caller, request)
    assert refused.value.reason == "ITEM_NOT_LIVE"


async def test_a_full_mailbox_takes_nothing_more_until_something_is_purged(world: World) -> None:
    person = await world.person("carla", quota=1500)
    inbox = await world.folder_of(person, INBOX)
    last = await world.item(person, inbox)
    kept = [last.id]
    while await room(world, person) >= last.summary.size_bytes:
        last = await world.item(person, inbox)
        kept.append(last.id)
    with pytest.raises(ResourceExhausted) as refused:
        await world.item(person, inbox)
    assert refused.value.reason == "QUOTA_EXCEEDED"
    await world.delete(person, kept, item_service_pb2.DELETE_MODE_RECOVERABLE)
    with pytest.raises(ResourceExhausted):
        await world.item(person, inbox)
    await world.delete(person, kept, item_service_pb2.DELETE_MODE_PERMANENT)
    await world.item(person, inbox)
    await world.check_counters(person)
