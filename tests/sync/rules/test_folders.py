"""Folders: their own changes and those inside them are different things, and some folders are not to be touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import code_pb2

from rookery.v1 import folder_pb2
from rookery.v1.folder_pb2 import Folder
from tests.sync.rules.home import (
    APPLIED,
    ARCHIVE,
    DELETED,
    FOR_EVER,
    INBOX,
    MERGED,
    REJECTED,
    SOFTLY,
    TO_BIN,
    Home,
    explained,
)

if TYPE_CHECKING:
    from rookery.v1.sync_pb2 import SyncOperation
    from tests.sync.rules.home import Device


def changing(device: Device, folder_id: bytes, **fields: str | bytes) -> SyncOperation:
    """A renaming or a move."""
    folder = Folder(id=folder_id, **fields)  # type: ignore[arg-type]
    return device.operation(update_folder=folder_pb2.UpdateFolderRequest(folder=folder, update_mask=FieldMask(paths=[*fields])))


def removing(device: Device, folder_id: bytes) -> SyncOperation:
    """A deletion."""
    return device.operation(delete_folder=folder_pb2.DeleteFolderRequest(folder_id=folder_id))


async def test_what_happens_inside_a_folder_leaves_its_own_revision_alone(home: Home, phone: Device) -> None:
    """MS-OXCFXICS R6001 to R6004 (3.1.5.3): a change inside is not the folder's own; but the folder tells that there was one."""
    inbox, archive = await home.role(INBOX), await home.role(ARCHIVE)
    own = phone.folders[inbox].revision
    item = await home.item(inbox)
    acts = [
        home.mark(item.id, read=False),
        home.rename(item.id, "Changed"),
        home.move(archive, item.id),
        home.move(inbox, item.id),
        home.delete(TO_BIN, item.id),
        home.move(inbox, item.id),
        home.delete(SOFTLY, item.id),
        home.restore(item.id),
        home.delete(FOR_EVER, item.id),
    ]
    last = (await home.look_at(inbox)).contents_revision
    for act in acts:
        await act
        seen = await home.look_at(inbox)
        assert seen.revision == own and seen.contents_revision > last
        last = seen.contents_revision
        told = await phone.news()
        assert [each for each in told.folders if each.id == inbox] == [seen]
    assert (seen.item_count, seen.unread_count, seen.size_bytes) == (0, 0, 0)


async def test_a_folder_that_moves_with_all_that_is_in_it_is_one_change(home: Home, phone: Device) -> None:
    """MS-OXCFOLD R424 (3.1.4.6), R170: everything moves with it; and nothing inside is sent again."""
    projects, trip = await home.folder("Projects"), await home.folder("Trip")
    below = await home.folder("Photos", trip)
    inside = [(await home.item(folder_id)).id for folder_id in (trip, below) for _ in range(3)]
    await phone.news()
    before = phone.base
    await home.change_folder(trip, parent_id=projects)
    assert await home.revision() == before + 1
    told = await phone.news()
    assert [each.id for each in told.folders] == [trip] and told.folders[0].parent_id == projects
    assert told.of_items == [] and told.removed_folders == []
    assert phone.folders[below].parent_id == trip and set(inside) == set(phone.items)
    await phone.require_equal()


async def test_a_folder_that_is_renamed_is_one_change(home: Home, phone: Device) -> None:
    """MS-OXCFXICS R2042 (3.2.5.3): a folder comes when its own number is not one that the client has seen."""
    trip = await home.folder("Trip")
    await home.item(trip)
    await phone.news()
    await home.change_folder(trip, name="Journey")
    told = await phone.news()
    assert [(each.id, each.name) for each in told.folders] == [(trip, "Journey")] and told.of_items == []
    assert phone.folders[trip].revision == phone.base


async def test_a_deleted_folder_is_told_once_with_its_items_and_those_can_be_restored(home: Home, phone: Device) -> None:
    """MS-OXCFXICS R72, R7201 (2.2.1.3.1), MS-OXCFOLD R498 (3.2.5.3): soft deletion, of the folder and of all below it."""
    trip = await home.folder("Trip")
    below = await home.folder("Photos", trip)
    item_ids = {(await home.item(folder_id)).id for folder_id in (trip, below)}
    await phone.news()
    assert (await phone.do(removing(phone, trip))).outcome == APPLIED
    told = await phone.news()
    assert sorted(told.removed_folders) == sorted([trip, below])
    assert {(item_id, DELETED) for item_id in item_ids} == set(told.dropped) and len(told.dropped) == len(item_ids)
    await phone.require_equal()
    assert await home.restore(*item_ids) == len(item_ids)
    told = await phone.news()
    assert set(told.item_ids) == item_ids
    assert {item.folder_id for item in phone.items.values()} == {await home.role(folder_pb2.FOLDER_ROLE_RECOVERED)}


async def test_a_folder_deleted_twice_is_deleted_once(home: Home, phone: Device) -> None:
    """MS-OXCFXICS R2250 (3.2.5.9.4.5): the second time is a success that does nothing, on another device too."""
    trip = await home.folder("Trip")
    laptop = await home.device("laptop")
    await laptop.news()
    await phone.news()
    assert (await phone.do(removing(phone, trip))).outcome == APPLIED
    before = await home.revision()
    for device in (phone, laptop):
        again = await device.do(removing(device, trip))
        assert (again.outcome, again.duplicate, again.revision) == (APPLIED, False, before)
    assert await home.revision() == before


async def test_an_emptied_folder_is_still_there(home: Home, phone: Device) -> None:
    """MS-OXCFOLD R1129 (3.2.5.9): the messages are soft deleted, the folder itself is not."""
    inbox = await home.role(INBOX)
    item = await home.item(inbox)
    await phone.news()
    operation = phone.operation(empty_folder=folder_pb2.EmptyFolderRequest(folder_id=inbox))
    assert (await phone.do(operation)).outcome == APPLIED
    told = await phone.news()
    assert told.dropped == [(item.id, DELETED)] and told.removed_folders == []
    assert phone.folders[inbox].item_count == 0
    assert await home.restore(item.id) == 1


@pytest.mark.parametrize(
    "role", [INBOX, folder_pb2.FOLDER_ROLE_DELETED, folder_pb2.FOLDER_ROLE_CALENDAR, folder_pb2.FOLDER_ROLE_RECOVERED]
)
async def test_role_folders_are_not_deleted_renamed_or_moved(
    home: Home, phone: Device, role: folder_pb2.FolderRole.ValueType
) -> None:
    """MS-OXCFOLD R2509 (3.2.5.3), for every folder that something relies on."""
    folder_id, other = await home.role(role), await home.folder("Other")
    await phone.news()
    before = await home.everything()
    results = await phone.push(
        removing(phone, folder_id), changing(phone, folder_id, name="Mine"), changing(phone, folder_id, parent_id=other)
    )
    assert [result.outcome for result in results] == [REJECTED] * 3
    assert {explained(result.error)[:2] for result in results} == {(code_pb2.FAILED_PRECONDITION, "FOLDER_PROTECTED")}
    assert await home.everything() == before


async def test_a_role_folder_is_not_made_a_second_time(home: Home, phone: Device) -> None:
    """MS-OXCFOLD R480 (3.2.5.2): there is one inbox; a role is the server's to give."""
    made = home.server.ids.new()
    folder = Folder(id=made, name="Inbox", role=INBOX)
    result = await phone.do(phone.operation(create_folder=folder_pb2.CreateFolderRequest(folder=folder)))
    assert result.outcome in {APPLIED, MERGED}
    await phone.news()
    roles = [each.role for each in phone.folders.values() if each.role]
    assert len(roles) == len(set(roles)) and phone.folders[made].role == folder_pb2.FOLDER_ROLE_UNSPECIFIED


async def test_a_folder_does_not_move_below_itself(home: Home, phone: Device) -> None:
    """MS-OXCFOLD R424 (3.1.4.6): all that is below moves along, so there would be nowhere to go."""
    top = await home.folder("Top")
    below = await home.folder("Below", top)
    deepest = await home.folder("Deepest", below)
    await phone.news()
    before = await home.everything()
    results = await phone.push(*(changing(phone, top, parent_id=parent) for parent in (top, below, deepest)))
    assert {explained(result.error)[:2] for result in results} == {(code_pb2.FAILED_PRECONDITION, "FOLDER_CYCLE")}
    assert await home.everything() == before


async def test_siblings_have_different_names_whatever_devices_did(home: Home, phone: Device) -> None:
    """MS-OXCFOLD R1065, R480 (3.2.5.2): names are unique within the parent; offline nobody could know, so nothing is refused."""
    await home.folder("Trip")
    made = [home.server.ids.new() for _ in range(3)]
    results = await phone.push(
        *(phone.operation(create_folder=folder_pb2.CreateFolderRequest(folder=Folder(id=each, name="trip"))) for each in made)
    )
    assert [result.outcome for result in results] == [MERGED] * 3
    assert [result.folder.name for result in results] == ["trip (2)", "trip (3)", "trip (4)"]
    await phone.news()
    await phone.require_equal()


async def test_what_is_moved_into_a_folder_that_is_gone_is_not_lost(home: Home, phone: Device) -> None:
    """MS-OXCFOLD R600 (3.2.5.7) knows only a refusal; a device that was offline has its items in `recovered` instead."""
    trip, item = await home.folder("Trip"), await home.item()
    await phone.news()
    await home.delete_folder(trip)
    recovered = await home.role(folder_pb2.FOLDER_ROLE_RECOVERED)
    made = home.server.ids.new()
    first = await phone.do(phone.creation(made, folder_id=trip))
    assert (first.outcome, first.landed_folder_id) == (MERGED, recovered)
    moved = phone.operation()
    moved.move_items.item_ids.append(item.id)
    moved.move_items.folder_id = trip
    second = await phone.do(moved)
    assert (second.outcome, second.landed_folder_id) == (MERGED, recovered)
    await phone.news()
    assert {phone.items[each].folder_id for each in (made, item.id)} == {recovered}
    await phone.require_equal()
