"""Calendars laid out by the server: pages, windows, zones, what is left out, and bounds."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1.calendar_pb2 import AppointmentSummary, CalendarTime, OccurrenceException, Recurrence
from rookery.v1.calendar_service_pb2 import ListOccurrencesRequest, ListOccurrencesResponse
from rookery.v1.item_pb2 import Item, ItemSummary
from rookery_core.errors import InvalidArgument, NotFound, RookeryError
from rookery_server.services.calendar.occurrences import OccurrenceService
from rookery_server.services.calendar.parsed_appointments import ParsedAppointments
from rookery_server.services.page_tokens import PageTokens
from tests.support import statements
from tests.support.world import World

if TYPE_CHECKING:
    from rookery_server.store.database import Database
    from tests.support.world import Person

BERLIN = "Europe/Berlin"
MARCH = (dt.datetime(2026, 3, 1, tzinfo=dt.UTC), dt.datetime(2026, 4, 1, tzinfo=dt.UTC))


class Calendars(World):
    """A world with calendars."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.occurrences = OccurrenceService(database, PageTokens(b"k" * 32), ParsedAppointments())

    async def event(
        self, person: Person, subject: str, start: str, end: str = "", *rules: str, zone: str = BERLIN, **more: Any
    ) -> Item:
        folder_id = more.pop("folder_id", b"")
        appointment = AppointmentSummary(start=time(start, zone), **more)
        if end:
            appointment.end.CopyFrom(time(end, zone))
        if rules:
            appointment.recurrence.rules.extend(rules)
        summary = ItemSummary(kind=item_pb2.ITEM_KIND_APPOINTMENT, subject=subject, appointment=appointment)
        return await self.create(person, Item(folder_id=folder_id, summary=summary))

    async def ask(self, person: Person, window: tuple[dt.datetime, dt.datetime] = MARCH, **request: Any) -> ListOccurrencesResponse:
        if "folder_ids" not in request:
            request["folder_ids"] = [await self.folder_of(person, folder_pb2.FOLDER_ROLE_CALENDAR)]
        begin, end = (Timestamp(seconds=int(each.timestamp())) for each in window)
        message = ListOccurrencesRequest(window_start=begin, window_end=end, **request)
        return ListOccurrencesResponse.FromString(await self.occurrences.list_occurrences(person.caller, message))

    async def listed(self, person: Person, window: tuple[dt.datetime, dt.datetime] = MARCH, **request: Any) -> list[str]:
        """Subjects and beginnings, over all pages."""
        found, token = [], ""
        while True:
            page = await self.ask(person, window, page_token=token, **request)
            found += [f"{each.subject} {each.begins.ToDatetime():%m-%d %H:%M}" for each in page.occurrences]
            token = page.next_page_token
            if not token:
                return found


@pytest.fixture
def world(database: Database) -> Calendars:
    return Calendars(database)


def time(local: str, zone: str = BERLIN) -> CalendarTime:
    return CalendarTime(local=local, time_zone=zone if "T" in local else "")


async def test_a_month_shows_single_events_and_each_occurrence_by_its_beginning(world: Calendars, anna: Person) -> None:
    await world.event(anna, "Lunch", "2026-03-25T12:00:00", "2026-03-25T13:00:00", location="Canteen", reminder_minutes=15)
    series = await world.event(anna, "Standup", "2026-01-07T09:00:00", "2026-01-07T09:15:00", "FREQ=WEEKLY;UNTIL=20260331T070000Z")
    await world.event(anna, "Past", "2026-02-25T12:00:00", "2026-02-25T13:00:00")
    await world.event(anna, "Later", "2026-04-01T12:00:00", "2026-04-01T13:00:00")
    page = await world.ask(anna)
    assert [each.subject for each in page.occurrences] == ["Standup", "Standup", "Standup", "Standup", "Lunch"]
    assert not page.next_page_token
    first, *_, lunch = page.occurrences
    assert (first.item_id, first.is_recurring, first.is_exception) == (series.id, True, False)
    assert first.start == first.original_start == time("2026-03-04T09:00:00")
    assert first.ends.seconds - first.begins.seconds == 900
    assert (lunch.location, lunch.reminder_minutes, lunch.is_recurring) == ("Canteen", 15, False)
    assert not first.HasField("reminder_minutes")


async def test_occurrences_keep_their_hour_when_the_clocks_change(world: Calendars, anna: Person) -> None:
    await world.event(anna, "Run", "2026-03-22T08:00:00", "2026-03-22T09:00:00", "FREQ=WEEKLY")
    assert await world.listed(anna) == ["Run 03-22 07:00", "Run 03-29 06:00"]


async def test_exceptions_are_merged_and_cancelled_ones_left_out(world: Calendars, anna: Person) -> None:
    original = [time(f"2026-03-{day:02}T09:00:00") for day in (2, 9, 16, 23, 30)]
    exceptions = [
        OccurrenceException(original_start=original[0], cancelled=True),
        OccurrenceException(original_start=original[1], start=time("2026-03-10T15:00:00"), end=time("2026-03-10T16:00:00")),
        OccurrenceException(original_start=original[2], subject="Review", location="Attic", reminder_minutes=0),
        OccurrenceException(original_start=original[3], start=time("2026-05-01T09:00:00")),
    ]
    await world.event(
        anna, "Plan", "2026-03-02T09:00:00", "2026-03-02T10:00:00", "FREQ=WEEKLY", exceptions=exceptions, location="Hall"
    )
    page = await world.ask(anna)
    shown = [(each.subject, each.location, each.start.local, each.is_exception) for each in page.occurrences]
    assert shown == [
        ("Plan", "Hall", "2026-03-10T15:00:00", True),
        ("Review", "Attic", "2026-03-16T09:00:00", True),
        ("Plan", "Hall", "2026-03-30T09:00:00", False),
    ]
    assert page.occurrences[1].HasField("reminder_minutes")


async def test_an_exception_far_from_its_series_is_found_where_it_is(world: Calendars, anna: Person) -> None:
    moved = OccurrenceException(original_start=time("2025-01-08T09:00:00"), start=time("2026-03-10T15:00:00"))
    orphan = OccurrenceException(original_start=time("2026-03-11T07:00:00"), subject="Extra")
    await world.event(anna, "Old", "2025-01-01T09:00:00", "", "FREQ=WEEKLY;UNTIL=20250201", exceptions=[moved, orphan])
    assert await world.listed(anna) == ["Old 03-10 14:00", "Extra 03-11 06:00"]


@pytest.mark.parametrize(
    ("zone", "expected"), [("Pacific/Apia", "02-28 11:00"), ("UTC", "03-01 00:00"), ("America/New_York", "03-01 05:00")]
)
async def test_dates_and_floating_times_belong_to_the_viewers_day(world: Calendars, anna: Person, zone: str, expected: str) -> None:
    await world.event(anna, "Day", "2026-03-01", "2026-03-02")
    begin = dt.datetime.fromisoformat(f"2026-{expected}+00:00")
    day = (begin, begin + dt.timedelta(days=1))
    assert await world.listed(anna, day, time_zone=zone) == [f"Day {expected}"]
    assert await world.listed(anna, (day[1], day[1] + dt.timedelta(days=1)), time_zone=zone) == []
    await world.event(anna, "Alarm", "2026-03-01T07:30:00", "", zone="")
    begins = begin + dt.timedelta(hours=7, minutes=30)
    assert await world.listed(anna, day, time_zone=zone) == [f"Day {expected}", f"Alarm {begins:%m-%d %H:%M}"]


async def test_what_began_before_the_window_and_reaches_into_it_comes_first(world: Calendars, anna: Person) -> None:
    await world.event(anna, "Fair", "2026-02-20T10:00:00", "2026-03-05T18:00:00")
    await world.event(anna, "Ends as it begins", "2026-02-27T01:00:00", "2026-03-01T01:00:00")
    await world.event(anna, "Moment", "2026-03-01T01:00:00", "2026-03-01T01:00:00")
    assert await world.listed(anna) == ["Fair 02-20 09:00", "Moment 03-01 00:00"]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
async def test_pages_are_the_whole_in_parts(world: Calendars, anna: Person, size: int) -> None:
    for number in range(5):
        await world.event(anna, f"E{number}", f"2026-03-{10 + number}T09:00:00", "", "FREQ=DAILY;COUNT=6")
    await world.event(anna, "Long", "2026-02-01T09:00:00", "2026-03-20T09:00:00")
    whole = await world.ask(anna)
    assert len(whole.occurrences) == 31
    keys = [(each.begins.ToMicroseconds(), each.item_id) for each in whole.occurrences]
    assert keys == sorted(keys)
    expected = [f"{each.subject} {each.begins.ToDatetime():%m-%d %H:%M}" for each in whole.occurrences]
    assert await world.listed(anna, page_size=size) == expected


async def test_a_change_shows_at_once_and_deleted_events_do_not(world: Calendars, anna: Person) -> None:
    series = await world.event(anna, "Tea", "2026-03-02T16:00:00", "", "FREQ=WEEKLY;COUNT=2")
    assert await world.listed(anna) == ["Tea 03-02 15:00", "Tea 03-09 15:00"]
    wanted = Item(id=series.id, summary=ItemSummary(subject="Coffee"))
    request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=wanted)
    request.update_mask.paths.append("summary.subject")
    await world.editing.update_item(anna.caller, request)
    assert await world.listed(anna) == ["Coffee 03-02 15:00", "Coffee 03-09 15:00"]
    await world.delete(anna, [series.id], item_service_pb2.DELETE_MODE_TO_DELETED_ITEMS)
    assert await world.listed(anna) == []


async def test_what_was_kept_is_what_is_there_after_each_change(world: Calendars, anna: Person) -> None:
    dice = random.Random(7)
    own = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_CALENDAR)
    team = (await world.folder(anna, "Team")).id
    events: list[Item] = []
    gone: list[Item] = []

    async def add() -> None:
        rules = dice.choice(([], ["FREQ=DAILY;COUNT=20"], ["FREQ=WEEKLY"], ["FREQ=MINUTELY;COUNT=2500"]))
        start = f"2026-0{dice.randrange(1, 4)}-{dice.randrange(10, 29)}"
        folder_id = dice.choice((own, team))
        events.append(await world.event(anna, f"E{len(events)}", f"{start}T09:00:00", "", *rules, folder_id=folder_id))

    async def change() -> None:
        wanted = Item(id=dice.choice(events).id, summary=ItemSummary(subject=f"E{dice.randrange(1000)}"))
        wanted.summary.appointment.start.CopyFrom(time(f"2026-03-{dice.randrange(10, 30)}T10:00:00"))
        await update(world, anna, wanted, "summary.subject", "summary.appointment.start")

    async def move() -> None:
        request = item_service_pb2.MoveItemsRequest(operation_id=world.ids.new(), folder_id=dice.choice((own, team)))
        request.item_ids.append(dice.choice(events).id)
        await world.places.move_items(anna.caller, request)

    async def delete() -> None:
        gone = events.pop(dice.randrange(len(events)))
        await world.delete(anna, [gone.id], item_service_pb2.DELETE_MODE_TO_DELETED_ITEMS)

    async def hide() -> None:
        gone.append(events.pop(dice.randrange(len(events))))
        await world.delete(anna, [gone[-1].id], item_service_pb2.DELETE_MODE_RECOVERABLE)

    async def restore() -> None:
        if gone:
            events.append(gone.pop())
            request = item_service_pb2.RestoreItemsRequest(operation_id=world.ids.new(), item_ids=[events[-1].id])
            await world.removal.restore_items(anna.caller, request)

    kept = world.occurrences
    for step in range(40):
        await (add if len(events) < 4 else dice.choice((add, change, change, move, delete, hide, restore)))()
        shown = []
        for service in (kept, OccurrenceService(world.database, PageTokens(b"k" * 32), ParsedAppointments())):
            world.occurrences = service
            shown.append([await world.listed(anna, folder_ids=[each], page_size=1000) for each in (own, team)])
        assert shown[0] == shown[1], step


async def test_a_calendar_is_read_once_and_then_only_what_changed_in_it(world: Calendars, anna: Person) -> None:
    for number in range(5):
        await world.event(anna, f"E{number}", "2026-03-02T16:00:00", "", "FREQ=DAILY")
    whole = await world.listed(anna)
    await world.item(anna, await world.folder_of(anna, folder_pb2.FOLDER_ROLE_INBOX), "A letter")
    with statements.noted() as texts:
        assert await world.listed(anna) == whole
    assert not [text for text in texts if "span_end" in text or "summary" in text]
    await world.event(anna, "New", "2026-03-02T16:00:00")
    with statements.noted() as texts:
        assert len(await world.listed(anna)) == len(whole) + 1
    assert len([text for text in texts if "summary" in text]) == 1


async def test_several_calendars_are_laid_out_together(world: Calendars, anna: Person) -> None:
    own = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_CALENDAR)
    team = (await world.folder(anna, "Team")).id
    await world.event(anna, "B", "2026-03-02T16:00:00", folder_id=team)
    await world.event(anna, "A", "2026-03-02T15:00:00")
    assert await world.listed(anna) == ["A 03-02 14:00"]
    assert await world.listed(anna, folder_ids=[team, own, team]) == ["A 03-02 14:00", "B 03-02 15:00"]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=MINUTELY;COUNT=1000000000",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
    ],
)
async def test_a_hostile_rule_takes_bounded_work_and_hides_nobody_else(world: Calendars, anna: Person, rule: str) -> None:
    hostile = await world.event(anna, "Bad", "1990-01-01T00:00:00", "", rule)
    await world.event(anna, "Good", "2026-03-01T01:00:00")
    subjects: list[str] = []
    incomplete: set[bytes] = set()
    token = ""
    for _ in range(3):
        page = await world.ask(anna, page_token=token, page_size=100)
        subjects += [each.subject for each in page.occurrences]
        incomplete.update(page.incomplete_item_ids)
        token = page.next_page_token
        if not token:
            break
    assert "Good" in subjects
    assert ("Bad" in subjects) == rule.endswith("SECONDLY")
    assert incomplete == ({hostile.id} if "COUNT" in rule else set())


async def test_a_zone_that_does_not_exist_counts_as_utc(world: Calendars, anna: Person) -> None:
    await world.event(anna, "Mars", "2026-03-02T16:00:00", "", "FREQ=DAILY;COUNT=2", zone="Mars/Olympus")
    assert await world.listed(anna) == ["Mars 03-02 16:00", "Mars 03-03 16:00"]


async def test_what_was_listed_before_is_the_same_again_until_it_changes(world: Calendars, anna: Person) -> None:
    for number in range(4):
        await world.event(anna, f"S{number}", "2026-03-02T16:00:00", "", "FREQ=DAILY;COUNT=2")
    first = await world.listed(anna)
    assert len(first) == 8
    assert await world.listed(anna) == first


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"folder_ids": []}, "folder_ids"),
        ({"folder_ids": [b"x"]}, "folder_ids[0]"),
        ({"folder_ids": [bytes([number]) * 16 for number in range(101)]}, "folder_ids"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"page_size": 5001}, "page_size"),
        ({"page_token": "x"}, "page_token"),
        ({"window": (MARCH[1], MARCH[0])}, "window_end"),
    ],
)
async def test_what_can_not_be_answered_is_refused(world: Calendars, anna: Person, request_: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as error:
        await world.ask(anna, **request_)
    assert error.value.field == field


async def test_a_page_token_is_good_for_its_own_query_only(world: Calendars, anna: Person) -> None:
    await world.event(anna, "Tea", "2026-03-02T16:00:00", "", "FREQ=WEEKLY")
    token = (await world.ask(anna, page_size=1)).next_page_token
    with pytest.raises(InvalidArgument, match="another query"):
        await world.ask(anna, page_token=token, time_zone=BERLIN)


async def test_nobody_lists_a_calendar_of_others(world: Calendars, anna: Person, ben: Person) -> None:
    foreign = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_CALENDAR)
    with pytest.raises(NotFound):
        await world.ask(ben, folder_ids=[foreign])
    with pytest.raises(RookeryError):
        await world.ask(ben, mailbox_id=anna.mailbox, folder_ids=[foreign])


async def update(world: Calendars, person: Person, item: Item, *paths: str) -> item_service_pb2.UpdateItemResponse:
    request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=item)
    request.update_mask.paths.extend(paths)
    return item_service_pb2.UpdateItemResponse.FromString(await world.editing.update_item(person.caller, request))


async def test_a_new_rule_drops_the_exceptions_that_it_does_not_give_any_more_and_says_which(
    world: Calendars, anna: Person
) -> None:
    monday = OccurrenceException(original_start=time("2026-03-09T09:00:00"), subject="Stays")
    wednesday = OccurrenceException(original_start=time("2026-03-11T09:00:00"), subject="Goes")
    rule = "FREQ=WEEKLY;BYDAY=MO,WE"
    series = await world.event(anna, "Plan", "2026-03-02T09:00:00", "", rule, exceptions=[monday, wednesday])
    wanted = Item(id=series.id)
    wanted.summary.appointment.recurrence.CopyFrom(Recurrence(rules=["FREQ=WEEKLY;BYDAY=MO"]))
    answer = await update(world, anna, wanted, "summary.appointment.recurrence")
    assert list(answer.dropped_exceptions) == [wednesday]
    assert list(answer.item.summary.appointment.exceptions) == [monday]
    again = await update(world, anna, wanted, "summary.appointment.recurrence")
    assert not again.dropped_exceptions
    assert list((await world.get(anna, series.id)).summary.appointment.exceptions) == [monday]


async def test_a_series_that_moves_to_another_hour_drops_its_exceptions(world: Calendars, anna: Person) -> None:
    monday = OccurrenceException(original_start=time("2026-03-09T09:00:00"), subject="Goes")
    series = await world.event(anna, "Plan", "2026-03-02T09:00:00", "", "FREQ=WEEKLY", exceptions=[monday])
    wanted = Item(id=series.id)
    wanted.summary.appointment.start.CopyFrom(time("2026-03-02T10:00:00"))
    wanted.summary.appointment.end.CopyFrom(time("2026-03-02T11:00:00"))
    answer = await update(world, anna, wanted, "summary.appointment.start", "summary.appointment.end")
    assert list(answer.dropped_exceptions) == [monday]
    assert not answer.item.summary.appointment.exceptions


async def test_a_series_that_only_lasts_longer_keeps_its_exceptions(world: Calendars, anna: Person) -> None:
    monday = OccurrenceException(original_start=time("2026-03-09T09:00:00"), subject="Stays")
    series = await world.event(anna, "Plan", "2026-03-02T09:00:00", "", "FREQ=WEEKLY", exceptions=[monday])
    wanted = Item(id=series.id)
    wanted.summary.appointment.end.CopyFrom(time("2026-03-02T11:00:00"))
    answer = await update(world, anna, wanted, "summary.appointment.end")
    assert not answer.dropped_exceptions
    assert list(answer.item.summary.appointment.exceptions) == [monday]


async def test_exceptions_that_come_with_the_new_rule_are_left_as_they_are_given(world: Calendars, anna: Person) -> None:
    old = OccurrenceException(original_start=time("2026-03-09T09:00:00"), subject="Old")
    new = OccurrenceException(original_start=time("2026-03-03T09:00:00"), subject="New")
    series = await world.event(anna, "Plan", "2026-03-02T09:00:00", "", "FREQ=WEEKLY", exceptions=[old])
    wanted = Item(id=series.id)
    wanted.summary.appointment.recurrence.rules.append("FREQ=DAILY")
    wanted.summary.appointment.exceptions.append(new)
    answer = await update(world, anna, wanted, "summary.appointment.recurrence", "summary.appointment.exceptions")
    assert not answer.dropped_exceptions
    assert list(answer.item.summary.appointment.exceptions) == [new]
