"""Reminders over a whole server: two devices of one person, with and without a network, and both told the same."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1.calendar_pb2 import CalendarTime, OccurrenceException
from rookery.v1.item_pb2 import (
    FLAG_STATUS_FLAGGED,
    ITEM_KIND_APPOINTMENT,
    ITEM_KIND_MESSAGE,
    ITEM_KIND_TASK,
    FollowUp,
    Item,
    ReminderMarks,
)
from rookery.v1.sync_pb2 import SyncDepth, SyncScope
from rookery_client import Client
from rookery_client.cli.profiles import Profile, Profiles
from rookery_client.connection import Connection, RetryPolicy, open_channel
from rookery_client.replica.engine.engine import Engine
from rookery_client.replica.engine.remote import RemoteTransport
from rookery_client.replica.offline.client import OfflineClient
from rookery_client.replica.replica import Replica
from rookery_client.replica.storage.identity import Identity
from rookery_core.errors import InvalidArgument, RookeryError, Unavailable
from rookery_core.rules.ids import RandomIds
from tests.support.server import server_process, serving, settings_of

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

    from rookery.v1.auth_service_pb2 import Tokens
    from rookery.v1.reminder_service_pb2 import ListRemindersResponse, Reminder
    from tests.support.server import Person, Running, ServerProcess

__all__ = ["server_process"]

NOON = dt.datetime(2026, 3, 27, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


class Device:
    """A device with a replica; ``online`` is its client at the server, ``offline`` works from the replica."""

    def __init__(self, path: pathlib.Path, running: Running, person: Person, online: Client) -> None:
        self.clock, self.online, ids = running.clock, online, RandomIds(running.clock)
        self.replica = Replica.open(path, clock=self.clock, ids=ids, create=True)
        self.replica.adopt(Identity(running.address, person.address, person.account.mailbox_id, person.account.id))
        self.replica.set_scope(SyncScope(depth=SyncDepth.SYNC_DEPTH_FULL))
        self.offline = OfflineClient(self.replica, clock=self.clock, ids=ids)
        self._ids = ids

    async def sync(self) -> None:
        """Synchronises once."""
        engine = Engine(self.replica, RemoteTransport(self.online), clock=self.clock, ids=self._ids, chance=lambda: 0.5)
        await engine.run_once()


def signed_in(running: Running, tokens: Tokens) -> Client:
    """A client that lives in the server's time."""
    connection = Connection(
        open_channel(running.address),
        running.address,
        clock=running.clock,
        ids=RandomIds(running.clock),
        chance=lambda: 0.5,
        retry=RetryPolicy(),
        deadline=30.0,
        tokens=tokens,
    )
    return Client(connection)


@pytest.fixture
async def devices(tmp_path: pathlib.Path) -> AsyncIterator[tuple[Device, Device]]:
    """Anna's laptop and phone, both up to date, on a Friday in March 2026."""
    async with serving(settings_of(tmp_path)) as running:
        running.clock.now = int(NOON.timestamp()) * 1_000_000
        person = await running.add_person("anna")
        tokens = (await running.sign_in(person.address)).tokens
        async with signed_in(running, person.login.tokens) as one, signed_in(running, tokens) as other:
            laptop = Device(tmp_path / "laptop.replica", running, person, one)
            phone = Device(tmp_path / "phone.replica", running, person, other)
            for device in (laptop, phone):
                await device.sync()
            yield laptop, phone
            for device in (laptop, phone):
                device.replica.close()


def appointment(subject: str, start: str, *rules: str, minutes: int = 15, **fields: Any) -> Item:
    item = Item()
    item.summary.kind, item.summary.subject = ITEM_KIND_APPOINTMENT, subject
    found = item.summary.appointment
    found.reminder_minutes = minutes
    found.start.CopyFrom(at(start))
    found.end.CopyFrom(found.start if "T" in start else at(f"{dt.date.fromisoformat(start) + DAY}"))
    found.recurrence.rules.extend(rules)
    found.exceptions.extend(fields.get("exceptions", ()))
    return item


def at(text: str) -> CalendarTime:
    return CalendarTime(local=text, time_zone="Europe/Berlin" if "T" in text else "")


def task(subject: str, reminder: dt.datetime) -> Item:
    item = Item()
    item.summary.kind, item.summary.subject = ITEM_KIND_TASK, subject
    item.summary.task.reminder.FromDatetime(reminder)
    return item


async def one_of_each(client: Client) -> list[Item]:
    """Items of all kinds that have reminders, in several folders."""
    moved = OccurrenceException(original_start=at("2026-03-30T09:00:00"), start=at("2026-03-29T08:00:00"), reminder_minutes=60)
    moved.end.CopyFrom(at("2026-03-29T08:30:00"))
    items = [
        appointment("Standup", "2026-03-27T09:00:00", "FREQ=DAILY", exceptions=[moved]),
        appointment("Birthday", "1980-03-28", "FREQ=YEARLY", minutes=0),
        appointment("Dentist", "2026-03-27T13:10:00"),
        appointment("Long ago", "2020-03-27T13:10:00"),
        task("Taxes", NOON - DAY),
        task("Plants", NOON + DAY / 2),
        task("In a year", NOON + 300 * DAY),
    ]
    made = [await client.items.create(item) for item in items]
    mail = Item()
    mail.summary.kind, mail.summary.subject = ITEM_KIND_MESSAGE, "Offer"
    letter = await client.items.create(mail)
    flag = FollowUp(status=FLAG_STATUS_FLAGGED)
    flag.reminder.FromDatetime(NOON + 2 * DAY)
    await client.items.set_state([letter.id], follow_up=flag)
    await client.items.delete([(await client.items.create(task("Thrown away", NOON - DAY))).id])
    return [*made, letter]


async def asked(client: Client, until: dt.datetime | None = None, most: int = 0) -> ListRemindersResponse | str:
    """The answer but for its revision, or the reason of a refusal."""
    try:
        found = await client.reminders.list(until=until, most=most)
    except RookeryError as error:
        return error.reason
    found.revision = 0
    return found


async def listed(client: Client, days: float = 0) -> list[Reminder]:
    return list((await client.reminders.list(until=NOON + days * DAY if days else None)).reminders)


async def test_a_replica_tells_the_same_as_the_server(devices: tuple[Device, Device]) -> None:
    laptop, _ = devices
    await one_of_each(laptop.online)
    await laptop.sync()
    for _ in range(4):
        for until in (None, NOON, NOON + DAY, NOON + 3 * DAY, NOON + 399 * DAY, NOON + 500 * DAY):
            for most in (0, 1, 3, 501):
                told = await asked(laptop.online, until, most)
                assert await asked(laptop.offline, until, most) == told
        reminders = await listed(laptop.online, 3)
        await laptop.online.reminders.dismiss(reminders[1:2])
        await laptop.online.reminders.snooze(reminders[0], NOON + DAY)
        laptop.clock.advance(seconds=20_000)
        await laptop.sync()


async def test_what_is_done_without_a_network_is_done_everywhere(devices: tuple[Device, Device]) -> None:
    laptop, phone = devices
    made = await one_of_each(laptop.online)
    for device in devices:
        await device.sync()
    due = await listed(phone.offline)
    assert [each.subject for each in due] == ["Taxes", "Dentist"]
    await phone.offline.reminders.dismiss(due[:1])
    await phone.offline.reminders.snooze(due[1], NOON + DAY)
    assert await listed(phone.offline) == []
    assert len(await listed(phone.online)) == 2
    await phone.sync()
    assert await listed(laptop.online) == []
    await laptop.sync()
    assert await listed(laptop.offline) == []
    laptop.clock.advance(days=1)
    assert [each.subject for each in (await laptop.offline.reminders.list()).reminders][-1] == "Dentist"
    after = (await laptop.online.items.batch_get([item.id for item in made])).items
    before = {item.id: item for item in made}
    assert all(item.content_revision == before[item.id].content_revision for item in after)


@pytest.mark.parametrize("first", [0, 1])
async def test_the_later_dismissal_stays_whichever_device_comes_first(devices: tuple[Device, Device], first: int) -> None:
    laptop, phone = devices
    item = await laptop.online.items.create(appointment("Standup", "2026-03-26T09:00:00", "FREQ=DAILY"))
    for device in devices:
        await device.sync()
    [next_one] = await listed(laptop.offline, 3)
    await laptop.offline.reminders.dismiss([next_one])
    for _ in range(2):
        await phone.offline.reminders.dismiss(await listed(phone.offline, 3))
    for device in (devices[first], devices[1 - first], devices[first]):
        await device.sync()
    found = [(await listed(client, 9))[0] for device in devices for client in (device.online, device.offline)]
    assert [each.original_start.local for each in found] == ["2026-03-30T09:00:00"] * 4
    assert not (await laptop.online.items.get(item.id)).summary.appointment.exceptions


async def test_what_the_server_would_refuse_is_refused_offline(devices: tuple[Device, Device]) -> None:
    laptop, _ = devices
    item = await laptop.online.items.create(task("Taxes", NOON - DAY))
    await laptop.sync()
    for client in (laptop.online, laptop.offline):
        with pytest.raises(InvalidArgument):
            await client.items.set_state([item.id])
        marks = ReminderMarks()
        marks.dismissed_through.nanos = -1
        with pytest.raises(InvalidArgument) as refused:
            await client.items.set_state([item.id], reminder=marks)
        assert refused.value.field == "reminder.dismissed_through"
    with pytest.raises(Unavailable):
        await anext(laptop.offline.sync.watch())


async def test_watching_tells_what_becomes_due(devices: tuple[Device, Device]) -> None:
    laptop, phone = devices
    await laptop.online.items.create(task("Taxes", NOON - DAY))
    stream = laptop.online.sync.watch()
    assert [each.subject for each in (await asyncio.wait_for(anext(stream), 10)).due_reminders] == ["Taxes"]
    await phone.online.items.create(task("Soon", NOON + dt.timedelta(seconds=0.2)))
    laptop.clock.advance(seconds=0.2)
    told: list[str] = []
    while not told:
        told += [each.subject for each in (await asyncio.wait_for(anext(stream), 10)).due_reminders]
    assert told == ["Soon"]
    await stream.aclose()


def test_the_command_prints_reminders_as_they_become_due(
    server_process: ServerProcess, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
    profiles = tmp_path / "config"
    monkeypatch.setenv("ROOKERY_CONFIG_DIR", str(profiles))

    async def prepare() -> None:
        async with server_process.connected() as server:
            person = await server.add_person("anna")
        Profiles(profiles).put(
            "default", Profile(server=server_process.address, address=person.address, tokens=person.login.tokens)
        )
        async with Client.connect(server_process.address, tokens=person.login.tokens) as client:
            for subject, time in (("Taxes", soon - DAY), ("Soon", soon), ("Later", soon + DAY)):
                await client.items.create(task(subject, time))

    asyncio.run(prepare())
    command = [sys.executable, "-m", "rookery_client.cli.main", "reminders", "watch", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        told = [json.loads(watching.stdout.readline())["subject"] for _ in range(2)]
        watching.terminate()
    assert told == ["Taxes", "Soon"]
