"""What has to hold when everybody has exchanged everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import sync_service_pb2
from rookery.v1.content_service_pb2 import ReadContentRequest
from rookery.v1.folder_pb2 import FolderRole, ListFoldersRequest
from rookery.v1.item_pb2 import Item, ItemContent, ItemState, ItemSummary
from rookery.v1.sync_pb2 import CONTENT_EXTENT_FULL, SYNC_DEPTH_FULL
from rookery_client.replica.storage import schema
from rookery_client.replica.view import shown_contents
from rookery_server.services.folders.folders import ROLES
from rookery_server.services.items import item_packing
from rookery_server.store import recount
from rookery_server.store.sqlite import driver_connection
from tests.simulation.mail import require_sent_once
from tests.simulation.truth import Mailbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rookery.v1.folder_pb2 import Folder
    from rookery.v1.sync_pb2 import Conflict, PushResult
    from tests.simulation.devices import Device
    from tests.simulation.server import Server
    from tests.simulation.truth import Truth

_ITEMS = """SELECT item.id, folder_id, item.revision, item.content, life, state, summary, codec, item_content.content FROM item
    LEFT JOIN item_content ON item_content.item_id = item.id AND item_content.revision = item.content"""
# Creations are no part of it: an id is created once anyway, and a version that comes back and loses in part takes two revisions.
_REPEATED = """SELECT hex(operation_id), operation, count(*) FROM change
    WHERE operation IN ('sync.move_items', 'sync.copy_items', 'sync.set_item_state', 'sync.restore_items')
    GROUP BY operation_id, operation HAVING count(*) > 1"""
_REVIVED = "SELECT count(*) FROM item JOIN retired_id ON retired_id.item_id = item.id"
_ANSWERS = "SELECT id, status, result FROM operation"


async def require_all(server: Server, devices: Sequence[Device], truth: Truth) -> None:
    """Raises AssertionError, with what is wrong, unless everything holds."""
    mailbox = await _mailbox(server)
    await server.life.database.read(_require_sound)
    listed = {folder.role for folder in await _folders(server)} - {FolderRole.FOLDER_ROLE_UNSPECIFIED}
    assert listed == {role for role, _, _ in ROLES}, "role folders are missing"
    answers: dict[bytes, PushResult] = {}
    first_revisions: dict[bytes, int] = {}
    for device in devices:
        device.require_equal(server.history[max(server.history)])
        _require_same_contents(device, mailbox)
        _require_settled(device)
        for (_, operation_id), result in sorted(device.answers.items()):
            answers[operation_id] = result
            first_revisions.setdefault(operation_id, result.revision)
    truth.require_nothing_lost(mailbox, answers, first_revisions, server.carried_out)
    require_sent_once(server, devices, truth)
    await _require_attachments(server, mailbox, truth)


async def _mailbox(server: Server) -> Mailbox:
    def work(connection: Connection) -> tuple[dict[bytes, Item], dict[bytes, Item], frozenset[bytes]]:
        below = driver_connection(connection)
        found: dict[int, dict[bytes, Item]] = {1: {}, 2: {}}
        for item_id, folder_id, revision, content_revision, life, state, summary, codec, content in below.execute(_ITEMS):
            item = Item(id=item_id, folder_id=folder_id, revision=revision, content_revision=content_revision)
            item.state.CopyFrom(ItemState.FromString(state))
            item.summary.CopyFrom(ItemSummary.FromString(summary))
            assert content is not None, "an item has no content"
            item.content.CopyFrom(ItemContent.FromString(item_packing.decompress((codec, content))))
            found[life][item_id] = item
        return found[1], found[2], frozenset(row[0] for row in below.execute("SELECT item_id FROM retired_id"))

    live, recoverable, purged = await server.life.database.read(work)
    return Mailbox(live, recoverable, purged, await _conflicts(server))


async def _conflicts(server: Server) -> list[Conflict]:
    service, caller = server.life.conflicts, server.person.caller
    listed = (await service.list_conflicts(caller, sync_service_pb2.ListConflictsRequest())).conflicts
    found = []
    for each in listed:
        request = sync_service_pb2.GetConflictRequest(item_id=each.item_id, device_id=each.device_id)
        found.append((await service.get_conflict(caller, request)).conflict)
    return found


async def _folders(server: Server) -> Sequence[Folder]:
    return (await server.life.world.folders.list_folders(server.person.caller, ListFoldersRequest())).folders


def _require_sound(connection: Connection) -> None:
    """Counters equal a recount, nothing was done twice, nothing purged is back."""
    below = driver_connection(connection)
    for (number,) in below.execute("SELECT id FROM mailbox").fetchall():
        assert not (wrong := recount.differences(connection, number)), wrong
    assert not (twice := below.execute(_REPEATED).fetchall()), f"carried out twice: {twice}"
    assert not below.execute(_REVIVED).fetchone()[0], "a purged item is back"
    assert not (left := below.execute("SELECT kind FROM job").fetchall()), f"long operations are not finished: {left}"


def _require_same_contents(device: Device, mailbox: Mailbox) -> None:
    """States, summaries and, with depth FULL, contents are those of the mailbox."""
    with device.replica.database.reading() as connection:
        for item_id, state, summary in connection.execute("SELECT id, state, summary FROM item").fetchall():
            item = mailbox.live[item_id]
            assert ItemState.FromString(state) == item.state, (device.name, item_id.hex(), "state")
            assert ItemSummary.FromString(summary) == item.summary, (device.name, item_id.hex(), "summary")
            if device.replica.status().scope.depth == SYNC_DEPTH_FULL:
                held = shown_contents.find(connection, item_id, item.content_revision)
                assert held is not None and held.extent == CONTENT_EXTENT_FULL, (device.name, item_id.hex(), "no content")
                assert ItemContent.FromString(held.encoded) == item.content, (device.name, item_id.hex(), "content")


def _require_settled(device: Device) -> None:
    """The outbox is empty but for what was refused, and the person sees what the server has."""
    with device.replica.database.reading() as connection:
        statuses = {status for _, status, _ in connection.execute(_ANSWERS)}
        assert statuses <= {schema.PASSED, schema.REJECTED}, f"{device.name} has operations on the way: {statuses}"
        for table in ("local_item", "local_folder", "item_unseen"):
            count = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            assert not count, f"{device.name} has {count} rows left in {table}"


async def _require_attachments(server: Server, mailbox: Mailbox, truth: Truth) -> None:
    """The bytes of attachments are there, and are those that were attached; delivery reports bring some of their own."""
    for item in mailbox.live.values():
        for attachment in item.content.attachments:
            request = ReadContentRequest(item_id=item.id, attachment_id=attachment.id)
            data = (await server.life.downloads.read_content(server.person.caller, request)).chunk.data
            assert data == truth.bytes_of.get(attachment.name, data), attachment.name
