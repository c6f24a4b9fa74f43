"""Push: tasks handed to others, answered and worked on by devices with no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import sync_pb2
from rookery.v1.calendar_pb2 import RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED, CalendarTime, ResponseStatus
from rookery.v1.item_pb2 import Item
from rookery.v1.item_service_pb2 import DELETE_MODE_RECOVERABLE
from rookery.v1.person_pb2 import Person as Named
from rookery.v1.task_pb2 import TASK_ASSIGNMENT_ACCEPTED, TASK_ASSIGNMENT_REQUESTED, TASK_STATUS_COMPLETED, TASK_STATUS_IN_PROGRESS
from rookery.v1.task_service_pb2 import AssignTaskRequest, CompleteTaskRequest, RespondToTaskRequest
from tests.support.databases import ON_BOTH, sqlite_unless_asked
from tests.support.groups import make_group
from tests.support.meeting_world import DELETED, TASKS
from tests.support.task_world import TaskWorld
from tests.sync.devices import Device, Fleet, reason

if TYPE_CHECKING:
    from rookery.v1.sync_pb2 import SyncOperation
    from rookery_server.store.database import Database
    from tests.support.world import Person

APPLIED, MERGED, REJECTED = sync_pb2.PUSH_OUTCOME_APPLIED, sync_pb2.PUSH_OUTCOME_MERGED, sync_pb2.PUSH_OUTCOME_REJECTED

__all__ = ["sqlite_unless_asked"]

YES, NO = RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED


@pytest.fixture
def world(database: Database) -> TaskWorld:
    return TaskWorld(database)


async def devices(world: TaskWorld, person: Person) -> tuple[Fleet, Device, Device]:
    """Two devices of one person that have seen all there is."""
    fleet = Fleet(world, person)
    one, two = fleet.device(), fleet.device()
    await one.see()
    await two.see()
    return fleet, one, two


def assigning(device: Device, item_id: bytes, to: str = "ben@rookery.example", **fields: Any) -> SyncOperation:
    request = AssignTaskRequest(item_id=item_id, to=Named(address=to), progress_requested=True)
    return device.operation(assign_task=request, **fields)


def answering(device: Device, item_id: bytes, response: ResponseStatus.ValueType = YES, **fields: Any) -> SyncOperation:
    return device.operation(respond_to_task=RespondToTaskRequest(item_id=item_id, response=response), **fields)


def progress(device: Device, item_id: bytes, percent: int, *, at: float = 0) -> SyncOperation:
    item = Item(id=item_id)
    item.summary.task.percent_complete = percent
    item.summary.task.status = TASK_STATUS_IN_PROGRESS
    return device.edit(item, "summary.task.percent_complete", at=at)


@ON_BOTH
async def test_a_task_is_handed_over_on_one_device_and_edited_on_the_other(world: TaskWorld, anna: Person, ben: Person) -> None:
    item = await world.task(anna)
    fleet, one, two = await devices(world, anna)
    first = await one.do(assigning(one, item.id))
    assert (first.outcome, first.submission.recipients[0].person.address) == (APPLIED, "ben@rookery.example")
    edit = Item(id=item.id)
    edit.summary.task.due.CopyFrom(CalendarTime(local="2025-12-24"))
    second = await two.do(two.edit(edit, "summary.task.due", at=-60))
    assert second.outcome == MERGED
    assert await fleet.conflicts() == []
    await world.settle()
    assert (await world.own(ben)).summary.task.due.local == "2025-12-01"  # it was told what there was; who edits may tell again
    again = await two.do(assigning(two, item.id))
    assert again.HasField("submission")
    await world.settle()
    copy = await world.own(ben)
    assert (copy.summary.task.due.local, copy.summary.task.assignment) == ("2025-12-24", TASK_ASSIGNMENT_REQUESTED)
    await world.check_counters(anna)


async def test_two_devices_that_give_a_task_to_the_same_person_send_one_letter(world: TaskWorld, anna: Person, ben: Person) -> None:
    item = await world.task(anna)
    fleet, one, two = await devices(world, anna)
    await one.do(assigning(one, item.id))
    second = await two.do(assigning(two, item.id))
    assert (second.outcome, second.HasField("submission")) == (APPLIED, False)
    await world.settle()
    assert len(await world.within(ben, TASKS)) == 1
    assert fleet.woken > 0


async def test_the_device_that_comes_later_gives_the_task_to_another_unless_it_is_accepted(
    world: TaskWorld, anna: Person, ben: Person
) -> None:
    await world.person("cleo")
    item = await world.task(anna)
    _, one, two = await devices(world, anna)
    await one.do(assigning(one, item.id))
    assert (await two.do(assigning(two, item.id, "cleo@rookery.example"))).outcome == APPLIED
    await world.settle()
    assert await world.within(ben, TASKS) == []
    await world.answer(world.people["cleo"], (await world.own(world.people["cleo"])).id, YES)
    await world.settle()
    late = await one.do(assigning(one, item.id))
    assert (late.outcome, reason(late)) == (REJECTED, "TASK_ASSIGNED")


async def test_a_task_that_a_device_gave_to_a_group_stays_with_its_giver(world: TaskWorld, anna: Person, ben: Person) -> None:
    await make_group(world, "team", ben)
    item = await world.task(anna)
    _, one, _ = await devices(world, anna)
    refused = await one.do(assigning(one, item.id, "team@rookery.example"))
    assert (refused.outcome, reason(refused)) == (REJECTED, "TO_A_GROUP")
    assert not (await world.get(anna, item.id)).summary.task.assignment
    assert await world.within(ben, TASKS) == []


async def test_an_answer_and_progress_made_offline_are_told_in_one_go_and_once(world: TaskWorld, anna: Person, ben: Person) -> None:
    item = await world.task(anna)
    await world.assign(anna, item.id, "ben@rookery.example")
    await world.settle()
    copy = await world.own(ben)
    fleet, one, two = await devices(world, ben)
    operations = [progress(one, copy.id, 30, at=-50), answering(one, copy.id), progress(one, copy.id, 60, at=-40)]
    results = await one.send(*operations)
    assert [each.outcome for each in results] == [APPLIED] * 3
    again = await one.send(*operations)
    assert all(each.duplicate for each in again)
    await two.do(answering(two, copy.id))
    await two.do(progress(two, copy.id, 60, at=-30))
    assert fleet.woken > 0
    await world.settle()
    task = (await world.get(anna, item.id)).summary.task
    assert (task.assignment, task.percent_complete, await world.sent(ben)) == (TASK_ASSIGNMENT_ACCEPTED, 60, 2)


async def test_a_task_that_two_devices_complete_is_reported_once(world: TaskWorld, anna: Person, ben: Person) -> None:
    item, copy = await world.handed(anna, ben, "ben")
    before = await world.sent(ben)
    fleet, one, two = await devices(world, ben)
    for device, at in ((one, -60), (two, -30)):
        await device.do(device.operation(complete_task=CompleteTaskRequest(item_id=copy.id), at=at))
    assert fleet.woken > 0
    await world.settle()
    assert await world.sent(ben) == before + 1
    assert (await world.get(anna, item.id)).summary.task.status == TASK_STATUS_COMPLETED


@ON_BOTH
async def test_a_conflict_that_is_restored_is_reported(world: TaskWorld, anna: Person, ben: Person) -> None:
    item, copy = await world.handed(anna, ben, "ben")
    fleet, one, two = await devices(world, ben)
    await one.do(progress(one, copy.id, 70, at=-10))
    await two.do(progress(two, copy.id, 20, at=-20))
    await world.settle()
    assert (await world.get(anna, item.id)).summary.task.percent_complete == 70
    await fleet.restore(copy.id, two)
    await world.settle()
    assert (await world.get(anna, item.id)).summary.task.percent_complete == 20


async def test_an_answer_to_what_was_asked_anew_or_taken_back_meanwhile_is_none(
    world: TaskWorld, anna: Person, ben: Person
) -> None:
    await world.person("cleo")
    item = await world.task(anna)
    await world.assign(anna, item.id, "ben@rookery.example")
    await world.settle()
    copy = await world.own(ben)
    _, one, _ = await devices(world, ben)
    await world.assign(anna, item.id, "cleo@rookery.example")
    await world.settle()
    late = await one.do(answering(one, copy.id))
    assert (late.outcome, late.HasField("submission")) == (MERGED, False)
    assert (await world.own(ben, DELETED)).id == copy.id
    failing = await one.do(answering(one, copy.id, fail=True))
    assert (failing.outcome, reason(failing)) == (REJECTED, "STALE_ETAG")


async def test_what_is_declined_offline_goes_to_deleted_items_and_what_is_gone_is_missing(
    world: TaskWorld, anna: Person, ben: Person
) -> None:
    item = await world.task(anna)
    await world.assign(anna, item.id, "ben@rookery.example")
    await world.settle()
    copy = await world.own(ben)
    _, one, two = await devices(world, ben)
    assert (await one.do(answering(one, copy.id, NO))).outcome == APPLIED
    assert (await world.own(ben, DELETED)).id == copy.id
    late = await two.do(answering(two, copy.id))
    assert (late.outcome, reason(late)) == (REJECTED, "NOT_ASSIGNED")
    await world.delete(anna, [item.id], DELETE_MODE_RECOVERABLE)
    _, theirs, _ = await devices(world, anna)
    assert list((await theirs.do(assigning(theirs, item.id))).missing_ids) == [item.id]
    unknown = world.ids.new()
    assert list((await theirs.do(answering(theirs, unknown))).missing_ids) == [unknown]
