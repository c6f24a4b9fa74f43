"""Attachments taken over from another item: the same bytes, held once more, read by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from rookery.v1 import content_service_pb2, folder_pb2, item_pb2, item_service_pb2
from rookery.v1.item_pb2 import Attachment, AttachmentSource, Item
from rookery_core.errors import InvalidArgument, NotFound, RookeryError
from rookery_server.services.content.blob_sweep import BlobSweep
from rookery_server.services.content.downloads import DownloadService
from rookery_server.services.items import attachment_sources
from rookery_server.store.tables import blob, item_blob
from tests.services.test_item_sizes import PICTURE, bring, upload

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.support.world import Person, World

DRAFTS, INBOX = folder_pb2.FOLDER_ROLE_DRAFTS, folder_pb2.FOLDER_ROLE_INBOX
NOWHERE = b"\x01" * 16


def taken(item_id: bytes, number: int = 1, **fields: Any) -> Attachment:
    return Attachment(copy_of=AttachmentSource(item_id=item_id, attachment_id=number), **fields)


def draft(*attachments: Attachment) -> Item:
    record = Item()
    record.summary.kind, record.summary.message.draft = item_pb2.ITEM_KIND_MESSAGE, True
    record.content.attachments.extend(attachments)
    return record


async def bytes_of(world: World, person: Person, item_id: bytes, number: int) -> bytes:
    request = content_service_pb2.ReadContentRequest(item_id=item_id, attachment_id=number)
    return (await DownloadService(world.database).read_content(person.caller, request)).chunk.data


async def update(world: World, person: Person, item: Item, **fields: Any) -> None:
    request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=item, **fields)
    await world.editing.update_item(person.caller, request)


async def refused(kind: type[RookeryError], reason: str, field: str, work: Any) -> None:
    with pytest.raises(kind) as caught:
        await work
    assert (caught.value.reason, caught.value.field) == (reason, field)


async def test_a_draft_takes_the_attachment_of_a_message_as_it_came(world: World, anna: Person) -> None:
    source = await bring(world, anna)
    made = await world.get(anna, (await world.create(anna, draft(taken(source.id)))).id)
    [attachment] = made.content.attachments
    assert attachment == source.content.attachments[0], "it says of itself what the source says, and not where it comes from"
    assert attachment.name == "dot.png" and attachment.size_bytes == len(PICTURE) * 3 // 4 and made.summary.has_attachments
    found = await bytes_of(world, anna, made.id, attachment.id)
    assert found == await bytes_of(world, anna, source.id, 1) and len(found) == attachment.size_bytes

    def parts(connection: Connection) -> list[tuple[bytes, int, int, str]]:
        columns = (item_blob.c.blob_id, item_blob.c.offset, item_blob.c.length, item_blob.c.encoding)
        return [tuple(row) for row in connection.execute(select(*columns).where(item_blob.c.part == 1))]

    first, second = await world.database.read(parts)
    assert first == second and first[3] == "base64", "the slice of the message itself, still encoded"
    await world.check_counters(anna)


async def test_what_the_draft_says_itself_stands(world: World, anna: Person) -> None:
    source = await bring(world, anna)
    own = taken(source.id, name="Dot.PNG", media_type="Image/X-PNG", content_id="dot@here")
    own.disposition = item_pb2.ATTACHMENT_DISPOSITION_INLINE
    made = await world.create(anna, draft(own))
    [attachment] = (await world.get(anna, made.id)).content.attachments
    assert (attachment.name, attachment.media_type, attachment.content_id) == ("Dot.PNG", "image/x-png", "dot@here")
    assert attachment.disposition == item_pb2.ATTACHMENT_DISPOSITION_INLINE and not made.summary.has_attachments


async def test_an_update_takes_attachments_over_beside_uploads_and_what_stays(world: World, anna: Person) -> None:
    source = await bring(world, anna)
    made = await world.create(anna, draft(Attachment(name="a", upload_id=await upload(world, anna, 100))))
    item = await world.get(anna, made.id)
    item.content.attachments.extend([taken(source.id), Attachment(name="b", upload_id=await upload(world, anna, 200))])
    item.content.attachments.append(taken(made.id, name="again"))
    await update(world, anna, item, update_mask={"paths": ["content.attachments"]})
    found = (await world.get(anna, made.id)).content.attachments
    assert [(each.id, each.name) for each in found] == [(1, "a"), (2, "dot.png"), (3, "b"), (4, "again")]
    assert await bytes_of(world, anna, made.id, 4) == await bytes_of(world, anna, made.id, 1)
    edits = item_service_pb2.ListEdits(add_attachments=[taken(made.id, 3)], remove_attachment_ids=[3])
    await update(world, anna, Item(id=made.id), list_edits=edits)
    found = (await world.get(anna, made.id)).content.attachments
    assert [(each.id, each.name) for each in found] == [(1, "a"), (2, "dot.png"), (4, "again"), (5, "b")]
    assert len(await bytes_of(world, anna, made.id, 5)) == 200
    await world.check_counters(anna)


async def test_the_bytes_stay_when_the_source_has_gone(world: World, anna: Person) -> None:
    source = await world.create(anna, draft(Attachment(name="a", upload_id=await upload(world, anna, 300))))
    await world.delete(anna, [source.id], item_service_pb2.DELETE_MODE_RECOVERABLE)
    made = await world.create(anna, draft(taken(source.id)))
    await world.delete(anna, [source.id], item_service_pb2.DELETE_MODE_PERMANENT)
    world.clock.advance(days=30)
    await BlobSweep(world.database, world.clock).sweep()
    assert len(await bytes_of(world, anna, made.id, 1)) == 300


async def test_taking_over_keeps_the_blob_from_the_sweep_at_once(world: World, anna: Person) -> None:
    source = await bring(world, anna)
    world.clock.advance(days=3)
    await world.create(anna, draft(taken(source.id)))
    touched = await world.database.read(lambda connection: list(connection.execute(select(blob.c.touched)).scalars()))
    assert touched == [world.clock.now]


async def test_what_is_not_there_is_refused_with_its_place(world: World, anna: Person, ben: Person) -> None:
    source = await bring(world, anna)
    field = "item.content.attachments[0].copy_of"
    await refused(NotFound, "ITEM_NOT_FOUND", f"{field}.item_id", world.create(anna, draft(taken(NOWHERE))))
    await refused(NotFound, "ITEM_NOT_FOUND", f"{field}.item_id", world.create(ben, draft(taken(source.id))))
    await refused(InvalidArgument, "ID_INVALID", f"{field}.item_id", world.create(anna, draft(taken(b"x"))))
    for number in (0, 2, (1 << 32) - 1):  # 0 is the original message, which is no attachment
        work = world.create(anna, draft(taken(source.id, number)))
        await refused(NotFound, "ATTACHMENT_NOT_FOUND", f"{field}.attachment_id", work)
    assert await world.walk(anna, await world.folder_of(anna, DRAFTS)) == []
    await world.check_counters(anna)


async def test_an_attachment_has_one_source(world: World, anna: Person) -> None:
    source = await bring(world, anna)
    both = taken(source.id, upload_id=await upload(world, anna, 100))
    await refused(InvalidArgument, "FIELD_INVALID", "item.content.attachments[0].copy_of", world.create(anna, draft(both)))
    for added in (both, Attachment(name="of nothing")):
        edits = item_service_pb2.ListEdits(add_attachments=[added])
        work = update(world, anna, Item(id=source.id), list_edits=edits)
        await refused(InvalidArgument, "FIELD_INVALID", "list_edits.add_attachments[0].upload_id", work)


async def test_so_many_items_are_looked_into_at_once_and_no_more(
    world: World, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachment_sources, "MOST_ITEMS", 1)
    source = await bring(world, anna)
    other = await world.create(anna, draft(taken(source.id), taken(source.id)))
    work = world.create(anna, draft(taken(source.id), taken(other.id)))
    await refused(InvalidArgument, "LIMIT_EXCEEDED", "item.content.attachments[1].copy_of", work)
