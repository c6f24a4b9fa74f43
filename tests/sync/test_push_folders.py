"""Push, folders: what was made, renamed, moved, emptied and deleted offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2, sync_pb2
from rookery.v1.item_pb2 import Item, ItemSummary
from rookery_core.errors import Unavailable
from rookery_server.store import folders
from tests.services.test_long_operations import Cut, failing
from tests.sync import acts
from tests.sync.devices import Device, Fleet, reason

if TYPE_CHECKING:
    from rookery.v1.sync_pb2 import SyncOperation
    from tests.support.world import Person, World

APPLIED, MERGED = sync_pb2.PUSH_OUTCOME_APPLIED, sync_pb2.PUSH_OUTCOME_MERGED
REJECTED = sync_pb2.PUSH_OUTCOME_REJECTED
INBOX, RECOVERED = folder_pb2.FOLDER_ROLE_INBOX, folder_pb2.FOLDER_ROLE_RECOVERED


@pytest.fixture
def fleet(world: World, anna: Person) -> Fleet:
    return Fleet(world, anna)


@pytest.fixture
def device(fleet: Fleet) -> Device:
    return fleet.device()


def creation(device: Device, name: str, parent: bytes = b"", folder_id: bytes = b"") -> SyncOperation:
    folder = folder_pb2.Folder(id=folder_id or device.fleet.world.ids.new(), name=name, parent_id=parent)
    return device.operation(create_folder=folder_pb2.CreateFolderRequest(folder=folder))


def change(device: Device, folder_id: bytes, *, fail: bool = False, **fields: Any) -> SyncOperation:
    request = folder_pb2.UpdateFolderRequest(folder=folder_pb2.Folder(id=folder_id, **fields))
    request.update_mask.paths.extend(fields)
    return device.operation(fail=fail, update_folder=request)


def deletion(device: Device, folder_id: bytes) -> SyncOperation:
    return device.operation(delete_folder=folder_pb2.DeleteFolderRequest(folder_id=folder_id))


def emptying(device: Device, folder_id: bytes, *, permanent: bool = True) -> SyncOperation:
    return device.operation(empty_folder=folder_pb2.EmptyFolderRequest(folder_id=folder_id, permanent=permanent))


async def life(fleet: Fleet, item_id: bytes) -> int:
    return (await fleet.world.get(fleet.person, item_id)).life


async def vanished(fleet: Fleet) -> bytes:
    folder = await fleet.world.folder(fleet.person, "Vanished")
    await acts.delete_folder(fleet.world, fleet.person, folder.id)
    return folder.id


async def test_a_name_that_is_taken_is_changed(fleet: Fleet, device: Device) -> None:
    results = await device.send(creation(device, "Trip"), creation(device, "TRIP"), creation(device, "Trip"))
    assert [(result.outcome, result.folder.name) for result in results] == [
        (APPLIED, "Trip"),
        (MERGED, "TRIP (2)"),
        (MERGED, "Trip (3)"),
    ]
    other = (await device.do(creation(device, "Other"))).folder
    renamed = await device.do(change(device, other.id, name="Trip"))
    assert (renamed.outcome, renamed.folder.name) == (MERGED, "Trip (4)")
    await fleet.world.check_counters(fleet.person)


async def test_however_many_have_a_name_each_gets_one_of_its_own(fleet: Fleet, device: Device) -> None:
    for number in (2, 3, 4, 5, 6, 7, 8, 16):
        await device.do(creation(device, f"Trip ({number})"))
    results = await device.send(*(creation(device, "Trip") for _ in range(40)))
    names = [result.folder.name for result in results]
    assert names[:3] == ["Trip", "Trip (17)", "Trip (18)"]
    assert len(set(names)) == 40


async def test_a_changed_name_is_no_longer_than_a_name_may_be(fleet: Fleet, device: Device) -> None:
    _, second = await device.send(creation(device, "x" * 255), creation(device, "X" * 255))
    assert second.folder.name == "X" * 251 + " (2)"


async def test_a_folder_may_change_the_case_of_its_own_name(fleet: Fleet, device: Device) -> None:
    folder = (await device.do(creation(device, "Trip"))).folder
    result = await device.do(change(device, folder.id, name="TRIP"))
    assert (result.outcome, result.folder.name) == (APPLIED, "TRIP")


async def test_of_two_renamings_the_one_that_arrives_last_holds(fleet: Fleet, device: Device) -> None:
    folder = await fleet.world.folder(fleet.person, "Trip")
    await device.see()
    await acts.rename_folder(fleet.world, fleet.person, folder.id, "Journey")
    strict = await device.do(change(device, folder.id, name="Voyage", fail=True))
    assert (strict.outcome, reason(strict)) == (REJECTED, "STALE_ETAG")
    result = await device.do(change(device, folder.id, name="Voyage"))
    assert (result.outcome, result.folder.name) == (APPLIED, "Voyage")
    assert (await device.do(change(device, folder.id, name="Passage", fail=True))).outcome == APPLIED  # the last was its own


async def test_what_goes_into_a_vanished_folder_lands_in_recovered_items(fleet: Fleet, device: Device) -> None:
    world, person = fleet.world, fleet.person
    gone, recovered = await vanished(fleet), await world.folder_of(person, RECOVERED)
    item = await world.item(person, await world.folder_of(person, INBOX))
    deleted = await world.item(person, await world.folder_of(person, INBOX))
    await world.delete(person, [deleted.id], acts.SOFTLY)
    made = Item(id=world.ids.new(), folder_id=gone, summary=ItemSummary(kind=item_pb2.ITEM_KIND_NOTE))
    results = await device.send(
        device.operation(create_item=item_service_pb2.CreateItemRequest(item=made)),
        device.operation(copy_items=item_service_pb2.CopyItemsRequest(item_ids=[item.id], folder_id=gone)),
        device.operation(move_items=item_service_pb2.MoveItemsRequest(item_ids=[item.id], folder_id=gone)),
        device.operation(restore_items=item_service_pb2.RestoreItemsRequest(item_ids=[deleted.id], folder_id=gone)),
        creation(device, "Below", gone),
    )
    assert [(result.outcome, result.landed_folder_id) for result in results] == [(MERGED, recovered)] * 5
    assert len(await world.walk(person, recovered)) == 4
    assert results[4].folder.parent_id == recovered
    await world.check_counters(person)


async def test_a_restored_item_whose_folder_is_gone_lands_too(fleet: Fleet, device: Device) -> None:
    folder = await fleet.world.folder(fleet.person, "Trip")
    item = await fleet.world.item(fleet.person, folder.id)
    await acts.delete_folder(fleet.world, fleet.person, folder.id)
    restoring = item_service_pb2.RestoreItemsRequest(item_ids=[item.id])
    result = await device.do(device.operation(restore_items=restoring))
    assert (result.outcome, result.landed_folder_id) == (MERGED, await fleet.world.folder_of(fleet.person, RECOVERED))


async def test_a_folder_moved_into_a_vanished_one_lands_too(fleet: Fleet, device: Device) -> None:
    gone, folder = await vanished(fleet), await fleet.world.folder(fleet.person, "Trip")
    result = await device.do(change(device, folder.id, parent_id=gone))
    assert (result.outcome, result.folder.parent_id) == (MERGED, result.landed_folder_id)


async def test_of_two_moves_that_would_make_a_circle_the_later_to_arrive_is_rejected(fleet: Fleet, device: Device) -> None:
    one, two = await fleet.world.folder(fleet.person, "One"), await fleet.world.folder(fleet.person, "Two")
    results = await device.send(change(device, one.id, parent_id=two.id), change(device, two.id, parent_id=one.id))
    assert [result.outcome for result in results] == [APPLIED, REJECTED]
    assert reason(results[1]) == "FOLDER_CYCLE"


async def test_role_folders_are_protected(fleet: Fleet, device: Device) -> None:
    inbox = await fleet.world.folder_of(fleet.person, INBOX)
    results = await device.send(change(device, inbox, name="Mine"), deletion(device, inbox), change(device, inbox, name="Inbox"))
    assert [reason(result) for result in results] == ["FOLDER_PROTECTED", "FOLDER_PROTECTED", ""]


async def test_an_id_of_a_folder_is_used_once(fleet: Fleet, device: Device) -> None:
    gone = await vanished(fleet)
    results = await device.send(creation(device, "Again", folder_id=gone), change(device, gone, name="Again"))
    assert [reason(result) for result in results] == ["ID_TAKEN", "FOLDER_NOT_FOUND"]


async def test_deleting_and_emptying_go_on_in_their_turn(fleet: Fleet, device: Device) -> None:
    world, person = fleet.world, fleet.person
    folder = await world.folder(person, "Trip")
    items = [await world.item(person, folder.id) for _ in range(3)]
    await device.see()
    operations = [creation(device, "Before"), deletion(device, folder.id), creation(device, "Trip"), deletion(device, folder.id)]
    results = await device.send(*operations)
    assert [result.outcome for result in results] == [APPLIED] * 4
    assert results[2].folder.name == "Trip"
    assert results[3].revision == results[2].revision  # it was gone
    assert await life(fleet, items[0].id) == item_pb2.ITEM_LIFE_RECOVERABLE
    again = await device.send(*operations)
    assert [(result.outcome, result.duplicate, result.revision) for result in again] == [
        (APPLIED, True, result.revision) for result in results
    ]
    assert reason(await device.do(deletion(device, world.ids.new()))) == "FOLDER_NOT_FOUND"
    await world.check_counters(person)


async def test_an_emptying_for_ever_spares_what_the_device_had_not_seen(fleet: Fleet, device: Device) -> None:
    world, person = fleet.world, fleet.person
    folder = await world.folder(person, "Trip")
    seen, edited, moved = [await world.item(person, folder.id) for _ in range(3)]
    inbox = await world.folder_of(person, INBOX)
    await acts.move(world, person, [moved.id], inbox)
    own = await world.item(person, inbox)
    await device.see()
    other = fleet.device()
    await other.do(other.rename(edited.id, "Edited"))
    await acts.move(world, person, [moved.id], folder.id)
    new = await world.item(person, folder.id)
    carried = item_service_pb2.MoveItemsRequest(item_ids=[own.id], folder_id=folder.id)
    await device.send(device.operation(move_items=carried), emptying(device, folder.id))
    assert [await life(fleet, item.id) for item in (edited, moved, new)] == [item_pb2.ITEM_LIFE_RECOVERABLE] * 3
    for item in (seen, own):
        assert (await world.delete(person, [item.id], acts.FOR_EVER)).deleted == 0  # purged already
    await world.check_counters(person)


async def test_a_long_operation_that_was_cut_goes_on_when_it_is_sent_again(fleet: Fleet, device: Device) -> None:
    folder = await fleet.world.folder(fleet.person, "Trip")
    item = await fleet.world.item(fleet.person, folder.id)
    operation = deletion(device, folder.id)
    with failing(fleet.world.database, Cut(), after=2), pytest.raises(Cut):
        await device.do(operation)
    other = creation(device, "Other")
    other.operation_id = operation.operation_id
    assert reason(await device.do(other)) == "OPERATION_REUSED"
    assert (await device.do(operation)).outcome == APPLIED
    assert await life(fleet, item.id) == item_pb2.ITEM_LIFE_RECOVERABLE
    assert (await device.do(operation)).duplicate


async def test_the_job_runner_finishes_what_a_device_began(fleet: Fleet, device: Device) -> None:
    folder = await fleet.world.folder(fleet.person, "Trip")
    await fleet.world.item(fleet.person, folder.id)
    operation = emptying(device, folder.id)
    with failing(fleet.world.database, Cut(), after=2), pytest.raises(Cut):
        await device.do(operation)
    assert await fleet.world.long_operations.resume() == 1
    result = await device.do(operation)
    assert (result.outcome, result.duplicate) == (APPLIED, True)
    await fleet.world.check_counters(fleet.person)


async def test_what_was_answered_before_a_long_operation_broke_is_told(fleet: Fleet, device: Device) -> None:
    folder = await fleet.world.folder(fleet.person, "Trip")
    await fleet.world.item(fleet.person, folder.id)
    operations = [creation(device, "Before"), deletion(device, folder.id), creation(device, "After")]
    busy = Unavailable("DATABASE_BUSY", "busy")
    with failing(fleet.world.database, busy, after=2):
        results = await device.send(*operations)
    assert [result.outcome for result in results] == [APPLIED]
    assert [result.outcome for result in await device.send(*operations)] == [APPLIED] * 3


async def test_a_long_operation_refused_on_its_way_is_rejected_for_good(fleet: Fleet, device: Device) -> None:
    world, person = fleet.world, fleet.person
    folder = await world.folder(person, "Trip")
    await world.item(person, folder.id)
    operation = deletion(device, folder.id)
    with failing(world.database, Cut(), after=2), pytest.raises(Cut):
        await device.do(operation)
    inbox = await world.folder_of(person, INBOX)
    await world.database.write(lambda transaction: _put_below(transaction.connection, person.number, inbox, folder.id))
    first, second = await device.do(operation), await device.do(operation)
    assert (first.outcome, reason(first), first.duplicate) == (REJECTED, "FOLDER_PROTECTED", False)
    assert (second.outcome, second.duplicate) == (REJECTED, True)


def _put_below(connection: Any, mailbox_id: int, folder_id: bytes, parent_id: bytes) -> None:
    folders.change(connection, mailbox_id, folder_id, {"parent_id": parent_id})
