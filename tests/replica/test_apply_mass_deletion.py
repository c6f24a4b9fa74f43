"""An emptied server does not empty the device without a word."""

from __future__ import annotations

import pytest

from rookery.v1.folder_pb2 import DeleteFolderRequest, EmptyFolderRequest, Folder
from rookery.v1.sync_pb2 import SyncOperation
from rookery_core.errors import FailedPrecondition
from tests.support.replica_batches import LEFT, delete
from tests.support.replica_filling import DRAFTS, INBOX, PROJECTS


def several(mailbox, count, folder=INBOX):
    items = [mailbox.message(f"item {number}", folder=folder) for number in range(count)]
    mailbox.put(*items)
    return items


def test_more_than_half_and_more_than_a_hundred_is_stopped(replica, mailbox, sight):
    items = several(mailbox, 200)
    before = replica.status()
    with pytest.raises(FailedPrecondition, match="accept-deletions") as caught:
        mailbox.remove(*items[:101])
    assert caught.value.reason == "MASS_DELETION"
    assert caught.value.metadata == {"deleted": "101", "held": "200"}
    assert replica.status() == before
    assert len(sight.subjects()) == 200


def test_up_to_half_may_go(mailbox):
    assert mailbox.remove(*several(mailbox, 220)[:110]).removed == 110


def test_up_to_a_hundred_may_go(mailbox):
    assert mailbox.remove(*several(mailbox, 100)).removed == 100


def test_it_passes_if_it_is_accepted(mailbox, sight):
    assert mailbox.remove(*several(mailbox, 200), accept=True).removed == 200
    assert sight.subjects() == []


def test_batches_on_the_way_add_up(mailbox):
    items = several(mailbox, 200)
    for begin in (0, 50):
        mailbox.remove(*items[begin : begin + 50], caught_up=False)
    with pytest.raises(FailedPrecondition):
        mailbox.remove(items[100])


def test_each_time_the_replica_equals_the_mailbox_counting_begins_anew(mailbox, sight):
    items = several(mailbox, 200)
    for begin in range(0, 200, 100):
        mailbox.remove(*items[begin : begin + 100])
    assert sight.subjects() == []


def test_what_leaves_the_scope_is_no_deletion(mailbox):
    assert mailbox.remove(*several(mailbox, 200), reason=LEFT).removed == 200


def test_what_was_deleted_here_is_what_the_person_wanted(replica, mailbox):
    items = several(mailbox, 200)
    mailbox.answer(replica.record(delete(*(item.id for item in items[:150]))))
    assert mailbox.remove(*items[:150]).removed == 150


def test_what_was_emptied_here_too(replica, mailbox):
    items = several(mailbox, 200)
    operation = replica.record(SyncOperation(empty_folder=EmptyFolderRequest(folder_id=INBOX)))
    mailbox.answer(operation)
    assert mailbox.remove(*items).removed == 200


def test_what_was_in_a_folder_deleted_here_too(replica, mailbox, ids):
    below = ids.new()
    mailbox.send(folders=[Folder(id=below, parent_id=PROJECTS, name="Below", revision=mailbox.next())])
    items = several(mailbox, 150, PROJECTS) + several(mailbox, 150, below)
    mailbox.answer(replica.record(SyncOperation(delete_folder=DeleteFolderRequest(folder_id=PROJECTS))))
    assert mailbox.remove(*items, caught_up=False).removed == 300
    assert mailbox.remove_folder(PROJECTS).removed_folders == 1


def test_a_folder_that_others_delete_counts_by_its_items_and_once(mailbox):
    several(mailbox, 90, DRAFTS)
    items = several(mailbox, 110, PROJECTS)
    with pytest.raises(FailedPrecondition):
        mailbox.remove_folder(PROJECTS)
    mailbox.remove(*items[:90], caught_up=False)
    with pytest.raises(FailedPrecondition) as caught:
        mailbox.remove_folder(PROJECTS)
    assert caught.value.metadata["deleted"] == "110"


def test_before_the_first_fill_is_complete_nothing_is_held(mailbox, replica):
    items = [mailbox.message(f"item {number}") for number in range(200)]
    with replica.database.writing() as connection:
        connection.execute("DELETE FROM meta WHERE key = 'held'")
    mailbox.put(*items, caught_up=False)
    assert mailbox.remove(*items, caught_up=False).removed == 200
