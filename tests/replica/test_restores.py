"""What a server lost that was restored from a backup: offered back by a replica, with what waits on it, or kept aside."""

from __future__ import annotations

import pytest

from rookery.v1.folder_pb2 import CreateFolderRequest, DeleteFolderRequest, Folder
from rookery.v1.item_pb2 import Attachment, Item
from rookery.v1.item_service_pb2 import UpdateItemRequest
from rookery.v1.sync_pb2 import PUSH_OUTCOME_CONFLICT, PUSH_OUTCOME_MERGED, SyncOperation
from rookery_client.replica.reading.contents import Contents
from rookery_core.errors import FailedPrecondition
from tests.support.replica_batches import ROLES, create, mark, move, rename
from tests.support.replica_comparing import PLENTY, changed, response
from tests.support.replica_filling import INBOX, NONE, entry_of

NAMES = {folder_id: folder_id.hex() for folder_id in ROLES}


def test_after_a_restore_an_item_that_is_here_whole_is_made_again(replica, mailbox, sight):
    old = mailbox.mail("from before the backup")
    item = mailbox.mail("lost", "text", read=False)
    repaired = replica.repair(response(gone=[old], lost=[item]))
    assert (repaired.removed, repaired.recreated, repaired.lost) == (2, 1, 0)
    (operation,) = replica.waiting(*PLENTY)
    made = operation.create_item.item
    assert (made.id, made.folder_id, made.summary.subject, made.content.body.text) == (item.id, INBOX, "lost", "text")
    assert made.HasField("state")
    assert not made.state.read
    assert sight.subjects() == ["lost"]


def test_a_lost_item_takes_its_attachments_along_if_they_are_here(replica, mailbox, clock):
    item = mailbox.message("lost")
    item.content.attachments.append(Attachment(id=1, name="a.txt", size_bytes=5))
    mailbox.put(item)
    Contents(replica, clock).put_attachment(item.id, 1, item.content_revision, b"bytes")
    assert replica.repair(response(lost=[item])).recreated == 1
    waiting = replica.waiting(*PLENTY)
    ((upload_id, size),) = replica.pending_uploads(waiting)
    assert (size, replica.upload_data(upload_id, 0, size)) == (5, b"bytes")
    assert waiting[0].create_item.item.content.attachments[0].upload_id == upload_id


def test_a_lost_item_that_is_not_here_whole_is_kept_aside(replica, mailbox, sight):
    bare, attached = mailbox.message("bare"), mailbox.message("attached", "text")
    attached.content.attachments.append(Attachment(id=1, name="a.txt", size_bytes=5))
    mailbox.put(bare, extent=NONE)
    mailbox.put(attached)
    assert replica.repair(response(lost=[bare, attached])).lost == 2
    assert sorted((item.summary.subject, item.content.body.text) for item in replica.lost()) == [("attached", "text"), ("bare", "")]
    assert (replica.status().lost, replica.waiting(*PLENTY), sight.subjects()) == (2, [], [])
    replica.forget_lost()
    assert replica.lost() == []


def test_a_lost_item_with_a_damaged_content_is_kept_aside_without_it(replica, mailbox):
    items = [mailbox.mail("one", "text"), mailbox.mail("two", "text")]
    with replica.database.writing() as connection:
        connection.execute("UPDATE content SET encoding = 2, data = x'00' WHERE item_id = ?", (items[0].id,))
    repaired = replica.repair(response(lost=items))
    assert (repaired.recreated, repaired.lost) == (1, 1)
    assert [(item.summary.subject, item.HasField("content")) for item in replica.lost()] == [("one", False)]


def test_what_is_pushed_again_anyway_is_not_made_twice(replica, mailbox, sight):
    backup = mailbox.revision
    operation = replica.record(create("mine"))
    revision = mailbox.answer(operation)
    item = mailbox.message("mine")
    item.id, item.revision, item.content_revision = operation.create_item.item.id, revision, revision
    mailbox.put(item)
    assert replica.reoffer(backup) == 1
    repaired = replica.repair(response(lost=[item]))
    assert (repaired.recreated, repaired.lost) == (0, 0)
    assert replica.waiting(*PLENTY) == [operation]
    assert sight.subjects() == ["mine"]


def test_a_lost_folder_is_made_again_before_what_was_in_it(replica, mailbox, sight, ids):
    backup = mailbox.revision
    folders = [Folder(id=key, name=NAMES[key], role=ROLES[key], revision=1) for key in ROLES]
    outer, inner = ids.new(), ids.new()
    lost = [
        Folder(id=inner, parent_id=outer, name="Inner", revision=mailbox.next()),
        Folder(id=outer, name="Outer", revision=mailbox.next()),
    ]
    mailbox.send(folders=lost)
    item = mailbox.mail("one", folder=inner)
    repaired = replica.repair(response(lost=[item], folders=folders), backup_revision=backup)
    assert repaired.recreated == 3
    waiting = replica.waiting(*PLENTY)
    assert [each.WhichOneof("action") for each in waiting] == ["create_folder", "create_folder", "create_item"]
    assert [each.create_folder.folder.name for each in waiting[:2]] == ["Outer", "Inner"]
    assert sight.subjects(inner) == ["one"]


def test_what_waits_on_lost_things_is_sent_behind_them_and_the_rest_keeps_its_place(replica, mailbox, sight, ids):
    backup = mailbox.revision
    folder = Folder(id=ids.new(), name="Lost folder", revision=mailbox.next())
    mailbox.send(folders=[folder])
    kept, item = mailbox.mail("kept"), mailbox.mail("lost", folder=folder.id)
    first = replica.record(rename(kept.id, "renamed"))
    edits = [replica.record(rename(item.id, "edited")), replica.record(mark(kept.id, item.id, read=False))]
    made = replica.record(create("made in it", folder=folder.id))
    last = replica.record(rename(kept.id, "renamed again"))
    folders = [Folder(id=key, name=NAMES[key], role=ROLES[key], revision=1) for key in ROLES]
    replica.repair(response(lost=[item], folders=folders), backup_revision=backup)
    waiting = replica.waiting(*PLENTY)
    assert [waiting[0], *waiting[3:]] == [first, *edits, made, last]
    assert waiting[1].create_folder.folder.id == folder.id
    assert waiting[2].create_item.item.id == item.id
    assert sight.subjects() == ["edited", "made in it", "renamed again"]
    replica.record(rename(kept.id, "at the end"))
    assert replica.waiting(*PLENTY)[-1].update_item.item.summary.subject == "at the end"


def test_what_a_lost_item_has_in_it_already_is_not_done_to_it_again(replica, mailbox, sight, ids):
    backup = mailbox.revision
    item = mailbox.mail("from others", "text")
    upload_id = ids.new()
    request = UpdateItemRequest(item=Item(id=item.id))
    request.list_edits.add_attachments.add(name="a.txt", upload_id=upload_id)
    mailbox.answer(replica.record(SyncOperation(update_item=request), {upload_id: b"bytes"}))
    revision = mailbox.answer(replica.record(rename(item.id, "renamed here")))
    item.summary.subject, item.revision, item.content_revision = "renamed here", revision, revision
    mailbox.put(item)
    later = replica.record(mark(item.id, read=False))
    mailbox.answer(later)  # not seen yet when the disaster came
    assert replica.reoffer(backup) == 3
    replica.repair(response(lost=[item]))
    assert (sight.subjects(), sight.rows("SELECT is_read FROM local_item")) == (["renamed here"], [(0,)])
    (again,) = replica.waiting(*PLENTY)
    assert again.create_item.item.summary.subject == "renamed here"
    mailbox.answer(again)
    assert replica.waiting(*PLENTY) == [later]
    assert sight.subjects() == ["renamed here"]


def test_an_item_that_was_made_here_comes_back_with_what_others_did_to_it(replica, mailbox, sight):
    backup = mailbox.revision
    made = replica.record(create("made here", text="text"))
    own = replica.record(rename(made.create_item.item.id, "renamed here"))
    mailbox.answer(made)
    mailbox.answer(own)
    item = mailbox.message("renamed by others", "rewritten by others")
    item.id = made.create_item.item.id
    mailbox.put(item)
    later = replica.record(rename(item.id, "renamed at last"))
    assert replica.reoffer(backup) == 2
    replica.repair(response(lost=[item]))
    (again,) = replica.waiting(*PLENTY)
    assert again.operation_id == made.operation_id
    assert again.create_item.item.summary.subject == "renamed by others"
    assert again.create_item.item.content.body.text == "rewritten by others"
    assert sight.subjects() == ["renamed at last"]
    mailbox.answer(again)
    assert replica.waiting(*PLENTY) == [later]
    assert replica.status().lost == 0


def test_an_item_that_was_made_here_and_is_not_here_whole_comes_back_as_it_was_made(replica, mailbox, sight):
    backup = mailbox.revision
    made = replica.record(create("made here", text="text"))
    mailbox.answer(made)
    item = mailbox.message("renamed by others")
    item.id = made.create_item.item.id
    mailbox.put(item, extent=NONE)
    replica.reoffer(backup)
    replica.repair(response(lost=[item]))
    assert replica.waiting(*PLENTY) == [made]
    assert (sight.subjects(), replica.status().lost) == (["made here"], 0)


def test_what_a_lost_item_has_in_it_is_in_it_after_a_second_restore_too(replica, mailbox, sight, ids):
    backup = mailbox.revision
    item = mailbox.mail("from others", "text")
    edit = replica.record(rename(item.id, "renamed here"))
    revision = mailbox.answer(edit)
    item.summary.subject, item.revision, item.content_revision = "renamed here", revision, revision
    mailbox.put(item)
    replica.reoffer(backup)
    replica.repair(response(lost=[item]), backup_revision=backup)
    (again,) = replica.waiting(*PLENTY)
    mailbox.answer(again)
    item.revision = item.content_revision = mailbox.revision
    mailbox.put(item)
    changed(mailbox, item, "written by others")
    last = replica.record(mark(item.id, read=False))
    assert replica.reoffer(backup) == 2
    replica.repair(response(lost=[item]), backup_revision=backup)
    (second,) = replica.waiting(*PLENTY)
    assert (second.operation_id, second.create_item.item.summary.subject) == (again.operation_id, "written by others")
    mailbox.refuse(second, "ID_TAKEN")
    assert replica.waiting(*PLENTY) == [edit, last]


@pytest.mark.parametrize("end", ["another device was first", "it is taken back"])
def test_what_a_lost_item_has_in_it_is_done_to_the_version_of_another_device(replica, mailbox, sight, end):
    backup = mailbox.revision
    item = mailbox.mail("from others", "text")
    edit = replica.record(rename(item.id, "renamed here"))
    revision = mailbox.answer(edit)
    item.summary.subject, item.revision, item.content_revision = "renamed here", revision, revision
    mailbox.put(item)
    last = replica.record(rename(item.id, "renamed at last"))
    assert replica.reoffer(backup) == 1
    replica.repair(response(lost=[item]))
    (again,) = replica.waiting(*PLENTY)
    if end == "it is taken back":
        assert replica.dismiss(again.operation_id)
    else:
        mailbox.refuse(again, "ID_TAKEN")
    assert replica.waiting(*PLENTY) == [edit, last]
    assert replica.rejected() == []


def test_what_was_written_after_the_backup_is_brought_to_the_server_again(replica, mailbox, sight):
    written, marked = mailbox.mail("as in the backup", "text"), mailbox.mail("only marked since", "text")
    backup = mailbox.revision
    own = replica.record(rename(written.id, "renamed here"))
    mailbox.answer(own)
    later = changed(mailbox, written, "written since")
    mailbox.mark(marked, read=False)
    assert replica.reoffer(backup) == 1
    repaired = replica.repair(response(items=[written, marked]), backup_revision=backup)
    assert (repaired.recreated, repaired.lost) == (1, 0)
    (again,) = replica.waiting(*PLENTY)
    assert (again.create_item.item.summary.subject, again.create_item.item.revision) == ("written since", later.revision)
    assert sight.subjects() == ["only marked since", "written since"]
    mailbox.answer(again, outcome=PUSH_OUTCOME_MERGED)
    assert replica.waiting(*PLENTY) == []
    changed(mailbox, written, "written since, and merged")
    assert sight.subjects() == ["only marked since", "written since, and merged"]


def test_a_version_comes_without_attachments_and_those_that_were_added_here_are_added_again(replica, mailbox, ids):
    item = mailbox.message("as in the backup", "text")
    item.content.attachments.add(id=1, name="never opened")
    mailbox.put(item)
    backup, upload_id = mailbox.revision, ids.new()
    request = UpdateItemRequest(item=Item(id=item.id))
    request.list_edits.add_attachments.add(name="a.txt", upload_id=upload_id)
    added = replica.record(SyncOperation(update_item=request), {upload_id: b"bytes"})
    mailbox.answer(added)
    changed(mailbox, item, "written since")
    replica.reoffer(backup)
    replica.repair(response(items=[item]), backup_revision=backup)
    again, second = replica.waiting(*PLENTY)
    assert again.create_item.item.summary.subject == "written since"
    assert list(again.create_item.item.content.attachments) == []
    assert second == added


@pytest.mark.parametrize("outcome", [PUSH_OUTCOME_MERGED, PUSH_OUTCOME_CONFLICT])
def test_of_what_a_version_has_in_it_marks_are_pushed_still_when_it_is_merged(replica, mailbox, outcome):
    backup = mailbox.revision
    item = mailbox.mail("from others", "text")
    marked, renamed = replica.record(mark(item.id, read=False)), replica.record(rename(item.id, "renamed here"))
    mailbox.answer(marked)
    revision = mailbox.answer(renamed)
    item.summary.subject, item.state.read, item.revision, item.content_revision = "renamed here", False, revision, revision
    mailbox.put(item)
    replica.reoffer(backup)
    replica.repair(response(lost=[item]))
    (again,) = replica.waiting(*PLENTY)
    mailbox.answer(again, outcome=outcome)
    assert replica.waiting(*PLENTY) == [marked]


def test_a_lost_item_tells_which_version_it_is_and_when_it_was_edited(replica, mailbox, clock):
    item = mailbox.message("one", "text")
    item.summary.modified.FromMicroseconds(clock.micros() - 5_000_000)
    mailbox.put(item)
    replica.repair(response(lost=[item]))
    (again,) = replica.waiting(*PLENTY)
    assert again.create_item.item.revision == item.revision
    assert again.edited == item.summary.modified
    copied = create("a copy")
    copied.create_item.item.revision = 7
    assert replica.record(copied).create_item.item.revision == 0


def test_folders_that_were_made_here_stay_before_the_lost_items_that_go_into_them(replica, mailbox, ids):
    backup = mailbox.revision
    item = mailbox.mail("from others", "text")
    marked = replica.record(mark(item.id, read=False))
    made = replica.record(SyncOperation(create_folder=CreateFolderRequest(folder=Folder(id=ids.new(), name="Made here"))))
    folder_id = made.create_folder.folder.id
    moved = replica.record(move(folder_id, item.id))
    for operation in (marked, made, moved):
        revision = mailbox.answer(operation)
    item.folder_id, item.revision = folder_id, revision
    mailbox.send(folders=[Folder(id=folder_id, name="Made here", revision=revision)], items=[entry_of(item)])
    gone = replica.record(SyncOperation(delete_folder=DeleteFolderRequest(folder_id=folder_id)))
    assert replica.reoffer(backup) == 3
    folders = [Folder(id=key, name=NAMES[key], role=ROLES[key], revision=1) for key in ROLES]
    replica.repair(response(lost=[item], folders=folders), backup_revision=backup)
    first, again = replica.waiting(*PLENTY)
    assert (first, again.create_item.item.folder_id) == (made, folder_id)
    mailbox.answer(again)
    assert replica.waiting(*PLENTY) == [first, gone]


def test_a_lost_item_that_was_purged_meanwhile_is_nothing_to_tell_of(replica, mailbox, sight):
    item = mailbox.mail("lost", "text")
    replica.repair(response(lost=[item]))
    (operation,) = replica.waiting(*PLENTY)
    mailbox.refuse(operation, "ID_RETIRED")
    assert (replica.rejected(), sight.subjects()) == ([], [])


def test_items_that_vanish_because_they_were_lost_count_as_a_mass_deletion(replica, mailbox, sight):
    items = [mailbox.message("x") for _ in range(150)]
    mailbox.put(*items, extent=NONE)
    with pytest.raises(FailedPrecondition) as caught:
        replica.repair(response(lost=items))
    assert caught.value.reason == "MASS_DELETION"
    assert (replica.lost(), len(sight.subjects())) == ([], 150)
    assert replica.repair(response(lost=items), accept_deletions=True).lost == 150
