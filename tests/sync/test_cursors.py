"""Cursors: good for one mailbox, one account and one scope, as long as the server remembers; else an error that says which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from rookery.v1 import folder_pb2, item_pb2, sync_pb2
from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound, RookeryError
from rookery_server.services import access
from rookery_server.services.seals import Seal
from rookery_server.services.sync.cursors import Cursors
from rookery_server.services.sync.followers import Followers
from rookery_server.services.sync.pull import PullService
from rookery_server.services.sync.scopes import Scope
from rookery_server.store.tables import mailbox
from tests.sync.acts import mark
from tests.sync.replicas import Replica

if TYPE_CHECKING:
    from tests.support.world import Person, World


async def refusal(device: Replica, cursor: str | None = None, **fields: Any) -> RookeryError:
    """What the device is told instead of a batch."""
    with pytest.raises(RookeryError) as caught:
        await device.ask(cursor, **fields)
    return caught.value


async def set_mailbox(world: World, person: Person, **columns: Any) -> None:
    """Changes a mailbox's row."""
    await world.database.write(
        lambda transaction: transaction.connection.execute(update(mailbox).where(mailbox.c.id == person.number).values(**columns))
    )


@pytest.fixture
async def device(world: World, anna: Person, pulls: PullService) -> Replica:
    """Caught up, after some changes."""
    item = await world.item(anna, await world.folder_of(anna, folder_pb2.FOLDER_ROLE_INBOX))
    await mark(world, anna, [item.id], read=False)
    device = Replica(pulls, anna)
    await device.catch_up()
    return device


async def test_a_damaged_cursor_is_refused(device: Replica) -> None:
    cursor = device.cursor
    changed = cursor[:20] + ("A" if cursor[20] != "A" else "B") + cursor[21:]
    for damaged in (changed, cursor[:-1], cursor + "A", "nonsense", "Ä", cursor * 100):
        error = await refusal(device, damaged)
        assert isinstance(error, InvalidArgument)
        assert (error.reason, error.field) == ("CURSOR_INVALID", "cursor")


async def test_a_cursor_is_of_one_server(world: World, anna: Person, device: Replica) -> None:
    other = Cursors(Seal("sync-cursor", {1: b"x" * 32}, mac_bytes=16))
    elsewhere = Replica(PullService(world.database, other, Followers()), anna)
    assert (await refusal(elsewhere, device.cursor)).reason == "CURSOR_INVALID"


async def test_a_key_that_signs_no_more_still_opens(world: World, anna: Person, device: Replica) -> None:
    newer = Cursors(Seal("sync-cursor", {1: b"k" * 32, 2: b"n" * 32}, mac_bytes=16))
    elsewhere = Replica(PullService(world.database, newer, Followers()), anna)
    assert (await elsewhere.ask(device.cursor)).caught_up


async def test_a_cursor_is_of_one_mailbox_and_account(world: World, ben: Person, pulls: PullService, device: Replica) -> None:
    theft = Replica(pulls, ben)
    error = await refusal(theft, device.cursor)
    assert isinstance(error, InvalidArgument)
    assert error.reason == "CURSOR_INVALID"
    error = await refusal(theft, device.cursor, mailbox_id=device.person.mailbox)
    assert isinstance(error, NotFound)
    assert error.reason == "MAILBOX_NOT_FOUND"


@pytest.mark.parametrize(
    "scope",
    [
        sync_pb2.SyncScope(folder_ids=[b"f" * 16]),
        sync_pb2.SyncScope(kinds=[item_pb2.ITEM_KIND_NOTE]),
        sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_FULL),
        sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_TEXT),
    ],
    ids=["folders", "kinds", "full", "text"],
)
async def test_a_cursor_is_of_one_scope(pulls: PullService, device: Replica, scope: sync_pb2.SyncScope) -> None:
    error = await refusal(Replica(pulls, device.person, scope), device.cursor)
    assert isinstance(error, FailedPrecondition)
    assert error.reason == "SCOPE_CHANGED"


async def test_scopes_that_mean_the_same_share_cursors(pulls: PullService, anna: Person) -> None:
    first = Replica(pulls, anna, sync_pb2.SyncScope(folder_ids=[b"a" * 16, b"b" * 16], depth=sync_pb2.SYNC_DEPTH_TEXT))
    await first.catch_up()
    same = sync_pb2.SyncScope(folder_ids=[b"b" * 16, b"a" * 16, b"b" * 16], depth=sync_pb2.SYNC_DEPTH_TEXT, text_bytes=4096)
    assert (await Replica(pulls, anna, same).ask(first.cursor)).caught_up


async def test_a_restored_mailbox_is_recognised(world: World, device: Replica) -> None:
    await set_mailbox(world, device.person, epoch=b"e" * 16)
    error = await refusal(device)
    assert isinstance(error, FailedPrecondition)
    assert error.reason == "EPOCH_CHANGED"


async def test_so_is_one_that_is_behind_the_cursor(world: World, device: Replica) -> None:
    await set_mailbox(world, device.person, revision=device.revision - 1)
    assert (await refusal(device)).reason == "EPOCH_CHANGED"


async def test_a_cursor_ends_when_what_came_after_it_is_forgotten(world: World, device: Replica) -> None:
    await set_mailbox(world, device.person, oldest_revision=device.revision)
    assert (await device.ask()).caught_up
    item_id = next(iter(device.items))
    await mark(world, device.person, [item_id], read=True)
    await set_mailbox(world, device.person, oldest_revision=device.revision + 1)
    error = await refusal(device)
    assert isinstance(error, FailedPrecondition)
    assert error.reason == "CURSOR_EXPIRED"


async def test_a_cursor_of_another_version_has_expired(world: World, anna: Person, cursors: Cursors, device: Replica) -> None:
    row = await world.database.read(lambda connection: access.open_mailbox(connection, anna.caller, b""))
    cursor = cursors.at(anna.caller, row, Scope.of(device.scope))
    cursor.version += 1
    assert (await refusal(device, cursors.encode(cursor))).reason == "CURSOR_EXPIRED"
