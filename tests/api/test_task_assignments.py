"""A task handed over, over a whole server: offline by one person, answered by another, and reported on while nobody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import RESPONSE_STATUS_ACCEPTED
from rookery.v1.item_pb2 import ITEM_KIND_TASK, Item
from rookery.v1.person_pb2 import Person as Named
from rookery.v1.sync_pb2 import SyncDepth, SyncScope
from rookery.v1.task_pb2 import TASK_ASSIGNMENT_ACCEPTED, TASK_ASSIGNMENT_REQUESTED, TASK_STATUS_COMPLETED
from rookery.v1.task_service_pb2 import TaskSelection
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
    from collections.abc import Callable


async def found(client: Client, fits: Callable[[Item], bool] = lambda _: True) -> Item:
    """The first task that fits, once there is one."""
    seen: list[Item] = []

    async def is_there() -> bool:
        seen[:] = [item async for item in client.tasks.list(selection=TaskSelection.TASK_SELECTION_ALL) if fits(item)]
        return bool(seen)

    await until(is_there)
    return seen[0]


async def test_a_task_goes_round_between_a_replica_and_a_colleague(tmp_path: pathlib.Path) -> None:
    async with serving(settings_of(tmp_path)) as running:
        anna, ben = await running.add_person("anna"), await running.add_person("ben")
        async with (
            Client.connect(running.address, tokens=anna.login.tokens) as online,
            Client.connect(running.address, tokens=ben.login.tokens) as colleague,
        ):
            ids = RandomIds(running.clock)
            replica = Replica.open(tmp_path / "laptop.replica", clock=running.clock, ids=ids, create=True)
            replica.adopt(Identity(running.address, anna.address, anna.account.mailbox_id, anna.account.id))
            replica.set_scope(SyncScope(depth=SyncDepth.SYNC_DEPTH_FULL))
            offline = OfflineClient(replica, clock=running.clock, ids=ids)

            async def sync() -> None:
                await Engine(replica, RemoteTransport(online), clock=running.clock, ids=ids, chance=lambda: 0.5).run_once()

            await sync()
            item = Item()
            item.summary.kind, item.summary.subject = ITEM_KIND_TASK, "Write the report"
            item = await offline.items.create(item)
            handed = await offline.tasks.assign(item.id, Named(name="Ben", address=ben.address), comment="please")
            assert handed.item.summary.task.assignment == TASK_ASSIGNMENT_REQUESTED
            await sync()

            copy = await found(colleague)
            answered = await colleague.tasks.respond(copy.id, RESPONSE_STATUS_ACCEPTED, comment="gladly")
            assert len(answered.submissions) == 1
            await colleague.tasks.complete(copy.id)
            done = await found(online, lambda each: each.summary.task.status == TASK_STATUS_COMPLETED)
            assert (done.id, done.summary.task.assignment) == (item.id, TASK_ASSIGNMENT_ACCEPTED)
            await sync()
            [shown] = [each async for each in offline.tasks.list(selection=TaskSelection.TASK_SELECTION_DONE)]
            assert (shown.id, shown.summary.task.owner.address) == (item.id, ben.address)
            replica.close()
