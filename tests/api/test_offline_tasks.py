"""Tasks and two devices of one person, over a whole server: completed without a network, once, and seen alike everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import folder_pb2
from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.item_pb2 import FLAG_STATUS_COMPLETED, FLAG_STATUS_FLAGGED, ITEM_KIND_MESSAGE, ITEM_KIND_TASK, FollowUp, Item
from rookery.v1.sync_pb2 import SyncDepth, SyncScope
from rookery.v1.task_pb2 import TaskStatus
from rookery.v1.task_service_pb2 import TaskSelection
from rookery_client import Client
from rookery_client.replica.engine.engine import Engine
from rookery_client.replica.engine.remote import RemoteTransport
from rookery_client.replica.offline.client import OfflineClient
from rookery_client.replica.replica import Replica
from rookery_client.replica.storage.identity import Identity
from rookery_core.errors import FailedPrecondition, InvalidArgument, RookeryError
from rookery_core.rules.ids import RandomIds
from tests.support.server import serving, settings_of

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

    from tests.support.server import Person, Running

ALL, DONE = TaskSelection.TASK_SELECTION_ALL, TaskSelection.TASK_SELECTION_DONE


class Device:
    """A device with a replica; ``online`` is its client at the server, ``offline`` works from the replica."""

    def __init__(self, path: pathlib.Path, running: Running, person: Person, online: Client) -> None:
        self.clock, self.online, self.ids = running.clock, online, RandomIds(running.clock)
        self.replica = Replica.open(path, clock=self.clock, ids=self.ids, create=True)
        self.replica.adopt(Identity(running.address, person.address, person.account.mailbox_id, person.account.id))
        self.replica.set_scope(SyncScope(depth=SyncDepth.SYNC_DEPTH_FULL))
        self.offline = OfflineClient(self.replica, clock=self.clock, ids=self.ids)

    async def sync(self) -> None:
        """Synchronises once."""
        engine = Engine(self.replica, RemoteTransport(self.online), clock=self.clock, ids=self.ids, chance=lambda: 0.5)
        await engine.run_once()


@pytest.fixture
async def devices(tmp_path: pathlib.Path) -> AsyncIterator[tuple[Device, Device]]:
    """Anna's laptop and phone, both up to date."""
    async with serving(settings_of(tmp_path)) as running:
        person = await running.add_person("anna")
        tokens = (await running.sign_in(person.address)).tokens
        async with (
            Client.connect(running.address, tokens=person.login.tokens) as one,
            Client.connect(running.address, tokens=tokens) as other,
        ):
            laptop = Device(tmp_path / "laptop.replica", running, person, one)
            phone = Device(tmp_path / "phone.replica", running, person, other)
            for device in (laptop, phone):
                await device.sync()
            yield laptop, phone
            for device in (laptop, phone):
                device.replica.close()


def task(subject: str, due: str = "", *rules: str, regenerating: bool = False) -> Item:
    item = Item()
    item.summary.kind, item.summary.subject, item.content.body.text = ITEM_KIND_TASK, subject, f"How to: {subject}"
    item.summary.task.regenerating = regenerating
    item.summary.task.recurrence.rules.extend(rules)
    if due:
        item.summary.task.due.CopyFrom(CalendarTime(local=due))
    return item


async def listed(client: Client, **wanted: Any) -> list[Item]:
    return [item async for item in client.tasks.list(**wanted)]


def dues(items: list[Item]) -> list[tuple[str, int]]:
    return [(item.summary.task.due.local, item.summary.task.status) for item in items]


async def test_two_devices_complete_the_same_occurrence_offline_and_it_is_completed_once(devices: tuple[Device, Device]) -> None:
    laptop, phone = devices
    made = await laptop.offline.items.create(task("Water the plants", "2026-03-02", "FREQ=WEEKLY"))
    await laptop.sync()
    await phone.sync()
    answers = [await device.offline.tasks.complete(made.id, 0) for device in devices]
    assert answers[0].completed_copy.id == answers[1].completed_copy.id
    laptop.clock.advance(seconds=60)
    second = await phone.offline.tasks.complete(made.id, 1)
    assert second.item.summary.task.due.local == "2026-03-16"
    here = await listed(laptop.offline, selection=ALL)
    new, done = TaskStatus.TASK_STATUS_NOT_STARTED, TaskStatus.TASK_STATUS_COMPLETED
    assert dues(here) == [("2026-03-02", done), ("2026-03-09", new)]
    assert here[0].summary.preview == "How to: Water the plants"
    for device in (laptop, phone, laptop):
        await device.sync()
    for device in devices:
        items = await listed(device.online, selection=ALL)
        assert dues(items) == [("2026-03-02", done), ("2026-03-09", done), ("2026-03-16", new)]
        assert await listed(device.offline, selection=ALL) == items
        assert device.replica.rejected() == []
        for item in items:
            assert (await device.offline.items.get(item.id)).content == (await device.online.items.get(item.id)).content


async def test_a_task_made_offline_is_completed_offline_and_means_the_same_to_the_server(devices: tuple[Device, Device]) -> None:
    laptop, phone = devices
    for item in (
        task("Regenerates", "2026-03-02", "FREQ=MONTHLY;COUNT=2", regenerating=True),
        task("Ends", "2026-03-02", "FREQ=DAILY;COUNT=1"),
        task("Single"),
    ):
        made = await laptop.offline.items.create(item)
        await laptop.offline.tasks.complete(made.id, time_zone="Asia/Tokyo")
    half = await laptop.offline.items.create(task("Half"))
    half.summary.task.percent_complete = 50
    await laptop.offline.items.update(half, ["summary.task.percent_complete"])
    here = await listed(laptop.offline, selection=ALL)
    assert [item.summary.task.percent_complete for item in here if item.summary.subject == "Half"] == [50]
    await laptop.sync()
    await phone.sync()
    there = await listed(laptop.online, selection=ALL)
    assert [item.summary.task for item in there] == [item.summary.task for item in here]
    assert await listed(laptop.offline, selection=ALL) == there == await listed(phone.offline, selection=ALL)


async def test_the_list_is_the_same_with_a_server_and_without(devices: tuple[Device, Device]) -> None:
    laptop, _ = devices
    tasks = (await laptop.online.folders.get_role(folder_pb2.FOLDER_ROLE_TASKS)).id
    for number in range(7):
        item = task(f"Task {number}", f"2026-03-0{number // 2 + 1}" if number < 6 else "")
        item.summary.importance = number % 3 + 1  # type: ignore[assignment]  # low, normal, high
        made = await laptop.online.items.create(item)
        if number % 4 == 1:
            await laptop.online.tasks.complete(made.id)
    letter = Item(folder_id=tasks)
    letter.summary.kind, letter.summary.subject = ITEM_KIND_MESSAGE, "A letter"
    for status in (FLAG_STATUS_FLAGGED, FLAG_STATUS_COMPLETED):
        flag = FollowUp(status=status)
        flag.due.FromJsonString("2026-03-02T00:00:00Z")
        await laptop.online.items.set_state([(await laptop.online.items.create(letter)).id], follow_up=flag)
    await laptop.online.items.delete([(await laptop.online.items.create(task("Gone"))).id])
    await laptop.sync()
    for wanted in ({}, {"selection": ALL}, {"selection": DONE}, {"selection": ALL, "include_flagged": False}):
        for size in (1, 2, 500):
            online = await listed(laptop.online, page_size=size, **wanted)
            assert await listed(laptop.offline, page_size=size, **wanted) == online
            assert online


async def test_what_the_server_would_refuse_is_refused_offline(devices: tuple[Device, Device]) -> None:
    laptop, _ = devices
    series = await laptop.online.items.create(task("Water the plants", "2026-03-02", "FREQ=DAILY"))
    mail = Item()
    mail.summary.kind = ITEM_KIND_MESSAGE
    letter = await laptop.online.items.create(mail)
    await laptop.sync()
    edited = Item(id=series.id)
    edited.summary.task.status = TaskStatus.TASK_STATUS_COMPLETED
    for client in (laptop.online, laptop.offline):
        refusals: list[tuple[type[RookeryError], str]] = []
        for call in (
            client.tasks.complete(series.id, 3),
            client.tasks.complete(letter.id),
            client.items.update(edited, ["summary.task.status"]),
        ):
            with pytest.raises(RookeryError) as refused:
                await call
            refusals.append((type(refused.value), refused.value.reason))
        assert refusals == [
            (FailedPrecondition, "OCCURRENCE_UNKNOWN"),
            (FailedPrecondition, "NOT_A_TASK"),
            (InvalidArgument, "TASK_RECURS"),
        ]
    assert laptop.replica.all_waiting() == []


async def test_a_completion_is_taken_back_before_it_is_sent(devices: tuple[Device, Device]) -> None:
    laptop, _ = devices
    made = await laptop.online.items.create(task("Water the plants", "2026-03-02", "FREQ=DAILY"))
    await laptop.sync()
    before = await listed(laptop.offline, selection=ALL)
    await laptop.offline.tasks.complete(made.id)
    [waiting] = laptop.replica.all_waiting()
    assert laptop.replica.dismiss(waiting.operation.operation_id) is not None
    assert await listed(laptop.offline, selection=ALL) == before
