"""Copies: made inside the database, of anything that an item holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from rookery.v1 import folder_pb2, item_service_pb2
from rookery_core.errors import InvalidArgument
from rookery_server.services.items import item_places
from rookery_server.store.tables import blob, item_blob
from tests.services.test_item_sizes import bring, update, upload

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.support.world import Person, World

INBOX = folder_pb2.FOLDER_ROLE_INBOX
_OWN = ("item_id", "content_revision")


async def copy(world: World, person: Person, item_ids: list[bytes], **request: Any) -> item_service_pb2.CopyItemsResponse:
    folder_id = await world.folder_of(person, folder_pb2.FOLDER_ROLE_ARCHIVE)
    message = item_service_pb2.CopyItemsRequest(operation_id=world.ids.new(), item_ids=item_ids, folder_id=folder_id, **request)
    return item_service_pb2.CopyItemsResponse.FromString(await world.places.copy_items(person.caller, message))


async def parts(world: World, item_id: bytes) -> list[dict[str, Any]]:
    """What an item holds, but for what names the item itself."""

    def work(connection: Connection) -> list[dict[str, Any]]:
        rows = connection.execute(select(item_blob).where(item_blob.c.item_id == item_id).order_by(item_blob.c.part)).mappings()
        return [{name: value for name, value in row.items() if name not in _OWN} for row in rows]

    return await world.database.read(work)


async def test_a_copy_holds_the_original_and_the_attachments_of_its_source(world: World, anna: Person) -> None:
    item = await bring(world, anna)
    item.content.attachments.add(upload_id=await upload(world, anna, 3000), name="added.bin")
    size = await update(world, anna, item, "content.attachments")
    source = await world.get(anna, item.id)
    answer = await copy(world, anna, [item.id])
    made = await world.get(anna, answer.copies[0].item_id)
    assert (made.summary, made.content) == (source.summary, source.content)
    held = await parts(world, made.id)
    assert held == await parts(world, item.id)
    assert len(held) == 3
    assert made.content_revision == made.revision == answer.revision
    assert made.summary.size_bytes == size
    await world.check_counters(anna)


async def test_many_copies_keep_their_order_and_their_contents(world: World, anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_places, "_TOUCHED_AT_ONCE", 1)
    inbox = await world.folder_of(anna, INBOX)
    imported = await bring(world, anna)
    imported.content.attachments.add(upload_id=await upload(world, anna, 100), name="added.bin")
    await update(world, anna, imported, "content.attachments")
    item_ids = [imported.id, *[(await world.item(anna, inbox, f"Number {number}")).id for number in range(20)]]
    world.clock.advance(days=3)
    answer = await copy(world, anna, item_ids)
    assert [made.source_id for made in answer.copies] == item_ids
    found = [await world.get(anna, made.item_id) for made in answer.copies]
    assert [item.uid for item in found] == list(range(1, 22))
    assert [item.content for item in found] == [(await world.get(anna, item_id)).content for item_id in item_ids]
    held = select(blob.c.touched).where(blob.c.id.in_(select(item_blob.c.blob_id)))
    touched = await world.database.read(lambda connection: list(connection.execute(held).scalars()))
    assert touched == [world.clock.now] * 2
    await world.check_counters(anna)


async def test_an_item_named_twice_is_copied_once(world: World, anna: Person) -> None:
    item = await world.item(anna, await world.folder_of(anna, INBOX))
    answer = await copy(world, anna, [item.id, item.id])
    assert [made.source_id for made in answer.copies] == [item.id]


async def test_an_item_named_twice_is_refused_where_the_copies_have_their_ids(world: World, anna: Person) -> None:
    item = await world.item(anna, await world.folder_of(anna, INBOX))
    for new_ids in ([world.ids.new()], [world.ids.new(), world.ids.new()]):
        with pytest.raises(InvalidArgument) as refused:
            await copy(world, anna, [item.id, item.id], new_ids=new_ids)
        assert refused.value.field == "item_ids"
    minted = world.ids.new()
    answer = await copy(world, anna, [item.id], new_ids=[minted])
    assert [made.item_id for made in answer.copies] == [minted]
