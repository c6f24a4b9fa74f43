"""Push: in order, each operation once, each with its own revision and answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2, sync_pb2, sync_service_pb2
from rookery.v1.item_pb2 import Body, Item, ItemContent, ItemSummary
from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted, Unavailable
from rookery_server.services.sync.push import BATCH_OPERATIONS
from rookery_server.services.sync.push_actions import MOST_PREREQUISITES
from rookery_server.store import mailboxes
from tests.services.test_long_operations import failing
from tests.sync.devices import Device, Fleet, reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from tests.support.world import Person, World

INBOX = folder_pb2.FOLDER_ROLE_INBOX
APPLIED, MERGED = sync_pb2.PUSH_OUTCOME_APPLIED, sync_pb2.PUSH_OUTCOME_MERGED
REJECTED = sync_pb2.PUSH_OUTCOME_REJECTED


@pytest.fixture
def fleet(world: World, anna: Person) -> Fleet:
    return Fleet(world, anna)


@pytest.fixture
def device(fleet: Fleet) -> Device:
    return fleet.device()


def creation(device: Device, subject: str, item_id: bytes = b"", folder_id: bytes = b"", text: str = "Hello") -> SyncOperation:
    record = Item(
        id=item_id or device.fleet.world.ids.new(),
        folder_id=folder_id,
        summary=ItemSummary(kind=item_pb2.ITEM_KIND_NOTE, subject=subject),
        content=ItemContent(body=Body(text=text)),
    )
    return device.operation(create_item=item_service_pb2.CreateItemRequest(item=record))


def marking(device: Device, *item_ids: bytes, **state: Any) -> SyncOperation:
    request = item_service_pb2.SetItemStateRequest(item_ids=item_ids, **(state or {"read": False}))
    return device.operation(set_item_state=request)


async def gather(answers: AsyncIterator[sync_service_pb2.PushResponse], results: list[PushResult]) -> None:
    async for answer in answers:
        results.extend(answer.results)


async def test_operations_are_carried_out_in_order_each_with_its_own_revision(fleet: Fleet, device: Device) -> None:
    item_id = fleet.world.ids.new()
    before = await fleet.revision()
    results = await device.send(
        creation(device, "First", item_id), device.rename(item_id, "Second"), marking(device, item_id), marking(device, item_id)
    )
    assert [result.outcome for result in results] == [APPLIED] * 4
    assert [result.revision for result in results] == [before + 1, before + 2, before + 3, before + 3]
    found = await fleet.world.get(fleet.person, item_id)
    assert (found.summary.subject, found.state.read) == ("Second", False)
    assert results[1].item.summary == found.summary and not results[1].item.HasField("content")
    await fleet.world.check_counters(fleet.person)


async def test_every_action_has_its_answer(fleet: Fleet, device: Device) -> None:
    world, person = fleet.world, fleet.person
    folder_id, copy_id, item_id = world.ids.new(), world.ids.new(), world.ids.new()
    make = folder_pb2.CreateFolderRequest(folder=folder_pb2.Folder(id=folder_id, name="Trip"))
    rename = folder_pb2.UpdateFolderRequest(folder=folder_pb2.Folder(id=folder_id, name="Journey"))
    rename.update_mask.paths.append("name")
    ids = [item_id, world.ids.new()]
    results = await device.send(
        device.operation(create_folder=make),
        creation(device, "Note", item_id),
        device.operation(copy_items=item_service_pb2.CopyItemsRequest(item_ids=[item_id], folder_id=folder_id, new_ids=[copy_id])),
        device.operation(move_items=item_service_pb2.MoveItemsRequest(item_ids=ids, folder_id=folder_id)),
        device.operation(delete_items=item_service_pb2.DeleteItemsRequest(item_ids=ids, mode=2)),
        device.operation(restore_items=item_service_pb2.RestoreItemsRequest(item_ids=ids)),
        device.operation(update_folder=rename),
    )
    assert [result.outcome for result in results] == [APPLIED] * 7
    assert results[2].copies[0] == item_service_pb2.CopyItemsResponse.Copy(source_id=item_id, item_id=copy_id)
    assert list(results[3].missing_ids) == list(results[5].missing_ids) == [ids[1]]
    assert results[6].folder.name == "Journey"
    assert (results[6].folder.item_count, results[6].folder.contents_revision) == (2, results[5].revision)
    assert (await world.get(person, item_id)).folder_id == folder_id
    await world.check_counters(person)


async def test_a_repeated_operation_gets_the_first_answer_again(fleet: Fleet, device: Device) -> None:
    item_id = fleet.world.ids.new()
    operations = [creation(device, "Once", item_id), device.rename(item_id, "Twice"), creation(device, "Again", item_id)]
    first = await device.send(*operations)
    revision = await fleet.revision()
    again = await device.send(*operations)
    assert [result.duplicate for result in again] == [True] * 3
    for result in again:
        result.duplicate = False
    assert again == first
    assert await fleet.revision() == revision


async def test_an_operation_sent_twice_in_one_request_is_carried_out_once(fleet: Fleet, device: Device) -> None:
    operation = creation(device, "Once")
    first, second = await device.send(operation, operation)
    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.item == second.item


async def test_an_operation_id_with_another_content_is_rejected(fleet: Fleet, device: Device) -> None:
    operation = creation(device, "Once")
    await device.do(operation)
    operation.create_item.item.summary.subject = "Other"
    result = await device.do(operation)
    assert (result.outcome, reason(result)) == (REJECTED, "OPERATION_REUSED")
    unary = item_service_pb2.CreateItemRequest(operation_id=operation.operation_id, item=operation.create_item.item)
    with pytest.raises(FailedPrecondition):
        await fleet.world.editing.create_item(device.caller, unary)


async def test_the_id_of_a_unary_call_is_not_that_of_an_operation(fleet: Fleet, device: Device) -> None:
    item = await fleet.world.item(fleet.person, await fleet.world.folder_of(fleet.person, INBOX))
    unary = item_service_pb2.SetItemStateRequest(operation_id=fleet.world.ids.new(), item_ids=[item.id], read=False)
    await fleet.world.marks.set_item_state(device.caller, unary)
    operation = marking(device, item.id)
    operation.operation_id = unary.operation_id
    assert reason(await device.do(operation)) == "OPERATION_REUSED"


async def test_what_is_rejected_does_not_stop_the_others_and_leaves_no_trace(fleet: Fleet, device: Device) -> None:
    taken = fleet.world.ids.new()
    before = await fleet.revision()
    results = await device.send(creation(device, "One", taken), creation(device, "Two", taken), creation(device, "Three"))
    assert [result.outcome for result in results] == [APPLIED, REJECTED, APPLIED]
    assert reason(results[1]) == "ID_TAKEN"
    assert [result.revision for result in results] == [before + 1, before + 1, before + 2]
    assert await fleet.revision() == before + 2
    await fleet.world.check_counters(fleet.person)


async def test_what_a_refused_operation_had_counted_already_vanishes(fleet: Fleet, device: Device) -> None:
    world = fleet.world
    first, second = world.ids.new(), world.ids.new()
    await device.send(creation(device, "One", first), creation(device, "Two", second))
    inbox = await world.folder_of(fleet.person, INBOX)
    move = item_service_pb2.MoveItemsRequest(item_ids=[first], folder_id=inbox)
    taken = item_service_pb2.CopyItemsRequest(item_ids=[first], folder_id=inbox, new_ids=[second])
    results = await device.send(device.operation(move_items=move), device.operation(copy_items=taken), marking(device, first))
    assert [result.outcome for result in results] == [APPLIED, REJECTED, APPLIED]
    await world.check_counters(fleet.person)


async def test_a_prerequisite_that_was_rejected_rejects_what_depends_on_it(fleet: Fleet, device: Device) -> None:
    failing = device.rename(fleet.world.ids.new(), "Of nothing")
    good, unknown = creation(device, "Good"), creation(device, "Unknown")
    after_failing, after_good, after_unknown = (creation(device, "Next") for _ in range(3))
    after_failing.depends_on.append(failing.operation_id)
    after_good.depends_on.append(good.operation_id)
    after_unknown.depends_on.append(unknown.operation_id)
    results = await device.send(failing, good, after_failing, after_good, after_unknown)
    assert [result.outcome for result in results] == [REJECTED, APPLIED, REJECTED, APPLIED, REJECTED]
    assert [reason(results[index]) for index in (2, 4)] == ["DEPENDS_ON", "DEPENDS_ON"]
    later = creation(device, "Later")
    later.depends_on.extend([good.operation_id, after_failing.operation_id])
    assert reason(await device.do(later)) == "DEPENDS_ON"


async def test_an_operation_may_depend_on_a_unary_call(fleet: Fleet, device: Device) -> None:
    unary = item_service_pb2.CreateItemRequest(
        operation_id=fleet.world.ids.new(), item=Item(summary=ItemSummary(kind=item_pb2.ITEM_KIND_NOTE))
    )
    await fleet.world.editing.create_item(device.caller, unary)
    operation = creation(device, "Next")
    operation.depends_on.append(unary.operation_id)
    assert (await device.do(operation)).outcome == APPLIED


async def test_a_full_mailbox_ends_the_call_behind_the_answers_so_far(world: World) -> None:
    ben = await world.person("ben", quota=2_000)
    device = Fleet(world, ben).device()
    operations = [creation(device, "Small"), creation(device, "Large", text="x" * 3_000), creation(device, "Small")]
    results = await device.send(*operations)
    assert [result.outcome for result in results] == [APPLIED]
    with pytest.raises(ResourceExhausted):
        await device.send(*operations[1:])
    with pytest.raises(ResourceExhausted):
        await device.stream(operations)
    del operations[1]
    assert [(result.outcome, result.duplicate) for result in await device.send(*operations)] == [(APPLIED, True), (APPLIED, False)]
    await world.check_counters(ben)


async def test_wrong_operations_are_rejected_one_by_one(fleet: Fleet, device: Device) -> None:
    wrong_id, old, named, unknown, good = (creation(device, "x") for _ in range(5))
    wrong_id.operation_id = b"short"
    old.operation_id = b"\0" * 6 + old.operation_id[6:]
    named.create_item.operation_id = fleet.world.ids.new()
    unknown.create_item.item.summary.importance = 99  # type: ignore[assignment]
    actionless = device.operation()
    results = await device.send(wrong_id, old, named, unknown, actionless, good)
    reasons = [reason(result) for result in results]
    assert reasons == ["ID_INVALID", "OPERATION_EXPIRED", "FIELD_INVALID", "FIELD_INVALID", "FIELD_INVALID", ""]
    assert results[5].outcome == APPLIED


async def test_too_much_in_one_request_is_refused_as_a_whole(fleet: Fleet, device: Device) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await device.send(*(marking(device, b"i" * 16) for _ in range(501)))
    assert refused.value.reason == "LIMIT_EXCEEDED"
    with pytest.raises(InvalidArgument):
        await device.send(creation(device, "Large", text="x" * (4 << 20)))


async def test_what_passes_within_a_request_leaves_the_answers_before_it(fleet: Fleet, device: Device) -> None:
    operations = [marking(device, fleet.world.ids.new()) for _ in range(BATCH_OPERATIONS + 1)]
    with failing(fleet.world.database, Unavailable("DATABASE_BUSY", "busy"), after=1):
        assert len(await device.send(*operations)) == BATCH_OPERATIONS
    with failing(fleet.world.database, Unavailable("DATABASE_BUSY", "busy"), after=0), pytest.raises(Unavailable):
        await device.send(*operations)
    assert [result.duplicate for result in await device.send(*operations)] == [True] * BATCH_OPERATIONS + [False]


async def test_prerequisites_are_ids_and_not_too_many(fleet: Fleet, device: Device) -> None:
    many, most, none = (creation(device, "x") for _ in range(3))
    many.depends_on.extend(fleet.world.ids.new() for _ in range(MOST_PREREQUISITES + 1))
    most.depends_on.extend(many.depends_on[1:])
    none.depends_on.append(b"short")
    results = await device.send(many, most, none)
    assert [reason(result) for result in results] == ["LIMIT_EXCEEDED", "DEPENDS_ON", "ID_INVALID"]


async def test_a_request_full_of_prerequisites_is_answered(fleet: Fleet, device: Device) -> None:
    """No engine takes as many parameters in one statement as these are."""
    operations = [creation(device, "x") for _ in range(80)]
    for operation in operations:
        operation.depends_on.extend(fleet.world.ids.new() for _ in range(MOST_PREREQUISITES))
    assert [reason(result) for result in await device.send(*operations)] == ["DEPENDS_ON"] * 80


async def test_an_empty_request_tells_the_revision(fleet: Fleet, device: Device) -> None:
    answer = await fleet.push.push_batch(device.caller, sync_service_pb2.PushBatchRequest())
    assert answer.answer == sync_service_pb2.PushResponse(revision=await fleet.revision())


async def test_a_mailbox_of_somebody_else_is_not_there(fleet: Fleet, device: Device, ben: Person) -> None:
    push = sync_service_pb2.PushRequest(mailbox_id=ben.mailbox, operations=[creation(device, "x")])
    with pytest.raises(NotFound):
        await fleet.push.push_batch(device.caller, sync_service_pb2.PushBatchRequest(push=push))


async def test_a_stream_answers_everything_in_order(fleet: Fleet, device: Device) -> None:
    operations = [creation(device, f"Note {number}") for number in range(260)]
    results = await device.stream(operations[:3], operations[3:5], operations[5:250], [], operations[250:])
    assert [result.operation_id for result in results] == [operation.operation_id for operation in operations]
    assert {result.outcome for result in results} == {APPLIED}
    await fleet.world.check_counters(fleet.person)


async def test_what_arrives_together_shares_a_transaction(fleet: Fleet, device: Device) -> None:
    async def messages() -> AsyncIterator[sync_service_pb2.PushRequest]:
        for _ in range(3):
            yield sync_service_pb2.PushRequest(operations=[creation(device, "x") for _ in range(80)])

    answers = [len(answer.results) async for answer in fleet.push.push(device.caller, messages())]
    assert sum(answers) == 240 and max(answers) == 100


async def test_a_stream_is_for_one_mailbox(fleet: Fleet, device: Device) -> None:
    async def messages() -> AsyncIterator[sync_service_pb2.PushRequest]:
        yield sync_service_pb2.PushRequest(operations=[creation(device, "x")])
        yield sync_service_pb2.PushRequest(mailbox_id=fleet.person.mailbox, operations=[creation(device, "y")])

    answered: list[PushResult] = []
    with pytest.raises(InvalidArgument):
        await gather(fleet.push.push(device.caller, messages()), answered)
    assert [result.outcome for result in answered] == [APPLIED]


async def test_who_does_not_know_of_a_restore_pushes_nothing(fleet: Fleet, device: Device) -> None:
    row = await fleet.world.database.read(lambda connection: mailboxes.find(connection, fleet.person.mailbox))
    assert row is not None
    operation = creation(device, "x")

    async def messages(epoch: bytes) -> AsyncIterator[sync_service_pb2.PushRequest]:
        yield sync_service_pb2.PushRequest(operations=[operation], epoch=epoch)

    before = sync_service_pb2.PushRequest(operations=[operation], epoch=b"e" * 16)
    with pytest.raises(FailedPrecondition) as refused:
        await fleet.push.push_batch(device.caller, sync_service_pb2.PushBatchRequest(push=before))
    assert refused.value.reason == "EPOCH_CHANGED"
    with pytest.raises(FailedPrecondition):
        await gather(fleet.push.push(device.caller, messages(b"e" * 16)), [])
    assert await fleet.revision() == row.revision
    answered: list[PushResult] = []
    await gather(fleet.push.push(device.caller, messages(row.epoch)), answered)
    assert [(result.outcome, result.duplicate) for result in answered] == [(APPLIED, False)]


async def test_what_ends_the_incoming_stream_comes_behind_the_answers(fleet: Fleet, device: Device) -> None:
    async def messages() -> AsyncIterator[sync_service_pb2.PushRequest]:
        yield sync_service_pb2.PushRequest(operations=[creation(device, "x")])
        raise FailedPrecondition("SESSION_REVOKED", "the session was ended")

    answered: list[PushResult] = []
    with pytest.raises(FailedPrecondition):
        await gather(fleet.push.push(device.caller, messages()), answered)
    assert [result.outcome for result in answered] == [APPLIED]


async def test_operations_on_many_items_do_not_share_a_transaction_with_too_many_others(fleet: Fleet, device: Device) -> None:
    ids = [fleet.world.ids.new() for _ in range(300)]
    results = await device.send(*(creation(device, "x", item_id) for item_id in ids), marking(device, *ids), marking(device, *ids))
    assert len(results) == 302 and {result.outcome for result in results} == {APPLIED}
    await fleet.world.check_counters(fleet.person)
