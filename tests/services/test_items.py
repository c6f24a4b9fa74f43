"""Items: created, read, changed, marked, moved, copied, deleted, restored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1.calendar_pb2 import AppointmentSummary, CalendarTime
from rookery.v1.item_pb2 import Item, ItemContent, ItemSummary
from rookery_core.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Stale,
)
from rookery_server.store import mailboxes

if TYPE_CHECKING:
    from tests.support.world import Person, World

INBOX = folder_pb2.FOLDER_ROLE_INBOX
DELETED = folder_pb2.FOLDER_ROLE_DELETED


async def revision(world: World, person: Person) -> int:
    row = await world.database.read(lambda connection: mailboxes.find(connection, person.mailbox))
    assert row
    return row.revision


async def mark(world: World, person: Person, ids: list[bytes], **request: object) -> item_service_pb2.SetItemStateResponse:
    message = item_service_pb2.SetItemStateRequest(operation_id=world.ids.new(), item_ids=ids, **request)  # type: ignore[arg-type]
    return item_service_pb2.SetItemStateResponse.FromString(await world.marks.set_item_state(person.caller, message))


async def move(world: World, person: Person, ids: list[bytes], folder: bytes) -> item_service_pb2.MoveItemsResponse:
    message = item_service_pb2.MoveItemsRequest(operation_id=world.ids.new(), item_ids=ids, folder_id=folder)
    return item_service_pb2.MoveItemsResponse.FromString(await world.places.move_items(person.caller, message))


async def update(world: World, person: Person, item: Item, *paths: str, etag: int = 0) -> Item:
    message = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=item, etag=etag)
    message.update_mask.paths.extend(paths)
    return item_service_pb2.UpdateItemResponse.FromString(await world.editing.update_item(person.caller, message)).item


async def test_a_created_item_reads_back_whole_with_what_the_server_adds(world: World, anna: Person) -> None:
    inbox = await world.folder_of(anna, INBOX)
    created = await world.item(anna, inbox, "Lunch?")
    found = await world.get(anna, created.id)
    assert found.summary == created.summary
    assert (found.summary.subject, found.summary.message_class) == ("Lunch?", "IPM.Note")
    assert found.summary.preview == "Hello. How are you?"
    assert found.content.body.text == "Hello.\n\nHow are you?\n"
    assert found.state.read  # what one writes oneself, one has read
    assert found.summary.size_bytes > 0
    assert found.revision == found.content_revision == await revision(world, anna)
    assert found.uid == 1
    assert len(found.summary.conversation_id) == 16
    await world.check_counters(anna)


@pytest.mark.parametrize("kind", [kind for kind in item_pb2.ItemKind.values() if kind])
async def test_every_kind_is_created_and_goes_to_its_folder(world: World, anna: Person, kind: int) -> None:
    summary = ItemSummary(kind=item_pb2.ItemKind.ValueType(kind), subject="Something")
    if kind == item_pb2.ITEM_KIND_APPOINTMENT:
        start = CalendarTime(local="2026-03-01T09:00:00", time_zone="Europe/Berlin")
        summary.appointment.CopyFrom(AppointmentSummary(start=start))
    created = await world.create(anna, Item(summary=summary))
    assert (await world.get(anna, created.id)).summary.kind == kind
    folder = (await world.folders.get_folder(anna.caller, folder_pb2.GetFolderRequest(folder_id=created.folder_id))).folder
    assert folder.role
    await world.check_counters(anna)


async def test_server_owned_fields_are_ignored_on_create(world: World, anna: Person) -> None:
    record = Item(revision=99, uid=99, summary=ItemSummary(kind=item_pb2.ITEM_KIND_MESSAGE, size_bytes=1, preview="x"))
    created = await world.create(anna, record)
    assert created.uid == 1
    assert created.summary.preview == ""
    assert created.summary.size_bytes > 1


async def test_fields_that_nobody_knows_survive_create_and_update(world: World, anna: Person) -> None:
    unknown = b"\xfa\x3e\x03abc"  # field 1007, three bytes
    summary = ItemSummary.FromString(ItemSummary(kind=item_pb2.ITEM_KIND_NOTE).SerializeToString() + unknown)
    created = await world.create(anna, Item(summary=summary))
    changed = Item(id=created.id, summary=ItemSummary(subject="Changed"))
    await update(world, anna, changed, "summary.subject")
    assert unknown in (await world.get(anna, created.id)).summary.SerializeToString()


async def test_a_detail_of_another_kind_is_refused(world: World, anna: Person) -> None:
    record = Item(summary=ItemSummary(kind=item_pb2.ITEM_KIND_MESSAGE, appointment=AppointmentSummary()))
    with pytest.raises(InvalidArgument) as refused:
        await world.create(anna, record)
    assert refused.value.reason == "KIND_MISMATCH"


async def test_an_appointment_that_ends_before_it_starts_is_refused(world: World, anna: Person) -> None:
    appointment = AppointmentSummary(start=CalendarTime(local="2026-03-01T09:00:00"), end=CalendarTime(local="2026-03-01T08:00:00"))
    with pytest.raises(InvalidArgument) as refused:
        await world.create(anna, Item(summary=ItemSummary(kind=item_pb2.ITEM_KIND_APPOINTMENT, appointment=appointment)))
    assert refused.value.field == "item.summary.appointment.end"


async def test_a_repeated_create_gives_the_first_answer_and_one_item(world: World, anna: Person) -> None:
    request = item_service_pb2.CreateItemRequest(
        operation_id=world.ids.new(), item=Item(summary=ItemSummary(kind=item_pb2.ITEM_KIND_NOTE, subject="Once"))
    )
    first = await world.editing.create_item(anna.caller, request)
    assert await world.editing.create_item(anna.caller, request) == first
    request.item.summary.subject = "Twice"
    with pytest.raises(FailedPrecondition) as refused:
        await world.editing.create_item(anna.caller, request)
    assert refused.value.reason == "OPERATION_REUSED"
    await world.check_counters(anna)


async def test_an_operation_id_is_the_accounts_own(world: World, anna: Person, ben: Person) -> None:
    request = item_service_pb2.CreateItemRequest(
        operation_id=world.ids.new(), item=Item(summary=ItemSummary(kind=item_pb2.ITEM_KIND_NOTE))
    )
    mine = item_service_pb2.CreateItemResponse.FromString(await world.editing.create_item(anna.caller, request))
    his = item_service_pb2.CreateItemResponse.FromString(await world.editing.create_item(ben.caller, request))
    assert mine.item.id != his.item.id


async def test_an_operation_id_beyond_the_ledgers_horizon_is_refused(world: World, anna: Person) -> None:
    request = item_service_pb2.CreateItemRequest(
        operation_id=world.ids.new(), item=Item(summary=ItemSummary(kind=item_pb2.ITEM_KIND_NOTE))
    )
    world.clock.advance(days=61)
    with pytest.raises(FailedPrecondition) as refused:
        await world.editing.create_item(anna.caller, request)
    assert refused.value.reason == "OPERATION_EXPIRED"
    request.operation_id = b"short"
    with pytest.raises(InvalidArgument):
        await world.editing.create_item(anna.caller, request)


async def test_an_id_is_used_once_and_never_again_after_a_purge(world: World, anna: Person) -> None:
    minted = world.ids.new()
    record = Item(id=minted, summary=ItemSummary(kind=item_pb2.ITEM_KIND_NOTE))
    await world.create(anna, record)
    with pytest.raises(AlreadyExists) as taken:
        await world.create(anna, record)
    assert taken.value.reason == "ID_TAKEN"
    await world.delete(anna, [minted], item_service_pb2.DELETE_MODE_PERMANENT)
    with pytest.raises(AlreadyExists) as retired:
        await world.create(anna, record)
    assert retired.value.reason == "ID_RETIRED"


async def test_an_update_changes_what_the_mask_names_and_nothing_else(world: World, anna: Person) -> None:
    item = await world.item(anna, await world.folder_of(anna, INBOX), "Before")
    wanted = Item(id=item.id, summary=ItemSummary(subject="After", importance=item_pb2.IMPORTANCE_HIGH))
    changed = await update(world, anna, wanted, "summary.subject")
    assert changed.summary.subject == "After"
    assert changed.summary.importance == item.summary.importance
    found = await world.get(anna, item.id)
    assert found.content.body == (await world.get(anna, item.id)).content.body
    assert found.content_revision == found.revision > item.revision
    assert found.summary.message.message_id == item.summary.message.message_id  # create-only
    await world.check_counters(anna)


async def test_a_field_absent_from_the_update_is_cleared(world: World, anna: Person) -> None:
    item = await world.item(anna, await world.folder_of(anna, INBOX), "Before")
    changed = await update(world, anna, Item(id=item.id), "summary.subject", "content.body")
    assert changed.summary.subject == ""
    assert not (await world.get(anna, item.id)).content.HasField("body")


async def test_an_update_that_changes_nothing_takes_no_revision(world: World, anna: Person) -> None:
    item = await world.item(anna, await world.folder_of(anna, INBOX), "Same")
    same = await update(world, anna, item, "summary.subject")
    assert same.revision == item.revision == await revision(world, anna)


async def test_a_stale_etag_is_refused_and_nothing_is_written(world: World, anna: Person) -> None:
    item = await world.item(anna, await world.folder_of(anna, INBOX), "First")
    second = Item(id=item.id, summary=ItemSummary(subject="Second"))
    await update(world, anna, second, "summary.subject", etag=item.content_revision)
    before = await revision(world, anna)
    wanted = Item(id=item.id, summary=ItemSummary(subject="Third"))
    with pytest.raises(Stale) as refused:
        await update(world, anna, wanted, "summary.subject", etag=item.content_revision)
    assert refused.value.reason == "STALE_ETAG"
    assert (await world.get(anna, item.id)).summary.subject == "Second"
    assert await revision(world, anna) == before


async def test_marks_do_not_make_an_etag_stale(world: World, anna: Person) -> None:
    item = await world.item(anna, await world.folder_of(anna, INBOX), "First")
    await mark(world, anna, [item.id], read=False)
    wanted = Item(id=item.id, summary=ItemSummary(subject="Second"))
    assert (await update(world, anna, wanted, "summary.subject", etag=item.content_revision)).summary.subject == "Second"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("summary.size_bytes", "FIELD_NOT_WRITABLE"),
        ("summary.kind", "FIELD_NOT_WRITABLE"),
        ("summary.message.message_id", "FIELD_NOT_WRITABLE"),
        ("summary.nothing", "FIELD_UNKNOWN"),
        ("state.read", "FIELD_NOT_WRITABLE"),
        ("folder_id", "FIELD_NOT_WRITABLE"),
        ("content.recipients.type", "FIELD_UNKNOWN"),
    ],
)
async def test_a_mask_names_writable_fields_only(world: World, anna: Person, path: str, reason: str) -> None:
    item = await world.item(anna, await world.folder_of(anna, INBOX))
    with pytest.raises(InvalidArgument) as refused:
        await update(world, anna, item, path)
    assert refused.value.reason == reason


async def test_replacing_a_message_field_keeps_what_the_server_owns_in_it(world: World, anna: Person) -> None:
    contact = await world.create(
        anna,
        Item(summary=ItemSummary(kind=item_pb2.ITEM_KIND_CONTACT, subject="Ada"), content=ItemContent()),
    )
    uid = (await world.get(anna, contact.id)).content.contact.contact_uid
    wanted = Item(id=contact.id)
    wanted.content.contact.company = "Analytical Engines"
    await update(world, anna, wanted, "content.contact")
    found = await world.get(anna, contact.id)
    assert found.content.contact.contact_uid == uid != ""
    assert found.summary.contact.company == "Analytical Engines"


async def test_marking_read_counts_and_touches_neither_content_nor_folder(world: World, anna: Person) -> None:
    inbox = await world.folder_of(anna, INBOX)
    item = await world.item(anna, inbox)
    await mark(world, anna, [item.id], read=False)
    assert (await world.counts(anna, inbox))[1] == 1
    marked = await world.get(anna, item.id)
    assert marked.content_revision == item.content_revision < marked.revision
    answer = await mark(world, anna, [item.id], read=False)  # MS-OXCFXICS: no change, no new change number
    assert (answer.changed, answer.revision) == (0, marked.revision)
    await world.check_counters(anna)


async def test_flags_and_categories_are_set_and_cleared(world: World, anna: Person) -> None:
    item = await world.item(anna, await world.folder_of(anna, INBOX))
    flag = item_pb2.FollowUp(status=item_pb2.FLAG_STATUS_FLAGGED, request="Reply")
    flag.due.FromJsonString("2026-03-01T00:00:00Z")
    await mark(world, anna, [item.id], follow_up=flag, add_categories=["Red", "red", " Work "])
    found = await world.get(anna, item.id)
    assert found.state.follow_up == flag
    assert list(found.state.categories) == ["Red", "Work"]
    await mark(world, anna, [item.id], follow_up=item_pb2.FollowUp(), remove_categories=["RED"])
    found = await world.get(anna, item.id)
    assert not found.state.HasField("follow_up")
    assert list(found.state.categories) == ["Work"]


async def test_marking_names_the_items_that_are_not_there(world: World, anna: Person, ben: Person) -> None:
    item = await world.item(anna, await world.folder_of(anna, INBOX))
    his = await world.item(ben, await world.folder_of(ben, INBOX))
    unknown = world.ids.new()
    answer = await mark(world, anna, [item.id, unknown, his.id], read=False)
    assert answer.changed == 1
    assert list(answer.missing_ids) == [unknown, his.id]
    assert (await world.get(ben, his.id)).state.read


async def test_a_move_keeps_the_id_and_the_content_and_gives_a_new_uid(world: World, anna: Person) -> None:
    inbox, target = await world.folder_of(anna, INBOX), await world.folder(anna, "Target")
    first, second = await world.item(anna, inbox), await world.item(anna, inbox)
    await mark(world, anna, [second.id], read=False)
    await world.item(anna, target.id)
    answer = await move(world, anna, [first.id, second.id], target.id)
    assert answer.moved == 2
    found = await world.get(anna, second.id)
    assert (found.folder_id, found.uid, found.content_revision) == (target.id, 3, second.content_revision)
    assert (await world.counts(anna, target.id))[:2] == (3, 1)
    again = await move(world, anna, [first.id], target.id)
    assert (again.moved, again.revision) == (0, answer.revision)
    await world.check_counters(anna)


async def test_a_move_into_a_folder_that_is_not_there_moves_nothing(world: World, anna: Person) -> None:
    item = await world.item(anna, await world.folder_of(anna, INBOX))
    with pytest.raises(NotFound) as refused:
        await move(world, anna, [item.id], world.ids.new())
    assert refused.value.reason == "FOLDER_NOT_FOUND"
    assert (await world.get(anna, item.id)).folder_id == item.folder_id


async def test_a_copy_is_an_item_of_its_own(world: World, anna: Person) -> None:
    inbox, target = await world.folder_of(anna, INBOX), await world.folder(anna, "Target")
    item = await world.item(anna, inbox, "Original")
    await mark(world, anna, [item.id], add_categories=["Red"])
    request = item_service_pb2.CopyItemsRequest(operation_id=world.ids.new(), item_ids=[item.id], folder_id=target.id)
    answer = item_service_pb2.CopyItemsResponse.FromString(await world.places.copy_items(anna.caller, request))
    copy = await world.get(anna, answer.copies[0].item_id)
    original = await world.get(anna, item.id)
    assert (copy.summary, copy.content, copy.state) == (original.summary, original.content, original.state)
    await update(world, anna, Item(id=copy.id, summary=ItemSummary(subject="Copy")), "summary.subject")
    assert (await world.get(anna, item.id)).summary.subject == "Original"
    await world.check_counters(anna)


async def test_too_many_ids_in_one_call_are_refused(world: World, anna: Person) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await mark(world, anna, [world.ids.new() for _ in range(501)], read=True)
    assert refused.value.reason == "LIMIT_EXCEEDED"


async def test_a_batch_comes_in_the_order_asked_for(world: World, anna: Person, ben: Person) -> None:
    inbox = await world.folder_of(anna, INBOX)
    first, second = await world.item(anna, inbox), await world.item(anna, inbox)
    his = await world.item(ben, await world.folder_of(ben, INBOX))
    request = item_service_pb2.BatchGetItemsRequest(item_ids=[second.id, his.id, first.id])
    answer = item_service_pb2.BatchGetItemsResponse.FromString(await world.reading.batch_get_items(anna.caller, request))
    assert [item.id for item in answer.items] == [second.id, first.id]
    assert list(answer.missing_ids) == [his.id]
    assert not answer.items[0].HasField("content")
