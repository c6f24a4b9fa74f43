"""The tree of folders: names, roles, moves."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from rookery.v1 import folder_pb2
from rookery_core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from rookery_server.services.folders import folder_removal
from rookery_server.services.folders import folders as folder_rules
from rookery_server.services.folders.folders import ROLES

if TYPE_CHECKING:
    from tests.support.world import Person, World


async def listed(world: World, person: Person) -> list[folder_pb2.Folder]:
    return list((await world.folders.list_folders(person.caller, folder_pb2.ListFoldersRequest())).folders)


async def update(world: World, person: Person, folder: folder_pb2.Folder, *paths: str) -> folder_pb2.UpdateFolderResponse:
    request = folder_pb2.UpdateFolderRequest(operation_id=world.ids.new(), folder=folder)
    request.update_mask.paths.extend(paths)
    return folder_pb2.UpdateFolderResponse.FromString(await world.folders.update_folder(person.caller, request))


async def test_a_new_mailbox_has_every_role_folder_once_in_order(world: World, anna: Person) -> None:
    folders = await listed(world, anna)
    assert [folder.role for folder in folders] == [role for role, _, _ in ROLES]
    assert all(folder.id and folder.uid_validity for folder in folders)


async def test_a_folder_is_created_below_another_and_the_mailbox_counts_it(world: World, anna: Person) -> None:
    top = await world.folder(anna, "Projects")
    below = await world.folder(anna, "2026", top.id)
    assert below.parent_id == top.id
    names = [folder.name for folder in await listed(world, anna)]
    assert names[-2:] == ["Projects", "2026"]


async def test_siblings_differ_by_more_than_case_or_composition(world: World, anna: Person) -> None:
    await world.folder(anna, "Café")
    with pytest.raises(AlreadyExists) as refused:
        await world.folder(anna, "CAFE\u0301")
    assert refused.value.reason == "FOLDER_NAME_TAKEN"
    inside = await world.folder(anna, "Cafés")
    await world.folder(anna, "Café", inside.id)


@pytest.mark.parametrize("name", ["", "   ", "a/b", "x" * 256, "a\nb", "a\0b", ".."])
async def test_a_name_that_can_not_be_one_is_refused_and_leaves_nothing(world: World, anna: Person, name: str) -> None:
    before = await listed(world, anna)
    with pytest.raises(InvalidArgument):
        await world.folder(anna, name)
    assert await listed(world, anna) == before


async def test_a_rename_and_a_move_are_one_change(world: World, anna: Person) -> None:
    projects, old = await world.folder(anna, "Projects"), await world.folder(anna, "Old")
    moved = await update(world, anna, folder_pb2.Folder(id=old.id, name="New", parent_id=projects.id), "name", "parent_id")
    assert (moved.folder.name, moved.folder.parent_id) == ("New", projects.id)
    assert moved.folder.revision == moved.revision == old.revision + 1
    assert moved.folder.contents_revision == old.contents_revision  # MS-OXCFXICS: the contents do not change with the place


async def test_a_rename_that_changes_nothing_takes_no_revision(world: World, anna: Person) -> None:
    folder = await world.folder(anna, "Projects")
    again = await update(world, anna, folder, "name")
    assert again.revision == folder.revision


async def test_a_folder_can_change_the_case_of_its_own_name(world: World, anna: Person) -> None:
    folder = await world.folder(anna, "projects")
    changed = await update(world, anna, folder_pb2.Folder(id=folder.id, name="Projects"), "name")
    assert changed.folder.name == "Projects"


async def test_a_folder_is_not_moved_below_itself(world: World, anna: Person) -> None:
    top = await world.folder(anna, "Top")
    middle = await world.folder(anna, "Middle", top.id)
    bottom = await world.folder(anna, "Bottom", middle.id)
    for parent in (top, bottom):
        with pytest.raises(FailedPrecondition) as refused:
            await update(world, anna, folder_pb2.Folder(id=top.id, parent_id=parent.id), "parent_id")
        assert refused.value.reason == "FOLDER_CYCLE"


async def test_role_folders_keep_their_name_and_place(world: World, anna: Person) -> None:
    inbox = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_INBOX)
    with pytest.raises(FailedPrecondition) as refused:
        await update(world, anna, folder_pb2.Folder(id=inbox, name="Mine"), "name")
    assert refused.value.reason == "FOLDER_PROTECTED"


async def test_server_owned_fields_of_a_folder_can_not_be_updated(world: World, anna: Person) -> None:
    folder = await world.folder(anna, "Projects")
    with pytest.raises(InvalidArgument):
        await update(world, anna, folder, "item_count")


async def test_a_folder_of_another_mailbox_is_not_found(world: World, anna: Person, ben: Person) -> None:
    mine = await world.folder(anna, "Private")
    with pytest.raises(NotFound):
        await world.folders.get_folder(ben.caller, folder_pb2.GetFolderRequest(folder_id=mine.id))
    request = folder_pb2.GetFolderRequest(mailbox_id=anna.mailbox, folder_id=mine.id)
    with pytest.raises(NotFound) as refused:
        await world.folders.get_folder(ben.caller, request)
    assert refused.value.reason == "MAILBOX_NOT_FOUND"


async def test_an_id_that_a_client_minted_is_kept_and_can_be_used_once(world: World, anna: Person) -> None:
    minted = world.ids.new()
    request = folder_pb2.CreateFolderRequest(operation_id=world.ids.new(), folder=folder_pb2.Folder(id=minted, name="A"))
    created = folder_pb2.CreateFolderResponse.FromString(await world.folders.create_folder(anna.caller, request))
    assert created.folder.id == minted
    request.operation_id = world.ids.new()
    request.folder.name = "B"
    with pytest.raises(AlreadyExists) as refused:
        await world.folders.create_folder(anna.caller, request)
    assert refused.value.reason == "ID_TAKEN"


async def delete(world: World, person: Person, folder_id: bytes, operation_id: bytes = b"") -> folder_pb2.DeleteFolderResponse:
    request = folder_pb2.DeleteFolderRequest(operation_id=operation_id or world.ids.new(), folder_id=folder_id)
    return folder_pb2.DeleteFolderResponse.FromString(await world.folder_removal.delete_folder(person.caller, request))


async def test_a_deleted_folder_takes_everything_below_along_and_its_items_are_recoverable(world: World, anna: Person) -> None:
    top = await world.folder(anna, "Top")
    below = await world.folder(anna, "Below", top.id)
    items = [await world.item(anna, folder_id) for folder_id in (top.id, below.id, below.id)]
    answer = await delete(world, anna, top.id)
    assert answer.deleted_items == 3
    assert {folder.name for folder in await listed(world, anna)}.isdisjoint({"Top", "Below"})
    for item in items:
        assert (await world.get(anna, item.id)).life == 2
    again = await world.folder(anna, "Top")  # the name is free again
    assert again.id != top.id


async def test_deleting_a_folder_twice_under_one_operation_id_gives_the_first_answer(world: World, anna: Person) -> None:
    top = await world.folder(anna, "Top")
    await world.item(anna, top.id)
    operation = world.ids.new()
    assert await delete(world, anna, top.id, operation) == await delete(world, anna, top.id, operation)
    with pytest.raises(NotFound):
        await delete(world, anna, top.id)


async def test_role_folders_are_not_deleted_not_even_below_another(world: World, anna: Person) -> None:
    for role in (folder_pb2.FOLDER_ROLE_INBOX, folder_pb2.FOLDER_ROLE_CALENDAR):
        with pytest.raises(FailedPrecondition) as refused:
            await delete(world, anna, await world.folder_of(anna, role))
        assert refused.value.reason == "FOLDER_PROTECTED"


async def test_a_refusal_is_remembered_for_its_operation_id(world: World, anna: Person) -> None:
    operation = world.ids.new()
    inbox = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_INBOX)
    for _ in range(2):
        with pytest.raises(FailedPrecondition) as refused:
            await delete(world, anna, inbox, operation)
        assert refused.value.reason == "FOLDER_PROTECTED"


@pytest.mark.parametrize("permanent", [False, True])
async def test_emptying_a_folder_of_many_items_keeps_it_and_its_counters_right(world: World, anna: Person, permanent: bool) -> None:
    folder = await world.folder(anna, "Full")
    below = await world.folder(anna, "Below", folder.id)
    kept = await world.item(anna, below.id)
    for _ in range(7):
        await world.item(anna, folder.id)
    request = folder_pb2.EmptyFolderRequest(operation_id=world.ids.new(), folder_id=folder.id, permanent=permanent)
    answer = folder_pb2.EmptyFolderResponse.FromString(await world.folder_removal.empty_folder(anna.caller, request))
    assert answer.deleted_items == 7
    assert await world.counts(anna, folder.id) == (0, 0, 0)
    assert (await world.get(anna, kept.id)).life == 1
    request.operation_id = world.ids.new()
    request.include_subfolders = True
    answer = folder_pb2.EmptyFolderResponse.FromString(await world.folder_removal.empty_folder(anna.caller, request))
    assert answer.deleted_items == 1
    with pytest.raises(NotFound):
        await world.folders.get_folder(anna.caller, folder_pb2.GetFolderRequest(folder_id=below.id))


async def chain(world: World, person: Person, levels: int) -> list[folder_pb2.Folder]:
    """Folders, each below the one before."""
    found: list[folder_pb2.Folder] = []
    for level in range(levels):
        found.append(await world.folder(person, f"Level {level}", found[-1].id if found else b""))
    return found


@pytest.fixture
def shallow(monkeypatch: pytest.MonkeyPatch) -> int:
    """How deep folders nest, in this test."""
    monkeypatch.setattr(folder_rules, "MOST_DEPTH", 4)
    return 4


async def test_a_folder_is_not_created_too_deep(world: World, anna: Person, shallow: int) -> None:
    deepest = (await chain(world, anna, shallow))[-1]
    with pytest.raises(FailedPrecondition) as refused:
        await world.folder(anna, "Below", deepest.id)
    assert (refused.value.reason, refused.value.field) == ("LIMIT_EXCEEDED", "folder.parent_id")


async def test_a_move_brings_nothing_below_the_folder_too_deep(world: World, anna: Person, shallow: int) -> None:
    levels = await chain(world, anna, shallow - 1)
    moved = await world.folder(anna, "Moved")
    below = await world.folder(anna, "Below", moved.id)
    with pytest.raises(FailedPrecondition) as refused:
        await update(world, anna, folder_pb2.Folder(id=moved.id, parent_id=levels[-1].id), "parent_id")
    assert refused.value.reason == "LIMIT_EXCEEDED"
    await update(world, anna, folder_pb2.Folder(id=moved.id, parent_id=levels[-2].id), "parent_id")
    await update(world, anna, folder_pb2.Folder(id=below.id, parent_id=levels[-1].id), "parent_id")
    await delete(world, anna, below.id)
    await update(world, anna, folder_pb2.Folder(id=moved.id, parent_id=levels[-1].id), "parent_id")


async def test_a_tree_as_deep_as_may_be_is_deleted_whole(world: World, anna: Person) -> None:
    levels = await chain(world, anna, folder_rules.MOST_DEPTH)
    await world.item(anna, levels[-1].id)
    assert (await delete(world, anna, levels[0].id)).deleted_items == 1
    assert {folder.role for folder in await listed(world, anna)} == {role for role, _, _ in ROLES}
    await world.check_counters(anna)


async def test_a_deletion_that_stops_half_way_leaves_no_folder_without_its_parent(
    world: World, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_removal, "STEP_ROWS", 2)
    top = await world.folder(anna, "Top")
    middle = [await world.folder(anna, f"Middle {number}", top.id) for number in range(3)]
    for parent in middle:
        await world.folder(anna, "Leaf", parent.id)
    seen = [len(await listed(world, anna))]
    write = world.database.write

    async def watched(work):  # type: ignore[no-untyped-def]
        result = await write(work)
        folders = await listed(world, anna)
        assert {folder.parent_id for folder in folders} <= {b"", *(folder.id for folder in folders)}
        seen.append(len(folders))
        await world.check_counters(anna)
        return result

    monkeypatch.setattr(world.database, "write", watched)
    await delete(world, anna, top.id)
    assert [before - after for before, after in itertools.pairwise(seen)] == [0, 2, 2, 2, 1]  # the job; steps; the answer


async def test_many_folders_of_few_items_take_as_many_steps_as_one_of_many(
    world: World, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, wide = await world.folder(anna, "Full"), await world.folder(anna, "Wide")
    for number in range(12):
        await world.item(anna, full.id)
        await world.item(anna, (await world.folder(anna, f"{number}", wide.id)).id)
    monkeypatch.setattr(folder_removal, "STEP_ROWS", 6)
    write, writes = world.database.write, 0

    async def counted(work):  # type: ignore[no-untyped-def]
        nonlocal writes
        writes += 1
        return await write(work)

    monkeypatch.setattr(world.database, "write", counted)
    taken = []
    for folder in (full, wide):
        request = folder_pb2.EmptyFolderRequest(operation_id=world.ids.new(), folder_id=folder.id, include_subfolders=True)
        begun = writes
        answer = folder_pb2.EmptyFolderResponse.FromString(await world.folder_removal.empty_folder(anna.caller, request))
        assert answer.deleted_items == 12
        taken.append(writes - begun)
    # The job, two steps of items and the answer; one step more for the first six folders, the others go with the answer.
    assert taken == [4, 5]
    await world.check_counters(anna)
