"""Calendars that others subscribe to: what they get over HTTP, what they do not, and until when."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import urllib.parse
from typing import TYPE_CHECKING, Any

import grpc.aio
import icalendar as library
import pytest

from rookery.v1 import calendar_service_pb2 as pb
from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1.calendar_pb2 import AppointmentSummary, Attendee, BusyStatus, CalendarTime, OccurrenceException, Recurrence
from rookery.v1.calendar_service_pb2_grpc import CalendarServiceStub
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from rookery.v1.item_pb2 import Item
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery.v1.person_pb2 import Person as PersonRecord
from rookery_core.errors import InvalidArgument
from rookery_server.services.calendar.feeds import CalendarFeeds
from rookery_server.services.calendar.publishing import PublishingService
from rookery_server.store.database import open_database
from rookery_server.web import listener
from tests.support.databases import ON_BOTH, sqlite_unless_asked
from tests.support.fakes import RecordingNotifier
from tests.support.meeting_world import MeetingWorld
from tests.support.server import serving, settings_of

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

    from tests.support.server import Person, Running

BERLIN = "Europe/Berlin"

__all__ = ["sqlite_unless_asked"]


class Calendar:
    """One person's calendar, and a program that fetches it."""

    def __init__(self, running: Running, person: Person) -> None:
        self.running, self.person = running, person
        self._items, self._calendars = ItemServiceStub(running.channel), CalendarServiceStub(running.channel)

    async def add(self, subject: str, start: str, end: str, *, text: str = "", **fields: Any) -> Item:
        sensitivity = fields.pop("sensitivity", 0)
        item = Item()
        item.summary.kind, item.summary.subject = item_pb2.ITEM_KIND_APPOINTMENT, subject
        item.summary.sensitivity = sensitivity
        zone = BERLIN if "T" in start else ""
        item.summary.appointment.CopyFrom(
            AppointmentSummary(
                start=CalendarTime(local=start, time_zone=zone), end=CalendarTime(local=end, time_zone=zone), **fields
            )
        )
        item.content.body.text = text
        item.content.appointment.attendees.append(Attendee(person=PersonRecord(name="Ben", address="ben@elsewhere.test")))
        request = item_service_pb2.CreateItemRequest(operation_id=self.running.ids.new(), item=item)
        return (await self._items.CreateItem(request, metadata=self.person.metadata)).item

    async def delete(self, item: Item) -> None:
        request = item_service_pb2.DeleteItemsRequest(operation_id=self.running.ids.new(), item_ids=[item.id])
        await self._items.DeleteItems(request, metadata=self.person.metadata)

    async def publish(self, **fields: Any) -> pb.PublishedCalendar:
        request = pb.PublishCalendarRequest(operation_id=self.running.ids.new(), **fields)
        return (await self._calendars.PublishCalendar(request, metadata=self.person.metadata)).calendar

    async def published(self) -> list[pb.PublishedCalendar]:
        response = await self._calendars.ListPublishedCalendars(pb.ListPublishedCalendarsRequest(), metadata=self.person.metadata)
        return list(response.calendars)

    async def unpublish(self, calendar_id: bytes) -> None:
        request = pb.UnpublishCalendarRequest(operation_id=self.running.ids.new(), id=calendar_id)
        await self._calendars.UnpublishCalendar(request, metadata=self.person.metadata)


@pytest.fixture
async def world(sqlite_url: str) -> AsyncIterator[MeetingWorld]:
    database = open_database(sqlite_url, notifier=RecordingNotifier())
    yield MeetingWorld(database)
    await database.close()


@pytest.fixture
async def anna(database_url: str, tmp_path: pathlib.Path) -> AsyncIterator[Calendar]:
    settings = settings_of(tmp_path, database_url=database_url, calendars="127.0.0.1:0")
    async with serving(settings) as running:
        yield Calendar(running, await running.add_person("anna", display_name="Anna Berg"))


async def fetched(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, header and body of what a program gets."""

    def ask() -> tuple[int, dict[str, str], bytes]:
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        try:
            connection.request(method, parts.path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


def events(body: bytes) -> list[tuple[str, str, str]]:
    """Subject, start and place of the events, as another reader has them."""
    calendar = library.Calendar.from_ical(body)
    return [
        (str(event["SUMMARY"]), event["DTSTART"].dt.isoformat(), str(event.get("LOCATION", "")))
        for event in calendar.walk("VEVENT")
    ]


@ON_BOTH
async def test_who_knows_the_url_gets_the_calendar(anna: Calendar) -> None:
    await anna.add("Lunch", "2026-03-02T12:00:00", "2026-03-02T13:00:00", location="Canteen", text="Bring cake")
    await anna.add("Holidays", "2026-08-03", "2026-08-22", busy_status=BusyStatus.BUSY_STATUS_OUT_OF_OFFICE)
    moved = OccurrenceException(
        original_start=CalendarTime(local="2026-03-10T09:00:00", time_zone=BERLIN),
        start=CalendarTime(local="2026-03-11T09:00:00", time_zone=BERLIN),
        end=CalendarTime(local="2026-03-11T09:30:00", time_zone=BERLIN),
        subject="Standup, moved",
    )
    await anna.add(
        "Standup",
        "2026-03-03T09:00:00",
        "2026-03-03T09:15:00",
        recurrence=Recurrence(rules=["FREQ=WEEKLY"]),
        exceptions=[moved],
    )
    published = await anna.publish(detail=pb.PUBLISHED_DETAIL_FULL)
    status, header, body = await fetched(published.url)
    assert status == 200 and header["content-type"] == "text/calendar; charset=utf-8"
    assert sorted(events(body)) == [
        ("Holidays", "2026-08-03", ""),
        ("Lunch", "2026-03-02T12:00:00+01:00", "Canteen"),
        ("Standup", "2026-03-03T09:00:00+01:00", ""),
        ("Standup, moved", "2026-03-11T09:00:00+01:00", ""),
    ]
    assert body.count(b"BEGIN:VTIMEZONE") == 1 and b"X-WR-CALNAME:Anna Berg: Calendar" in body
    assert b"Bring cake" in body
    assert b"ben@elsewhere.test" not in body, "who else was invited is nobody's business"


async def test_times_alone_tell_nothing_else(anna: Calendar) -> None:
    await anna.add(
        "Secret plan", "2026-03-02T12:00:00", "2026-03-02T13:00:00", location="Bunker", text="Hush", url="https://x.test"
    )
    item = await anna.add("Trip", "2026-08-03", "2026-08-22", busy_status=BusyStatus.BUSY_STATUS_OUT_OF_OFFICE)
    published = await anna.publish()
    _, _, body = await fetched(published.url)
    assert [each[0] for each in events(body)] == ["Busy", "Out of office"]
    for word in (b"Secret", b"Bunker", b"Hush", b"x.test", b"Trip", item.summary.appointment.meeting_id.encode()):
        assert word not in body


async def test_what_is_private_shows_as_a_time_in_a_full_calendar_too(anna: Calendar) -> None:
    await anna.add("Doctor", "2026-03-02T12:00:00", "2026-03-02T13:00:00", text="Knee", sensitivity=item_pb2.SENSITIVITY_PRIVATE)
    _, _, body = await fetched((await anna.publish(detail=pb.PUBLISHED_DETAIL_FULL)).url)
    assert [each[0] for each in events(body)] == ["Busy"] and b"Knee" not in body and b"Doctor" not in body


@ON_BOTH
async def test_nothing_is_sent_again_until_something_changes(anna: Calendar) -> None:
    item = await anna.add("Lunch", "2026-03-02T12:00:00", "2026-03-02T13:00:00")
    url = (await anna.publish(detail=pb.PUBLISHED_DETAIL_FULL)).url
    _, header, _ = await fetched(url)
    assert (await fetched(url, if_none_match=header["etag"]))[::2] == (304, b"")
    status, again, body = await fetched(url, "HEAD")
    assert (status, again["etag"], body) == (200, header["etag"], b"")
    await anna.delete(item)
    status, _, body = await fetched(url, if_none_match=header["etag"])
    assert status == 200 and events(body) == []


@ON_BOTH
async def test_a_calendar_is_listed_with_when_it_was_fetched_and_without_its_url(anna: Calendar) -> None:
    made = await anna.publish()
    [listed] = await anna.published()
    assert (listed.id, listed.url, listed.detail) == (made.id, "", pb.PUBLISHED_DETAIL_TIMES)
    assert not listed.HasField("last_fetched")
    await fetched(made.url)
    assert (await anna.published())[0].last_fetched.ToMicroseconds() == anna.running.clock.micros()


async def test_a_url_that_was_taken_away_is_gone(anna: Calendar) -> None:
    made = await anna.publish()
    await anna.unpublish(made.id)
    assert (await fetched(made.url))[0] == 404
    assert await anna.published() == []
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await anna.unpublish(made.id)
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("change", ["/calendars/x.ics", "/", "/calendars/../secret", "/calendars/" + "A" * 32 + ".ics"])
async def test_a_guessed_url_leads_nowhere(anna: Calendar, change: str) -> None:
    url = urllib.parse.urljoin((await anna.publish()).url, "/") + change.lstrip("/")
    assert (await fetched(url))[0] == 404


async def test_a_calendar_can_only_be_read(anna: Calendar) -> None:
    status, header, _ = await fetched((await anna.publish()).url, "POST")
    assert (status, header["allow"]) == (405, "GET, HEAD")


async def test_a_deleted_folder_takes_its_url_along(anna: Calendar) -> None:
    folders = FolderServiceStub(anna.running.channel)
    wanted = folder_pb2.Folder(name="Team", default_kind=item_pb2.ITEM_KIND_APPOINTMENT)
    made = await folders.CreateFolder(
        folder_pb2.CreateFolderRequest(operation_id=anna.running.ids.new(), folder=wanted), metadata=anna.person.metadata
    )
    url = (await anna.publish(folder_id=made.folder.id)).url
    assert (await fetched(url))[0] == 200
    await folders.DeleteFolder(
        folder_pb2.DeleteFolderRequest(operation_id=anna.running.ids.new(), folder_id=made.folder.id), metadata=anna.person.metadata
    )
    assert (await fetched(url))[0] == 404


async def test_a_folder_of_mail_is_no_calendar(anna: Calendar) -> None:
    listed = await FolderServiceStub(anna.running.channel).ListFolders(
        folder_pb2.ListFoldersRequest(), metadata=anna.person.metadata
    )
    [inbox] = [each.id for each in listed.folders if each.role == folder_pb2.FOLDER_ROLE_INBOX]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await anna.publish(folder_id=inbox)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_connection_that_asks_for_nothing_is_ended(anna: Calendar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_KEEP_ALIVE_SECONDS", 0.05)
    place = urllib.parse.urlsplit((await anna.publish()).url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()


async def test_who_reads_slowly_keeps_nobody_else_waiting(world: MeetingWorld) -> None:
    anna = await world.person("anna")
    await world.appointment(anna, start="2026-03-02T12:00:00", end="2026-03-02T13:00:00")
    publishing = PublishingService(
        world.database, world.operations, world.ids, base_url=lambda: "https://x.test", random_bytes=os.urandom
    )
    request = pb.PublishCalendarRequest(operation_id=world.ids.new())
    made = pb.PublishCalendarResponse.FromString(await publishing.publish_calendar(anna.caller, request)).calendar
    feeds = CalendarFeeds(world.database, world.clock)
    calendar = await feeds.find(made.url.rpartition("/")[2].removesuffix(".ics"))
    assert calendar is not None
    async with contextlib.AsyncExitStack() as slow:
        for _ in range(3):
            pieces = await slow.enter_async_context(contextlib.aclosing(feeds.pieces(calendar)))
            assert [await asyncio.wait_for(anext(pieces), 20) for _ in range(2)]
        assert b"".join([piece async for piece in feeds.pieces(calendar)]).endswith(b"END:VCALENDAR\r\n")


async def test_a_server_that_serves_no_calendars_says_so(tmp_path: pathlib.Path) -> None:
    async with serving(settings_of(tmp_path)) as running:
        anna = Calendar(running, await running.add_person("anna"))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await anna.publish()
    assert "serves no calendars" in str(refused.value.details())


async def test_urls_begin_as_the_settings_say(tmp_path: pathlib.Path) -> None:
    settings = settings_of(tmp_path, calendars="127.0.0.1:0", calendars_url="https://cal.example.org/x/")
    async with serving(settings) as running:
        anna = Calendar(running, await running.add_person("anna"))
        assert (await anna.publish()).url.startswith("https://cal.example.org/x/calendars/")


async def test_plain_text_beyond_this_machine_has_to_be_asked_for(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InvalidArgument, match="plain text"):
        async with serving(settings_of(tmp_path, calendars="0.0.0.0:0")):
            pass
