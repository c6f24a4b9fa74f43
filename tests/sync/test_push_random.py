"""Three devices, offline for a while, edit the same items: they come together the same way in whatever order they arrive."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from rookery.v1 import item_pb2, sync_pb2
from rookery.v1.item_pb2 import Item, ItemSummary, Recipient
from rookery.v1.item_service_pb2 import ListEdits
from rookery.v1.person_pb2 import Person as Name
from rookery.v1.property_pb2 import Property, PropertyKey, PropertyValue
from rookery.v1.task_pb2 import TaskSummary
from rookery_core.rules import merging, units
from tests.sync.devices import Device, Fleet

if TYPE_CHECKING:
    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from tests.support.world import Person, World

PATHS = ["summary.subject", "content.body", "summary.task.percent_complete", "summary.task.location", "summary.importance"]
DEVICES, EDITS = 3, 8
Asked = tuple[int, bytes, str, Item]
"""By which device, of which item, which unit, and the edit's own values."""


class Story:
    """What three devices do while they are offline, from one seed: to be told in one mailbox after the other."""

    def __init__(self, world: World, seed: int) -> None:
        self._random = random.Random(seed)
        self._world = world
        self.item_ids = [world.ids.new() for _ in range(2)]
        self.sessions = [world.ids.new() for _ in range(DEVICES)]
        self.operations: list[list[SyncOperation]] = []
        self.asked: list[Asked] = []

    async def begin(self, person: Person) -> list[Device]:
        """Creates the items, and devices that have seen them. The first time the devices do what they do, too."""
        for item_id in self.item_ids:
            summary = ItemSummary(kind=item_pb2.ITEM_KIND_TASK, subject="Before", task=TaskSummary(location="Here"))
            summary.received.FromMicroseconds(self._world.clock.now)
            record = Item(id=item_id, summary=summary)
            record.content.recipients.append(_to("anna"))
            await self._world.create(person, record)
        fleet = Fleet(self._world, person)
        devices = [fleet.device(session) for session in self.sessions]
        for device in devices:
            await device.see()
        if not self.operations:
            self.operations = [self._edits(number, device) for number, device in enumerate(devices)]
        return devices

    def _edits(self, number: int, device: Device) -> list[SyncOperation]:
        times = sorted(self._random.sample(range(-1_000, 0), EDITS))
        return [self._edit(number, device, at) for at in times]

    def _edit(self, number: int, device: Device, at: int) -> SyncOperation:
        chance = self._random
        item = Item(id=chance.choice(self.item_ids))
        item.summary.subject = chance.choice(["red", f"{number} at {at}"])
        item.content.body.text = f"{number} at {at}"
        item.summary.task.percent_complete = chance.choice([25, 75])
        item.summary.task.location = f"{number} at {at}"
        item.summary.importance = chance.choice([item_pb2.IMPORTANCE_LOW, item_pb2.IMPORTANCE_HIGH])
        name, key = chance.choice(["anna", "ben", "cleo"]), chance.choice([1, 2])
        lists = chance.choice(
            [
                None,
                ListEdits(add_recipients=[_to(name, chance.choice(["A", "B"]))]),
                ListEdits(remove_recipients=[_to(name)]),
                ListEdits(set_properties=[Property(key=PropertyKey(tag=key), value=PropertyValue(text=chance.choice("ab")))]),
                ListEdits(remove_properties=[PropertyKey(tag=key)]),
            ]
        )
        paths = chance.sample(PATHS, chance.randint(1, 2))
        for path in paths:
            self.asked.append((number, item.id, units.units_of(path)[path], item))
        return device.edit(item, *paths, lists=lists, at=at)

    async def tell(self, devices: list[Device]) -> dict[bytes, PushResult]:
        """Pushes everything, each device in its own order, some of it twice; gives the first answers."""
        waiting = [list(operations) for operations in self.operations]
        answers: dict[bytes, PushResult] = {}
        while any(waiting):
            number = self._random.choice([number for number, left in enumerate(waiting) if left])
            sent = waiting[number][: self._random.randint(1, 3)]
            del waiting[number][: len(sent)]
            for result in await devices[number].send(*sent, *self._random.sample(sent, 1)):
                repeated = result.duplicate
                result.duplicate = False
                assert answers.setdefault(result.operation_id, result) == result, repeated
        return answers


def _to(name: str, display: str = "") -> Recipient:
    return Recipient(type=item_pb2.RECIPIENT_TYPE_TO, person=Name(name=display, address=f"{name}@x.example"))


def _value(item: Item, unit: str) -> bytes:
    """What an item has in one unit."""
    blank = Item(summary=ItemSummary(task=TaskSummary()))
    merging.take_units(blank, item, [unit])
    return blank.SerializeToString(deterministic=True)


async def _versions(devices: list[Device], item_id: bytes) -> list[tuple[set[str], Item]]:
    """The versions of an item that lost, with their units."""
    fleet = devices[0].fleet
    found = []
    for listed in await fleet.conflicts():
        if listed.item_id == item_id:
            device = next(device for device in devices if device.caller.session_id == listed.device_id)
            kept = await fleet.conflict(item_id, device)
            found.append((set(kept.units), Item(summary=kept.summary, content=kept.content)))
    return found


async def _require_nothing_lost(story: Story, devices: list[Device]) -> None:
    """What a device asked for last of a unit is there, or in a conflict; or another had the same value there, and went on."""
    last = {(number, item_id, unit): edit for number, item_id, unit, edit in story.asked}
    asked = {(number, item_id, unit, _value(edit, unit)) for number, item_id, unit, edit in story.asked}
    for item_id in story.item_ids:
        current = await devices[0].fleet.world.get(devices[0].fleet.person, item_id)
        versions = await _versions(devices, item_id)
        for (number, of_item, unit), edit in last.items():
            value = _value(edit, unit)
            shared = any((other, of_item, unit, value) in asked for other in range(DEVICES) if other != number)
            if of_item == item_id and not shared:
                kept = [_value(current, unit), *(_value(version, unit) for lost, version in versions if unit in lost)]
                assert value in kept, unit


def _content(item: Item) -> Item:
    """What people wrote of an item. What the server counts and when it wrote is no part of that."""
    for name in ("size_bytes", "modified"):
        item.summary.ClearField(name)  # type: ignore[arg-type]
    return Item(summary=item.summary, content=item.content)


@pytest.mark.parametrize("seed", range(12))
async def test_the_order_of_arrival_leaves_no_trace_and_nothing_is_lost(world: World, anna: Person, ben: Person, seed: int) -> None:
    story = Story(world, seed)
    contents = []
    for person in (anna, ben):
        devices = await story.begin(person)
        answers = await story.tell(devices)
        assert {answer.outcome for answer in answers.values()} <= {
            sync_pb2.PUSH_OUTCOME_APPLIED,
            sync_pb2.PUSH_OUTCOME_MERGED,
            sync_pb2.PUSH_OUTCOME_CONFLICT,
        }
        revision = await devices[0].fleet.revision()
        for device, operations in zip(devices, story.operations, strict=True):
            again = await device.send(*operations)
            assert all(result.duplicate for result in again)
        assert await devices[0].fleet.revision() == revision
        await _require_nothing_lost(story, devices)
        await world.check_counters(person)
        contents.append([_content(await world.get(person, item_id)) for item_id in story.item_ids])
    assert contents[0] == contents[1]
