"""Devices of people who send mail: each has the command `rookery` with a profile, and a replica that it works on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from rookery.v1 import folder_pb2, item_pb2
from rookery.v1.sync_pb2 import SyncDepth, SyncScope
from rookery_client import Client
from rookery_client.cli.profiles import Profile, Profiles
from rookery_client.replica.engine.engine import Engine
from rookery_client.replica.engine.remote import RemoteTransport
from rookery_client.replica.offline.client import OfflineClient
from rookery_client.replica.replica import Replica
from rookery_client.replica.storage.identity import Identity
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from rookery.v1.submission_pb2 import Submission
    from tests.support.server import Running

T = TypeVar("T")
PATIENCE_SECONDS = 60.0
ROLES = {
    name: folder_pb2.FolderRole.Value(f"FOLDER_ROLE_{name.upper()}") for name in ("inbox", "drafts", "outbox", "sent", "deleted")
}


async def eventually(look: Callable[[], Awaitable[T]], expected: T) -> None:
    """Looks until it sees this; fails with what it sees otherwise."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE_SECONDS
    while True:
        seen = await look()
        if seen == expected:
            return
        assert loop.time() < end, f"{seen} is seen instead of {expected}"
        await asyncio.sleep(0.03)


@dataclass
class Device:
    """``folder`` is its home. A device that follows hears of each change by itself, another one when it synchronises."""

    folder: pathlib.Path
    client: Client
    replica: Replica
    offline: OfflineClient
    follows: bool = False

    async def run(self, *arguments: str, stdin: str = "", expect: int = 0) -> str:
        """Runs `rookery`, a process of its own; gives what it prints."""
        command = [pathlib.Path(sys.executable).with_name("rookery"), *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ROOKERY_")}
        environment["ROOKERY_CONFIG_DIR"] = str(self.folder)
        done = await asyncio.to_thread(
            subprocess.run, command, input=stdin, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == expect, done.stderr
        return done.stdout

    def engine(self) -> Engine:
        """What keeps the replica."""
        clock = SystemClock()
        return Engine(self.replica, RemoteTransport(self.client), clock=clock, ids=RandomIds(clock), chance=lambda: 0.0)

    async def catch_up(self) -> None:
        """Synchronises, unless it follows."""
        if not self.follows:
            await self.engine().run_once()

    async def subjects(self) -> dict[str, list[str]]:
        """What the person sees: the subjects in each folder for mail, in order."""
        await self.catch_up()
        return {name: sorted(item.summary.subject for item in await self.items(name)) for name in ROLES}

    async def items(self, folder: str) -> list[item_pb2.Item]:
        """What is in a folder, newest first."""
        where = await self.offline.folders.get_role(ROLES[folder])
        return [item async for item in self.offline.items.list(where.id)]

    async def item(self, folder: str, subject: str) -> item_pb2.Item:
        """The one message of this subject in a folder, whole."""
        [found] = [item for item in await self.items(folder) if item.summary.subject == subject]
        return await self.offline.items.get(found.id)

    async def shows(self, **folders: list[str]) -> None:
        """Waits until there are these subjects in these folders, and nothing else in any folder for mail."""
        await eventually(self.subjects, {name: sorted(folders.get(name, [])) for name in ROLES})

    async def submissions(self, *, unfinished: bool = False) -> list[Submission]:
        """The submissions, newest first."""
        return [each async for each in self.offline.submissions.list(unfinished=unfinished)]

    async def on_its_way(self) -> list[bytes]:
        """The submissions that have not arrived everywhere."""
        await self.catch_up()
        return [each.id for each in await self.submissions(unfinished=True)]

    async def equals_the_server(self) -> None:
        """What is here of mail is what the server has, to the last field."""
        await self.catch_up()
        assert await self.submissions() == [each async for each in self.client.submissions.list()]
        for name, role in ROLES.items():
            where = await self.client.folders.get_role(role)
            there = [await self.client.items.get(item.id) async for item in self.client.items.list(where.id)]
            assert [await self.offline.items.get(item.id) for item in await self.items(name)] == there, name
        assert self.replica.status().waiting == self.replica.status().rejected == 0


@contextlib.asynccontextmanager
async def device(folder: pathlib.Path, server: Running, address: str, *, follows: bool) -> AsyncIterator[Device]:
    """A new device of somebody: signed in, and up to date."""
    signed_in = await server.sign_in(address, device=folder.name)
    who, clock = signed_in.identity, SystemClock()
    ids = RandomIds(clock)
    Profiles(folder).put("default", Profile(server=server.address, address=address, tokens=signed_in.tokens))
    (folder / "replicas").mkdir()
    replica = Replica.open(folder / "replicas" / "default.replica", clock=clock, ids=ids, create=True)
    try:
        replica.adopt(Identity(server.address, address, who.mailbox_id, who.account_id))
        replica.set_scope(SyncScope(depth=SyncDepth.SYNC_DEPTH_FULL))
        async with Client.connect(server.address, tokens=signed_in.tokens) as client:
            made = Device(folder, client, replica, OfflineClient(replica, clock=clock, ids=ids))
            await made.catch_up()
            async with _following(made) if follows else contextlib.nullcontext():
                yield made
    finally:
        replica.close()


@contextlib.asynccontextmanager
async def _following(device: Device) -> AsyncIterator[None]:
    engine, device.follows = device.engine(), True
    task = asyncio.create_task(engine.run())
    try:
        yield
        engine.stop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
