"""Defects that the simulation found in the server's synchronisation: a test for each, named after what was wrong."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from rookery.v1 import item_pb2, sync_pb2
from rookery.v1.item_pb2 import Item, ItemSummary
from rookery_server.services.sync.followers import Followers
from tests.simulation.people import set_time
from tests.sync.acts import FOR_EVER
from tests.sync.devices import Fleet, reason

if TYPE_CHECKING:
    from rookery.v1.sync_pb2 import SyncOperation
    from tests.support.world import Person, World
    from tests.sync.devices import Device

MAILBOX = b"m" * 16


def creation(device: Device, item_id: bytes) -> SyncOperation:
    item = Item(id=item_id, summary=ItemSummary(kind=item_pb2.ITEM_KIND_NOTE, subject="Lost and found"))
    return device.operation(create_item={"item": item})


async def test_what_rests_on_a_creation_that_another_device_was_faster_with_is_carried_out(world: World, anna: Person) -> None:
    fleet = Fleet(world, anna)
    faster, slower = fleet.device(), fleet.device()
    item_id = world.ids.new()
    await faster.do(creation(faster, item_id))
    again = creation(slower, item_id)
    mark = slower.operation(set_item_state={"item_ids": [item_id], "add_categories": ["Mine"]})
    mark.depends_on.append(again.operation_id)
    refused, marked = await slower.send(again, mark)
    assert reason(refused) == "ID_TAKEN"
    assert marked.outcome == sync_pb2.PUSH_OUTCOME_APPLIED
    assert list((await world.get(anna, item_id)).state.categories) == ["Mine"]


async def test_an_edit_that_rests_on_a_creation_of_something_purged_is_kept_as_a_conflict(world: World, anna: Person) -> None:
    fleet = Fleet(world, anna)
    faster, slower = fleet.device(), fleet.device()
    item_id = world.ids.new()
    await faster.do(creation(faster, item_id))
    await world.delete(anna, [item_id], FOR_EVER)
    again, edit = creation(slower, item_id), slower.rename(item_id, "Mine")
    edit.depends_on.append(again.operation_id)
    refused, edited = await slower.send(again, edit)
    assert reason(refused) == "ID_RETIRED"
    assert edited.outcome == sync_pb2.PUSH_OUTCOME_CONFLICT
    assert (await fleet.conflict(item_id, slower)).summary.subject == "Mine"


async def test_two_edits_of_a_purged_appointment_are_kept_though_one_alone_does_not_tell_its_kind(
    world: World, anna: Person
) -> None:
    fleet = Fleet(world, anna)
    device = fleet.device()
    appointment = Item(summary=ItemSummary(kind=item_pb2.ITEM_KIND_APPOINTMENT, subject="Review"))
    set_time(appointment.summary, random.Random(1))
    created = await world.create(anna, appointment)
    await world.delete(anna, [created.id], FOR_EVER)
    moved = Item(id=created.id)
    set_time(moved.summary, random.Random(2))
    await device.do(device.edit(moved, "summary.appointment.start"))
    renamed = await device.do(device.rename(created.id, "Mine"))
    assert renamed.outcome == sync_pb2.PUSH_OUTCOME_CONFLICT, reason(renamed)
    kept = (await fleet.conflict(created.id, device)).summary
    assert (kept.kind, kept.subject) == (item_pb2.ITEM_KIND_APPOINTMENT, "Mine")
    assert kept.appointment.start == moved.summary.appointment.start


async def test_streams_are_woken_in_the_order_in_which_they_came() -> None:
    followers = Followers()
    woken: list[int] = []

    async def wait(number: int) -> None:
        with followers.following([MAILBOX]) as follower:
            assert await follower.news({MAILBOX: 0}, 60.0)
            woken.append(number)

    waiting = [asyncio.create_task(wait(number)) for number in range(50)]
    await asyncio.sleep(0)
    followers.on_commit(MAILBOX, 1)
    await asyncio.gather(*waiting)
    assert woken == list(range(50))
