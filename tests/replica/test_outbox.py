"""The outbox: what is recorded, in which form it is pushed, and what answers do to it."""

from __future__ import annotations

import pytest

from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.folder_pb2 import CreateFolderRequest, Folder
from rookery.v1.item_pb2 import Attachment, Item, ItemKind
from rookery.v1.item_service_pb2 import CreateItemRequest, UpdateItemRequest
from rookery.v1.sync_pb2 import SyncOperation
from rookery_core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Stale
from rookery_core.rules.ids import require_minted
from tests.support.replica_batches import copy, create, delete, mark, move, refusal, rename, rewrite
from tests.support.replica_filling import CALENDAR, DRAFTS, INBOX, NONE, PROJECTS, TEXT

PLENTY = (500, 1 << 20)


def appointment(ids, mailbox):
    """An appointment from ten to eleven."""
    item = mailbox.message("meeting")
    item.summary.kind = ItemKind.ITEM_KIND_APPOINTMENT
    item.summary.appointment.start.CopyFrom(CalendarTime(local="2026-03-01T10:00:00"))
    item.summary.appointment.end.CopyFrom(CalendarTime(local="2026-03-01T11:00:00"))
    mailbox.put(item)
    return item


def test_an_operation_gets_its_id_its_time_and_what_it_had_seen(replica, mailbox, clock):
    item = mailbox.mail("one")
    recorded = replica.record(mark(item.id, read=False))
    assert require_minted(recorded.operation_id, "operation_id")
    assert recorded.edited.ToMicroseconds() == clock.now
    assert recorded.base_revision == mailbox.revision
    assert replica.waiting(*PLENTY) == [recorded]


def test_what_is_given_is_kept(replica, mailbox, ids):
    item = mailbox.mail("one")
    operation = mark(item.id, read=False)
    operation.operation_id, operation.base_revision, operation.edited.seconds = ids.new(), 1, 5
    recorded = replica.record(operation)
    assert (recorded.operation_id, recorded.base_revision, recorded.edited.seconds) == (operation.operation_id, 1, 5)


def test_the_base_is_the_least_of_what_was_seen_of_each_item(replica, mailbox):
    old = mailbox.mail("old")
    caught_up = mailbox.revision
    new = mailbox.message("new")
    mailbox.put(new, caught_up=False)
    assert replica.record(mark(new.id, read=False)).base_revision == new.revision
    assert replica.record(mark(old.id, new.id, read=False)).base_revision == caught_up
    assert replica.record(create("mine")).base_revision == caught_up


def test_the_inner_request_names_neither_mailbox_nor_operation(replica, mailbox):
    item = mailbox.mail("one")
    operation = mark(item.id, read=False)
    operation.set_item_state.mailbox_id = operation.set_item_state.operation_id = b"x" * 16
    request = replica.record(operation).set_item_state
    assert (request.mailbox_id, request.operation_id) == (b"", b"")


def test_operations_come_in_order_up_to_a_number_and_a_size(replica, mailbox):
    made = [replica.record(create(f"item {number}")) for number in range(4)]
    assert replica.waiting(3, 1 << 20) == made[:3]
    assert replica.waiting(500, made[0].ByteSize() + made[1].ByteSize()) == made[:2]
    assert replica.waiting(500, 1) == made[:1]


def test_an_edit_comes_after_what_it_was_made_upon_though_the_clock_is_behind(replica, mailbox, clock):
    item = mailbox.message("one")
    item.summary.modified.FromMicroseconds(clock.micros() + 5_000_000)
    mailbox.put(item)
    assert replica.record(rename(item.id, "mine")).edited.ToMicroseconds() == clock.micros() + 5_000_001
    clock.advance(seconds=10)
    assert replica.record(rename(item.id, "again")).edited.ToMicroseconds() == clock.micros()


def test_what_was_refused_for_its_age_alone_is_no_newer_when_it_is_tried_again(replica, mailbox):
    item = mailbox.mail("one")
    expired, stale = replica.record(rename(item.id, "long ago")), replica.record(rename(item.id, "just now"))
    mailbox.refuse(expired, "OPERATION_EXPIRED")
    mailbox.refuse(stale, "STALE_ETAG")
    later = mailbox.mark(item, read=True)
    again = [replica.retry(each.operation_id) for each in (expired, stale)]
    assert [each.base_revision for each in again] == [expired.base_revision, later]
    assert again[0].edited == expired.edited


def test_a_counter_tells_that_something_was_recorded(replica, mailbox):
    before = replica.outbox_standing()
    replica.record(create("mine"))
    assert replica.outbox_standing() > before


def test_what_an_operation_rests_on_is_told(replica, mailbox):
    folder = replica.record(SyncOperation(create_folder=CreateFolderRequest(folder=Folder(name="Trips"))))
    folder_id = folder.create_folder.folder.id
    made = replica.record(create("mine", folder=folder_id))
    item_id = made.create_item.item.id
    copied = replica.record(copy(PROJECTS, item_id))
    marked = replica.record(mark(*copied.copy_items.new_ids, read=False))
    moved = replica.record(move(folder_id, item_id))
    assert list(made.depends_on) == [folder.operation_id]
    assert list(copied.depends_on) == [made.operation_id]
    assert list(marked.depends_on) == [copied.operation_id]
    assert list(moved.depends_on) == [folder.operation_id, made.operation_id]


def test_what_was_answered_is_rested_on_no_more(replica, mailbox):
    made = replica.record(create("mine"))
    mailbox.answer(made)
    assert list(replica.record(mark(made.create_item.item.id, read=False)).depends_on) == []


def test_an_edit_tells_all_of_the_unit_that_it_touches(replica, mailbox, ids):
    item = appointment(ids, mailbox)
    request = UpdateItemRequest(item=Item(id=item.id))
    request.item.summary.appointment.end.local = "2026-03-01T12:00:00"
    request.update_mask.paths.append("summary.appointment.end")
    told = replica.record(SyncOperation(update_item=request)).update_item
    assert {"summary.appointment.start", "summary.appointment.end"} <= set(told.update_mask.paths)
    assert told.item.summary.appointment.start.local == "2026-03-01T10:00:00"
    assert told.item.summary.appointment.end.local == "2026-03-01T12:00:00"
    assert not told.item.summary.subject


def test_an_edit_of_something_seen_otherwise_is_stale(replica, mailbox):
    item = mailbox.mail("one")
    operation = rename(item.id, "two")
    operation.update_item.etag = item.content_revision + 1
    with pytest.raises(Stale):
        replica.record(operation)
    operation.update_item.etag = item.content_revision
    assert replica.record(operation).update_item.etag == 0


def test_bytes_of_attachments_wait_with_their_operation(replica, mailbox, ids):
    upload_id = ids.new()
    operation = create("mine")
    operation.create_item.item.content.attachments.append(Attachment(name="a.txt", upload_id=upload_id))
    recorded = replica.record(operation, {upload_id: b"0123456789"})
    assert replica.pending_uploads([recorded]) == [(upload_id, 10)]
    assert replica.upload_data(upload_id, 4, 3) == b"456"
    assert replica.upload_data(upload_id, 8, 100) == b"89"


def test_without_its_bytes_an_attachment_is_refused(replica, mailbox, ids):
    operation = create("mine")
    operation.create_item.item.content.attachments.append(Attachment(name="a.txt", upload_id=ids.new()))
    with pytest.raises(NotFound) as caught:
        replica.record(operation)
    assert caught.value.reason == "UPLOAD_NOT_FOUND"
    with pytest.raises(NotFound):
        replica.upload_data(b"u" * 16, 0, 10)


BAD = {
    "nothing": (SyncOperation(), InvalidArgument, "FIELD_INVALID"),
    "an unknown item is marked": (mark(b"u" * 16, read=True), NotFound, "ITEM_NOT_FOUND"),
    "an unknown item is renamed": (rename(b"u" * 16, "x"), NotFound, "ITEM_NOT_FOUND"),
    "an unknown item is moved": (move(INBOX, b"u" * 16), NotFound, "ITEM_NOT_FOUND"),
    "an unknown item is purged": (delete(b"u" * 16, mode=3), NotFound, "ITEM_NOT_FOUND"),
    "an id is no id": (mark(b"short", read=True), InvalidArgument, "ID_INVALID"),
    "too many items": (mark(*[b"u" * 16] * 501, read=True), InvalidArgument, "LIMIT_EXCEEDED"),
    "no mark": (mark(b"u" * 16), InvalidArgument, "FIELD_INVALID"),
    "a mark that can not be": (mark(b"u" * 16, add_categories=["\n"]), InvalidArgument, "FIELD_INVALID"),
    "a folder that is not there": (create("x", folder=b"u" * 16), NotFound, "FOLDER_NOT_FOUND"),
    "a calendar that has not come": (create("x", folder=CALENDAR), NotFound, "FOLDER_NOT_FOUND"),
    "a subject too long": (create("x" * 1001), InvalidArgument, "FIELD_INVALID"),
    "no kind": (SyncOperation(create_item=CreateItemRequest(item=Item(folder_id=INBOX))), InvalidArgument, "FIELD_INVALID"),
    "an id that is not minted": (create("x", item_id=b"u" * 16), InvalidArgument, "ID_INVALID"),
    "an edit of nothing": (SyncOperation(update_item=UpdateItemRequest(item=Item(id=b"1" * 16))), InvalidArgument, "FIELD_INVALID"),
    "a mode that is none": (delete(b"u" * 16, mode=77), InvalidArgument, "FIELD_INVALID"),
}
"""Operations that can not be, with what they are refused with."""


@pytest.mark.parametrize("name", BAD)
def test_what_can_not_be_is_refused_and_leaves_nothing(replica, mailbox, sight, name):
    operation, kind, reason = BAD[name]
    before = sight.rows("SELECT * FROM sqlite_sequence")
    with pytest.raises(kind) as caught:
        replica.record(operation)
    assert caught.value.reason == reason
    assert (replica.status().waiting, sight.overlaid(), sight.rows("SELECT * FROM sqlite_sequence")) == (0, 0, before)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("content.recipients", "FIELD_NOT_WRITABLE"),
        ("content.attachments", "FIELD_NOT_WRITABLE"),
        ("content.properties", "FIELD_NOT_WRITABLE"),
        ("content", "FIELD_NOT_WRITABLE"),
        ("state.read", "FIELD_NOT_WRITABLE"),
        ("summary.preview", "FIELD_NOT_WRITABLE"),
        ("summary.kind", "FIELD_NOT_WRITABLE"),
        ("summary.nothing", "FIELD_UNKNOWN"),
    ],
)
def test_an_edit_names_only_what_it_may(replica, mailbox, path, reason):
    item = mailbox.mail("one")
    operation = SyncOperation(update_item=UpdateItemRequest(item=Item(id=item.id)))
    operation.update_item.update_mask.paths.append(path)
    with pytest.raises(InvalidArgument) as caught:
        replica.record(operation)
    assert caught.value.reason == reason


def test_a_mark_that_one_of_the_items_can_not_take_is_refused_for_all(replica, mailbox, sight):
    free, full = mailbox.mail("free"), mailbox.mail("full")
    mailbox.mark(full, categories=[f"Category {number}" for number in range(100)])
    with pytest.raises(InvalidArgument) as caught:
        replica.record(mark(free.id, full.id, add_categories=["One more"]))
    assert caught.value.reason == "LIMIT_EXCEEDED"
    assert (sight.overlaid(), list(sight.state(free.id).categories)) == (0, [])


def test_a_text_that_is_not_here_can_not_be_edited(replica, mailbox):
    item = mailbox.message("one", "text")
    mailbox.put(item, extent=NONE)
    with pytest.raises(FailedPrecondition) as caught:
        replica.record(rewrite(item.id, "other"))
    assert caught.value.reason == "NOT_IN_REPLICA"


def test_half_a_text_can_be_replaced_but_not_edited(replica, mailbox):
    item = mailbox.message("one", "half")
    mailbox.put(item, extent=TEXT)
    operation = rewrite(item.id, "other")
    operation.update_item.update_mask.paths[:] = ["content.body.text"]
    with pytest.raises(FailedPrecondition) as caught:
        replica.record(operation)
    assert caught.value.reason == "NOT_IN_REPLICA"
    replica.record(rewrite(item.id, "other"))


def test_an_id_is_taken_once(replica, mailbox, ids):
    item_id = ids.new()
    first = replica.record(create("one", item_id=item_id))
    with pytest.raises(AlreadyExists) as caught:
        replica.record(create("two", item_id=item_id))
    assert caught.value.reason == "ID_TAKEN"
    again = mark(item_id, read=False)
    again.operation_id = first.operation_id
    with pytest.raises(AlreadyExists):
        replica.record(again)


def test_an_operation_that_no_message_takes_is_refused(replica, mailbox):
    with pytest.raises(InvalidArgument) as caught:
        replica.record(create("mine", text="x" * (4 << 20)))
    assert caught.value.reason == "LIMIT_EXCEEDED"


def test_answers_take_operations_out_of_the_queue(replica, mailbox):
    first, second = replica.record(create("one")), replica.record(create("two"))
    mailbox.answer(first)
    assert replica.waiting(*PLENTY) == [second]
    mailbox.answer(first)  # the same answer again
    assert replica.waiting(*PLENTY) == [second]


def test_an_answer_to_something_unknown_is_no_error(replica, mailbox, ids):
    replica.answered([refusal(SyncOperation(operation_id=ids.new()), "ID_TAKEN")])
    assert replica.rejected() == []


def test_a_creation_that_another_device_was_faster_with_is_no_refusal(replica, mailbox):
    operation = replica.record(create("one"))
    mailbox.refuse(operation, "ID_TAKEN")
    assert (replica.rejected(), replica.waiting(*PLENTY)) == ([], [])


def test_answered_operations_are_forgotten_after_a_fortnight(replica, mailbox, clock, sight):
    operation = replica.record(create("one"))
    mailbox.answer(operation)
    mailbox.send()
    clock.advance(days=13)
    mailbox.send()
    assert sight.rows("SELECT count(*) FROM operation") == [(1,)]
    clock.advance(days=2)
    mailbox.send()
    assert sight.rows("SELECT (SELECT count(*) FROM operation) + (SELECT count(*) FROM operation_item)") == [(0,)]


def test_after_a_restore_what_was_answered_after_the_backup_waits_again(replica, mailbox, clock, sight):
    before = replica.record(create("before", folder=DRAFTS))
    mailbox.answer(before)
    backup = mailbox.revision
    old = replica.record(create("too long ago"))
    mailbox.answer(old)
    mailbox.send()
    clock.advance(days=15)
    passed, answered = replica.record(create("passed")), replica.record(create("answered"))
    mailbox.answer(passed)
    mailbox.send()
    mailbox.answer(answered)
    waiting = replica.record(create("never sent"))
    assert replica.reoffer(backup) == 2
    assert replica.waiting(*PLENTY) == [passed, answered, waiting]
    assert sight.subjects() == ["answered", "never sent", "passed"]


def test_two_processes_record_into_one_file(replica, mailbox, clock, ids):
    other = type(replica).open(replica.path, clock=clock, ids=ids)
    try:
        other.record(create("from there"))
        replica.record(create("from here"))
        assert [each.create_item.item.summary.subject for each in replica.waiting(*PLENTY)] == ["from there", "from here"]
    finally:
        other.close()
