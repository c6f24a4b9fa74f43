"""The local view: what a person did shows at once, lies over what comes from the server, and goes when it has come back."""

from __future__ import annotations

import pytest

from rookery.v1.item_pb2 import Attachment, Item, Recipient, RecipientType
from rookery.v1.item_service_pb2 import DeleteMode, ListEdits, RestoreItemsRequest, UpdateItemRequest
from rookery.v1.person_pb2 import Person
from rookery.v1.sync_pb2 import SyncOperation
from tests.support.replica_batches import copy, create, delete, mark, move, rename, rewrite
from tests.support.replica_filling import DELETED, DRAFTS, INBOX, NONE, PROJECTS, RECOVERED, TEXT


def restore(*item_ids, folder=b""):
    return SyncOperation(restore_items=RestoreItemsRequest(item_ids=item_ids, folder_id=folder))


def test_an_item_made_here_is_there_at_once(replica, sight, mailbox, clock):
    recorded = replica.record(create("draft", folder=DRAFTS, text="Dear Ben, how are you?"))
    item_id = recorded.create_item.item.id
    assert sight.folder_of(item_id) == DRAFTS
    summary = sight.summary(item_id)
    assert (summary.subject, summary.preview, summary.message_class) == ("draft", "Dear Ben, how are you?", "IPM.Note")
    assert summary.received.ToMicroseconds() == clock.now
    assert sight.state(item_id).read
    assert sight.content(item_id).body.text == "Dear Ben, how are you?"


def test_a_new_item_without_a_folder_goes_to_the_one_of_its_kind(replica, sight, mailbox):
    recorded = replica.record(create("draft", folder=b""))
    assert sight.folder_of(recorded.create_item.item.id) == DRAFTS


def test_marks_show_at_once(replica, sight, mailbox):
    item = mailbox.mail("one", read=False)
    replica.record(mark(item.id, read=True, add_categories=["Red", "red", "Blue"]))
    assert sight.state(item.id).read
    assert list(sight.state(item.id).categories) == ["Red", "Blue"]
    assert sight.rows("SELECT is_read FROM shown_item") == [(1,)]


def test_a_change_of_marks_leaves_the_content_where_it_is(replica, sight, mailbox):
    item = mailbox.mail("one", "text")
    replica.record(mark(item.id, read=False))
    assert sight.rows("SELECT content FROM local_item") == [(None,)]


def test_a_move_shows_at_once(replica, sight, mailbox):
    item = mailbox.mail("one")
    replica.record(move(PROJECTS, item.id))
    assert (sight.subjects(INBOX), sight.subjects(PROJECTS)) == ([], ["one"])


def test_an_edit_shows_at_once_with_what_follows_from_it(replica, sight, mailbox):
    item = mailbox.mail("one", "before")
    replica.record(rewrite(item.id, "after"))
    assert (sight.content(item.id).body.text, sight.summary(item.id).preview) == ("after", "after")
    assert sight.summary(item.id).subject == "one"


def test_an_edit_of_the_subject_needs_no_content(replica, sight, mailbox):
    item = mailbox.message("one", "text")
    item.summary.preview, item.summary.has_attachments = "kept", True
    mailbox.put(item, extent=NONE)
    replica.record(rename(item.id, "two"))
    summary = sight.summary(item.id)
    assert (summary.subject, summary.preview, summary.has_attachments) == ("two", "kept", True)


def test_a_preview_is_not_made_of_half_a_text(replica, sight, mailbox):
    item = mailbox.message("one", "half")
    item.summary.preview = "what the whole text begins with"
    mailbox.put(item, extent=TEXT)
    replica.record(rename(item.id, "two"))
    assert sight.summary(item.id).preview == "what the whole text begins with"


def test_recipients_and_attachments_are_edited_by_entry(replica, sight, mailbox, ids):
    item = mailbox.message("one", "text")
    item.content.attachments.append(Attachment(id=3, name="old.txt", size_bytes=5))
    item.content.next_attachment_id = 4
    mailbox.put(item)
    upload_id = ids.new()
    ben = Recipient(type=RecipientType.RECIPIENT_TYPE_TO, person=Person(name="Ben", address="ben@example.org"))
    edits = ListEdits(add_recipients=[ben], add_attachments=[Attachment(name="new.txt", upload_id=upload_id)])
    update = UpdateItemRequest(item=Item(id=item.id), list_edits=edits)
    replica.record(SyncOperation(update_item=update), {upload_id: b"new bytes"})
    content = sight.content(item.id)
    assert [(each.id, each.name, each.size_bytes, each.upload_id) for each in content.attachments] == [
        (3, "old.txt", 5, b""),
        (4, "new.txt", 9, upload_id),
    ]
    assert sight.summary(item.id).message.display_to == "Ben"
    assert sight.summary(item.id).has_attachments


@pytest.mark.parametrize("mode", [DeleteMode.DELETE_MODE_RECOVERABLE, DeleteMode.DELETE_MODE_PERMANENT])
def test_a_deleted_item_is_hidden_at_once(replica, sight, mailbox, mode):
    item = mailbox.mail("one")
    replica.record(delete(item.id, mode=mode))
    assert sight.subjects() == []


def test_throwing_away_is_a_move_to_deleted_items_and_from_there_the_end(replica, sight, mailbox):
    item = mailbox.mail("one")
    for expected in (["one"], []):
        replica.record(delete(item.id, mode=DeleteMode.DELETE_MODE_TO_DELETED_ITEMS))
        assert sight.subjects(DELETED) == expected


def test_what_was_deleted_here_can_be_restored_here(replica, sight, mailbox):
    item = mailbox.mail("one")
    replica.record(delete(item.id))
    replica.record(restore(item.id, folder=PROJECTS))
    assert sight.subjects(PROJECTS) == ["one"]


def test_what_was_purged_here_stays_gone(replica, sight, mailbox):
    item = mailbox.mail("one")
    replica.record(delete(item.id, mode=DeleteMode.DELETE_MODE_PERMANENT))
    replica.record(restore(item.id))
    assert sight.subjects() == []


def test_a_copy_is_the_item_as_it_was_then(replica, sight, mailbox):
    item = mailbox.mail("one", "text")
    replica.record(rename(item.id, "two"))
    recorded = replica.record(copy(PROJECTS, item.id))
    replica.record(rename(item.id, "three"))
    replica.record(delete(item.id))
    (copied,) = recorded.copy_items.new_ids
    assert sight.subjects() == ["two"]
    assert sight.content(copied).body.text == "text"


def test_a_copy_follows_what_comes_for_the_item_until_the_server_has_made_it(replica, sight, mailbox):
    item = mailbox.mail("one")
    replica.record(copy(PROJECTS, item.id))
    item.summary.subject = "changed by Ben"
    item.revision = item.content_revision = mailbox.next()
    mailbox.put(item)
    assert sight.subjects(PROJECTS) == ["changed by Ben"]


def test_a_copy_of_a_copy(replica, sight, mailbox):
    item = mailbox.mail("one")
    first = replica.record(copy(PROJECTS, item.id)).copy_items.new_ids[0]
    second = replica.record(copy(DRAFTS, first)).copy_items.new_ids[0]
    mailbox.mark(item, categories=["Red"])
    assert list(sight.state(second).categories) == ["Red"]


def test_operations_lie_over_what_comes_from_the_server(replica, sight, mailbox):
    item = mailbox.mail("one", read=False)
    replica.record(mark(item.id, read=True))
    mailbox.move(item, PROJECTS)
    mailbox.mark(item, read=False, categories=["Blue"])
    assert sight.subjects(PROJECTS) == ["one"]
    assert (sight.state(item.id).read, list(sight.state(item.id).categories)) == (True, ["Blue"])


def test_an_edit_stays_when_the_server_sends_another_content(replica, sight, mailbox):
    item = mailbox.mail("one", "before")
    replica.record(rename(item.id, "mine"))
    item.content.body.text, item.summary.preview = "by Ben", "by Ben"
    item.revision = item.content_revision = mailbox.next()
    mailbox.put(item)
    assert (sight.summary(item.id).subject, sight.summary(item.id).preview) == ("mine", "by Ben")


def test_what_does_not_fit_any_more_is_left_out(replica, sight, mailbox):
    item = mailbox.mail("one")
    replica.record(mark(item.id, add_categories=["Mine"]))
    mailbox.mark(item, categories=[f"Category {number}" for number in range(100)])
    assert len(sight.state(item.id).categories) == 100
    assert "Mine" not in sight.state(item.id).categories


def test_an_item_that_others_deleted_is_gone_whatever_waits(replica, sight, mailbox):
    item = mailbox.mail("one")
    replica.record(rename(item.id, "mine"))
    mailbox.remove(item)
    assert sight.subjects() == []
    assert len(replica.waiting(10, 1 << 20)) == 1


def test_an_answered_operation_lies_over_until_the_replica_has_caught_up_with_it(replica, sight, mailbox):
    item = mailbox.mail("one", read=False)
    operation = replica.record(mark(item.id, read=True))
    mailbox.answer(operation)
    assert sight.state(item.id).read
    assert sight.overlaid() == 1
    mailbox.send(caught_up=False)
    assert sight.overlaid() == 1
    mailbox.send()
    assert sight.overlaid() == 0


def test_an_answered_operation_goes_when_its_item_has_come_with_it(replica, sight, mailbox):
    item = mailbox.mail("one", read=False)
    operation = replica.record(mark(item.id, read=True))
    mailbox.answer(operation)
    mailbox.mark(item, read=False, caught_up=False)  # somebody else, later
    assert not sight.state(item.id).read
    assert sight.overlaid() == 0


def test_an_item_that_came_before_the_answer_has_the_operation_in_it(replica, sight, mailbox):
    item = mailbox.mail("one", read=False)
    operation = replica.record(mark(item.id, read=True))
    revision = mailbox.mark(item, read=True, categories=["Red"], caught_up=False)
    assert sight.overlaid() == 1
    mailbox.answer(operation, revision=revision)
    assert sight.overlaid() == 0
    assert list(sight.state(item.id).categories) == ["Red"]


def test_an_answer_that_the_replica_is_past_already_lifts_the_operation(replica, sight, mailbox):
    item = mailbox.mail("one", read=False)
    operation = replica.record(mark(item.id, read=True))
    mailbox.mark(item, read=True)
    mailbox.answer(operation, revision=mailbox.revision)
    assert sight.overlaid() == 0
    assert replica.status().waiting == 0


def test_a_refused_operation_is_taken_off_at_once(replica, sight, mailbox):
    item = mailbox.mail("one")
    operation = replica.record(rename(item.id, "mine"))
    mailbox.refuse(operation, "QUOTA_EXCEEDED")
    assert sight.subjects() == ["one"]
    assert sight.overlaid() == 0


def test_a_refused_creation_takes_what_was_done_to_the_item_with_it(replica, sight, mailbox):
    operation = replica.record(create("mine"))
    replica.record(mark(operation.create_item.item.id, add_categories=["Red"]))
    mailbox.refuse(operation, "QUOTA_EXCEEDED")
    assert sight.subjects() == []


def test_an_item_whose_folder_vanished_shows_where_it_landed(replica, sight, mailbox):
    item = mailbox.mail("one")
    operation = replica.record(move(PROJECTS, item.id))
    mailbox.answer(operation, landed_folder_id=RECOVERED)
    assert sight.subjects(RECOVERED) == ["one"]


def test_an_item_made_here_becomes_the_one_of_the_server(replica, sight, mailbox):
    operation = replica.record(create("mine", folder=INBOX))
    mailbox.answer(operation)
    item = mailbox.message("mine, as the server has it")
    item.id = operation.create_item.item.id
    mailbox.put(item)
    assert sight.subjects() == ["mine, as the server has it"]
    assert sight.overlaid() == 0


def test_the_content_of_an_edit_is_kept_when_only_the_summary_comes_anew(replica, sight, mailbox):
    item = mailbox.mail("one", "before")
    replica.record(rewrite(item.id, "mine"))
    item.revision = item.content_revision = mailbox.next()
    mailbox.put(item, extent=NONE)
    assert sight.content(item.id).body.text == "mine"
