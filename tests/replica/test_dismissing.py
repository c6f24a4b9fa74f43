"""Operations that wait or were refused: forgotten, taken back, tried again."""

from __future__ import annotations

import pytest

from rookery.v1.folder_pb2 import CreateFolderRequest, DeleteFolderRequest, Folder
from rookery.v1.item_pb2 import Attachment
from rookery.v1.sync_pb2 import SyncOperation
from rookery_client.replica.outbox.dismissing import Dismissed
from rookery_core.errors import NotFound
from tests.support.replica_batches import copy, create, mark, rename
from tests.support.replica_filling import DRAFTS

PLENTY = (500, 1 << 20)


def test_what_was_refused_is_listed_until_it_is_dismissed(replica, mailbox):
    operation = replica.record(create("one"))
    mailbox.refuse(operation, "QUOTA_EXCEEDED")
    ((listed, result),) = replica.rejected()
    assert (listed, result.error.message) == (operation, "QUOTA_EXCEEDED")
    assert (replica.status().waiting, replica.status().rejected) == (0, 1)
    assert replica.dismiss(operation.operation_id)
    assert not replica.dismiss(operation.operation_id)
    assert replica.rejected() == []


def test_what_waits_can_be_taken_back(replica, mailbox, sight):
    item = mailbox.mail("one")
    operation = replica.record(rename(item.id, "two"))
    assert replica.dismiss(operation.operation_id)
    assert (sight.subjects(), replica.waiting(*PLENTY)) == (["one"], [])


def test_what_rests_on_an_item_goes_with_it_when_that_is_taken_back(replica, mailbox, sight):
    kept = mailbox.mail("kept")
    made = replica.record(create("made"))
    item_id = made.create_item.item.id
    replica.record(rename(item_id, "renamed"))
    copied = replica.record(copy(DRAFTS, item_id))
    replica.record(mark(copied.copy_items.new_ids[0], read=False))
    both = replica.record(mark(item_id, kept.id, read=False))
    other = replica.record(rename(kept.id, "still kept"))
    assert replica.dismiss(made.operation_id) == Dismissed(sent=False, others=3)
    left = replica.waiting(*PLENTY)
    assert [each.operation_id for each in left] == [both.operation_id, other.operation_id]
    assert list(left[0].depends_on) == []
    assert sight.subjects() == ["still kept"]


def test_what_goes_into_a_folder_does_not_go_with_it_when_that_is_taken_back(replica, mailbox):
    made = replica.record(SyncOperation(create_folder=CreateFolderRequest(folder=Folder(name="Plans"))))
    folder_id = made.create_folder.folder.id
    inside = replica.record(create("inside", folder=folder_id))
    replica.record(SyncOperation(delete_folder=DeleteFolderRequest(folder_id=folder_id)))
    assert replica.dismiss(made.operation_id).others == 1
    (left,) = replica.waiting(*PLENTY)
    assert (left.operation_id, list(left.depends_on)) == (inside.operation_id, [])


def test_what_rests_on_something_that_was_sent_stays_as_it_was_recorded(replica, mailbox):
    made = replica.record(create("made"))
    edit = replica.record(rename(made.create_item.item.id, "renamed"))
    replica.sending([made])
    assert replica.dismiss(made.operation_id) == Dismissed(sent=True, others=0)
    assert replica.waiting(*PLENTY) == [edit]


def test_whether_an_operation_was_sent_is_known_until_it_waits_for_another_server(replica, mailbox):
    one, two = replica.record(create("one")), replica.record(create("two"))
    assert replica.sending([one]) == [one]
    assert [each.sent for each in replica.all_waiting()] == [True, False]
    assert replica.dismiss(two.operation_id).sent is False
    assert replica.sending([one, two]) == [one]
    backup = mailbox.revision
    mailbox.answer(one)
    replica.reoffer(backup)
    assert [(each.operation, each.sent) for each in replica.all_waiting()] == [(one, False)]


def test_what_was_carried_out_can_not_be_taken_back(replica, mailbox):
    operation = replica.record(create("one"))
    mailbox.answer(operation)
    assert not replica.dismiss(operation.operation_id)


def test_trying_again_takes_another_id_and_counts_as_having_seen_what_is_here(replica, mailbox, sight, ids):
    upload_id = ids.new()
    operation = create("one")
    operation.create_item.item.content.attachments.append(Attachment(name="a.txt", upload_id=upload_id))
    operation = replica.record(operation, {upload_id: b"bytes"})
    mailbox.refuse(operation, "QUOTA_EXCEEDED")
    mailbox.mail("meanwhile")
    again = replica.retry(operation.operation_id)
    assert again.operation_id != operation.operation_id
    assert again.base_revision == mailbox.revision
    assert again.create_item == operation.create_item
    assert replica.rejected() == []
    assert replica.pending_uploads(replica.waiting(*PLENTY)) == [(upload_id, 5)]
    assert sight.subjects() == ["meanwhile", "one"]


def test_trying_again_what_can_not_be_any_more_leaves_it_refused(replica, mailbox):
    item = mailbox.mail("one")
    operation = replica.record(rename(item.id, "two"))
    mailbox.refuse(operation, "STALE_ETAG")
    mailbox.remove(item)
    with pytest.raises(NotFound):
        replica.retry(operation.operation_id)
    assert [listed for listed, _ in replica.rejected()] == [operation]
    assert replica.retry(b"u" * 16) is None
