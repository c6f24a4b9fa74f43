"""A client without a server: what it changes waits in the outbox, what it downloads is in the replica, the rest is refused."""

from __future__ import annotations

import io

import pytest

from rookery.v1 import item_service_pb2 as service
from rookery.v1.folder_pb2 import FolderRole
from rookery.v1.item_pb2 import Attachment, Item, ItemKind, Recipient, RecipientType
from rookery.v1.person_pb2 import Person
from rookery.v1.sync_pb2 import ConflictPolicy, SyncScope
from rookery_core.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    OutOfRange,
    Stale,
    Unavailable,
)
from rookery_core.formats import mime, vcard
from tests.support.replica_filling import CONTACTS, DELETED, DRAFTS, INBOX, NONE, PROJECTS, TEXT, YEAR, Device

UNKNOWN = b"x" * 16


@pytest.fixture
def anna(tmp_path):
    device = Device(tmp_path / "anna.replica")
    yield device
    device.close()


@pytest.fixture
def items(anna):
    """Three messages, the last of them unread."""
    made = [anna.message("One", "first"), anna.message("Two", "second"), anna.message("Three", "third", read=False)]
    anna.put(*made)
    return made


def waiting(device):
    """What waits to be pushed."""
    return device.replica.waiting(500, 1 << 20)


def recipient(address, kind=RecipientType.RECIPIENT_TYPE_TO):
    return Recipient(type=kind, person=Person(address=address))


async def names(device, folder_id):
    return [item.summary.subject async for item in device.client.items.list(folder_id)]


async def test_a_change_is_seen_at_once_and_waits(anna, items):
    answer = await anna.client.items.set_state([item.id for item in items] + [UNKNOWN], read=True)
    assert (answer.changed, list(answer.missing_ids)) == (1, [UNKNOWN])
    assert (await anna.client.items.get(items[2].id)).state.read
    [operation] = waiting(anna)
    request = operation.set_item_state
    assert list(request.item_ids) == [item.id for item in items] and request.read
    assert not request.mailbox_id and not request.operation_id and len(operation.operation_id) == 16
    assert operation.edited.ToMicroseconds() == anna.clock.now
    assert anna.client.notes == ["1 change waits for the next sync."]


async def test_what_names_nothing_is_not_recorded(anna):
    answer = await anna.client.items.move([UNKNOWN], PROJECTS)
    assert list(answer.missing_ids) == [UNKNOWN] and not answer.moved
    assert waiting(anna) == [] and anna.client.notes == []


async def test_a_move_keeps_the_id(anna, items):
    answer = await anna.client.items.move([items[0].id, items[1].id], PROJECTS)
    assert answer.moved == 2
    assert (await anna.client.items.move([items[0].id], PROJECTS)).moved == 0
    assert await names(anna, PROJECTS) == ["Two", "One"] and await names(anna, INBOX) == ["Three"]


async def test_copies_have_ids_from_here(anna, items):
    answer = await anna.client.items.copy([items[0].id, UNKNOWN, items[1].id], PROJECTS)
    assert [copy.source_id for copy in answer.copies] == [items[0].id, items[1].id]
    assert list(answer.missing_ids) == [UNKNOWN]
    assert (await anna.client.items.get(answer.copies[1].item_id)).content.body.text == "second"
    assert list(waiting(anna)[0].copy_items.new_ids) == [copy.item_id for copy in answer.copies]


async def test_copies_keep_the_ids_that_the_caller_gave_them(anna, items):
    new_ids = [anna.ids.new() for _ in range(3)]
    answer = await anna.client.items.copy([items[0].id, UNKNOWN, items[1].id], PROJECTS, new_ids=new_ids)
    assert [copy.item_id for copy in answer.copies] == [new_ids[0], new_ids[2]]


async def test_deleting_goes_as_far_as_it_is_told(anna, items):
    assert (await anna.client.items.delete([items[0].id])).deleted == 1
    assert await names(anna, DELETED) == ["One"]
    mode = service.DeleteMode.DELETE_MODE_PERMANENT
    assert (await anna.client.items.delete([items[1].id, UNKNOWN], mode=mode)).deleted == 1
    assert await names(anna, INBOX) == ["Three"]
    assert len(waiting(anna)) == 2


async def test_what_was_deleted_here_can_be_restored_here(anna, items):
    await anna.client.items.delete([items[0].id], mode=service.DeleteMode.DELETE_MODE_RECOVERABLE)
    answer = await anna.client.items.restore([items[0].id, items[1].id])
    assert answer.restored == 1 and not answer.missing_ids
    assert await names(anna, INBOX) == ["Three", "Two", "One"]


async def test_what_only_the_server_can_restore_is_asked_of_it(anna):
    assert (await anna.client.items.restore([UNKNOWN])).restored == 1
    assert list(waiting(anna)[0].restore_items.item_ids) == [UNKNOWN]


async def test_a_new_item_has_its_id_and_its_folder_at_once(anna):
    record = Item()
    record.summary.kind, record.summary.subject = ItemKind.ITEM_KIND_MESSAGE, "Draft"
    record.content.body.text = "Dear Bert"
    made = await anna.client.items.create(record)
    assert made.folder_id == DRAFTS and len(made.id) == 16 and not made.HasField("content")
    assert (await anna.client.items.get(made.id)).content.body.text == "Dear Bert"
    assert waiting(anna)[0].create_item.item.id == made.id


async def test_what_is_not_valid_is_refused_and_not_recorded(anna):
    with pytest.raises(InvalidArgument):
        await anna.client.items.create(Item())
    with pytest.raises(AlreadyExists) as caught:
        await anna.client.folders.create("projects")
    assert caught.value.reason == "FOLDER_NAME_TAKEN"
    with pytest.raises(FailedPrecondition) as caught:
        await anna.client.folders.delete(INBOX)
    assert caught.value.reason == "FOLDER_PROTECTED"
    with pytest.raises(NotFound):
        await anna.client.items.update(Item(id=UNKNOWN), ["summary.subject"])
    assert waiting(anna) == []


async def test_fields_of_an_item_change(anna, items):
    change = Item(id=items[0].id)
    change.summary.subject = "Uno"
    changed = await anna.client.items.update(change, ["summary.subject"])
    assert changed.summary.subject == "Uno" and not changed.HasField("content")
    assert list(waiting(anna)[0].update_item.update_mask.paths) == ["summary.subject"]


async def test_an_etag_holds_here_and_asks_the_server_to_hold_it_too(anna, items):
    change = Item(id=items[0].id)
    change.summary.subject = "Uno"
    with pytest.raises(Stale):
        await anna.client.items.update(change, ["summary.subject"], etag=items[0].content_revision - 1)
    await anna.client.items.update(change, ["summary.subject"], etag=items[0].content_revision)
    await anna.client.items.update(change, ["summary.subject"])
    policies = [operation.conflict_policy for operation in waiting(anna)]
    assert policies == [ConflictPolicy.CONFLICT_POLICY_FAIL, ConflictPolicy.CONFLICT_POLICY_UNSPECIFIED]
    assert waiting(anna)[0].update_item.etag == 0


async def test_lists_are_sent_entry_by_entry(anna):
    item = anna.message("Plan")
    item.content.recipients.extend([recipient("bert@example.org"), recipient("carla@example.org")])
    item.content.attachments.extend([Attachment(id=1, name="a.txt"), Attachment(id=2, name="b.txt")])
    item.content.next_attachment_id = 3
    anna.put(item)
    upload_id = await anna.client.content.upload(b"new bytes")
    change = Item(id=item.id)
    change.content.recipients.extend([recipient("carla@example.org"), recipient("dora@example.org")])
    change.content.attachments.extend([Attachment(id=2), Attachment(name="c.txt", upload_id=upload_id)])
    await anna.client.items.update(change, ["content.recipients", "content.attachments", "summary.subject"])
    request = waiting(anna)[0].update_item
    assert list(request.update_mask.paths) == ["summary.subject"]
    assert [each.person.address for each in request.list_edits.add_recipients] == ["dora@example.org"]
    assert [each.person.address for each in request.list_edits.remove_recipients] == ["bert@example.org"]
    assert list(request.list_edits.remove_attachment_ids) == [1]
    assert [each.name for each in request.list_edits.add_attachments] == ["c.txt"]
    shown = (await anna.client.items.get(item.id)).content
    assert [each.person.address for each in shown.recipients] == ["carla@example.org", "dora@example.org"]
    assert [(each.id, each.name, each.upload_id) for each in shown.attachments] == [(2, "b.txt", b""), (3, "c.txt", b"")]
    assert await anna.client.content.download_attachment(item.id, 3).read() == b"new bytes"


async def test_a_content_replaced_whole_is_sent_in_its_parts(anna):
    item = anna.message("Plan", "old")
    item.content.recipients.append(recipient("bert@example.org"))
    item.content.message.in_reply_to = "id@example.org"
    anna.put(item)
    change = Item(id=item.id)
    change.content.body.text = "new"
    await anna.client.items.update(change, ["content"])
    request = waiting(anna)[0].update_item
    assert {"content.body", "content.message.in_reply_to"} <= set(request.update_mask.paths)
    assert not {"content", "content.recipients", "content.task"} & set(request.update_mask.paths)
    shown = (await anna.client.items.get(item.id)).content
    assert shown.body.text == "new" and not shown.recipients and not shown.message.in_reply_to


async def test_lists_that_are_not_here_can_not_be_replaced(anna):
    item = anna.message("Plan")
    anna.put(item, extent=NONE)
    with pytest.raises(FailedPrecondition) as caught:
        await anna.client.items.update(Item(id=item.id), ["content.recipients"])
    assert caught.value.reason == "NOT_IN_REPLICA" and waiting(anna) == []


async def test_more_ids_than_a_call_takes_become_several_operations(anna):
    many = [anna.message(f"Message {number}") for number in range(501)]
    anna.put(*many)
    assert (await anna.client.items.set_state([item.id for item in many], read=False)).changed == 501
    assert [len(operation.set_item_state.item_ids) for operation in waiting(anna)] == [500, 1]
    assert anna.client.notes == ["2 changes wait for the next sync."]


async def test_folders_are_made_renamed_moved_and_deleted(anna, items):
    made = await anna.client.folders.create("Plans", parent_id=PROJECTS)
    assert (await anna.client.folders.get(made.id)).parent_id == PROJECTS
    renamed = await anna.client.folders.update(made.id, name="Ideas", parent_id=b"")
    assert (renamed.name, renamed.parent_id) == ("Ideas", b"")
    await anna.client.items.move([items[0].id, items[1].id], made.id)
    assert (await anna.client.folders.delete(made.id)).deleted_items == 2
    assert "Ideas" not in [folder.name for folder in await anna.client.folders.list()]
    kinds = [operation.WhichOneof("action") for operation in waiting(anna)]
    assert kinds == ["create_folder", "update_folder", "move_items", "delete_folder"]


async def test_emptying_tells_how_many_items_went(anna, items):
    await anna.client.items.move([items[0].id], PROJECTS)
    await anna.client.items.move([items[1].id], YEAR)
    assert (await anna.client.folders.empty(PROJECTS)).deleted_items == 1
    assert (await anna.client.folders.empty(PROJECTS, include_subfolders=True)).deleted_items == 1
    assert await names(anna, INBOX) == ["Three"]


async def test_an_upload_goes_with_the_item_that_names_it(anna):
    told = []
    upload_id = await anna.client.content.upload(io.BytesIO(b"picture"), progress=told.append)
    assert told == [7]
    record = Item()
    record.summary.kind, record.summary.subject = ItemKind.ITEM_KIND_MESSAGE, "With a picture"
    record.content.attachments.append(Attachment(name="p.png", media_type="image/png", upload_id=upload_id))
    made = await anna.client.items.create(record)
    assert anna.replica.pending_uploads(waiting(anna)) == [(upload_id, 7)]
    download = anna.client.content.download_attachment(made.id, 1)
    assert await download.read() == b"picture"
    assert (download.info.name, download.info.media_type, download.info.total_bytes) == ("p.png", "image/png", 7)
    parsed = mime.parse(await anna.client.content.download_document(made.id).read())
    assert parsed.summary.subject == "With a picture" and parsed.content.attachments[0].name == "p.png"


async def test_a_download_goes_on_where_it_is_asked_to(anna):
    upload_id = await anna.client.content.upload(b"0123456789" * 300_000)
    record = Item()
    record.summary.kind = ItemKind.ITEM_KIND_NOTE
    record.content.attachments.append(Attachment(name="long.txt", upload_id=upload_id))
    made = await anna.client.items.create(record)
    pieces = [piece async for piece in anna.client.content.download_attachment(made.id, 1, offset=5)]
    assert len(pieces) == 3 and b"".join(pieces) == (b"0123456789" * 300_000)[5:]
    assert await anna.client.content.download_attachment(made.id, 1, offset=3_000_000).read() == b""
    with pytest.raises(OutOfRange):
        await anna.client.content.download_attachment(made.id, 1, offset=3_000_001).read()


async def test_documents_are_made_of_what_is_here(anna):
    contact = anna.message("Bert", folder=CONTACTS, kind=ItemKind.ITEM_KIND_CONTACT)
    contact.content.contact.name.given = "Bert"
    anna.put(contact)
    download = anna.client.content.download_document(contact.id)
    assert vcard.parse(await download.read()).content.contact.name.given == "Bert"
    assert download.info.media_type.startswith("text/vcard") and download.info.name == "Bert.vcf"


async def test_bytes_that_are_not_here_are_told_of(anna):
    original, partial, attached = anna.message("Original"), anna.message("Partial"), anna.message("Attached")
    original.content.message.has_original = True
    attached.content.attachments.append(Attachment(id=1, name="a.txt"))
    anna.put(original, attached)
    anna.put(partial, extent=TEXT)
    for item in (original, partial, attached):
        with pytest.raises(FailedPrecondition, match="go online") as caught:
            await anna.client.content.download_document(item.id).read()
        assert caught.value.reason == "NOT_IN_REPLICA"
    with pytest.raises(FailedPrecondition, match=r"a\.txt"):
        await anna.client.content.download_attachment(attached.id, 1).read()
    with pytest.raises(NotFound) as caught_missing:
        await anna.client.content.download_attachment(attached.id, 2).read()
    assert caught_missing.value.reason == "ATTACHMENT_NOT_FOUND"


async def test_what_needs_the_server_says_so(anna):
    async def imported():
        return [result async for result in anna.client.content.import_documents([])]

    async def watched():
        return [each async for each in anna.client.sync.watch()]

    calls = {
        "Login": lambda: anna.client.login("anna@example.org", "password", "laptop"),
        "WhoAmI": anna.client.auth.who_am_i,
        "GetStatistics": anna.client.admin.statistics,
        "ListConflicts": anna.client.sync.conflicts,
        "Import": imported,
        "Watch": watched,
    }
    for name, call in calls.items():
        with pytest.raises(Unavailable, match=f"“{name}” needs the server") as caught:
            await call()
        assert caught.value.reason == "SERVER_UNREACHABLE"


async def test_a_partial_replica_takes_changes_too(tmp_path):
    device = Device(tmp_path / "some.replica", SyncScope(folder_ids=[INBOX]))
    record = Item(folder_id=PROJECTS)
    record.summary.kind, record.summary.subject = ItemKind.ITEM_KIND_NOTE, "Note"
    made = await device.client.items.create(record)
    assert (await device.client.items.get(made.id)).folder_id == PROJECTS
    device.close()


async def test_role_folders_are_found_without_a_server(anna):
    assert (await anna.client.folders.get_role(FolderRole.FOLDER_ROLE_DRAFTS)).id == DRAFTS
