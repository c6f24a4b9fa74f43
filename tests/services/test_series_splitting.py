"""SplitSeries, on both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import item_service_pb2
from rookery.v1.calendar_pb2 import OccurrenceException
from rookery.v1.calendar_service_pb2 import SplitSeriesRequest, SplitSeriesResponse
from rookery.v1.item_pb2 import DOCUMENT_FORMAT_ICALENDAR, Item
from rookery.v1.person_pb2 import Person as Named
from rookery_core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted, Stale
from rookery_core.formats import icalendar
from rookery_core.rules.ids import text_of
from rookery_server.services.calendar.splitting import SplittingService
from rookery_server.store import accounts
from tests.support.databases import ON_BOTH, sqlite_unless_asked
from tests.support.meeting_calls import ACCEPTED, NONE, ORGANIZER, appointment, at, invited

if TYPE_CHECKING:
    from tests.support.world import Person, World

HALF = at("2026-03-16T10:00:00")

__all__ = ["sqlite_unless_asked"]


@pytest.fixture
def splitting(world: World) -> SplittingService:
    return SplittingService(world.operations, world.ids)


async def split(splitting: SplittingService, world: World, person: Person, item_id: bytes, **fields: Any) -> SplitSeriesResponse:
    request = SplitSeriesRequest(**{"operation_id": world.ids.new(), "item_id": item_id, "at": HALF, **fields})
    return SplitSeriesResponse.FromString(await splitting.split_series(person.caller, request))


def weekly(**fields: Any) -> Item:
    """Four times, the second and the fourth at noon."""
    item = appointment("2026-03-02T10:00:00", "2026-03-02T11:00:00", "FREQ=WEEKLY;COUNT=4", **fields)
    for day in ("09", "23"):
        item.summary.appointment.exceptions.append(
            OccurrenceException(original_start=at(f"2026-03-{day}T10:00:00"), start=at(f"2026-03-{day}T12:00:00"))
        )
    return item


@ON_BOTH
async def test_a_series_becomes_two_with_their_exceptions_in_one_revision(
    world: World, splitting: SplittingService, anna: Person
) -> None:
    item = await world.create(anna, weekly())
    new_id = world.ids.new()
    parts = await split(splitting, world, anna, item.id, new_item_id=new_id)
    assert (parts.first.id, parts.second.id, parts.first.revision, parts.second.revision) == (
        item.id,
        new_id,
        *[parts.revision] * 2,
    )
    first, second = await world.get(anna, item.id), await world.get(anna, new_id)
    assert list(first.summary.appointment.recurrence.rules) == ["FREQ=WEEKLY;UNTIL=20260309T090000Z"]
    assert list(second.summary.appointment.recurrence.rules) == ["FREQ=WEEKLY;COUNT=2"]
    assert (second.summary.appointment.start.local, second.summary.appointment.end.local) == (
        "2026-03-16T10:00:00",
        "2026-03-16T11:00:00",
    )
    for part, day in ((first, "09"), (second, "23")):
        [exception] = part.summary.appointment.exceptions
        assert exception.original_start.local == f"2026-03-{day}T10:00:00"
    assert (second.summary.appointment.meeting_id, second.folder_id) == (text_of(new_id), item.folder_id)
    assert second.content.body.text == "What we shall do.\n"
    await world.check_counters(anna)


async def test_the_second_part_is_a_meeting_of_its_own_that_nobody_was_told_of(
    world: World, splitting: SplittingService, anna: Person
) -> None:
    written = weekly(attendees=["ben@rookery.example"])
    written.summary.appointment.organizer.CopyFrom(Named(address="anna@rookery.example"))
    written.summary.appointment.my_response, written.summary.appointment.sequence = ORGANIZER, 3
    written.content.appointment.attendees[0].response = ACCEPTED
    item = await world.create(anna, written)
    parts = await split(splitting, world, anna, item.id)
    first, second = await world.get(anna, item.id), await world.get(anna, parts.second.id)
    assert [each.response for each in first.content.appointment.attendees] == [ACCEPTED]
    assert [each.response for each in second.content.appointment.attendees] == [NONE]
    assert (first.summary.appointment.sequence, second.summary.appointment.sequence) == (3, 0)
    assert not second.content.appointment.HasField("meeting")


async def test_an_imported_series_goes_out_as_two(world: World, splitting: SplittingService, anna: Person) -> None:
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//elsewhere",
        "BEGIN:VEVENT",
        "UID:old@elsewhere",
        "DTSTAMP:20260101T000000Z",
    ]
    lines += ["DTSTART:20260302T100000Z", "RRULE:FREQ=WEEKLY;COUNT=4", "X-COLOR:red", "END:VEVENT", "END:VCALENDAR", ""]
    record = icalendar.parse("\r\n".join(lines).encode())
    written = Item(summary=record.summary, content=record.content)
    assert written.content.source.format == DOCUMENT_FORMAT_ICALENDAR
    item = await world.create(anna, written)
    parts = await split(splitting, world, anna, item.id, at=at("2026-03-16T10:00:00", "UTC"))
    for item_id, uid in ((item.id, "old@elsewhere"), (parts.second.id, text_of(parts.second.id))):
        whole = await world.get(anna, item_id)
        document = icalendar.render(whole.summary, whole.state, whole.content)
        again = icalendar.parse(document)
        assert again.summary.appointment.meeting_id == uid
        assert again.summary.appointment.start == whole.summary.appointment.start
        assert b"X-COLOR:red" in document


async def test_what_can_not_be_split_stays_whole(world: World, splitting: SplittingService, anna: Person, ben: Person) -> None:
    series = await world.create(anna, weekly())
    single = await world.create(anna, appointment())
    foreign = await world.create(anna, invited("boss@elsewhere.test", "anna@rookery.example", series=["FREQ=DAILY"]))
    refusals: list[tuple[bytes, dict[str, Any], type[Exception], str]] = [
        (single.id, {}, FailedPrecondition, "NOT_A_SERIES"),
        (foreign.id, {}, FailedPrecondition, "NOT_ORGANIZER"),
        (series.id, {"at": at("2026-03-02T10:00:00")}, InvalidArgument, "NOT_AN_OCCURRENCE"),
        (series.id, {"at": at("2026-03-17T10:00:00")}, InvalidArgument, "NOT_AN_OCCURRENCE"),
        (series.id, {"at": at("yesterday")}, InvalidArgument, "FIELD_INVALID"),
        (series.id, {"at": None}, InvalidArgument, "FIELD_INVALID"),
        (series.id, {"etag": 1}, Stale, "STALE_ETAG"),
        (series.id, {"new_item_id": single.id}, AlreadyExists, "ID_TAKEN"),
        (series.id, {"new_item_id": bytes(16)}, InvalidArgument, "ID_INVALID"),
        (series.id, {"mailbox_id": ben.mailbox}, NotFound, "MAILBOX_NOT_FOUND"),
        (world.ids.new(), {}, NotFound, "ITEM_NOT_FOUND"),
    ]
    for item_id, fields, kind, reason in refusals:
        with pytest.raises(kind) as refused:
            await split(splitting, world, anna, item_id, **fields)
        assert getattr(refused.value, "reason", "") == reason
    assert (await world.get(anna, series.id)).revision == series.revision
    await world.delete(anna, [series.id], item_service_pb2.DELETE_MODE_RECOVERABLE)
    with pytest.raises(FailedPrecondition, match="restore it"):
        await split(splitting, world, anna, series.id)


@ON_BOTH
async def test_a_repeated_call_splits_once(world: World, splitting: SplittingService, anna: Person) -> None:
    item = await world.create(anna, weekly())
    operation_id = world.ids.new()
    first = await split(splitting, world, anna, item.id, operation_id=operation_id)
    assert await split(splitting, world, anna, item.id, operation_id=operation_id) == first
    assert len(await world.walk(anna, item.folder_id)) == 2


async def test_a_full_mailbox_keeps_the_series_whole(world: World, splitting: SplittingService, anna: Person) -> None:
    item = await world.create(anna, weekly())
    quota = item.summary.size_bytes + 100
    await world.database.write(lambda transaction: accounts.set_quota(transaction.connection, anna.caller.account_id, quota))
    with pytest.raises(ResourceExhausted):
        await split(splitting, world, anna, item.id)
    assert (await world.get(anna, item.id)).revision == item.revision
