"""Operations in steps: what a job says is done, once, whoever asks for what meanwhile."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import folder_pb2
from rookery_core.errors import FailedPrecondition, NotFound, Unavailable
from rookery_server.services.folders import folder_removal
from rookery_server.services.long_operations import LongOperation
from rookery_server.store import jobs, ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rookery_server.services.change import MailboxChange
    from rookery_server.store.database import Database
    from tests.support.world import Person, World

INBOX = folder_pb2.FOLDER_ROLE_INBOX


class Cut(BaseException):
    """The machine was switched off."""


@contextlib.contextmanager
def failing(database: Database, error: BaseException, *, after: int) -> Iterator[None]:
    """Lets so many transactions pass; the next one ends with the error, and those after it pass again."""
    write, left = database.write, after

    async def counted(work: Any) -> Any:
        nonlocal left
        left -= 1
        if left == -1:
            raise error
        return await write(work)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(database, "write", counted)
        yield


def deletion(world: World, folder_id: bytes, operation_id: bytes = b"") -> folder_pb2.DeleteFolderRequest:
    return folder_pb2.DeleteFolderRequest(operation_id=operation_id or world.ids.new(), folder_id=folder_id)


async def delete(world: World, person: Person, request: folder_pb2.DeleteFolderRequest) -> folder_pb2.DeleteFolderResponse:
    return folder_pb2.DeleteFolderResponse.FromString(await world.folder_removal.delete_folder(person.caller, request))


async def cut_deletion(world: World, person: Person, name: str) -> folder_pb2.DeleteFolderRequest:
    """A deletion of a new folder with one item, cut off after its first transaction."""
    folder = await world.folder(person, name)
    await world.item(person, folder.id)
    request = deletion(world, folder.id)
    with failing(world.database, Cut(), after=1), pytest.raises(Cut):
        await delete(world, person, request)
    return request


async def is_there(world: World, person: Person, folder_id: bytes) -> bool:
    try:
        await world.folders.get_folder(person.caller, folder_pb2.GetFolderRequest(folder_id=folder_id))
    except NotFound:
        return False
    return True


async def unfinished(world: World) -> list[jobs.JobRow]:
    return await world.database.read(jobs.unfinished)


async def test_the_id_of_an_unfinished_deletion_deletes_no_other_folder(world: World, anna: Person) -> None:
    request = await cut_deletion(world, anna, "Old")
    inbox = await world.folder_of(anna, INBOX)
    kept = await world.item(anna, inbox)
    with pytest.raises(FailedPrecondition) as refused:
        await delete(world, anna, deletion(world, inbox, request.operation_id))
    assert refused.value.reason == "OPERATION_REUSED"
    assert (await world.get(anna, kept.id)).life == 1
    assert (await delete(world, anna, request)).deleted_items == 1
    assert not await is_there(world, anna, request.folder_id)


async def test_the_id_of_an_unfinished_deletion_empties_no_folder(world: World, anna: Person) -> None:
    request = await cut_deletion(world, anna, "Old")
    emptying = folder_pb2.EmptyFolderRequest(operation_id=request.operation_id, folder_id=request.folder_id, permanent=True)
    with pytest.raises(FailedPrecondition) as refused:
        await world.folder_removal.empty_folder(anna.caller, emptying)
    assert refused.value.reason == "OPERATION_REUSED"
    assert await world.counts(anna, request.folder_id) != (0, 0, 0)
    assert await world.long_operations.resume() == 1


async def test_a_recoverable_emptying_does_not_become_a_permanent_one_half_way(world: World, anna: Person) -> None:
    folder = await world.folder(anna, "Full")
    item = await world.item(anna, folder.id)
    request = folder_pb2.EmptyFolderRequest(operation_id=world.ids.new(), folder_id=folder.id)
    with failing(world.database, Cut(), after=1), pytest.raises(Cut):
        await world.folder_removal.empty_folder(anna.caller, request)
    request.permanent = True
    with pytest.raises(FailedPrecondition):
        await world.folder_removal.empty_folder(anna.caller, request)
    await world.long_operations.resume()
    assert (await world.get(anna, item.id)).life == 2


async def test_a_role_folder_is_refused_even_where_a_job_says_that_it_is_to_be_deleted(world: World, anna: Person) -> None:
    request = deletion(world, await world.folder_of(anna, INBOX))
    row = {"account_id": anna.caller.account_id, "id": request.operation_id, "session_id": anna.caller.session_id, "created": 1}
    job = {**row, "kind": "folder.delete", "arguments": request.SerializeToString(deterministic=True)}
    await world.database.write(lambda transaction: jobs.begin(transaction.connection, job))
    with pytest.raises(FailedPrecondition) as refused:
        await delete(world, anna, request)
    assert refused.value.reason == "FOLDER_PROTECTED"
    assert await world.long_operations.resume() == 1
    assert await unfinished(world) == []
    assert await is_there(world, anna, request.folder_id)


async def test_a_job_without_a_mailbox_ends_and_those_behind_it_go_on(world: World, anna: Person) -> None:
    gone = {"account_id": world.ids.new(), "id": world.ids.new(), "kind": "folder.delete", "session_id": bytes(16), "created": 1}
    await world.database.write(lambda transaction: jobs.begin(transaction.connection, {**gone, "arguments": b""}))
    request = await cut_deletion(world, anna, "Old")
    assert await world.long_operations.resume() == 2
    assert await unfinished(world) == []
    assert not await is_there(world, anna, request.folder_id)


async def test_a_job_is_gone_on_with_however_old_its_operation_id_is(world: World, anna: Person) -> None:
    request = await cut_deletion(world, anna, "Old")
    world.clock.advance(days=100)
    assert await world.long_operations.resume() == 1
    assert await unfinished(world) == []
    assert not await is_there(world, anna, request.folder_id)


@pytest.mark.parametrize("error", [Unavailable("DATABASE_BUSY", "busy"), ValueError("a mistake")])
async def test_a_job_that_fails_keeps_its_place_and_the_others_get_their_turn(world: World, anna: Person, error: Exception) -> None:
    first, second = await cut_deletion(world, anna, "First"), await cut_deletion(world, anna, "Second")
    with failing(world.database, error, after=0), pytest.raises(type(error)):
        await world.long_operations.resume()
    left = await unfinished(world)
    assert len(left) == 1
    assert [await is_there(world, anna, request.folder_id) for request in (first, second)].count(True) == 1
    assert await world.long_operations.resume() == 1
    assert await unfinished(world) == []


@pytest.mark.parametrize("after", [0, 1])
async def test_a_passing_failure_is_told_as_it_is_and_a_repeat_succeeds(world: World, anna: Person, after: int) -> None:
    folder = await world.folder(anna, "Old")
    request = deletion(world, folder.id)
    with failing(world.database, Unavailable("DATABASE_BUSY", "busy"), after=after), pytest.raises(Unavailable):
        await delete(world, anna, request)
    assert (await delete(world, anna, request)).deleted_items == 0
    assert not await is_there(world, anna, folder.id)


async def test_a_refusal_is_recorded_as_it_was_met_though_nothing_is_in_the_way_any_more(world: World, anna: Person) -> None:
    looks = 0

    def check(change: MailboxChange, request: object) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise FailedPrecondition("FOLDER_PROTECTED", "in the way")

    operation = LongOperation(
        "folder.delete", folder_pb2.DeleteFolderRequest, check, lambda *_: None, lambda *_: folder_pb2.DeleteFolderResponse()
    )
    request = deletion(world, world.ids.new())
    for _ in range(2):
        with pytest.raises(FailedPrecondition) as refused:
            await world.long_operations.run(anna.caller, operation, request)
        assert refused.value.reason == "FOLDER_PROTECTED"
    assert looks == 1


async def test_a_job_ends_though_another_call_used_its_id_meanwhile(world: World, anna: Person) -> None:
    request = await cut_deletion(world, anna, "Old")
    entry = {"account_id": anna.caller.account_id, "id": request.operation_id, "request_hash": bytes(32), "refusal": None}
    row = {**entry, "result": b"theirs", "created": world.clock.micros()}
    await world.database.write(lambda transaction: ledger.record(transaction.connection, [row]))
    assert await world.long_operations.resume() == 1
    assert await unfinished(world) == []
    assert not await is_there(world, anna, request.folder_id)
    kept = await world.database.read(lambda c: ledger.find(c, anna.caller.account_id, request.operation_id))
    assert kept is not None and kept.result == b"theirs"


async def test_an_interrupted_emptying_is_gone_on_with_after_a_restart(
    world: World, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_removal, "STEP_ROWS", 2)
    folder = await world.folder(anna, "Full")
    for _ in range(5):
        await world.item(anna, folder.id)
    request = folder_pb2.EmptyFolderRequest(operation_id=world.ids.new(), folder_id=folder.id)
    with failing(world.database, Cut(), after=2), pytest.raises(Cut):
        await world.folder_removal.empty_folder(anna.caller, request)
    assert (await world.counts(anna, folder.id))[0] == 3
    assert await world.long_operations.resume() == 1
    assert (await world.counts(anna, folder.id))[0] == 0
    answer = folder_pb2.EmptyFolderResponse.FromString(await world.folder_removal.empty_folder(anna.caller, request))
    assert answer.deleted_items == 5
    assert await world.long_operations.resume() == 0


async def test_the_id_of_an_unfinished_deletion_is_no_other_calls(world: World, anna: Person) -> None:
    request = await cut_deletion(world, anna, "Old")
    creation = folder_pb2.CreateFolderRequest(operation_id=request.operation_id, folder=folder_pb2.Folder(name="New"))
    with pytest.raises(FailedPrecondition) as refused:
        await world.folders.create_folder(anna.caller, creation)
    assert refused.value.reason == "OPERATION_REUSED"
    assert (await delete(world, anna, request)).deleted_items == 1  # which the ledger keeps, not the refusal
