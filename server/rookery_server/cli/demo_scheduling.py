"""What the demonstration's people arrange with each other: meetings, a room, a task; through the same calls as everybody else's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rookery.v1 import calendar_pb2, folder_pb2, item_pb2, item_service_pb2, meeting_service_pb2, task_service_pb2
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery.v1.meeting_service_pb2_grpc import MeetingServiceStub
from rookery.v1.person_pb2 import Person as PersonRecord
from rookery.v1.task_service_pb2_grpc import TaskServiceStub
from rookery_server.cli.demo_content.people import ANNA, BEN, HUT, Person

if TYPE_CHECKING:
    import grpc.aio

    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery.v1.folder_pb2 import FolderRole
    from rookery.v1.item_pb2 import Item
    from rookery_core.rules.ids import Ids

_ZONE = "Europe/London"
_ACCEPTED, _DECLINED = calendar_pb2.RESPONSE_STATUS_ACCEPTED, calendar_pb2.RESPONSE_STATUS_DECLINED
_LOOKS, _PAUSE = 200, 0.05
"""How often, and after how many seconds each, somebody looks whether an invitation has arrived."""


async def arrange(channel: grpc.aio.Channel, ids: Ids, signed_in: dict[Person, tuple[tuple[str, str], ...]], now: datetime) -> None:
    """Lets the two meet and share work. After a start that broke off nothing is made twice, and nobody is told anything twice."""
    anna, ben = (_Desk(channel, ids, signed_in[person]) for person in (ANNA, BEN))
    await _watch(anna, ben, now)
    tea = _meeting("Tea under the new roof", _at(now, 2, 15), timedelta(hours=1), [ANNA], "New hide")
    await ben.invite(tea, "Carla's roof is dry at last. Bring a cup.")
    lens = _task("Clean the lens of camera 2", now + timedelta(days=3))
    await _hand_over(anna, ben, lens)
    call = _task("Ring Gita about the car park", now)
    call.summary.task.reminder.FromDatetime(now.astimezone(UTC))
    await anna.make(folder_pb2.FOLDER_ROLE_TASKS, call)


async def _watch(anna: _Desk, ben: _Desk, now: datetime) -> None:
    """A series with a room and a moved occurrence; of one Ben can not come."""
    first, wednesdays = _at(now, 9 - now.weekday(), 16), timedelta(days=7)
    watch = _meeting("Otter watch", first, timedelta(hours=2), [BEN, HUT], HUT.name)
    appointment = watch.summary.appointment
    appointment.recurrence.rules.append("FREQ=WEEKLY;COUNT=6")
    moved = _at(now, 9 - now.weekday() + 15, 17)
    appointment.exceptions.add(
        original_start=_time(first + 2 * wednesdays), start=_time(moved), end=_time(moved + timedelta(hours=2))
    )
    await anna.invite(watch, "Quiet shoes, please.")
    arrived = await ben.find(folder_pb2.FOLDER_ROLE_CALENDAR, watch.summary.subject)
    answered = arrived.summary.appointment
    if answered.my_response != _ACCEPTED:
        await ben.respond(arrived, _ACCEPTED, "I bring the thermos.")
    if not any(each.my_response == _DECLINED for each in answered.exceptions):
        await ben.respond(arrived, _DECLINED, "The sluice is being fitted that day.", _time(first + wednesdays))


async def _hand_over(anna: _Desk, ben: _Desk, task: Item) -> None:
    made = await anna.make(folder_pb2.FOLDER_ROLE_TASKS, task)
    if made.summary.task.assignment:
        return
    await anna.assign(made, BEN, "You have the ladder.")
    await ben.take(await ben.find(folder_pb2.FOLDER_ROLE_TASKS, task.summary.subject), "On Thursday.")


class _Desk:
    """Where one person arranges things."""

    def __init__(self, channel: grpc.aio.Channel, ids: Ids, metadata: tuple[tuple[str, str], ...]) -> None:
        self._folders, self._items = FolderServiceStub(channel), ItemServiceStub(channel)
        self._meetings, self._tasks = MeetingServiceStub(channel), TaskServiceStub(channel)
        self._ids = ids
        self._metadata = metadata

    async def make(self, role: FolderRole.ValueType, item: Item) -> Item:
        """Creates an item in a folder, unless one of its subject is there; gives it."""
        known = await self._look(role, item.summary.subject)
        if known is not None:
            return known
        request = item_service_pb2.CreateItemRequest(operation_id=self._ids.new(), item=item)
        return (await self._items.CreateItem(request, metadata=self._metadata)).item

    async def find(self, role: FolderRole.ValueType, subject: str) -> Item:
        """The item of a subject, once it has arrived. RuntimeError if it does not."""
        for _ in range(_LOOKS):
            found = await self._look(role, subject)
            if found is not None:
                return found
            await asyncio.sleep(_PAUSE)
        raise RuntimeError(f"the demonstration's own “{subject}” did not arrive")

    async def invite(self, meeting: Item, words: str) -> None:
        """Makes a meeting, and invites to it."""
        made = await self.make(folder_pb2.FOLDER_ROLE_CALENDAR, meeting)
        request = meeting_service_pb2.SendMeetingRequest(operation_id=self._ids.new(), item_id=made.id, comment=words)
        await self._meetings.SendMeeting(request, metadata=self._metadata)

    async def respond(
        self, item: Item, response: calendar_pb2.ResponseStatus.ValueType, words: str, occurrence: CalendarTime | None = None
    ) -> None:
        """Answers an invitation."""
        request = meeting_service_pb2.RespondToMeetingRequest(
            operation_id=self._ids.new(), item_id=item.id, response=response, comment=words, occurrence=occurrence
        )
        await self._meetings.RespondToMeeting(request, metadata=self._metadata)

    async def assign(self, item: Item, to: Person, words: str) -> None:
        """Hands a task over."""
        request = task_service_pb2.AssignTaskRequest(
            operation_id=self._ids.new(), item_id=item.id, to=_record(to), comment=words, progress_requested=True
        )
        await self._tasks.AssignTask(request, metadata=self._metadata)

    async def take(self, item: Item, words: str) -> None:
        """Takes a task on."""
        request = task_service_pb2.RespondToTaskRequest(
            operation_id=self._ids.new(), item_id=item.id, response=_ACCEPTED, comment=words
        )
        await self._tasks.RespondToTask(request, metadata=self._metadata)

    async def _look(self, role: FolderRole.ValueType, subject: str) -> Item | None:
        folder = await self._folders.GetFolder(folder_pb2.GetFolderRequest(role=role), metadata=self._metadata)
        request = item_service_pb2.ListItemsRequest(folder_id=folder.folder.id, page_size=200)
        listed = await self._items.ListItems(request, metadata=self._metadata)
        return next((item for item in listed.items if item.summary.subject == subject), None)


def _meeting(subject: str, start: datetime, lasting: timedelta, invited: list[Person], place: str) -> Item:
    item = item_pb2.Item()
    item.summary.kind, item.summary.subject = item_pb2.ITEM_KIND_APPOINTMENT, subject
    appointment = item.summary.appointment
    appointment.start.CopyFrom(_time(start))
    appointment.end.CopyFrom(_time(start + lasting))
    appointment.location, appointment.busy_status, appointment.response_requested = place, calendar_pb2.BUSY_STATUS_BUSY, True
    for person in invited:
        is_room = person is HUT
        item.content.appointment.attendees.add(
            person=_record(person),
            role=calendar_pb2.ATTENDEE_ROLE_RESOURCE if is_room else calendar_pb2.ATTENDEE_ROLE_REQUIRED,
            response=calendar_pb2.RESPONSE_STATUS_NONE,
            response_requested=True,
        )
    return item


def _task(subject: str, due: datetime) -> Item:
    item = item_pb2.Item()
    item.summary.kind, item.summary.subject = item_pb2.ITEM_KIND_TASK, subject
    item.summary.task.due.local = f"{due:%Y-%m-%d}"
    return item


def _record(person: Person) -> PersonRecord:
    return PersonRecord(name=person.name, address=person.address)


def _at(now: datetime, days: int, hour: int) -> datetime:
    """An hour of a day by the clock on the wall."""
    return datetime(now.year, now.month, now.day, hour) + timedelta(days=days)  # noqa: DTZ001


def _time(wall: datetime) -> CalendarTime:
    return calendar_pb2.CalendarTime(local=f"{wall:%Y-%m-%dT%H:%M:%S}", time_zone=_ZONE)
