"""An office: people at one server, each with devices that work offline for days; their mail goes round by the server's queue."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

from rookery.v1 import folder_pb2
from rookery.v1.calendar_pb2 import RESPONSE_STATUS_NONE, Attendee, CalendarTime
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, ITEM_KIND_TASK, Item
from rookery.v1.person_pb2 import Person as Named
from rookery.v1.sync_pb2 import SyncDepth, SyncScope
from rookery_client import Client
from rookery_client.replica.engine.engine import Engine
from rookery_client.replica.engine.remote import RemoteTransport
from rookery_client.replica.offline.client import OfflineClient
from rookery_client.replica.replica import Replica
from rookery_client.replica.storage.identity import Identity
from rookery_core.rules.ids import RandomIds
from tests.support.mail import until
from tests.support.server import serving, settings_of

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Iterable

    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from tests.support.server import Person, Running

CALENDAR, TASKS, DELETED, INBOX, SENT = (
    folder_pb2.FOLDER_ROLE_CALENDAR,
    folder_pb2.FOLDER_ROLE_TASKS,
    folder_pb2.FOLDER_ROLE_DELETED,
    folder_pb2.FOLDER_ROLE_INBOX,
    folder_pb2.FOLDER_ROLE_SENT,
)
ATTENDEES = "content.appointment.attendees"


def at(day: int, hour: int = 9) -> CalendarTime:
    """An hour of March 2031, in Berlin."""
    return CalendarTime(local=f"2031-03-{day:02}T{hour:02}:00:00", time_zone="Europe/Berlin")


class Device:
    """A device of somebody's: ``offline`` is a client of its replica, ``online`` one of the server."""

    def __init__(self, running: Running, person: Person, online: Client, path: pathlib.Path, depth: Any) -> None:
        self.clock, self.online, self.ids = running.clock, online, RandomIds(running.clock)
        self.replica = Replica.open(path, clock=self.clock, ids=self.ids, create=True)
        self.replica.adopt(Identity(running.address, person.address, person.account.mailbox_id, person.account.id))
        self.replica.set_scope(SyncScope(depth=depth))
        self.offline = OfflineClient(self.replica, clock=self.clock, ids=self.ids)

    async def sync(self) -> None:
        """Synchronises once, a minute later."""
        self.clock.advance(seconds=60)
        await Engine(self.replica, RemoteTransport(self.online), clock=self.clock, ids=self.ids, chance=lambda: 0.5).run_once()

    async def edit(self, item_id: bytes, *paths: str, client: Client | None = None, **fields: Any) -> Item:
        """Edits an item, offline if no client is given; ``fields`` are of the appointment or the task."""
        self.clock.advance(seconds=60)
        client = client or self.offline
        item = await client.items.get(item_id)
        arm = item.summary.WhichOneof("detail")
        for name, value in fields.items():
            if isinstance(value, CalendarTime):
                getattr(getattr(item.summary, str(arm)), name).CopyFrom(value)
            else:
                setattr(getattr(item.summary, str(arm)), name, value)
        return await client.items.update(item, [*paths, *(f"summary.{arm}.{name}" for name in fields)])

    async def list(self, item_id: bytes, *people: Person) -> None:
        """Makes these the attendees of a meeting, offline; whoever is on the list stays as they are."""
        self.clock.advance(seconds=60)
        item = await self.offline.items.get(item_id)
        known = {each.person.address: each for each in item.content.appointment.attendees}
        wanted = [known.get(each.address, attendee(each)) for each in people]
        edited = Item(id=item_id)
        edited.content.appointment.attendees.extend(wanted)
        await self.offline.items.update(edited, [ATTENDEES])

    def refused(self) -> list[tuple[SyncOperation, PushResult]]:
        """What the server refused."""
        return self.replica.rejected()


class Desk:
    """Somebody in the office."""

    def __init__(self, running: Running, person: Person, client: Client) -> None:
        self.running, self.person, self.client = running, person, client
        self.devices: list[Device] = []

    @property
    def address(self) -> str:
        """The primary address."""
        return self.person.address

    async def within(self, role: folder_pb2.FolderRole.ValueType, client: Client | None = None) -> list[Item]:
        """The items in a role folder, whole."""
        client = client or self.client
        listed = [item async for item in client.items.list((await client.folders.get_role(role)).id)]
        return [await client.items.get(item.id) for item in listed]

    async def own(self, role: folder_pb2.FolderRole.ValueType = CALENDAR) -> Item:
        """The only item in a role folder."""
        [item] = await self.within(role)
        return item

    async def sent(self) -> list[str]:
        """The subjects of what they have sent, in order."""
        return [item.summary.subject for item in reversed(await self.within(SENT))]

    async def sync(self) -> None:
        """All devices."""
        for device in self.devices:
            await device.sync()

    async def require_alike(self) -> None:
        """Asserts that each device holds of calendar, tasks and Deleted Items what the server does, and nothing lies over it."""
        for device in self.devices:
            for role in (CALENDAR, TASKS, DELETED):
                there, here = await self.within(role), await self.within(role, device.offline)
                assert {item.id: item for item in here} == {item.id: item for item in there}
            assert device.replica.all_waiting() == []


class Office:
    """People at one server."""

    def __init__(self, running: Running, folder: pathlib.Path, stack: contextlib.AsyncExitStack) -> None:
        self.running, self.clock = running, running.clock
        self._folder, self._stack = folder, stack
        self._numbers = itertools.count(1)
        self.desks: list[Desk] = []

    async def desk(self, name: str, *, devices: int = 0, depth: Any = SyncDepth.SYNC_DEPTH_FULL) -> Desk:
        """Somebody, with devices that are up to date."""
        person = await self.running.add_person(name)
        client = await self._stack.enter_async_context(Client.connect(self.running.address, tokens=person.login.tokens))
        desk = Desk(self.running, person, client)
        self.desks.append(desk)
        for _ in range(devices):
            await self.device(desk, depth=depth)
        return desk

    async def device(self, desk: Desk, *, depth: Any = SyncDepth.SYNC_DEPTH_FULL) -> Device:
        """One more device of somebody's, up to date."""
        login = await self.running.sign_in(desk.address)
        online = await self._stack.enter_async_context(Client.connect(self.running.address, tokens=login.tokens))
        device = Device(self.running, desk.person, online, self._folder / f"{next(self._numbers)}.replica", depth)
        self._stack.callback(device.replica.close)
        desk.devices.append(device)
        await device.sync()
        return device

    async def settle(self) -> None:
        """Waits until all that was sent has arrived, and what that gave rise to."""

        async def nothing_is_on_its_way() -> bool:
            counts = [[each async for each in desk.client.submissions.list(unfinished=True)] for desk in self.desks]
            return not any(counts)

        self.clock.advance(seconds=60)
        await until(nothing_is_on_its_way)

    async def end(self, *first: Device) -> None:
        """Days later all devices are on-line again, these before the others, and twice, until all have heard of all."""
        self.clock.advance(days=3)
        for device in (*first, *(each for desk in self.desks for each in desk.devices)):
            await device.sync()
            await self.settle()
        for desk in self.desks:
            await desk.sync()
        await self.settle()
        for desk in self.desks:
            await desk.sync()
            await desk.require_alike()


@contextlib.asynccontextmanager
async def opened(folder: pathlib.Path) -> AsyncIterator[Office]:
    """An office with nobody in it yet."""
    async with serving(settings_of(folder)) as running, contextlib.AsyncExitStack() as stack:
        yield Office(running, folder, stack)


def attendee(person: Desk | Person) -> Attendee:
    """Somebody who is to be invited."""
    return Attendee(person=Named(address=person.address), response_requested=True)


def meeting(subject: str, *people: Desk, rule: str = "") -> Item:
    """A meeting on Monday, 3 March 2031."""
    item = Item()
    item.summary.kind, item.summary.subject = ITEM_KIND_APPOINTMENT, subject
    appointment = item.summary.appointment
    appointment.start.CopyFrom(at(3))
    appointment.end.CopyFrom(at(3, 10))
    appointment.response_requested = True
    appointment.recurrence.rules.extend([rule] if rule else [])
    item.content.appointment.attendees.extend(map(attendee, people))
    return item


def task(subject: str, *rules: str) -> Item:
    """A task that is due on 3 March 2031."""
    item = Item()
    item.summary.kind, item.summary.subject = ITEM_KIND_TASK, subject
    item.summary.task.due.local = "2031-03-03"
    item.summary.task.recurrence.rules.extend(rules)
    return item


def answers(item: Item) -> dict[str, int]:
    """What the attendees of the organiser's item have answered, by the names in their addresses."""
    attendees: Iterable[Attendee] = item.content.appointment.attendees
    return {each.person.address.partition("@")[0]: each.response or RESPONSE_STATUS_NONE for each in attendees}


async def conflicts(desk: Desk) -> list[list[str]]:
    """The units that lost in somebody's mailbox, each conflict's."""
    return [list(each.units) for each in await desk.client.sync.conflicts()]
