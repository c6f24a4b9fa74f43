"""Watch: reminders as they become due, each once, and no look at the database while nothing happens."""

from __future__ import annotations

import asyncio
import datetime as dt
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, event

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1 import sync_service_pb2 as messages
from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.item_pb2 import Item, ReminderMarks
from rookery_core.rules import reminder_marks
from rookery_server.services import access
from rookery_server.services.reminders.watching import Look, WatchedReminders
from rookery_server.services.sync.watch import WatchService
from tests.support.databases import ON_BOTH, sqlite_unless_asked

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from sqlalchemy import Connection

    from rookery.v1.reminder_service_pb2 import Reminder
    from rookery_server.services.sync.followers import Followers
    from tests.support.world import Person, World

SECOND = 1_000_000

__all__ = ["sqlite_unless_asked"]

DAY = 86_400 * SECOND
SOON = 50_000
"""Microseconds. The clock of these tests stands still; the streams' timers do not, and look at it when they ring."""
NOW = int(dt.datetime(2026, 3, 28, 12, tzinfo=dt.UTC).timestamp()) * SECOND
"""The day before the clocks change in Berlin."""


@pytest.fixture
def service(world: World, followers: Followers) -> WatchService:
    world.clock.now = NOW
    return WatchService(world.database, followers, world.clock, heartbeat_seconds=60)


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """The statements that were run through SQLAlchemy."""
    found: list[str] = []

    def note(*call: object) -> None:
        found.append(str(call[2]))

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


def watch(service: WatchService, person: Person) -> AsyncGenerator[messages.WatchResponse]:
    return service.watch(person.caller, messages.WatchRequest())  # type: ignore[return-value]


async def told(stream: AsyncGenerator[messages.WatchResponse]) -> list[Reminder]:
    """The reminders of the next response that has some."""
    while True:
        response = await asyncio.wait_for(anext(stream), 10)
        if response.due_reminders:
            return list(response.due_reminders)


async def subjects(stream: AsyncGenerator[messages.WatchResponse]) -> list[str]:
    return [reminder.subject for reminder in await told(stream)]


async def task(world: World, person: Person, subject: str, reminder: int) -> Item:
    record = Item(summary=item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_TASK, subject=subject))
    record.summary.task.reminder.FromMicroseconds(reminder)
    return await world.create(person, record)


async def mark(world: World, person: Person, item_id: bytes, marks: ReminderMarks) -> None:
    request = item_service_pb2.SetItemStateRequest(operation_id=world.ids.new(), item_ids=[item_id], reminder=marks)
    await world.marks.set_item_state(person.caller, request)


async def move(world: World, person: Person, item_id: bytes, folder_id: bytes) -> None:
    request = item_service_pb2.MoveItemsRequest(operation_id=world.ids.new(), item_ids=[item_id], folder_id=folder_id)
    await world.places.move_items(person.caller, request)


@ON_BOTH
async def test_what_is_due_is_told_at_once_and_what_becomes_due_then(world: World, anna: Person, service: WatchService) -> None:
    await task(world, anna, "Later", NOW + DAY)
    await task(world, anna, "Soon", NOW + SOON)
    await task(world, anna, "Yesterday", NOW - DAY)
    await task(world, anna, "Now", NOW)
    async with aclosing(watch(service, anna)) as stream:
        assert await subjects(stream) == ["Yesterday", "Now"]
        world.clock.now += SOON
        assert await subjects(stream) == ["Soon"]
        world.clock.now += DAY
        await world.folder(anna, "Something else")
        assert await subjects(stream) == ["Later"]


async def test_each_is_told_once_in_a_stream_unless_it_is_put_off(world: World, anna: Person, service: WatchService) -> None:
    item = await task(world, anna, "Taxes", NOW - DAY)
    async with aclosing(watch(service, anna)) as stream:
        [reminder] = await told(stream)
        request = item_service_pb2.SetItemStateRequest(operation_id=world.ids.new(), item_ids=[item.id], add_categories=["Money"])
        await world.marks.set_item_state(anna.caller, request)
        await mark(world, anna, item.id, reminder_marks.put_off(reminder, NOW + SOON))
        assert not (await asyncio.wait_for(anext(stream), 10)).due_reminders
        world.clock.now += SOON
        [again] = await told(stream)
        assert (again.signal, again.due.ToMicroseconds()) == (reminder.signal, NOW + SOON)
        await task(world, anna, "Other", NOW - DAY)
        assert await subjects(stream) == ["Other"]
    async with aclosing(watch(service, anna)) as stream:
        assert await subjects(stream) == ["Other", "Taxes"]  # another stream knows nothing of the first


async def test_a_series_goes_on_although_nobody_dismisses(world: World, anna: Person, service: WatchService) -> None:
    record = Item(summary=item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_APPOINTMENT, subject="Standup"))
    appointment = record.summary.appointment
    appointment.reminder_minutes = 15
    appointment.start.CopyFrom(CalendarTime(local="2026-03-28T09:00:00", time_zone="Europe/Berlin"))
    appointment.end.CopyFrom(CalendarTime(local="2026-03-28T14:00:00", time_zone="Europe/Berlin"))
    appointment.recurrence.rules.append("FREQ=DAILY")
    item = await world.create(anna, record)
    async with aclosing(watch(service, anna)) as stream:
        times = [f"{reminder.due.ToDatetime():%d %H:%M}" for reminder in await told(stream)]
        for _ in range(2):
            world.clock.now += DAY
            await world.folder(anna, f"Something else {world.clock.now}")
            times += [f"{reminder.due.ToDatetime():%d %H:%M}" for reminder in await told(stream)]
        assert times == ["28 07:45", "29 06:45", "30 06:45"]  # by the wall clock, whatever it does
        last = ReminderMarks()
        last.dismissed_through.FromMicroseconds(world.clock.now + SOON)
        await mark(world, anna, item.id, last)
        world.clock.now += DAY
        await task(world, anna, "Taxes", world.clock.now)
        assert await subjects(stream) == ["Standup", "Taxes"]


async def test_what_was_dismissed_done_or_thrown_away_before_is_not_told(world: World, anna: Person, service: WatchService) -> None:
    dismissed, deleted, thrown = [await task(world, anna, name, NOW + SOON) for name in ("Dismissed", "Deleted", "Thrown away")]
    async with aclosing(watch(service, anna)) as stream:
        await asyncio.wait_for(anext(stream), 10)
        marks = ReminderMarks()
        marks.dismissed_through.FromMicroseconds(NOW + SOON)
        await mark(world, anna, dismissed.id, marks)
        await world.delete(anna, [deleted.id], item_service_pb2.DELETE_MODE_PERMANENT)
        await move(world, anna, thrown.id, await world.folder_of(anna, folder_pb2.FOLDER_ROLE_DELETED))
        await task(world, anna, "Left", NOW + SOON)
        world.clock.now += SOON
        assert await subjects(stream) == ["Left"]


async def test_a_folder_that_comes_back_brings_its_reminders(world: World, anna: Person, service: WatchService) -> None:
    deleted = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_DELETED)
    folder = await world.folder(anna, "Old", deleted)
    item = await task(world, anna, "Taxes", NOW - DAY)
    await move(world, anna, item.id, folder.id)
    async with aclosing(watch(service, anna)) as stream:
        assert not (await asyncio.wait_for(anext(stream), 10)).due_reminders
        folder.ClearField("parent_id")
        request = folder_pb2.UpdateFolderRequest(operation_id=world.ids.new(), folder=folder)
        request.update_mask.paths.append("parent_id")
        await world.folders.update_folder(anna.caller, request)
        assert await subjects(stream) == ["Taxes"]


@ON_BOTH
async def test_many_come_in_several_responses_and_all_of_them(world: World, anna: Person, service: WatchService) -> None:
    source = await task(world, anna, "Source", NOW - DAY)
    inbox = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_INBOX)

    async def copy(count: int) -> None:
        for begin in range(0, count, 100):
            new = [world.ids.new() for _ in range(min(100, count - begin))]
            for new_id in new:
                request = item_service_pb2.CopyItemsRequest(operation_id=world.ids.new(), item_ids=[source.id], folder_id=inbox)
                request.new_ids.append(new_id)
                await world.places.copy_items(anna.caller, request)

    await copy(120)
    async with aclosing(watch(service, anna)) as stream:
        found = [await told(stream) for _ in range(2)]
        assert [len(each) for each in found] == [100, 21]
        await copy(5)
        ids = {reminder.item_id for each in found for reminder in each}
        while len(ids) < 126:
            more = await told(stream)
            assert not ids & {reminder.item_id for reminder in more}
            ids |= {reminder.item_id for reminder in more}


async def test_idle_streams_cost_the_database_nothing(world: World, anna: Person, service: WatchService, asked: list[str]) -> None:
    await task(world, anna, "Yesterday", NOW - DAY)
    await task(world, anna, "Soon", NOW + 4 * SOON)
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(aclosing(watch(service, anna))) for _ in range(100)]
        for stream in streams:
            assert await subjects(stream) == ["Yesterday"]
        waiting = [asyncio.ensure_future(told(stream)) for stream in streams]
        await asyncio.sleep(0.01)
        asked.clear()
        await asyncio.sleep(2 * SOON / SECOND)
        assert asked == []
        world.clock.now += 4 * SOON
        for found in await asyncio.gather(*waiting):
            assert [reminder.subject for reminder in found] == ["Soon"]


async def test_a_change_elsewhere_looks_at_no_reminder_again(world: World, anna: Person) -> None:
    items = [await task(world, anna, f"Overdue {number}", NOW - DAY) for number in range(20)]
    watched = WatchedReminders()

    async def look() -> set[bytes]:
        def work(connection: Connection) -> Look:
            return watched.look(connection, access.open_mailbox(connection, anna.caller, b""), NOW)

        found = await world.database.read(work)
        watched.take(found)
        return found.looked_at

    assert await look() == {item.id for item in items}
    await world.folder(anna, "Something else")
    assert await look() == set()
    await mark(world, anna, items[7].id, ReminderMarks(dismissed_through=items[7].summary.task.reminder))
    assert await look() <= {items[7].id}
