"""Who is free when: free/busy, times to meet, rooms, settings; on both engines."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import update

from rookery.v1 import admin_service_pb2 as admin
from rookery.v1 import availability_service_pb2 as messages
from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1.availability_service_pb2 import BookingRules, CalendarSettings, Invitee, Party, WorkingHours, WorkingTime
from rookery.v1.calendar_pb2 import AppointmentSummary, BusyStatus, CalendarTime, ResponseStatus
from rookery.v1.item_pb2 import Item, ItemSummary
from rookery_core.errors import InvalidArgument, NotFound, PermissionDenied
from rookery_server.services import refusals
from rookery_server.services.availability import busy_calendars, parties
from rookery_server.services.availability.free_busy import FreeBusyService
from rookery_server.services.availability.looking import Looking
from rookery_server.services.availability.meeting_times import FindTimeService
from rookery_server.services.availability.rooms import RoomService
from rookery_server.services.availability.settings import CalendarSettingsService
from rookery_server.services.calendar.parsed_appointments import ParsedAppointments
from rookery_server.services.caller import MACHINE_ADMINISTRATOR, NO_ID, Caller
from rookery_server.store import groups
from rookery_server.store.tables import account
from tests.support.databases import ON_BOTH, sqlite_unless_asked
from tests.support.world import Person, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_server.store.database import Database

BERLIN = "Europe/Berlin"

__all__ = ["sqlite_unless_asked"]

BUSY, TENTATIVE, FREE = BusyStatus.BUSY_STATUS_BUSY, BusyStatus.BUSY_STATUS_TENTATIVE, BusyStatus.BUSY_STATUS_FREE
SUBJECTS = messages.FREE_BUSY_DETAIL_SUBJECTS


class Office(World):
    """People, rooms and groups with calendars."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        looking = Looking(database, ParsedAppointments())
        self.clock.now = int(dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC).timestamp()) * 1_000_000
        self.free_busy = FreeBusyService(database, looking)
        self.times = FindTimeService(database, looking, self.clock)
        self.rooms = RoomService(database, looking)
        self.settings = CalendarSettingsService(database, self.operations)

    async def account(self, name: str, kind: admin.AccountKind.ValueType, members: Sequence[Person] = ()) -> Person:
        """Somebody else than a person."""
        made = await self.person(name)

        def work(transaction: Any) -> None:
            statement = update(account).where(account.c.id == made.caller.account_id).values(kind=kind)
            transaction.connection.execute(statement)
            groups.set_members(transaction.connection, made.caller.account_id, [each.caller.account_id for each in members])

        await self.database.write(work)
        return made

    async def event(self, person: Person, subject: str, start: str, end: str, *rules: str, **fields: Any) -> Item:
        more = {name: fields.pop(name) for name in ("folder_id",) if name in fields}
        sensitivity = fields.pop("sensitivity", item_pb2.SENSITIVITY_UNSPECIFIED)
        appointment = AppointmentSummary(start=time(start), end=time(end), **fields)
        appointment.recurrence.rules.extend(rules)
        summary = ItemSummary(
            kind=item_pb2.ITEM_KIND_APPOINTMENT, subject=subject, appointment=appointment, sensitivity=sensitivity
        )
        return await self.create(person, Item(summary=summary, **more))

    async def ask(self, caller: Person, *asked: str | bytes, begin: str = "2026-03-02", days: int = 1) -> list[messages.FreeBusy]:
        window = {"window_start": stamp(begin), "window_end": stamp(begin, days)}
        request = messages.GetFreeBusyRequest(parties=map(party, asked), **window)
        return list((await self.free_busy.get(caller.caller, request)).parties)

    async def told(self, caller: Person, *asked: str | bytes, **window: Any) -> list[list[str]]:
        """For each party its times, e.g. "08:00-09:00 BUSY Lunch"."""
        return [[_told(each) for each in found.times] for found in await self.ask(caller, *asked, **window)]

    async def find(self, caller: Person, *invitees: str | Invitee, **asked: Any) -> messages.FindTimeResponse:
        listed = [each if isinstance(each, Invitee) else Invitee(party=party(each)) for each in invitees]
        request = {"window_start": stamp("2026-03-02"), "window_end": stamp("2026-03-03"), "duration_minutes": 60} | asked
        return await self.times.find(caller.caller, messages.FindTimeRequest(invitees=listed, **request))

    async def found(self, caller: Person, *invitees: str | Invitee, **asked: Any) -> list[str]:
        """The times that are proposed."""
        return [f"{each.start.ToDatetime():%H:%M}" for each in (await self.find(caller, *invitees, **asked)).times]

    async def set(self, person: Person, caller: Caller | None = None, address: str = "", **settings: Any) -> CalendarSettings:
        request = messages.UpdateCalendarSettingsRequest(
            operation_id=self.ids.new(), address=address, settings=CalendarSettings(**settings)
        )
        answer = await self.settings.update(caller or person.caller, request)
        return messages.UpdateCalendarSettingsResponse.FromString(answer).settings

    async def settings_of(self, caller: Caller, address: str = "") -> CalendarSettings:
        return (await self.settings.get(caller, messages.GetCalendarSettingsRequest(address=address))).settings


@pytest.fixture
def world(database: Database) -> Office:
    return Office(database)


def time(local: str, zone: str = BERLIN) -> CalendarTime:
    return CalendarTime(
        local=local if "T" not in local or len(local) > 16 else f"{local}:00", time_zone=zone if "T" in local else ""
    )


def stamp(text: str, days: int = 0) -> Timestamp:
    moment = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) + dt.timedelta(days=days)
    return Timestamp(seconds=int(moment.timestamp()))


def party(who: str | bytes) -> Party:
    """A name at rookery.example, an address, or a list's id."""
    if isinstance(who, bytes):
        return Party(list_item_id=who)
    return Party(address=who if "@" in who else f"{who}@rookery.example")


def hours(*days: int, start: int = 9, end: int = 17, zone: str = BERLIN) -> WorkingHours:
    times = [WorkingTime(weekday=day, start_minute=start * 60, end_minute=end * 60) for day in days or range(1, 6)]
    return WorkingHours(time_zone=zone, times=times)


def _told(each: messages.BusyTime) -> str:
    status = BusyStatus.Name(each.status).removeprefix("BUSY_STATUS_")
    text = f"{each.start.ToDatetime():%H:%M}-{each.end.ToDatetime():%H:%M} {status}"
    return " ".join([text, *filter(None, (each.subject, each.location))])


@ON_BOTH
async def test_everybody_sees_when_others_are_taken_and_not_with_what(world: Office, anna: Person, ben: Person) -> None:
    await world.event(anna, "Lunch", "2026-03-02T12:00", "2026-03-02T13:00", location="Canteen")
    await world.event(anna, "Standup", "2026-01-05T09:00", "2026-01-05T09:30", "FREQ=WEEKLY")
    await world.event(anna, "Gym", "2026-03-02T18:00", "2026-03-02T19:00", busy_status=FREE)
    declined = ResponseStatus.RESPONSE_STATUS_DECLINED
    await world.event(anna, "Talk", "2026-03-02T14:00", "2026-03-02T15:00", my_response=declined)
    await world.event(anna, "Offer", "2026-03-02T15:00", "2026-03-02T16:00", my_response=ResponseStatus.RESPONSE_STATUS_NONE)
    assert await world.told(ben, "anna") == [["08:00-08:30 BUSY", "11:00-12:00 BUSY", "14:00-15:00 TENTATIVE"]]
    assert await world.told(anna, "anna") == [
        ["08:00-08:30 BUSY Standup", "11:00-12:00 BUSY Lunch Canteen", "14:00-15:00 TENTATIVE Offer"]
    ]


async def test_subjects_are_shown_where_the_owner_shows_them_but_never_private_ones(
    world: Office, anna: Person, ben: Person
) -> None:
    await world.set(anna, free_busy_detail=SUBJECTS)
    await world.event(anna, "Lunch", "2026-03-02T12:00", "2026-03-02T13:00")
    await world.event(anna, "Doctor", "2026-03-02T13:00", "2026-03-02T14:00", sensitivity=item_pb2.SENSITIVITY_PRIVATE)
    await world.event(anna, "Board", "2026-03-02T14:00", "2026-03-02T15:00", sensitivity=item_pb2.SENSITIVITY_CONFIDENTIAL)
    assert await world.told(ben, "anna") == [["11:00-12:00 BUSY Lunch", "12:00-14:00 BUSY"]]
    assert await world.told(anna, "anna") == [["11:00-12:00 BUSY Lunch", "12:00-13:00 BUSY Doctor", "13:00-14:00 BUSY Board"]]


async def test_only_the_calendar_itself_counts(world: Office, anna: Person, ben: Person) -> None:
    other = await world.folder(anna, "Holidays", await world.folder_of(anna, folder_pb2.FOLDER_ROLE_CALENDAR))
    await world.event(anna, "Easter", "2026-03-02", "2026-03-03", folder_id=other.id)
    gone = await world.event(anna, "Gone", "2026-03-02T12:00", "2026-03-02T13:00")
    assert await world.told(ben, "anna") == [["11:00-12:00 BUSY"]]
    await world.delete(anna, [gone.id], item_service_pb2.DELETE_MODE_RECOVERABLE)
    assert await world.told(ben, "anna") == [[]]


@ON_BOTH
async def test_what_was_read_before_is_forgotten_when_it_changes(world: Office, anna: Person, ben: Person) -> None:
    event = await world.event(anna, "Lunch", "2026-03-02T12:00", "2026-03-02T13:00")
    assert await world.told(ben, "anna") == [["11:00-12:00 BUSY"]]
    event.summary.appointment.end.CopyFrom(time("2026-03-02T15:00"))
    request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=event)
    request.update_mask.paths.append("summary.appointment.end")
    await world.editing.update_item(anna.caller, request)
    assert await world.told(ben, "anna") == [["11:00-14:00 BUSY"]]


async def test_dates_are_those_of_the_owner_s_zone(world: Office, anna: Person, ben: Person) -> None:
    await world.event(anna, "Off", "2026-03-02", "2026-03-03", busy_status=BusyStatus.BUSY_STATUS_OUT_OF_OFFICE)
    assert await world.told(ben, "anna") == [["00:00-00:00 OUT_OF_OFFICE"]]
    await world.set(anna, working_hours=hours(zone="America/New_York"))
    assert await world.told(ben, "anna", days=2) == [["05:00-05:00 OUT_OF_OFFICE"]]


@ON_BOTH
async def test_a_group_is_taken_when_a_member_is(world: Office, anna: Person, ben: Person) -> None:
    await world.account("team", admin.ACCOUNT_KIND_GROUP, [ben, anna])
    await world.event(anna, "A", "2026-03-02T09:00", "2026-03-02T11:00")
    await world.event(ben, "B", "2026-03-02T10:00", "2026-03-02T12:00", busy_status=BusyStatus.BUSY_STATUS_OUT_OF_OFFICE)
    (found,) = await world.ask(anna, "team")
    assert [_told(each) for each in found.times] == ["08:00-10:00 BUSY A", "10:00-11:00 OUT_OF_OFFICE"]
    assert list(found.members) == ["anna@rookery.example", "ben@rookery.example"]
    assert (found.kind, found.display_name) == (admin.ACCOUNT_KIND_GROUP, "team")
    assert not found.HasField("working_hours")


async def test_a_distribution_list_is_those_of_its_members_who_are_here(world: Office, anna: Person, ben: Person) -> None:
    await world.account("team", admin.ACCOUNT_KIND_GROUP, [anna])
    await world.event(anna, "A", "2026-03-02T09:00", "2026-03-02T10:00")
    await world.event(ben, "B", "2026-03-02T11:00", "2026-03-02T12:00")
    record = Item(summary=ItemSummary(kind=item_pb2.ITEM_KIND_DISTRIBUTION_LIST, subject="Friends"))
    for address in ("Ben@rookery.example", "team@rookery.example", "carl@elsewhere.example"):
        record.content.distribution_list.members.add().person.address = address
    made = await world.create(anna, record)
    (found,) = await world.ask(anna, made.id)
    assert [_told(each) for each in found.times] == ["08:00-09:00 BUSY A", "10:00-11:00 BUSY"]
    assert (found.display_name, list(found.members)) == ("Friends", ["ben@rookery.example", "anna@rookery.example"])
    (foreign,) = await world.ask(ben, made.id)
    assert refusals.reason_of(foreign.error) == "ITEM_NOT_FOUND"


async def test_whoever_is_not_here_does_not_spoil_the_answer_about_the_others(world: Office, anna: Person) -> None:
    await world.event(anna, "A", "2026-03-02T09:00", "2026-03-02T10:00")
    stranger, found = await world.ask(anna, "carl@elsewhere.example", "ANNA@rookery.example")
    assert refusals.reason_of(stranger.error) == "ACCOUNT_NOT_FOUND"
    assert (found.party.address, found.display_name, len(found.times)) == ("ANNA@rookery.example", "anna", 1)
    assert found.working_hours == hours(zone="UTC")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (messages.GetFreeBusyRequest(), "parties"),
        (messages.GetFreeBusyRequest(parties=[party("anna")] * 101), "parties"),
        (messages.GetFreeBusyRequest(parties=[Party()]), "parties[0].address"),
        (messages.GetFreeBusyRequest(parties=[Party(address="anna")]), "parties[0].address"),
        (messages.GetFreeBusyRequest(parties=[Party(list_item_id=b"short")]), "parties[0].list_item_id"),
        (messages.GetFreeBusyRequest(parties=[party("anna")]), "window_end"),
        (
            messages.GetFreeBusyRequest(
                parties=[party("anna")], window_start=stamp("2026-03-01"), window_end=stamp("2026-03-01", 93)
            ),
            "window_end",
        ),
        (messages.GetFreeBusyRequest(parties=[party("anna")], window_start=Timestamp(nanos=-1)), "window_start"),
    ],
)
async def test_questions_that_can_not_be_are_refused(
    world: Office, anna: Person, request_: messages.GetFreeBusyRequest, field: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await world.free_busy.get(anna.caller, request_)
    assert refused.value.field == field


async def test_no_more_calendars_are_looked_at_than_can_be(
    world: Office, anna: Person, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.account("team", admin.ACCOUNT_KIND_GROUP, [ben, anna])
    monkeypatch.setattr(parties, "MOST_CALENDARS", 1)
    with pytest.raises(InvalidArgument, match="more than 1 calendars"):
        await world.ask(anna, "team")
    assert len(await world.ask(anna, "anna", "anna")) == 2


async def test_a_series_that_can_not_be_laid_out_is_left_out_and_the_answer_says_so(
    world: Office, anna: Person, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.event(anna, "Tick", "2026-03-01T00:00", "2026-03-01T00:01", "FREQ=MINUTELY;INTERVAL=2")
    await world.event(anna, "Lunch", "2026-03-02T12:00", "2026-03-02T13:00")
    monkeypatch.setattr(busy_calendars, "_SERIES_STARTS", 100)
    (found,) = await world.ask(ben, "anna")
    assert found.incomplete
    assert [_told(each) for each in found.times] == ["11:00-12:00 BUSY"]
    response = await world.find(ben, "ben", "anna")
    assert (list(response.unknown_invitees), len(response.times)) == ([1], 10)


async def test_an_answer_with_very_many_times_is_cut_and_says_so(world: Office, anna: Person) -> None:
    long = "S" * 200
    await world.event(anna, long, "2026-03-01T00:00", "2026-03-01T00:01", "FREQ=HOURLY;BYMINUTE=0,2,4,6,8")
    (found,) = await world.ask(anna, "anna", days=20)
    assert (len(found.times), found.times[0].subject, found.incomplete) == (20 * 24 * 5, "", False)
    (found,) = await world.ask(anna, "anna", days=60)
    assert (len(found.times), found.incomplete) == (5_000, True)


async def test_times_to_meet_are_within_the_hours_of_those_who_have_to_come(world: Office, anna: Person, ben: Person) -> None:
    await world.set(anna, working_hours=hours())
    await world.set(ben, working_hours=hours(start=13, end=18))
    await world.event(anna, "A", "2026-03-02T14:00", "2026-03-02T15:30")
    late = Invitee(party=party("ben"), optional=True)
    assert await world.found(anna, "anna", "ben") == ["12:00", "14:30", "15:00"]
    assert await world.found(anna, "anna", late, most=5) == ["12:00", "14:30", "15:00", "08:00", "08:30"]
    response = await world.find(anna, "anna", late, any_hour=True, most=100)
    assert len(response.times) == 47 - 4
    assert [(each.invitee, each.status) for each in response.times[3].attendances] == [(1, FREE)]


async def test_a_room_that_is_taken_is_no_place_to_meet_and_its_hours_count_only_where_it_says_so(
    world: Office, anna: Person
) -> None:
    await world.set(anna, working_hours=hours(start=7, end=20))
    room = await world.account("room", admin.ACCOUNT_KIND_ROOM)
    await world.event(room, "A", "2026-03-02T08:00", "2026-03-02T18:30")
    assert await world.found(anna, "anna", "room") == ["06:00", "17:30", "18:00"]
    own = room.caller
    await world.set(room, own, working_hours=hours(start=7, end=12), booking=BookingRules(working_hours_only=True))
    assert await world.found(anna, "anna", "room") == ["06:00"]


async def test_times_that_have_passed_are_not_proposed(world: Office, anna: Person) -> None:
    world.clock.now = stamp("2026-03-02").seconds * 1_000_000 + 15 * 3_600_000_000 + 1
    assert await world.found(anna, "anna") == ["15:30", "16:00"]
    world.clock.advance(days=1)
    assert await world.found(anna, "anna") == []


async def test_times_begin_at_round_minutes_of_the_first_person_s_hour(world: Office, anna: Person, ben: Person) -> None:
    await world.set(anna, working_hours=hours(start=9, end=11, zone="Asia/Kathmandu"))
    assert await world.found(ben, "room@rookery.example", "anna", step_minutes=60) == ["03:15", "04:15"]


async def test_whoever_is_not_here_counts_as_free_and_is_named(world: Office, anna: Person) -> None:
    response = await world.find(anna, "carl@elsewhere.example", "anna", step_minutes=60, duration_minutes=480)
    assert list(response.unknown_invitees) == [0]
    assert [f"{each.start.ToDatetime():%H:%M}-{each.end.ToDatetime():%H:%M}" for each in response.times] == ["09:00-17:00"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"duration_minutes": 4}, "duration_minutes"),
        ({"duration_minutes": 1_441}, "duration_minutes"),
        ({"step_minutes": 7}, "step_minutes"),
        ({"most": 101}, "most"),
        ({"window_end": stamp("2026-02-01")}, "window_end"),
    ],
)
async def test_searches_that_can_not_be_are_refused(world: Office, anna: Person, wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await world.find(anna, "anna", **wrong)
    assert refused.value.field == field


@ON_BOTH
async def test_rooms_are_listed_by_name_and_those_that_are_free_on_request(world: Office, anna: Person) -> None:
    blue = await world.account("blue", admin.ACCOUNT_KIND_ROOM)
    await world.account("attic", admin.ACCOUNT_KIND_ROOM)
    await world.account("beamer", admin.ACCOUNT_KIND_EQUIPMENT)
    await world.set(blue, booking=BookingRules(automatic=True, capacity=8, location="2nd floor"))
    await world.event(blue, "A", "2026-03-02T09:00", "2026-03-02T10:00")
    listed = (await world.rooms.list(messages.ListRoomsRequest())).rooms
    assert [(each.display_name, each.kind, each.booking.capacity) for each in listed] == [
        ("attic", admin.ACCOUNT_KIND_ROOM, 0),
        ("beamer", admin.ACCOUNT_KIND_EQUIPMENT, 0),
        ("blue", admin.ACCOUNT_KIND_ROOM, 8),
    ]
    assert (listed[0].booking.horizon_days, listed[2].address) == (180, "blue@rookery.example")
    request = messages.ListRoomsRequest(free_from=stamp("2026-03-02T08:30"), free_until=stamp("2026-03-02T11:00"))
    assert [each.display_name for each in (await world.rooms.list(request)).rooms] == ["attic", "beamer"]
    later = messages.ListRoomsRequest(free_from=stamp("2026-03-02T09:00"), free_until=stamp("2026-03-02T11:00"))
    assert len((await world.rooms.list(later)).rooms) == 3
    with pytest.raises(InvalidArgument):
        await world.rooms.list(messages.ListRoomsRequest(free_from=stamp("2026-03-02T09:00")))


@ON_BOTH
async def test_a_calendar_is_set_by_its_owner_and_by_administrators(world: Office, anna: Person, ben: Person) -> None:
    usual = await world.settings_of(anna.caller)
    assert (usual.working_hours, usual.free_busy_detail) == (hours(zone="UTC"), messages.FREE_BUSY_DETAIL_TIMES)
    kept = await world.set(anna, working_hours=hours(1, zone="europe/berlin"), free_busy_detail=SUBJECTS)
    assert kept == await world.settings_of(anna.caller) == CalendarSettings(working_hours=hours(1), free_busy_detail=SUBJECTS)
    assert await world.settings_of(MACHINE_ADMINISTRATOR, "anna@rookery.example") == kept
    assert await world.settings_of(anna.caller, "Anna@rookery.example") == kept
    boss = Caller(ben.caller.account_id, NO_ID, administrator=True)
    assert await world.set(ben, boss, "anna@rookery.example") == usual
    for work in (
        world.settings_of(ben.caller, "anna@rookery.example"),
        world.settings_of(ben.caller, "nobody@rookery.example"),
        world.set(ben, address="anna@rookery.example"),
    ):
        with pytest.raises(PermissionDenied):
            await work
    with pytest.raises(NotFound):
        await world.settings_of(MACHINE_ADMINISTRATOR, "nobody@rookery.example")
    with pytest.raises(NotFound):
        await world.settings_of(MACHINE_ADMINISTRATOR)
    with pytest.raises(InvalidArgument):
        await world.set(anna, booking=BookingRules())
    assert await world.settings_of(anna.caller) == usual
