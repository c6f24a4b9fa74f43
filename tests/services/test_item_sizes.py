"""What an item counts against the quota after it was changed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from rookery.v1 import content_service_pb2, item_pb2, item_service_pb2
from rookery.v1.item_pb2 import Item
from rookery_core.errors import ResourceExhausted
from rookery_server.services.content.uploads import UploadService
from rookery_server.services.importing.document_readers import DocumentReaders
from rookery_server.services.importing.imports import ImportService
from rookery_server.store import mailboxes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.world import Person, World

PICTURE = "iVBORw0KGgoA" * 40
MIXED = (
    "From: Erika <erika@example.org>\r\nSubject: A file\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
    "--b1\r\nContent-Type: image/png; name=dot.png\r\nContent-Transfer-Encoding: base64\r\n"
    f"Content-Disposition: attachment; filename=dot.png\r\n\r\n{PICTURE}\r\n--b1--\r\n"
).encode()


async def bring(world: World, person: Person) -> Item:
    service = ImportService(world.database, world.clock, world.ids, DocumentReaders(0), max_message_bytes=1 << 20)
    document = content_service_pb2.ImportDocument(operation_id=world.ids.new(), format=item_pb2.DOCUMENT_FORMAT_MESSAGE, data=MIXED)
    request = content_service_pb2.ImportItemRequest(document=document)
    response = await service.import_item(person.caller, request)
    return await world.get(person, response.result.item_id)


async def upload(world: World, person: Person, size: int) -> bytes:
    service = UploadService(world.database, world.clock, world.ids, max_message_bytes=1 << 20)
    data, upload_id = random.Random(size).randbytes(size), world.ids.new()

    async def sent() -> AsyncIterator[content_service_pb2.UploadRequest]:
        yield content_service_pb2.UploadRequest(upload_id=upload_id, total_bytes=size, offset=0, data=data)

    assert (await service.upload(person.caller, sent())).complete
    return upload_id


async def update(world: World, person: Person, item: Item, *paths: str) -> int:
    """Writes the fields of the record; gives the item's size after that."""
    request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=item)
    request.update_mask.paths.extend(paths)
    response = item_service_pb2.UpdateItemResponse.FromString(await world.editing.update_item(person.caller, request))
    await check_used(world, person, response.item.summary.size_bytes)
    return response.item.summary.size_bytes


async def check_used(world: World, person: Person, size: int) -> None:
    """The mailbox, which holds one item, counts its size."""
    row = await world.database.read(lambda connection: mailboxes.find(connection, person.mailbox))
    assert row is not None
    assert row.used_bytes == size
    await world.check_counters(person)


async def test_what_is_attached_to_an_imported_message_counts_on_top_of_its_original(world: World, anna: Person) -> None:
    item = await bring(world, anna)
    assert item.summary.size_bytes == len(MIXED)
    item.content.attachments.add(upload_id=await upload(world, anna, 5000), name="added.bin")
    size = await update(world, anna, item, "content.attachments")
    assert len(MIXED) + 5000 < size < len(MIXED) + 5000 + 300
    both = await world.get(anna, item.id)
    assert [attachment.size_bytes for attachment in both.content.attachments] == [len(PICTURE) * 3 // 4, 5000]
    del both.content.attachments[1:]
    assert await update(world, anna, both, "content.attachments") < len(MIXED) + 300


async def test_what_is_taken_off_an_imported_message_leaves_its_original_to_count(world: World, anna: Person) -> None:
    item = await bring(world, anna)
    cleared = Item(id=item.id)
    assert await update(world, anna, cleared, "content.attachments", "content.body", "summary.subject") == len(MIXED)


async def test_text_written_into_an_imported_message_counts(world: World, anna: Person) -> None:
    item = await bring(world, anna)
    sizes = []
    for length in (10_000, 20_000, 10_000, 20_000):
        item.content.body.text = "x" * length
        sizes.append(await update(world, anna, item, "content.body"))
    assert sizes[0] > len(MIXED) + 9_900
    assert sizes[1] > sizes[0] + 9_900
    assert sizes[2:] == sizes[:2]  # there and back is where it was


async def test_an_imported_message_takes_no_attachment_beyond_the_quota(world: World) -> None:
    person = await world.person("carla", quota=4000)
    item = await bring(world, person)
    upload_id = await upload(world, person, 3000)  # which fits once
    for name in ("added.bin", "again.bin"):
        item.content.attachments.add(upload_id=upload_id, name=name)
    with pytest.raises(ResourceExhausted) as refused:
        await update(world, person, item, "content.attachments")
    assert refused.value.reason == "QUOTA_EXCEEDED"
    await check_used(world, person, len(MIXED))


async def test_a_client_does_not_say_that_what_it_attaches_is_a_message(world: World, anna: Person) -> None:
    item = await bring(world, anna)
    item.content.attachments.add(upload_id=await upload(world, anna, 10), name="added.eml", is_message=True)
    await update(world, anna, item, "content.attachments")
    assert [attachment.is_message for attachment in (await world.get(anna, item.id)).content.attachments] == [False, False]
