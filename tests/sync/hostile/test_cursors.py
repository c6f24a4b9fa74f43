"""Cursors that are not good get an error that says why: never an empty success, never somebody else's mail."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest
from google.rpc import code_pb2
from sqlalchemy import update

from rookery.v1 import item_pb2, item_service_pb2, sync_pb2, sync_service_pb2
from rookery_core.rules.ids import RandomIds
from rookery_server.store import backup
from rookery_server.store.database import open_database
from rookery_server.store.tables import mailbox
from tests.support.fakes import FakeClock, RecordingNotifier
from tests.support.server import bearer, serving, settings_of
from tests.sync.rules.home import Device, Home, Refusal, refusal

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Callable

    from rookery_server.store.units import Transaction

INVALID = Refusal(code_pb2.INVALID_ARGUMENT, "CURSOR_INVALID", "cursor")
PRECONDITION = code_pb2.FAILED_PRECONDITION
LOOKS = 600


async def refused(device: Device, cursor: str, **fields: Any) -> Refusal:
    """How a cursor is refused: by the stream and its unary twin alike, and with nothing written."""
    before = await device.home.everything()
    unary = await refusal(device.ask(cursor, **fields))
    stream = device.home.sync.Pull(device.request(cursor, follow=True, **fields), metadata=device.metadata)
    assert await refusal(stream.read()) == unary
    assert await device.home.everything() == before
    return unary


async def test_a_cursor_with_any_of_its_bytes_changed_is_damaged(device: Device) -> None:
    cursor = device.cursor
    for place in range(0, len(cursor) - 1, 3):
        other = "A" if cursor[place] != "A" else "B"
        changed = cursor[:place] + other + cursor[place + 1 :]
        assert await refusal(device.ask(changed)) == INVALID, place


DAMAGES: list[Callable[[str], str]] = [
    lambda cursor: cursor[:-1],
    lambda cursor: cursor[: len(cursor) // 2],
    lambda cursor: cursor + "AAAA",
    lambda cursor: cursor + cursor,
    lambda cursor: cursor[::-1],
    lambda cursor: " " + cursor,
    lambda cursor: cursor.swapcase(),
    lambda _: "\0",
    lambda _: "Ä" * 40,
    lambda _: "A" * 1_000_000,
]


async def test_what_is_no_cursor_is_refused(device: Device) -> None:
    for number, damage in enumerate(DAMAGES):
        assert await refused(device, damage(device.cursor)) == INVALID, number


async def test_other_things_that_the_server_has_sealed_are_no_cursors(home: Home, device: Device) -> None:
    inbox = (await home.item()).folder_id
    await home.item()
    page = await home.ask(home.items.ListItems, item_service_pb2.ListItemsRequest(folder_id=inbox, page_size=1))
    tokens = home.person.login.tokens
    for sealed in (page.next_page_token, tokens.access_token, tokens.refresh_token):
        assert sealed and await refused(device, sealed) == INVALID


async def test_a_cursor_of_another_account_is_none(device: Device, neighbour: Home) -> None:
    thief = await neighbour.device("thief")
    assert await refused(thief, device.cursor) == INVALID
    mailbox_id = device.home.person.login.identity.mailbox_id
    assert await refused(thief, device.cursor, mailbox_id=mailbox_id) == Refusal(code_pb2.NOT_FOUND, "MAILBOX_NOT_FOUND")


async def test_a_cursor_serves_every_device_of_its_account(home: Home, device: Device) -> None:
    assert (await (await home.device("restored from a copy")).ask(device.cursor)).caught_up


OTHER_SCOPES = [
    sync_pb2.SyncScope(folder_ids=[b"f" * 16]),
    sync_pb2.SyncScope(kinds=[item_pb2.ITEM_KIND_NOTE]),
    sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_FULL),
    sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_TEXT),
]


async def test_a_cursor_for_another_scope_would_leave_holes(home: Home, device: Device) -> None:
    for scope in OTHER_SCOPES:
        other = await home.device("other", scope)
        assert await refused(other, device.cursor) == Refusal(PRECONDITION, "SCOPE_CHANGED"), scope


class Restarted:
    """A server that can be stopped, changed on disk, and started again at another time, and a device that knew it before."""

    def __init__(self, database_url: str, folder: pathlib.Path) -> None:
        self._settings = settings_of(folder, database_url=database_url)
        self._clock = FakeClock(1_790_000_000_000_000)
        self._cursor = ""
        self._address = ""

    @contextlib.asynccontextmanager
    async def first(self) -> AsyncIterator[Device]:
        """The device while it fills; it has caught up in the end."""
        async with serving(self._settings, self._clock) as running:
            home = Home(running, await running.add_person("anna"))
            device = await home.device("old")
            yield device
            self._cursor, self._address = device.cursor, home.person.address

    @contextlib.asynccontextmanager
    async def again(self, *, days: float = 0) -> AsyncIterator[Device]:
        """The device when it comes back, so much later."""
        self._clock.advance(days=days)
        async with serving(self._settings, self._clock) as running:
            login = await running.sign_in(self._address)
            person: Any = type("Owner", (), {"address": self._address, "metadata": bearer(login.tokens.access_token)})
            device = await Home(running, person).device("old")
            device.cursor = self._cursor
            yield device

    async def change(self, work: Callable[[Transaction], object]) -> None:
        """Changes the stopped server's database."""
        database = open_database(self._settings.database_url, notifier=RecordingNotifier())
        try:
            await database.write(work)
        finally:
            await database.close()


@pytest.fixture
def restarted(database_url: str, tmp_path: pathlib.Path) -> Restarted:
    return Restarted(database_url, tmp_path)


async def test_after_a_restore_a_cursor_is_of_another_life_of_the_mailbox(restarted: Restarted) -> None:
    async with restarted.first() as device:
        await device.home.item()
        await device.news()
    ids = RandomIds(FakeClock())
    await restarted.change(lambda transaction: backup.begin_epoch(transaction.connection, ids.new, 1_790_000_000_000_000, {}))
    async with restarted.again() as device:
        assert await refused(device, device.cursor) == Refusal(PRECONDITION, "EPOCH_CHANGED")
        answer = await device.home.sync.Reconcile(sync_service_pb2.ReconcileRequest(), metadata=device.metadata)
        assert answer.backup_revision
        assert (await device.ask(answer.cursor)).caught_up


async def test_a_cursor_ahead_of_the_mailbox_tells_of_a_restore_that_nobody_announced(restarted: Restarted) -> None:
    async with restarted.first() as device:
        await device.home.item()
        await device.news()
        behind = device.base - 1
    await restarted.change(lambda transaction: transaction.connection.execute(update(mailbox).values(revision=behind)))
    async with restarted.again() as device:
        assert await refused(device, device.cursor) == Refusal(PRECONDITION, "EPOCH_CHANGED")


async def is_forgotten(device: Device) -> bool:
    """Whether its cursor is refused by now."""
    try:
        await device.ask()
    except grpc.aio.AioRpcError:
        return True
    return False


async def test_a_cursor_from_before_what_the_server_remembers_has_expired(restarted: Restarted) -> None:
    async with restarted.first() as device:
        await device.news()
        made = await device.home.item()
        await device.home.delete(item_service_pb2.DELETE_MODE_PERMANENT, made.id)
    async with restarted.again(days=59) as device:
        assert (await device.ask()).caught_up
    async with restarted.again(days=2) as device:
        for _ in range(LOOKS):  # the server, started anew, forgets what is old when it comes to that
            if await is_forgotten(device):
                break
            await asyncio.sleep(0.05)
        assert await refused(device, device.cursor) == Refusal(PRECONDITION, "CURSOR_EXPIRED")
        device.cursor = ""
        await device.news()
        await device.require_equal()
