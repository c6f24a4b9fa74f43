"""Push: tasks that were completed on devices, by two of them too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1 import item_pb2, item_service_pb2, sync_pb2
from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.item_pb2 import Item
from rookery.v1.item_service_pb2 import ListEdits
from rookery.v1.task_pb2 import TaskStatus
from rookery.v1.task_service_pb2 import CompleteTaskRequest
from rookery_core.rules import task_series
from tests.sync.devices import Device, Fleet, reason

if TYPE_CHECKING:
    from rookery.v1.sync_pb2 import SyncOperation
    from tests.support.world import Person, World

APPLIED, MERGED = sync_pb2.PUSH_OUTCOME_APPLIED, sync_pb2.PUSH_OUTCOME_MERGED
CONFLICT, REJECTED = sync_pb2.PUSH_OUTCOME_CONFLICT, sync_pb2.PUSH_OUTCOME_REJECTED
DONE = TaskStatus.TASK_STATUS_COMPLETED


@pytest.fixture
def fleet(world: World, anna: Person) -> Fleet:
    return Fleet(world, anna)


async def made(fleet: Fleet, *rules: str) -> Item:
    item = Item(summary=item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_TASK, subject="Water the plants"))
    item.summary.task.due.CopyFrom(CalendarTime(local="2026-03-02"))
    item.summary.task.recurrence.rules.extend(rules)
    return await fleet.world.create(fleet.person, item)


async def devices(fleet: Fleet) -> tuple[Device, Device]:
    one, two = fleet.device(), fleet.device()
    await one.see()
    await two.see()
    return one, two


def completing(device: Device, item_id: bytes, occurrence: int = 0, *, at: float = 0, fail: bool = False) -> SyncOperation:
    return device.operation(at=at, fail=fail, complete_task=CompleteTaskRequest(item_id=item_id, occurrence=occurrence))


def progress(device: Device, item_id: bytes, percent: int, *, at: float) -> SyncOperation:
    item = Item(id=item_id)
    item.summary.task.percent_complete = percent
    item.summary.task.status = DONE if percent == 100 else TaskStatus.TASK_STATUS_IN_PROGRESS
    return device.edit(item, "summary.task.percent_complete", at=at)


async def test_two_devices_complete_the_same_occurrence_and_it_is_completed_once(fleet: Fleet) -> None:
    item = await made(fleet, "FREQ=DAILY")
    one, two = await devices(fleet)
    first = await one.do(completing(one, item.id, at=-60))
    assert (first.outcome, first.copies[0].item_id) == (APPLIED, task_series.copy_id(item.id, 0))
    second = await two.do(completing(two, item.id, at=-30))
    assert (second.outcome, list(second.copies)) == (MERGED, [])
    assert second.item.summary.task.due.local == "2026-03-03"
    copy = await fleet.world.get(fleet.person, first.copies[0].item_id)
    assert copy.summary.task.completed.ToMicroseconds() == fleet.world.clock.now - 60_000_000
    after = await two.do(completing(two, item.id, 1))
    assert (after.outcome, after.item.summary.task.occurrence) == (APPLIED, 2)
    assert await fleet.conflicts() == []


async def test_who_wants_to_hear_of_it_is_told_that_it_was_completed(fleet: Fleet) -> None:
    item = await made(fleet, "FREQ=DAILY")
    one, two = await devices(fleet)
    await one.do(completing(one, item.id))
    assert reason(await two.do(completing(two, item.id, fail=True))) == "STALE_ETAG"
    assert reason(await two.do(completing(two, item.id, 5))) == "OCCURRENCE_UNKNOWN"


async def test_an_edit_of_the_completed_occurrence_does_not_hit_the_next(fleet: Fleet) -> None:
    item = await made(fleet, "FREQ=DAILY")
    one, two = await devices(fleet)
    await one.do(completing(one, item.id, at=-60))
    late = await two.do(progress(two, item.id, 50, at=-30))
    assert (late.outcome, list(late.lost_units)) == (CONFLICT, ["progress"])
    moved = Item(id=item.id)
    moved.summary.task.due.CopyFrom(CalendarTime(local="2026-03-02"))
    moved.summary.task.recurrence.rules.append("FREQ=DAILY")
    assert (await two.do(two.edit(moved, "summary.task.due", at=-20))).outcome == CONFLICT
    renamed = await two.do(two.rename(item.id, "Feed the cat", at=-10))
    assert (renamed.outcome, renamed.item.summary.task.due.local) == (MERGED, "2026-03-03")
    await two.see()
    seen = await two.do(progress(two, item.id, 50, at=0))
    assert (seen.outcome, seen.item.summary.task.percent_complete) == (APPLIED, 50)


async def test_completing_a_single_task_is_an_edit_of_its_progress(fleet: Fleet) -> None:
    item = await made(fleet)
    one, two = await devices(fleet)
    await one.do(progress(one, item.id, 50, at=-10))
    earlier = await two.do(completing(two, item.id, at=-60))
    assert (earlier.outcome, list(earlier.lost_units)) == (CONFLICT, ["progress"])
    later = await two.do(completing(two, item.id, at=-5))
    assert (later.outcome, later.item.summary.task.status) == (CONFLICT, DONE)
    again = await one.do(completing(one, item.id, at=-2))
    assert (again.outcome, again.item.revision) == (MERGED, later.item.revision)


async def test_an_edit_does_not_complete_a_series(fleet: Fleet) -> None:
    item = await made(fleet, "FREQ=DAILY")
    one, two = await devices(fleet)
    refused = await one.do(progress(one, item.id, 100, at=0))
    assert (refused.outcome, reason(refused)) == (REJECTED, "TASK_RECURS")
    await one.do(one.rename(item.id, "Feed the cat"))
    kept = await two.do(progress(two, item.id, 100, at=0))
    assert (kept.outcome, list(kept.lost_units)) == (CONFLICT, ["progress"])


async def test_the_copy_has_the_attachments_too(fleet: Fleet) -> None:
    item = await made(fleet, "FREQ=DAILY")
    one, _ = await devices(fleet)
    upload = item_pb2.Attachment(name="plan.txt", upload_id=await fleet.upload(b"every pot"))
    await one.do(one.edit(Item(id=item.id), lists=ListEdits(add_attachments=[upload])))
    answer = await one.do(completing(one, item.id))
    for item_id in (item.id, answer.copies[0].item_id):
        [attachment] = (await fleet.world.get(fleet.person, item_id)).content.attachments
        assert (attachment.name, attachment.size_bytes) == ("plan.txt", 9)
        contents, blobs = await fleet.versions(item_id)
        assert contents == blobs == [answer.revision]
    await fleet.world.check_counters(fleet.person)


async def test_a_deleted_task_is_missing(fleet: Fleet) -> None:
    item = await made(fleet, "FREQ=DAILY")
    one, _ = await devices(fleet)
    await fleet.world.delete(fleet.person, [item.id], item_service_pb2.DELETE_MODE_PERMANENT)
    answer = await one.do(completing(one, item.id))
    assert (answer.outcome, list(answer.missing_ids)) == (APPLIED, [item.id])


async def test_a_newer_version_that_comes_back_brings_how_far_the_series_had_come(fleet: Fleet) -> None:
    item = await made(fleet, "FREQ=DAILY")
    one, _ = await devices(fleet)
    newer = await fleet.world.get(fleet.person, item.id)
    newer.summary.task.due.local, newer.summary.task.occurrence = "2026-03-05", 3
    newer.revision = item.revision + 1_000
    creation = item_service_pb2.CreateItemRequest(item=newer)
    back = await one.do(one.operation(create_item=creation))
    assert (back.outcome, back.item.summary.task.occurrence, back.item.summary.task.due.local) == (MERGED, 3, "2026-03-05")
    again = await one.do(completing(one, item.id, 2))
    assert (again.outcome, again.item.summary.task.due.local) == (MERGED, "2026-03-05")
