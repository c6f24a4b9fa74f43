"""ListReminders and what people do with reminders, on both engines."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, event, select

from rookery.v1 import item_pb2, item_service_pb2
from rookery.v1.availability_service_pb2 import CalendarSettings, WorkingHours
from rookery.v1.calendar_pb2 import CalendarTime, OccurrenceException
from rookery.v1.folder_pb2 import FOLDER_ROLE_DELETED, FOLDER_ROLE_INBOX
from rookery.v1.item_pb2 import Item, ReminderMarks
from rookery.v1.reminder_service_pb2 import ListRemindersRequest, ListRemindersResponse
from rookery.v1.task_pb2 import TaskStatus
from rookery_core.errors import InvalidArgument, NotFound
from rookery_core.rules import reminder_marks
from rookery_server.services.reminders.listing import ReminderService
from rookery_server.services.reminders.mailbox_reminders import reminding
from rookery_server.store import mailboxes
from rookery_server.store.reminders import FIRST, behind
from rookery_server.store.tables import NO_TIME
from rookery_server.store.tables import item as item_table

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery.v1.reminder_service_pb2 import Reminder
    from tests.support.world import Person, World

MINUTE = 60_000_000
DAY = 1440 * MINUTE
NOW = int(dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC).timestamp()) * 1_000_000


@pytest.fixture
def service(world: World) -> ReminderService:
    world.clock.now = NOW
    return ReminderService(world.database, world.clock)


async def appointment(
    world: World, person: Person, subject: str, start: str, *rules: str, minutes: int = 15, **fields: Any
) -> Item:
    """An appointment of an hour in Berlin, or of a day."""
    record = Item(summary=item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_APPOINTMENT, subject=subject))
    found = record.summary.appointment
    found.reminder_minutes = minutes
    found.recurrence.rules.extend(rules)
    begin = dt.datetime.fromisoformat(start)
    if len(start) == len("2026-03-02"):
        found.start.local, found.end.local = start, f"{begin + dt.timedelta(days=1):%Y-%m-%d}"
    else:
        for time, wall in ((found.start, begin), (found.end, begin + dt.timedelta(hours=1))):
            time.CopyFrom(CalendarTime(local=wall.isoformat(), time_zone="Europe/Berlin"))
    for name, value in fields.items():
        getattr(found, name).extend(value)
    return await world.create(person, record)


async def task(world: World, person: Person, subject: str, reminder: int) -> Item:
    record = Item(summary=item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_TASK, subject=subject))
    record.summary.task.reminder.FromMicroseconds(reminder)
    return await world.create(person, record)


async def listed(service: ReminderService, person: Person, days: float | None = None, most: int = 0) -> ListRemindersResponse:
    """What is due, now or in so many days."""
    request = ListRemindersRequest(most=most)
    if days is not None:
        request.until.FromMicroseconds(NOW + round(days * DAY))
    return await service.list_reminders(person.caller, request)


async def subjects(service: ReminderService, person: Person, days: float | None = None, most: int = 0) -> list[str]:
    return [reminder.subject for reminder in (await listed(service, person, days, most)).reminders]


async def mark(world: World, person: Person, item_id: bytes, marks: ReminderMarks) -> int:
    """Marks an item; gives how many were changed."""
    request = item_service_pb2.SetItemStateRequest(operation_id=world.ids.new(), item_ids=[item_id], reminder=marks)
    response = await world.marks.set_item_state(person.caller, request)
    return item_service_pb2.SetItemStateResponse.FromString(response).changed


async def dismiss(world: World, person: Person, reminder: Reminder) -> int:
    return await mark(world, person, reminder.item_id, reminder_marks.dismissed(reminder))


async def edit(world: World, person: Person, item: Item, *paths: str) -> None:
    request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=item)
    request.update_mask.paths.extend(paths)
    await world.editing.update_item(person.caller, request)


async def live_in(world: World, person: Person, zone: str) -> None:
    kept = CalendarSettings(working_hours=WorkingHours(time_zone=zone)).SerializeToString()
    await world.database.write(lambda transaction: mailboxes.set_calendar_settings(transaction.connection, person.number, kept))


async def bound(world: World, person: Person, item_id: bytes) -> int:
    """The time before which the item is not looked at."""
    statement = select(item_table.c.reminder).where(item_table.c.mailbox_id == person.number, item_table.c.id == item_id)
    return await world.database.read(lambda connection: int(connection.execute(statement).scalar_one()))


async def test_what_is_due_is_listed_by_its_time(world: World, service: ReminderService, anna: Person, ben: Person) -> None:
    await appointment(world, anna, "Lunch", "2026-03-02T12:00:00")
    await appointment(world, anna, "Standup", "2026-02-02T09:00:00", "FREQ=DAILY")
    await task(world, anna, "Taxes", NOW - DAY)
    mail = await world.item(anna, await world.folder_of(anna, FOLDER_ROLE_INBOX), "Offer")
    flag = item_pb2.FollowUp(status=item_pb2.FLAG_STATUS_FLAGGED)
    flag.reminder.FromMicroseconds(NOW + MINUTE)
    request = item_service_pb2.SetItemStateRequest(operation_id=world.ids.new(), item_ids=[mail.id], follow_up=flag)
    await world.marks.set_item_state(anna.caller, request)
    assert await subjects(service, anna) == ["Taxes"]
    assert await subjects(service, anna, 1) == ["Taxes", "Offer", "Standup", "Lunch"]
    found = await listed(service, anna, 1, most=2)
    assert ([each.subject for each in found.reminders], found.more) == (["Taxes", "Offer"], True)
    assert found.next_due.ToMicroseconds() == int(dt.datetime(2026, 3, 2, 7, 45, tzinfo=dt.UTC).timestamp()) * 1_000_000
    assert (await listed(service, anna)).next_due.ToMicroseconds() == NOW + MINUTE
    assert not (await listed(service, ben, 400)).reminders


async def test_the_time_of_the_next_one_is_told(world: World, service: ReminderService, anna: Person) -> None:
    assert not (await listed(service, anna)).HasField("next_due")
    await task(world, anna, "In two years", NOW + 800 * DAY)
    assert not (await listed(service, anna)).HasField("next_due")
    await appointment(world, anna, "Standup", "2026-02-02T09:00:00", "FREQ=DAILY")
    assert (await listed(service, anna)).next_due.ToDatetime() == dt.datetime(2026, 3, 2, 7, 45)  # noqa: DTZ001
    for days in range(1, 4):
        found = await listed(service, anna, days)
        assert [f"{each.due.ToDatetime():%d %H:%M}" for each in found.reminders] == ["02 07:45"]
        assert found.next_due.ToDatetime() == dt.datetime(2026, 3, days + 2, 7, 45)  # noqa: DTZ001


async def test_dismissing_is_a_mark_that_leaves_the_content_alone(world: World, service: ReminderService, anna: Person) -> None:
    item = await appointment(world, anna, "Standup", "2026-03-01T09:00:00", "FREQ=DAILY")
    before = await world.get(anna, item.id)
    [first] = (await listed(service, anna, 2)).reminders
    assert await dismiss(world, anna, first) == 1
    assert await dismiss(world, anna, first) == 0  # once more is no new revision
    after = await world.get(anna, item.id)
    assert (after.content_revision, after.summary, after.content) == (before.content_revision, before.summary, before.content)
    assert after.revision == before.revision + 1
    [second] = (await listed(service, anna, 2)).reminders
    assert (first.original_start.local, second.original_start.local) == ("2026-03-02T09:00:00", "2026-03-03T09:00:00")
    assert await bound(world, anna, item.id) == second.signal.ToMicroseconds()


async def test_putting_off_shows_it_again_then(world: World, service: ReminderService, anna: Person) -> None:
    await task(world, anna, "Taxes", NOW - DAY)
    [reminder] = (await listed(service, anna)).reminders
    await mark(world, anna, reminder.item_id, reminder_marks.put_off(reminder, NOW + 10 * MINUTE))
    found = await listed(service, anna)
    assert (list(found.reminders), found.next_due.ToMicroseconds()) == ([], NOW + 10 * MINUTE)
    world.clock.advance(seconds=600)
    assert await subjects(service, anna) == ["Taxes"]


async def test_a_meeting_that_is_moved_after_it_was_put_off_is_told_in_time(
    world: World, service: ReminderService, anna: Person
) -> None:
    item = await appointment(world, anna, "Review", "2026-03-01T13:05:00")
    [reminder] = (await listed(service, anna)).reminders
    await mark(world, anna, item.id, reminder_marks.put_off(reminder, NOW + DAY))
    assert await subjects(service, anna) == []
    for time in (item.summary.appointment.start, item.summary.appointment.end):
        time.local = "2026-03-01T15:00:00"
    await edit(world, anna, item, "summary.appointment.start", "summary.appointment.end")
    assert (await listed(service, anna)).next_due.ToDatetime() == dt.datetime(2026, 3, 1, 13, 45)  # noqa: DTZ001


async def test_an_occurrence_that_is_moved_is_told_at_its_new_time(world: World, service: ReminderService, anna: Person) -> None:
    moved = OccurrenceException(original_start=CalendarTime(local="2026-03-04T09:00:00", time_zone="Europe/Berlin"))
    moved.start.CopyFrom(CalendarTime(local="2026-03-01T14:00:00", time_zone="Europe/Berlin"))
    moved.end.CopyFrom(moved.start)
    await appointment(world, anna, "Standup", "2026-03-02T09:00:00", "FREQ=DAILY;COUNT=3", exceptions=[moved])
    told = []
    while found := (await listed(service, anna, 30)).reminders:
        told.append(found[0].original_start.local[8:10])
        await dismiss(world, anna, found[0])
    assert told == ["04", "02", "03"]


async def test_what_is_done_or_thrown_away_is_not_told(world: World, service: ReminderService, anna: Person) -> None:
    items = [await task(world, anna, name, NOW - DAY) for name in ("Done", "Thrown away", "Below", "Deleted", "Left")]
    items[0].summary.task.status = TaskStatus.TASK_STATUS_COMPLETED
    await edit(world, anna, items[0], "summary.task.status")
    assert await bound(world, anna, items[0].id) == NO_TIME
    deleted = await world.folder_of(anna, FOLDER_ROLE_DELETED)
    below = (await world.folder(anna, "Old", deleted)).id
    for item, folder_id in ((items[1], deleted), (items[2], below)):
        request = item_service_pb2.MoveItemsRequest(operation_id=world.ids.new(), item_ids=[item.id], folder_id=folder_id)
        await world.places.move_items(anna.caller, request)
    await world.delete(anna, [items[3].id], item_service_pb2.DELETE_MODE_RECOVERABLE)
    assert await subjects(service, anna, 1) == ["Left"]


async def test_days_begin_in_the_owners_zone(world: World, service: ReminderService, anna: Person) -> None:
    birthday = await appointment(world, anna, "Birthday", "1980-03-02", "FREQ=YEARLY", minutes=0)

    async def begins() -> str:
        [reminder] = (await listed(service, anna, 2)).reminders
        return f"{reminder.due.ToDatetime():%d %H:%M}"

    assert await begins() == "02 00:00"
    for zone, expected in (("Pacific/Auckland", "01 11:00"), ("America/New_York", "02 05:00")):
        await live_in(world, anna, zone)
        assert await begins() == expected
    [reminder] = (await listed(service, anna, 2)).reminders
    await dismiss(world, anna, reminder)
    assert await bound(world, anna, birthday.id) > NOW + 300 * DAY  # it is not looked at before next year


async def test_the_later_dismissal_stays_in_whichever_order_two_devices_come(
    world: World, service: ReminderService, anna: Person
) -> None:
    item = await appointment(world, anna, "Standup", "2026-02-27T09:00:00", "FREQ=DAILY")
    [reminder] = (await listed(service, anna, 2)).reminders
    later, earlier = ReminderMarks(), ReminderMarks()
    later.dismissed_through.FromMicroseconds(NOW + 10 * DAY)
    earlier.dismissed_through.CopyFrom(reminder.signal)
    assert await mark(world, anna, item.id, later) == 1
    assert await mark(world, anna, item.id, earlier) == 0
    assert (await world.get(anna, item.id)).state.reminder == later


async def test_an_item_may_come_with_marks(world: World, service: ReminderService, anna: Person) -> None:
    record = Item(summary=item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_TASK, subject="Taxes"))
    record.summary.task.reminder.FromMicroseconds(NOW - DAY)
    record.state.reminder.dismissed_through.FromMicroseconds(NOW)
    await world.create(anna, record)
    assert await subjects(service, anna) == []
    record.state.reminder.dismissed_through.nanos = -1
    with pytest.raises(InvalidArgument):
        await world.create(anna, record)


async def test_what_can_not_be_asked_is_refused(world: World, service: ReminderService, anna: Person, ben: Person) -> None:
    for days, most, reason in ((401, 0, "FIELD_INVALID"), (None, 501, "LIMIT_EXCEEDED")):
        with pytest.raises(InvalidArgument) as refused:
            await listed(service, anna, days, most)
        assert refused.value.reason == reason
    with pytest.raises(NotFound):
        await service.list_reminders(ben.caller, ListRemindersRequest(mailbox_id=anna.mailbox))
    request = item_service_pb2.SetItemStateRequest(operation_id=world.ids.new(), item_ids=[world.ids.new()])
    request.reminder.snoozed_signal.seconds = 1
    with pytest.raises(InvalidArgument) as refused:
        await world.marks.set_item_state(anna.caller, request)
    assert refused.value.field == "reminder.snoozed_until"


async def test_ten_thousand_items_cost_a_handful_of_statements(world: World, service: ReminderService, anna: Person) -> None:
    source = await task(world, anna, "Source", NOW - DAY)

    def many(connection: Connection) -> None:
        [row] = connection.execute(select(item_table).where(item_table.c.id == source.id)).mappings()
        rows = []
        for number in range(10_000):
            record = Item()
            record.summary.MergeFromString(row["summary"])
            at = NOW + (number - 200) * MINUTE
            record.summary.task.reminder.FromMicroseconds(at)
            changes = {"id": number.to_bytes(16, "big"), "uid": number + 2, "reminder": at}
            rows.append({**row, **changes, "summary": record.summary.SerializeToString()})
        connection.execute(item_table.insert(), rows)

    await world.database.write(lambda transaction: many(transaction.connection))
    asked: list[str] = []

    def note(*call: Any) -> None:
        asked.append(call[2])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        first, whole = await listed(service, anna, most=50), await listed(service, anna, most=500)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert (len(first.reminders), first.more) == (50, True)
    assert (len(whole.reminders), whole.more, whole.next_due.ToMicroseconds()) == (202, False, NOW + MINUTE)
    assert len([each for each in asked if "item.reminder" in each]) == 3  # 200 items at a time


async def test_items_are_looked_up_by_an_index(world: World, anna: Person) -> None:
    def plans(connection: Connection) -> list[str]:
        asked: list[tuple[str, Any]] = []
        event.listen(connection, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
        items = reminding(connection, anna.number)
        asked.clear()
        items.by_time(NOW, FIRST, 10)
        items.next(NOW)
        items.changed(NOW, behind(5), 10)
        return [
            "\n".join(row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))
            for statement, parameters in list(asked)
        ]

    if world.database.dialect == "sqlite":  # PostgreSQL's plans depend on how much there is
        by_time, following, changed = await world.database.read(plans)
        assert "USING INDEX ix_item_reminder" in by_time and "TEMP B-TREE FOR ORDER BY" not in by_time
        assert "USING INDEX ix_item_reminder" in following and "TEMP B-TREE" not in following
        assert "USING INDEX ix_item_revision" in changed
