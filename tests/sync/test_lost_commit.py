"""A COMMIT whose answer is lost on its way: nobody can tell whether it landed, so the work is done again, and changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import tempfile
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from rookery.v1 import item_pb2, item_service_pb2, sync_pb2
from rookery.v1.item_pb2 import Item, ItemSummary
from rookery_server.store.database import open_database
from tests.support.world import World
from tests.sync.devices import Fleet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rookery_server.services.announcements import Announcements
    from tests.support.world import Person

pytestmark = pytest.mark.postgresql

_SOCKET = ".s.PGSQL.5432"
_COMMITTED = b"C\0\0\0\x0bCOMMIT\0"
"""CommandComplete, as PostgreSQL's protocol has it."""


class Wire:
    """The way to PostgreSQL. It breaks where a COMMIT is answered, as often as it is told to."""

    def __init__(self, server: pathlib.Path) -> None:
        self._server = server
        self._connections: list[asyncio.Task[None]] = []
        self.to_break = 0

    def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes on what a client and the server say, until either hangs up."""
        self._connections.append(asyncio.create_task(self._connect(reader, writer)))

    async def close(self) -> None:
        """Waits until everybody has hung up."""
        await asyncio.gather(*self._connections)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, there = await asyncio.open_unix_connection(self._server)
        await asyncio.gather(self._pass_on(reader, there), self._pass_on(answers, writer, breaks=True))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, breaks: bool = False) -> None:
        with contextlib.suppress(ConnectionError):
            while said := await reader.read(1 << 16):
                if breaks and self.to_break and _COMMITTED in said:
                    self.to_break -= 1
                    break
                writer.write(said)
            writer.close()
            await writer.wait_closed()


@pytest.fixture
def wire(postgresql_url: str) -> Wire:
    return Wire(pathlib.Path(str(make_url(postgresql_url).query["host"])) / _SOCKET)


@pytest.fixture
async def world(wire: Wire, postgresql_url: str, notifier: Announcements) -> AsyncIterator[World]:
    with tempfile.TemporaryDirectory() as folder:  # a socket's path is short
        async with await asyncio.start_unix_server(wire.connect, pathlib.Path(folder) / _SOCKET):
            url = make_url(postgresql_url).update_query_dict({"host": folder})
            database = open_database(url.render_as_string(hide_password=False), notifier=notifier)
            yield World(database)
            await database.close()
            await wire.close()


@pytest.fixture
def fleet(world: World, anna: Person) -> Fleet:
    return Fleet(world, anna)


@pytest.mark.parametrize("times", [1, 3])
async def test_what_is_pushed_happens_once(fleet: Fleet, wire: Wire, times: int) -> None:
    device, item_id = fleet.device(), fleet.world.ids.new()
    record = Item(id=item_id, summary=ItemSummary(kind=item_pb2.ITEM_KIND_NOTE, subject="First"))
    for number, operation in enumerate(
        [
            device.operation(create_item=item_service_pb2.CreateItemRequest(item=record)),
            device.rename(item_id, "Second"),
            device.operation(set_item_state=item_service_pb2.SetItemStateRequest(item_ids=[item_id], read=False)),
        ]
    ):
        before = await fleet.revision()
        wire.to_break = times
        (result,) = await device.send(operation)
        assert wire.to_break == 0
        assert (result.outcome, result.revision) == (sync_pb2.PUSH_OUTCOME_APPLIED, before + 1), number
        assert await fleet.revision() == before + 1
    found = await fleet.world.get(fleet.person, item_id)
    assert (found.summary.subject, found.state.read) == ("Second", False)
    await fleet.world.check_counters(fleet.person)


async def test_what_is_called_happens_once(fleet: Fleet, wire: Wire) -> None:
    world, person = fleet.world, fleet.person
    before = await fleet.revision()
    wire.to_break = 1
    folder = await world.folder(person, "Trip")
    assert wire.to_break == 0
    wire.to_break = 1
    item = await world.item(person, folder.id, "Tickets")
    assert wire.to_break == 0
    assert [each.id for each in await world.walk(person, folder.id)] == [item.id]
    assert (folder.revision, item.revision, await fleet.revision()) == (before + 1, before + 2, before + 2)
    await world.check_counters(person)
