"""Reconcile: a device finds out what differs, and only that travels."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from rookery.v1 import content_service_pb2, folder_pb2, item_pb2, item_service_pb2, sync_pb2
from rookery.v1 import sync_service_pb2 as messages
from rookery_core.errors import InvalidArgument, NotFound, Unavailable
from rookery_server.services.seals import Seal
from rookery_server.services.sync.batches import Limits
from rookery_server.services.sync.cursors import Cursors
from rookery_server.services.sync.pull import PullService
from rookery_server.services.sync.reconcile import ReconcileService
from rookery_server.services.sync.scopes import Scope
from rookery_server.store import mailboxes
from rookery_server.store.tables import item, mailbox
from tests.sync.reconciling import Device
from tests.sync.replicas import Held, Replica

if TYPE_CHECKING:
    from rookery_server.services.sync.followers import Followers
    from rookery_server.store.database import Transaction
    from tests.support.world import Person, World

INBOX = folder_pb2.FOLDER_ROLE_INBOX
ARCHIVE = folder_pb2.FOLDER_ROLE_ARCHIVE
RECOVERABLE = item_service_pb2.DELETE_MODE_RECOVERABLE
PERMANENT = item_service_pb2.DELETE_MODE_PERMANENT
DELETED = sync_pb2.REMOVAL_REASON_DELETED
LEFT_SCOPE = sync_pb2.REMOVAL_REASON_LEFT_SCOPE
CURSORS = Cursors(Seal("sync-cursor", {1: b"k" * 32}, mac_bytes=16))
NO_ITEM = bytes(15) + b"\1"


@pytest.fixture
def service(world: World) -> ReconcileService:
    return ReconcileService(world.database, CURSORS)


async def fill(world: World, person: Person, count: int, role: int = INBOX) -> list[bytes]:
    """New messages; gives their ids, which ascend."""
    folder_id = await world.folder_of(person, role)
    return [(await world.item(person, folder_id)).id for _ in range(count)]


async def move(world: World, person: Person, item_id: bytes, folder_id: bytes) -> int:
    request = item_service_pb2.MoveItemsRequest(operation_id=world.ids.new(), item_ids=[item_id], folder_id=folder_id)
    return item_service_pb2.MoveItemsResponse.FromString(await world.places.move_items(person.caller, request)).revision


async def test_a_replica_that_equals_the_mailbox_learns_that_in_one_call(
    world: World, anna: Person, service: ReconcileService
) -> None:
    await fill(world, anna, 7)
    device = Device(service, anna)
    await device.copy(world)
    answer = await device.ask(ranges=[device.range()])
    assert (answer.differing_ranges, answer.unread_ranges, answer.items, answer.removals) == ([], [], [], [])
    assert await device.reconcile() == 1


async def test_only_what_differs_travels(world: World, anna: Person, service: ReconcileService) -> None:
    item_ids = await fill(world, anna, 60)
    device = Device(service, anna)
    await device.copy(world)
    lost = item_ids[3:6] + item_ids[40:41] + item_ids[-1:]
    for item_id in lost:
        del device.held[item_id]
    device.held[item_ids[20]] -= 1  # a change was missed
    device.held[NO_ITEM] = 5
    device.held[b"\xff" * 16] = 5
    await device.reconcile()
    assert device.held == await device.truth(world)
    assert sorted(device.received) == sorted([*lost, item_ids[20]])
    assert sorted(device.dropped) == [NO_ITEM, b"\xff" * 16]


async def test_what_the_device_has_newer_than_a_restored_server_is_replaced(
    world: World, anna: Person, service: ReconcileService
) -> None:
    (item_id,) = await fill(world, anna, 1)
    device = Device(service, anna)
    await device.copy(world)
    device.held[item_id] += 10
    await device.reconcile()
    assert device.held == await device.truth(world)


async def test_a_device_is_told_why_it_drops_an_item_and_since_when(world: World, anna: Person, service: ReconcileService) -> None:
    inbox, archive = await world.folder_of(anna, INBOX), await world.folder_of(anna, ARCHIVE)
    moved, deleted, purged, aged, kept = await fill(world, anna, 5)
    since = sync_pb2.SyncWindow()
    device = Device(service, anna, sync_pb2.SyncScope(folder_ids=[inbox], window=since))
    await device.copy(world)
    moved_at = await move(world, anna, moved, archive)
    deleted_at = (await world.delete(anna, [deleted], RECOVERABLE)).revision
    purged_at = (await world.delete(anna, [purged], PERMANENT)).revision
    device.scope.window.mail_since.FromMicroseconds(1_000_000)
    await world.database.write(
        lambda transaction: transaction.connection.execute(update(item).where(item.c.id == aged).values(fill_key=0))
    )
    device.held[NO_ITEM] = 1
    answer = await device.ask(leaves=[device.leaf()])
    told = {removal.item_id: (removal.reason, removal.revision) for removal in answer.removals}
    assert told == {
        moved: (LEFT_SCOPE, moved_at),
        deleted: (DELETED, deleted_at),
        purged: (DELETED, purged_at),
        aged: (LEFT_SCOPE, answer.revision),
        NO_ITEM: (DELETED, 0),
    }
    device.apply(answer)
    assert list(device.held) == [kept]
    assert device.held == await device.truth(world)


async def test_folders_come_only_if_asked_for(world: World, anna: Person, service: ReconcileService) -> None:
    await fill(world, anna, 3)
    device = Device(service, anna)
    assert (await device.ask()).folders == []
    listed = (await world.folders.list_folders(anna.caller, folder_pb2.ListFoldersRequest())).folders
    told = (await device.ask(include_folders=True)).folders
    assert sorted(told, key=lambda folder: folder.id) == sorted(listed, key=lambda folder: folder.id)


@pytest.mark.parametrize(
    ("depth", "extent"),
    [
        (sync_pb2.SYNC_DEPTH_SUMMARY, sync_pb2.CONTENT_EXTENT_NONE),
        (sync_pb2.SYNC_DEPTH_TEXT, sync_pb2.CONTENT_EXTENT_TEXT),
        (sync_pb2.SYNC_DEPTH_FULL, sync_pb2.CONTENT_EXTENT_FULL),
    ],
)
async def test_items_come_as_the_depth_says(world: World, anna: Person, service: ReconcileService, depth: int, extent: int) -> None:
    (item_id,) = await fill(world, anna, 1)
    device = Device(service, anna, sync_pb2.SyncScope(depth=sync_pb2.SyncDepth.ValueType(depth), text_bytes=5))
    (told,) = (await device.ask(leaves=[device.leaf()])).items
    assert told.extent == extent
    whole = await world.get(anna, item_id)
    assert (told.item.id, told.item.summary, told.item.state) == (item_id, whole.summary, whole.state)
    assert told.item.revision == whole.revision
    text = item_pb2.ItemContent.FromString(told.content).body.text
    assert text == {sync_pb2.SYNC_DEPTH_TEXT: "Hello", sync_pb2.SYNC_DEPTH_FULL: whole.content.body.text}.get(depth, "")


async def test_contents_come_compressed_to_those_who_accept_it(world: World, anna: Person, service: ReconcileService) -> None:
    body = item_pb2.Body(text="the same again and again, " * 1000)
    record = item_pb2.Item(summary=item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_NOTE), content=item_pb2.ItemContent(body=body))
    await world.create(anna, record)
    device = Device(service, anna, sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_FULL))
    zstd = content_service_pb2.CONTENT_ENCODING_ZSTD
    (plain,) = (await device.ask(leaves=[device.leaf()])).items
    (small,) = (await device.ask(leaves=[device.leaf()], accept_encodings=[zstd])).items
    assert (plain.content_encoding, small.content_encoding) == (content_service_pb2.CONTENT_ENCODING_IDENTITY, zstd)
    assert item_pb2.ItemContent.FromString(plain.content).body == body
    assert len(small.content) < len(plain.content) / 10


async def test_the_cursor_is_at_the_revision_of_the_answer(world: World, anna: Person, service: ReconcileService) -> None:
    await fill(world, anna, 3)
    device = Device(service, anna)
    answer = await device.ask(ranges=[device.range()])
    row = await world.database.read(lambda connection: mailboxes.find(connection, anna.mailbox))
    assert row is not None
    assert (answer.revision, answer.epoch) == (row.revision, row.epoch)
    cursor = CURSORS.decode(answer.cursor, anna.caller, row, Scope.of(device.scope))
    assert (cursor.base, cursor.HasField("fill"), cursor.tail_revision) == (row.revision, False, row.revision)


async def test_what_a_later_answer_brought_is_dropped_by_the_pull_after_it_when_it_goes(
    world: World, anna: Person, service: ReconcileService, followers: Followers
) -> None:
    inbox, archive = await world.folder_of(anna, INBOX), await world.folder_of(anna, ARCHIVE)
    device = Device(service, anna, sync_pb2.SyncScope(folder_ids=[inbox]))
    cursor = (await device.ask()).cursor
    ids = await fill(world, anna, 3)
    await device.reconcile()
    await world.delete(anna, [ids[0]], PERMANENT)
    await move(world, anna, ids[1], archive)
    for entries in (1, 100):
        pulls = PullService(world.database, CURSORS, followers, limits=Limits(entries=entries))
        replica = Replica(pulls, anna, device.scope)
        replica.items = {item_id: Held(await world.get(anna, ids[2]), b"", 0) for item_id in device.held}
        replica.cursor = cursor
        await replica.catch_up()
        assert replica.items.keys() == {ids[2]}


async def test_silence_is_kept_again_once_a_repaired_replica_has_caught_up(
    world: World, anna: Person, service: ReconcileService, followers: Followers
) -> None:
    device = Device(service, anna)
    replica = Replica(PullService(world.database, CURSORS, followers), anna)
    replica.cursor = (await device.ask()).cursor
    assert (await replica.pull()).caught_up
    [item_id] = await fill(world, anna, 1)
    await world.delete(anna, [item_id], PERMANENT)
    batch = await replica.pull()
    assert batch.caught_up and not batch.removals


async def test_a_restored_mailbox_tells_of_its_backup(world: World, anna: Person, service: ReconcileService) -> None:
    device = Device(service, anna)
    plain = await device.ask()
    assert (plain.backup_revision, plain.HasField("backup_time")) == (0, False)

    def restored(transaction: Transaction) -> None:
        transaction.connection.execute(update(mailbox).values(backup_revision=41, backup_time=1_700_000_000_123_456))

    await world.database.write(restored)
    told = await device.ask()
    assert (told.backup_revision, told.backup_time.ToMicroseconds()) == (41, 1_700_000_000_123_456)


async def test_what_a_restore_lost_is_told_apart_from_what_was_deleted(
    world: World, anna: Person, service: ReconcileService
) -> None:
    """However many backups were restored, and whenever it was deleted: the mailbox knows what it has had."""
    recoverable, purged, moved = await fill(world, anna, 3)
    device = Device(service, anna, sync_pb2.SyncScope(folder_ids=[await world.folder_of(anna, INBOX)]))
    await world.delete(anna, [recoverable], RECOVERABLE)
    await world.delete(anna, [purged], PERMANENT)
    went = await move(world, anna, moved, await world.folder_of(anna, ARCHIVE))
    now = (await device.ask()).revision
    lost = world.ids.new()
    device.held = {recoverable: 9_000, purged: 9_000, moved: 2, lost: 450}  # 9,000: of a time that was lost
    removals = {removal.item_id: removal for removal in (await device.ask(leaves=[device.leaf()])).removals}
    assert {item_id: removal.revision for item_id, removal in removals.items()} == {
        recoverable: now,
        purged: now,
        moved: went,
        lost: 0,
    }
    assert [removals[item_id].reason for item_id in (purged, moved, lost)] == [DELETED, LEFT_SCOPE, DELETED]


async def test_a_session_compares_once_at_a_time_and_others_beside_it(
    world: World, anna: Person, ben: Person, service: ReconcileService
) -> None:
    asked = [Device(service, person).ask() for person in (anna, anna, ben)]
    first, second, other = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(first, messages.ReconcileResponse) and isinstance(other, messages.ReconcileResponse)
    assert isinstance(second, Unavailable) and second.reason == "RECONCILE_BUSY"
    await Device(service, anna).ask()
    with pytest.raises(NotFound):
        await Device(service, anna).ask(mailbox_id=ben.mailbox)
    await Device(service, anna).ask()


async def test_nobody_compares_with_the_mailbox_of_another(anna: Person, ben: Person, service: ReconcileService) -> None:
    with pytest.raises(NotFound) as refused:
        await Device(service, anna).ask(mailbox_id=ben.mailbox)
    assert refused.value.reason == "MAILBOX_NOT_FOUND"


def range_of(after: bytes, through: bytes, **values: Any) -> messages.ReconcileRange:
    return messages.ReconcileRange(**{"after_id": after, "through_id": through, "digest": bytes(32), **values})


def leaf_of(after: bytes, through: bytes, *item_ids: bytes) -> messages.ReconcileLeaf:
    entries = [messages.ReconcileEntry(item_id=item_id, revision=1) for item_id in item_ids]
    return messages.ReconcileLeaf(after_id=after, through_id=through, entries=entries)


A, B, C = b"a" * 16, b"b" * 16, b"c" * 16
MANY = [number.to_bytes(16, "big") for number in range(1, 600)]


@pytest.mark.parametrize(
    ("parts", "reason", "field"),
    [
        ({"ranges": [range_of(MANY[n], MANY[n + 1]) for n in range(65)]}, "LIMIT_EXCEEDED", "ranges"),
        (
            {"ranges": [range_of(MANY[n], MANY[n + 1]) for n in range(64)], "leaves": [leaf_of(A, B)]},
            "LIMIT_EXCEEDED",
            "ranges",
        ),
        ({"ranges": [range_of(b"a", B)]}, "ID_INVALID", "ranges[0].after_id"),
        ({"leaves": [leaf_of(A, b"b")]}, "ID_INVALID", "leaves[0].through_id"),
        ({"ranges": [range_of(A, A)]}, "FIELD_INVALID", "ranges[0].through_id"),
        ({"leaves": [leaf_of(B, A)]}, "FIELD_INVALID", "leaves[0].through_id"),
        ({"ranges": [range_of(B, C), range_of(A, B)]}, "FIELD_INVALID", "ranges[1].after_id"),
        ({"ranges": [range_of(b"", C), range_of(B, b"")]}, "FIELD_INVALID", "ranges[1].after_id"),
        ({"ranges": [range_of(A, b""), range_of(b"", b"")]}, "FIELD_INVALID", "ranges[1].after_id"),
        ({"leaves": [leaf_of(b"", B), leaf_of(A, C)]}, "FIELD_INVALID", "leaves[1].after_id"),
        ({"ranges": [range_of(A, B, digest=b"")]}, "FIELD_INVALID", "ranges[0].digest"),
        ({"leaves": [leaf_of(b"", b"", *MANY)]}, "LIMIT_EXCEEDED", "leaves[0].entries"),
        ({"leaves": [leaf_of(b"", B, A, A)]}, "FIELD_INVALID", "leaves[0].entries"),
        ({"leaves": [leaf_of(A, B, A)]}, "FIELD_INVALID", "leaves[0].entries"),
        ({"leaves": [leaf_of(b"", A, A), leaf_of(A, B, C)]}, "FIELD_INVALID", "leaves[1].entries"),
        ({"leaves": [leaf_of(b"", b"", b"a")]}, "ID_INVALID", "leaves[0].entries.item_id"),
        ({"scope": sync_pb2.SyncScope(folder_ids=[b"a"])}, "ID_INVALID", "scope.folder_ids[0]"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    anna: Person, service: ReconcileService, parts: dict[str, Any], reason: str, field: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await service.reconcile(anna.caller, messages.ReconcileRequest(**parts))
    assert (refused.value.reason, refused.value.field) == (reason, field)
