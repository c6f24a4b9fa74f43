"""How much of each item a device gets: summaries, the beginning of the text, or everything but attachments' bytes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from sqlalchemy import update

from rookery.v1 import content_service_pb2, folder_pb2, item_pb2, item_service_pb2, sync_pb2
from rookery_server.services.sync.batches import BATCH_BYTES
from rookery_server.store import items
from rookery_server.store.tables import item_content
from tests.sync.replicas import Replica

if TYPE_CHECKING:
    from rookery_server.services.sync.pull import PullService
    from tests.support.world import Person, World

FULL, TEXT = sync_pb2.SYNC_DEPTH_FULL, sync_pb2.SYNC_DEPTH_TEXT
ZSTD, IDENTITY = content_service_pb2.CONTENT_ENCODING_ZSTD, content_service_pb2.CONTENT_ENCODING_IDENTITY
LONG = "Long, and easily compressed. " * 1000


def noise(length: int) -> str:
    """Text that no compression makes much smaller."""
    return "".join(random.Random(length).choices([chr(n) for n in range(0x4E00, 0x9E00)], k=length // 3))


async def written(world: World, person: Person, **body: str) -> bytes:
    """A message with such a body, recipients and properties."""
    record = item_pb2.Item(folder_id=await world.folder_of(person, folder_pb2.FOLDER_ROLE_INBOX))
    record.summary.kind = item_pb2.ITEM_KIND_MESSAGE
    record.content.body.CopyFrom(item_pb2.Body(**body))
    record.content.recipients.add().person.address = "ben@rookery.example"
    return (await world.create(person, record)).id


async def told(service: PullService, person: Person, depth: int, **fields: Any) -> sync_pb2.SyncItem:
    """The newest item, as a new device gets it."""
    accept = fields.pop("accept_encodings", [])
    scope = sync_pb2.SyncScope(depth=sync_pb2.SyncDepth.ValueType(depth), **fields)
    return (await Replica(service, person, scope).ask(accept_encodings=accept)).items[0]


async def test_the_whole_content_travels_as_it_is_stored(world: World, anna: Person, pulls: PullService) -> None:
    item_id = await written(world, anna, text=LONG, html="<p>Hello")
    item = await told(pulls, anna, FULL, accept_encodings=[ZSTD])
    assert (item.content_encoding, item.extent) == (ZSTD, sync_pb2.CONTENT_EXTENT_FULL)
    assert len(item.content) < 2000
    content = item_pb2.ItemContent.FromString(zstandard.ZstdDecompressor().decompress(item.content))
    assert content == (await world.get(anna, item_id)).content


async def test_who_can_not_unpack_gets_it_unpacked(world: World, anna: Person, pulls: PullService) -> None:
    item_id = await written(world, anna, text=LONG)
    item = await told(pulls, anna, FULL)
    assert (item.content_encoding, item.extent) == (IDENTITY, sync_pb2.CONTENT_EXTENT_FULL)
    assert item_pb2.ItemContent.FromString(item.content) == (await world.get(anna, item_id)).content


async def test_depth_text_keeps_the_beginning_of_the_text_and_the_rest_but_its_bulk(
    world: World, anna: Person, pulls: PullService
) -> None:
    await written(world, anna, text="Grüße, " * 1000, html="<p>Hello")
    item = await told(pulls, anna, TEXT, accept_encodings=[ZSTD])
    assert (item.content_encoding, item.extent) == (IDENTITY, sync_pb2.CONTENT_EXTENT_TEXT)
    content = item_pb2.ItemContent.FromString(item.content)
    assert 4090 < len(content.body.text.encode()) <= 4096
    assert not content.body.html
    assert content.recipients[0].person.address == "ben@rookery.example"


@pytest.mark.parametrize(("limit", "kept"), [(1, "G"), (2, "Gr"), (3, "Gr"), (4, "Grü"), (5, "Grü"), (6, "Grüß"), (100, "Grüße")])
async def test_text_is_cut_at_a_character(world: World, anna: Person, pulls: PullService, limit: int, kept: str) -> None:
    await written(world, anna, text="Grüße")
    item = await told(pulls, anna, TEXT, text_bytes=limit)
    assert item_pb2.ItemContent.FromString(item.content).body.text == kept


async def test_an_imported_document_and_its_headers_stay_away_from_depth_text(
    world: World, anna: Person, pulls: PullService
) -> None:
    from_outside = item_pb2.ItemContent()
    from_outside.source.data = b"BEGIN:VCARD"
    from_outside.message.headers.add(name="X-A", value="b")
    from_outside.message.in_reply_to = "a@b"
    item_id = await written(world, anna, text="Hello")
    await _store(world, anna, item_id, from_outside)
    content = item_pb2.ItemContent.FromString((await told(pulls, anna, TEXT)).content)
    assert content.message.in_reply_to == "a@b"
    assert not content.message.headers and not content.HasField("source") and not content.HasField("body")


async def _store(world: World, person: Person, item_id: bytes, content: item_pb2.ItemContent) -> None:
    """Puts a content in place of an item's, as an import would have written it."""
    encoded = content.SerializeToString()

    def work(transaction: Any) -> None:
        row = items.packed(transaction.connection, person.number, item_id)
        assert row is not None
        this = (item_content.c.item_id == item_id) & (item_content.c.revision == row.content)
        transaction.connection.execute(update(item_content).where(this).values(codec=IDENTITY, content=encoded))

    await world.database.write(work)


@pytest.mark.parametrize("depth", [FULL, TEXT])
async def test_what_is_too_large_for_a_batch_is_left_out(world: World, anna: Person, pulls: PullService, depth: int) -> None:
    item_id = await written(world, anna, text=noise(3 << 20))
    item = await told(pulls, anna, depth)
    assert (item.extent, item.content, item.content_encoding) == (sync_pb2.CONTENT_EXTENT_OMITTED, b"", 0)
    assert item.item.id == item_id and item.item.summary.preview


async def test_what_is_small_only_as_long_as_it_is_compressed_is_left_out_for_who_can_not_unpack(
    world: World, anna: Person, pulls: PullService
) -> None:
    await written(world, anna, text="a" * (2 << 20))
    assert (await told(pulls, anna, FULL)).extent == sync_pb2.CONTENT_EXTENT_OMITTED
    assert (await told(pulls, anna, FULL, accept_encodings=[ZSTD])).extent == sync_pb2.CONTENT_EXTENT_FULL


async def test_a_batch_holds_a_mebibyte_at_most(world: World, anna: Person, pulls: PullService) -> None:
    for _ in range(7):
        await written(world, anna, text=noise(400_000))
    device = Replica(pulls, anna, sync_pb2.SyncScope(depth=FULL))
    cursors, sizes = [""], []
    while not device.caught_up:
        batch = await device.pull()
        sizes.append(batch.ByteSize())
        cursors.append(batch.cursor)
    assert len(sizes) == 4 and max(sizes) <= BATCH_BYTES
    assert all(held.extent == sync_pb2.CONTENT_EXTENT_FULL for held in device.items.values())
    await device.require_equal(world)


async def test_the_tail_is_cut_at_a_mebibyte_too(world: World, anna: Person, pulls: PullService) -> None:
    device = Replica(pulls, anna, sync_pb2.SyncScope(depth=FULL))
    await device.catch_up()
    for _ in range(5):
        await written(world, anna, text=noise(400_000))
    batches = await device.catch_up()
    assert len(batches) == 3 and max(batch.ByteSize() for batch in batches) <= BATCH_BYTES
    await device.require_equal(world)


async def test_a_changed_content_comes_with_the_content(world: World, anna: Person, pulls: PullService) -> None:
    item_id = await written(world, anna, text="Before")
    device = Replica(pulls, anna, sync_pb2.SyncScope(depth=FULL))
    await device.catch_up()
    request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new())
    request.item.id, request.item.content.body.text = item_id, "After"
    request.update_mask.paths.append("content.body")
    await world.editing.update_item(anna.caller, request)
    await device.catch_up()
    assert item_pb2.ItemContent.FromString(device.items[item_id].content).body.text == "After"
