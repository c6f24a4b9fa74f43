"""Meetings through a whole server: invited and answered here at once, others by mail; errors as they travel."""

from __future__ import annotations

import asyncio
import email
import email.policy
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest

from rookery.v1 import calendar_service_pb2, folder_pb2, item_service_pb2
from rookery.v1 import meeting_service_pb2 as messages
from rookery.v1.calendar_pb2 import EVENT_STATUS_CANCELLED
from rookery.v1.calendar_service_pb2_grpc import CalendarServiceStub
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery.v1.meeting_service_pb2_grpc import MeetingServiceStub
from rookery.v1.person_pb2 import Person as Named
from rookery_core.formats import itip
from rookery_server.bootstrap import CAPTURED
from tests.support.mail import until
from tests.support.meeting_calls import ACCEPTED, NONE, appointment, at

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Awaitable, Callable

    from rookery.v1.item_pb2 import Item
    from tests.support.server import Person, Running

CALENDAR, INBOX, DELETED = folder_pb2.FOLDER_ROLE_CALENDAR, folder_pb2.FOLDER_ROLE_INBOX, folder_pb2.FOLDER_ROLE_DELETED
FAR = "far@other.test"


class Desk:
    """Somebody who plans, over the port."""

    def __init__(self, running: Running, person: Person) -> None:
        self._ids = running.ids
        self._metadata = person.metadata
        self._folders: Any = FolderServiceStub(running.channel)
        self.items: Any = ItemServiceStub(running.channel)
        self.meetings: Any = MeetingServiceStub(running.channel)
        self.calendar: Any = CalendarServiceStub(running.channel)

    async def call(self, method: Callable[..., Awaitable[Any]], request: Any) -> Any:
        request.operation_id = request.operation_id or self._ids.new()
        return await method(request, metadata=self._metadata)

    async def plan(self, item: Item) -> Item:
        found: Item = (await self.call(self.items.CreateItem, item_service_pb2.CreateItemRequest(item=item))).item
        return found

    async def within(self, role: folder_pb2.FolderRole.ValueType) -> list[Item]:
        folder = (await self._folders.GetFolder(folder_pb2.GetFolderRequest(role=role), metadata=self._metadata)).folder
        request = item_service_pb2.ListItemsRequest(folder_id=folder.id, view=item_service_pb2.ITEM_VIEW_FULL)
        return list((await self.items.ListItems(request, metadata=self._metadata)).items)

    async def find(self, role: folder_pb2.FolderRole.ValueType, fits: Callable[[Item], bool] = lambda _: True) -> Item:
        """The first item that fits, once there is one."""

        async def is_there() -> bool:
            return any(map(fits, await self.within(role)))

        await until(is_there)
        return next(filter(fits, await self.within(role)))


async def test_a_meeting_from_the_invitation_to_the_end(server: Running, tmp_path: pathlib.Path) -> None:
    anna, ben = [Desk(server, await server.add_person(name)) for name in ("anna", "ben")]
    item = await anna.plan(appointment(attendees=["ben@rookery.test", FAR]))
    sent = await anna.call(anna.meetings.SendMeeting, messages.SendMeetingRequest(item_id=item.id))
    assert [each.person.address for each in sent.submissions[0].recipients] == ["ben@rookery.test", FAR]
    copy = await ben.find(CALENDAR)
    assert (copy.summary.appointment.my_response, copy.summary.appointment.organizer.address) == (NONE, "anna@rookery.test")
    invitation = await ben.find(INBOX)
    assert invitation.content.message.scheduling.item_id == copy.id
    server.clock.advance(seconds=5)
    answer = messages.RespondToMeetingRequest(item_id=invitation.id, response=ACCEPTED, comment="Gladly")
    assert (await ben.call(ben.meetings.RespondToMeeting, answer)).item.id == copy.id

    def is_accepted(kept: Item) -> bool:
        return [each.response for each in kept.content.appointment.attendees] == [ACCEPTED, NONE]

    tracked = await anna.find(CALENDAR, is_accepted)
    assert tracked.content.appointment.attendees[0].comment == "Gladly"
    server.clock.advance(seconds=5)
    await anna.call(anna.meetings.CancelMeeting, messages.CancelMeetingRequest(item_id=item.id))
    gone = await ben.find(DELETED)
    assert (gone.id, gone.summary.appointment.status) == (copy.id, EVENT_STATUS_CANCELLED)
    files = await captured(tmp_path, 2)
    calendars = [part for file in files for part in file.walk() if part.get_content_type() == "text/calendar"]
    assert sorted(str(part.get_param("method")) for part in calendars) == ["CANCEL", "REQUEST"]
    assert {itip.read(part.get_payload(decode=True)).uid for part in calendars} == {item.summary.appointment.meeting_id}


async def captured(folder: pathlib.Path, count: int) -> list[Any]:
    """The messages that left for other servers."""

    def look() -> list[pathlib.Path]:
        return sorted((folder / CAPTURED).glob("*.eml"))

    async def are_there() -> bool:
        return len(await asyncio.to_thread(look)) == count

    await until(are_there)
    return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in look()]


async def test_a_series_is_split_and_forwarded(server: Running) -> None:
    anna, ben = [Desk(server, await server.add_person(name)) for name in ("anna", "ben")]
    item = await anna.plan(appointment("2026-03-02T10:00:00", "2026-03-02T11:00:00", "FREQ=WEEKLY;COUNT=4"))
    request = calendar_service_pb2.SplitSeriesRequest(item_id=item.id, at=at("2026-03-16T10:00:00"))
    parts = await anna.call(anna.calendar.SplitSeries, request)
    forward = messages.ForwardMeetingRequest(item_id=parts.second.id, to=[Named(address="ben@rookery.test")])
    assert len((await anna.call(anna.meetings.ForwardMeeting, forward)).submissions) == 1
    copy = await ben.find(CALENDAR)
    assert copy.summary.appointment.meeting_id == parts.second.summary.appointment.meeting_id


async def test_refusals_tell_their_reason(server: Running) -> None:
    anna, ben = [Desk(server, await server.add_person(name)) for name in ("anna", "ben")]
    item = await anna.plan(appointment(attendees=["ben@rookery.test"]))
    half = at("2026-03-16T10:00:00")
    unknown, wrong, forbidden = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION
    calls: list[tuple[Any, Any, grpc.StatusCode]] = [
        (anna.meetings.SendMeeting, messages.SendMeetingRequest(item_id=item.id, etag=1), grpc.StatusCode.ABORTED),
        (anna.meetings.RespondToMeeting, messages.RespondToMeetingRequest(item_id=item.id, response=ACCEPTED), forbidden),
        (anna.meetings.RespondToMeeting, messages.RespondToMeetingRequest(item_id=item.id), wrong),
        (anna.meetings.ForwardMeeting, messages.ForwardMeetingRequest(item_id=item.id), wrong),
        (ben.meetings.CancelMeeting, messages.CancelMeetingRequest(item_id=item.id), unknown),
        (anna.calendar.SplitSeries, calendar_service_pb2.SplitSeriesRequest(item_id=item.id, at=half), forbidden),
    ]
    for method, request, code in calls:
        desk = ben if code is unknown else anna
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await desk.call(method, request)
        assert refused.value.code() is code
