"""Attachments taken over from other items without a server: what the operation says, what is shown, whose bytes they are."""

from __future__ import annotations

import pytest

from rookery.v1.item_pb2 import Attachment, AttachmentDisposition, AttachmentSource, Item, ItemKind
from rookery_client.replica.reading.contents import Contents
from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound
from tests.support.replica_filling import NONE, Device


@pytest.fixture
def anna(tmp_path):
    device = Device(tmp_path / "anna.replica")
    yield device
    device.close()


@pytest.fixture
def source(anna):
    """A message with an image, whose bytes are here."""
    item = anna.message("Photos", "look")
    shown = {"content_id": "otter@here", "disposition": AttachmentDisposition.ATTACHMENT_DISPOSITION_INLINE}
    item.content.attachments.append(Attachment(id=3, name="otter.png", media_type="image/png", size_bytes=5, **shown))
    anna.put(item)
    Contents(anna.replica, anna.clock).put_attachment(item.id, 3, item.content_revision, b"otter")
    return item


def taken(item_id, number, **fields):
    return Attachment(copy_of=AttachmentSource(item_id=item_id, attachment_id=number), **fields)


def draft(*attachments):
    record = Item()
    record.summary.kind = ItemKind.ITEM_KIND_MESSAGE
    record.content.attachments.extend(attachments)
    return record


def recorded(device):
    """The attachments that the operations which wait bring."""
    operations = device.replica.waiting(500, 1 << 20)
    contents = [each for operation in operations for each in operation.create_item.item.content.attachments]
    return contents + [each for operation in operations for each in operation.update_item.list_edits.add_attachments]


async def read(device, item_id, number):
    return await device.client.content.download_attachment(item_id, number).read()


async def test_a_draft_shows_what_it_takes_over_and_pushes_where_from(anna, source):
    made = await anna.client.items.create(draft(taken(source.id, 3)))
    [shown] = (await anna.client.items.get(made.id)).content.attachments
    assert (shown.id, shown.name, shown.media_type, shown.size_bytes) == (1, "otter.png", "image/png", 5)
    assert shown.content_id == "otter@here" and not shown.HasField("copy_of") and not made.summary.has_attachments
    [pushed] = recorded(anna)
    assert pushed.copy_of == AttachmentSource(item_id=source.id, attachment_id=3) and not pushed.upload_id
    assert await read(anna, made.id, 1) == b"otter"


async def test_an_edit_takes_over_too(anna, source):
    made = await anna.client.items.create(draft())
    item = await anna.client.items.get(made.id)
    item.content.attachments.append(taken(source.id, 3, name="Otter.png"))
    await anna.client.items.update(item, ["content.attachments"])
    [shown] = (await anna.client.items.get(made.id)).content.attachments
    assert (shown.name, shown.size_bytes) == ("Otter.png", 5)
    [pushed] = recorded(anna)
    assert pushed.copy_of.item_id == source.id
    assert await read(anna, made.id, shown.id) == b"otter"


async def test_what_only_this_device_has_is_sent_once_more(anna):
    upload = await anna.client.content.upload(b"made here")
    first = await anna.client.items.create(draft(Attachment(name="a.txt", upload_id=upload)))
    second = await anna.client.items.create(draft(taken(first.id, 1)))
    one, two = recorded(anna)
    assert one.upload_id == upload and two.upload_id not in {b"", upload} and not two.HasField("copy_of")
    assert two.name == "a.txt" and await read(anna, second.id, 1) == b"made here"
    sizes = anna.replica.pending_uploads(anna.replica.waiting(500, 1 << 20))
    assert sorted(size for _, size in sizes) == [9, 9]


async def test_a_copy_of_a_copy_names_what_the_server_has(anna, source):
    first = await anna.client.items.create(draft(taken(source.id, 3)))
    await anna.client.items.create(draft(taken(first.id, 1)))
    assert [each.copy_of.item_id for each in recorded(anna)] == [source.id] * 2
    assert [each.copy_of.attachment_id for each in recorded(anna)] == [3, 3]


async def test_bytes_that_are_not_here_are_told_so(anna, source):
    other = anna.message("More")
    other.content.attachments.append(Attachment(id=1, name="far.bin", media_type="a/b", size_bytes=7))
    anna.put(other)
    made = await anna.client.items.create(draft(taken(other.id, 1)))
    assert (await anna.client.items.get(made.id)).content.attachments[0].size_bytes == 7
    with pytest.raises(FailedPrecondition) as caught:
        await read(anna, made.id, 1)
    assert caught.value.reason == "NOT_IN_REPLICA"


async def test_what_can_not_be_taken_over_is_not_recorded(anna, source):
    bare = anna.message("Only a summary")
    anna.put(bare, extent=NONE)
    upload = await anna.client.content.upload(b"x")
    for attachment, kind, reason in (
        (taken(b"x" * 16, 1), NotFound, "ITEM_NOT_FOUND"),
        (taken(source.id, 1), NotFound, "ATTACHMENT_NOT_FOUND"),
        (taken(b"short", 1), InvalidArgument, "ID_INVALID"),
        (taken(source.id, 3, upload_id=upload), InvalidArgument, "FIELD_INVALID"),
        (taken(bare.id, 1), FailedPrecondition, "NOT_IN_REPLICA"),
    ):
        with pytest.raises(kind) as caught:
            await anna.client.items.create(draft(attachment))
        assert caught.value.reason == reason
    assert recorded(anna) == []
