"""Two servers that send mail to each other, and people with calendars on them."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rookery.v1 import admin_service_pb2, folder_pb2
from rookery.v1.calendar_pb2 import CalendarTime, ResponseStatus
from rookery_client import Client
from tests.e2e.mail_devices import eventually
from tests.gateway.postfix import free_port
from tests.support.server import PASSWORD, ServerProcess

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from rookery.v1.item_pb2 import Item
    from tests.support.server import Running

HOME, ELSEWHERE = "home.test", "elsewhere.test"
BERLIN = "Europe/Berlin"
CALENDAR, TASKS, INBOX = folder_pb2.FOLDER_ROLE_CALENDAR, folder_pb2.FOLDER_ROLE_TASKS, folder_pb2.FOLDER_ROLE_INBOX
ANSWERS = {value: name.removeprefix("RESPONSE_STATUS_").lower() for name, value in ResponseStatus.items()}


def next_monday(today: dt.date) -> dt.date:
    """A Monday one to two weeks from now: what is to come, and near enough for every room."""
    return today + dt.timedelta(days=14 - today.weekday())


@dataclass(frozen=True)
class Week:
    """The days of the story, by their places in it: 0 is its first Monday."""

    monday: dt.date

    def at(self, day: int, hours: str) -> CalendarTime:
        """A time of one of its days, "09:30", in Berlin."""
        return CalendarTime(local=f"{self.monday + dt.timedelta(days=day)}T{hours}:00", time_zone=BERLIN)

    def shown(self, moment: dt.datetime) -> str:
        """Which day of the story, and which time there, a moment is."""
        local = moment.astimezone(ZoneInfo(BERLIN))
        return f"{(local.date() - self.monday).days} {local:%H:%M}"


@dataclass(frozen=True)
class Desk:
    """Somebody who is signed in."""

    address: str
    client: Client
    week: Week

    async def folder(self, role: folder_pb2.FolderRole.ValueType) -> bytes:
        """The id of a role folder."""
        return (await self.client.folders.get_role(role)).id

    async def items(self, role: folder_pb2.FolderRole.ValueType) -> list[Item]:
        """What is in a folder, whole, the oldest first."""
        found = [item async for item in self.client.items.list(await self.folder(role))]
        return [await self.client.items.get(item.id) for item in reversed(found)]

    async def one(self, role: folder_pb2.FolderRole.ValueType, subject: str) -> Item:
        """The one item of a subject in a folder."""
        [found] = [item for item in await self.items(role) if item.summary.subject == subject]
        return found

    async def inbox(self) -> dict[str, int]:
        """The subjects in the inbox, and how often each is there."""
        return Counter(item.summary.subject for item in await self.items(INBOX))

    async def agenda(self) -> list[str]:
        """What is on in the weeks of the story: which day and time, what, where, and how one stands to it."""
        begin = dt.datetime.combine(self.week.monday, dt.time(), ZoneInfo(BERLIN))
        folder_id = await self.folder(CALENDAR)
        found, _ = await self.client.calendar.occurrences([folder_id], begin, begin + dt.timedelta(days=42), time_zone=BERLIN)
        return [
            f"{self.week.shown(each.begins.ToDatetime(dt.UTC))} {each.subject} @{each.location} {ANSWERS[each.my_response]}"
            for each in found
        ]

    async def answers(self, subject: str) -> dict[str, str]:
        """Who answered what to a meeting of one's own."""
        meeting = await self.one(CALENDAR, subject)
        attendees = meeting.content.appointment.attendees
        return {each.person.address.partition("@")[0]: ANSWERS[each.response] for each in attendees}

    async def sees(self, look: Callable[[], Awaitable[object]], expected: object) -> None:
        """Waits until there is this to be seen."""
        await eventually(look, expected)


@contextlib.contextmanager
def two_servers(folder: pathlib.Path, database_url: str) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """Real processes, each of which hands mail for the other's domain to it, by SMTP."""
    doors = {HOME: free_port(), ELSEWHERE: free_port()}

    def process(name: str, other: str, *more: str) -> ServerProcess:
        way = ["--mail-delivery", "smarthost", "--smarthost", f"smtp://127.0.0.1:{doors[other]}", "--mail-name", f"mx.{name}"]
        return ServerProcess(folder / name, *way, "--smtp", f"127.0.0.1:{doors[name]}", *more)

    home, elsewhere = process(HOME, ELSEWHERE, "--database-url", database_url), process(ELSEWHERE, HOME)
    with contextlib.ExitStack() as stack:
        for each in (home, elsewhere):
            each.start()
            stack.callback(each.kill)
        yield home, elsewhere


async def account(server: Running, address: str, **fields: object) -> None:
    """Adds an account, and its domain."""
    await server.add_domain(address.partition("@")[2])
    wanted = admin_service_pb2.Account(address=address, **fields)  # type: ignore[arg-type]
    request = admin_service_pb2.CreateAccountRequest(operation_id=server.ids.new(), account=wanted, password=PASSWORD)
    await server.admin.CreateAccount(request)


@contextlib.asynccontextmanager
async def desk(server: Running, address: str, week: Week) -> AsyncIterator[Desk]:
    """Somebody new, signed in."""
    await account(server, address, display_name=address.partition("@")[0].title())
    async with Client.connect(server.address, deadline=60) as client:
        await client.login(address, PASSWORD, "a desk")
        yield Desk(address, client, week)
