"""CompleteTask and ListTasks, on both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2, task_service_pb2
from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.item_pb2 import Item
from rookery.v1.task_pb2 import TaskStatus
from rookery.v1.task_service_pb2 import TaskSelection
from rookery_core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from rookery_core.rules import task_series
from rookery_server.services.page_tokens import PageTokens
from rookery_server.services.tasks.tasks import TaskService
from rookery_server.store.tables import NO_TIME
from rookery_server.store.tables import item as item_table

if TYPE_CHECKING:
    from tests.support.world import Person, World

DONE, NEW = TaskStatus.TASK_STATUS_COMPLETED, TaskStatus.TASK_STATUS_NOT_STARTED
DAY = 86_400_000_000


@pytest.fixture
def tasks(world: World) -> TaskService:
    return TaskService(world.database, world.operations, PageTokens(b"k" * 32), wake=world.wake)


async def made(world: World, person: Person, subject: str, due: str = "", *rules: str, **summary: Any) -> Item:
    record = Item()
    record.summary.CopyFrom(item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_TASK, subject=subject, **summary))
    record.content.body.text = f"How to: {subject}"
    record.summary.task.SetInParent()
    if due:
        record.summary.task.due.CopyFrom(CalendarTime(local=due))
    record.summary.task.recurrence.rules.extend(rules)
    return await world.create(person, record)


async def complete(
    tasks: TaskService, world: World, person: Person, item_id: bytes, occurrence: int = 0, **fields: Any
) -> task_service_pb2.CompleteTaskResponse:
    request = task_service_pb2.CompleteTaskRequest(operation_id=world.ids.new(), item_id=item_id, occurrence=occurrence, **fields)
    return task_service_pb2.CompleteTaskResponse.FromString(await tasks.complete_task(person.caller, request))


async def listed(tasks: TaskService, person: Person, **fields: Any) -> list[str]:
    """The subjects of the list, page by page."""
    found: list[str] = []
    token = ""
    while True:
        request = task_service_pb2.ListTasksRequest(page_token=token, **fields)
        page = task_service_pb2.ListTasksResponse.FromString(await tasks.list_tasks(person.caller, request))
        found += [item.summary.subject for item in page.items]
        token = page.next_page_token
        if not token:
            return found


async def test_completing_a_series_leaves_a_copy_and_moves_the_task_on(world: World, tasks: TaskService, anna: Person) -> None:
    item = await made(world, anna, "Water the plants", "2026-03-02", "FREQ=WEEKLY;COUNT=2")
    first = await complete(tasks, world, anna, item.id)
    assert (first.item.id, first.item.summary.task.due.local) == (item.id, "2026-03-09")
    assert (first.item.summary.task.status, first.item.summary.task.occurrence) == (NEW, 1)
    copy = await world.get(anna, first.completed_copy.id)
    assert (copy.id, copy.folder_id) == (task_series.copy_id(item.id, 0), item.folder_id)
    assert (copy.summary.task.status, copy.summary.task.due.local) == (DONE, "2026-03-02")
    assert copy.summary.task.completed.ToMicroseconds() == world.clock.now
    assert copy.content.body.text == "How to: Water the plants"
    assert not task_series.recurs(copy.summary.task)
    last = await complete(tasks, world, anna, item.id, 1)
    assert (last.item.summary.task.status, last.HasField("completed_copy")) == (DONE, False)
    await world.check_counters(anna)


async def test_an_occurrence_is_completed_once(world: World, tasks: TaskService, anna: Person) -> None:
    item = await made(world, anna, "Water the plants", "2026-03-02", "FREQ=DAILY")
    first = await complete(tasks, world, anna, item.id)
    again = await complete(tasks, world, anna, item.id)
    assert again.item.summary.task.due.local == "2026-03-03"
    assert (again.revision, again.HasField("completed_copy")) == (first.revision, False)
    with pytest.raises(FailedPrecondition) as refused:
        await complete(tasks, world, anna, item.id, 2)
    assert refused.value.reason == "OCCURRENCE_UNKNOWN"
    assert await listed(tasks, anna, selection=TaskSelection.TASK_SELECTION_ALL) == ["Water the plants"] * 2


async def test_a_repeated_call_gets_the_first_answer(world: World, tasks: TaskService, anna: Person) -> None:
    item = await made(world, anna, "Water the plants", "2026-03-02", "FREQ=DAILY")
    request = task_service_pb2.CompleteTaskRequest(operation_id=world.ids.new(), item_id=item.id)
    first = await tasks.complete_task(anna.caller, request)
    assert await tasks.complete_task(anna.caller, request) == first


async def test_a_single_task_is_completed_itself(world: World, tasks: TaskService, anna: Person) -> None:
    item = await made(world, anna, "Buy milk")
    done = await complete(tasks, world, anna, item.id)
    task = done.item.summary.task
    assert (task.status, task.percent_complete, task.occurrence) == (DONE, 100, 0)
    assert (await complete(tasks, world, anna, item.id)).revision == done.revision


async def test_nobody_is_reminded_of_a_completed_task_but_the_time_is_kept(world: World, tasks: TaskService, anna: Person) -> None:
    async def reminder() -> int:
        statement = select(item_table.c.reminder).where(item_table.c.id == item.id)
        return await world.database.read(lambda connection: connection.execute(statement).scalar_one())

    item = await made(world, anna, "Buy milk")
    at = world.clock.now + 3_600_000_000
    request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=Item(id=item.id))
    request.item.summary.task.reminder.FromMicroseconds(at)
    request.update_mask.paths.append("summary.task.reminder")
    await world.editing.update_item(anna.caller, request)
    assert await reminder() == at
    done = await complete(tasks, world, anna, item.id)
    assert (await reminder(), done.item.summary.task.reminder.ToMicroseconds()) == (NO_TIME, at)


async def test_a_completion_to_come_counts_as_now(world: World, tasks: TaskService, anna: Person) -> None:
    item = await made(world, anna, "Buy milk")
    done = await complete(tasks, world, anna, item.id, completed={"seconds": 9_000_000_000})
    assert done.item.summary.task.completed.ToMicroseconds() == world.clock.now


async def test_a_copy_is_as_important_and_as_big(world: World, tasks: TaskService, anna: Person) -> None:
    item = await made(world, anna, "Pay the rent", "2026-03-02", "FREQ=MONTHLY", importance=item_pb2.IMPORTANCE_HIGH)
    done = await complete(tasks, world, anna, item.id)
    assert done.completed_copy.summary.importance == item_pb2.IMPORTANCE_HIGH
    assert done.completed_copy.summary.size_bytes == item.summary.size_bytes
    await world.check_counters(anna)


async def test_what_is_no_task_or_is_deleted_is_not_completed(world: World, tasks: TaskService, anna: Person) -> None:
    mail = await world.item(anna, await world.folder_of(anna, folder_pb2.FOLDER_ROLE_INBOX))
    gone = await made(world, anna, "Gone")
    await world.delete(anna, [gone.id], item_service_pb2.DELETE_MODE_RECOVERABLE)
    for item_id, reason in ((mail.id, "NOT_A_TASK"), (gone.id, "ITEM_NOT_LIVE")):
        with pytest.raises(FailedPrecondition) as refused:
            await complete(tasks, world, anna, item_id)
        assert refused.value.reason == reason
    with pytest.raises(NotFound):
        await complete(tasks, world, anna, world.ids.new())


async def test_an_update_makes_a_task_agree_with_itself_but_completes_no_series(world: World, anna: Person) -> None:
    single, series = await made(world, anna, "Single"), await made(world, anna, "Series", "2026-03-02", "FREQ=DAILY")

    async def update(item_id: bytes) -> Item:
        request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=Item(id=item_id))
        request.item.summary.task.percent_complete = 100
        request.update_mask.paths.append("summary.task.percent_complete")
        return item_service_pb2.UpdateItemResponse.FromString(await world.editing.update_item(anna.caller, request)).item

    task = (await update(single.id)).summary.task
    assert (task.status, task.completed.ToMicroseconds()) == (DONE, world.clock.now)
    with pytest.raises(InvalidArgument) as refused:
        await update(series.id)
    assert refused.value.reason == "TASK_RECURS"


async def test_a_new_task_agrees_with_itself_and_regenerates_by_an_interval_alone(world: World, anna: Person) -> None:
    record = Item(summary={"kind": item_pb2.ITEM_KIND_TASK})  # type: ignore[arg-type]  # protobuf takes dicts
    record.summary.task.percent_complete = 40
    assert (await world.create(anna, record)).summary.task.status == TaskStatus.TASK_STATUS_IN_PROGRESS
    record.summary.task.regenerating = True
    record.summary.task.recurrence.rules.append("FREQ=WEEKLY;BYDAY=MO")
    with pytest.raises(InvalidArgument):
        await world.create(anna, record)


async def test_a_copy_that_came_back_by_itself_is_not_made_twice(world: World, tasks: TaskService, anna: Person) -> None:
    item = await made(world, anna, "Water the plants", "2026-03-02", "FREQ=DAILY")
    back = Item(id=task_series.copy_id(item.id, 0))
    back.summary.CopyFrom(item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_TASK, subject="Brought back"))
    await world.create(anna, back)
    done = await complete(tasks, world, anna, item.id)
    assert (done.item.summary.task.occurrence, done.HasField("completed_copy")) == (1, False)
    with pytest.raises(AlreadyExists):
        await world.create(anna, back)


async def test_the_list_goes_by_due_time_then_importance_and_what_has_none_comes_last(
    world: World, tasks: TaskService, anna: Person
) -> None:
    inbox = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_INBOX)
    await made(world, anna, "without")
    await made(world, anna, "second", "2026-03-02")
    await made(world, anna, "first", "2026-03-02", importance=item_pb2.IMPORTANCE_HIGH)
    await made(world, anna, "zeroth", "2026-03-01T23:00:00")
    await made(world, anna, "earliest", "2026-03-01")
    flagged = await world.item(anna, inbox, "a letter")
    plain = await world.item(anna, inbox, "another letter")
    trash = await world.folder(anna, "Old", await world.folder_of(anna, folder_pb2.FOLDER_ROLE_DELETED))
    gone = await made(world, anna, "in the bin", "2026-03-01")
    move = item_service_pb2.MoveItemsRequest(operation_id=world.ids.new(), item_ids=[gone.id], folder_id=trash.id)
    await world.places.move_items(anna.caller, move)
    everything = await listed(tasks, anna)
    assert everything == ["earliest", "zeroth", "first", "second", "without"]
    mark = item_service_pb2.SetItemStateRequest(operation_id=world.ids.new(), item_ids=[flagged.id])
    mark.follow_up.status = item_pb2.FLAG_STATUS_FLAGGED
    mark.follow_up.due.FromJsonString("2026-03-02T12:00:00Z")
    await world.marks.set_item_state(anna.caller, mark)
    assert plain.summary.subject not in await listed(tasks, anna, include_flagged=True)
    wanted = ["earliest", "zeroth", "first", "second", "a letter", "without"]
    for size in (1, 2, 3, 500):
        assert await listed(tasks, anna, include_flagged=True, page_size=size) == wanted


async def test_what_is_done_leaves_the_list_and_comes_back_when_it_is_asked_for(
    world: World, tasks: TaskService, anna: Person
) -> None:
    items = [await made(world, anna, f"task {number}", f"2026-03-0{number}") for number in range(1, 6)]
    for item in items[1::2]:
        await complete(tasks, world, anna, item.id)
    both = [item.summary.subject for item in items]
    assert await listed(tasks, anna) == both[::2]
    assert await listed(tasks, anna, selection=TaskSelection.TASK_SELECTION_DONE) == both[1::2]
    for size in (1, 2, 0):
        assert await listed(tasks, anna, selection=TaskSelection.TASK_SELECTION_ALL, page_size=size) == both
    window = {"due_from": {"seconds": 1_772_409_600}, "due_before": {"seconds": 1_772_582_400}}  # 2 March to before 4 March
    assert await listed(tasks, anna, selection=TaskSelection.TASK_SELECTION_ALL, **window) == both[1:3]
    with pytest.raises(InvalidArgument):
        await listed(tasks, anna, selection=9)
