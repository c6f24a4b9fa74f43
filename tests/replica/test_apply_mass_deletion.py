"""An emptied server does not empty the device without a word."""

from __future__ import annotations

import pytest

from rookery.v1.folder_pb2 import DeleteFolderRequest, EmptyFolderRequest, Folder
from rookery.v1.item_pb2 import ItemKind
from rookery.v1.sync_pb2 import SyncOperation, SyncScope
from rookery_core.errors import FailedPrecondition
from tests.support.replica_batches import LEFT, delete
from tests.support.replica_filling import DRAFTS, INBOX, PROJECTS, entry_of


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


def test_what_is_deleted_step_by_step_is_one_deletion_though_the_replica_keeps_pace(mailbox, sight):
    items = several(mailbox, 200)
    mailbox.remove(*items[:60])
    mailbox.put(mailbox.message("new"))
    mailbox.remove(*items[60:100])
    with pytest.raises(FailedPrecondition) as caught:
        mailbox.remove(items[100])
    assert caught.value.metadata == {"deleted": "101", "held": "201"}
    assert len(sight.subjects()) == 101


def test_what_is_deleted_over_hours_is_not(mailbox, sight, clock):
    items = several(mailbox, 200)
    for begin in range(0, 200, 50):
        mailbox.remove(*items[begin : begin + 50])
        clock.advance(seconds=1900)
    assert sight.subjects() == []


def test_what_was_accepted_is_not_counted_again(mailbox, sight):
    items = several(mailbox, 300)
    mailbox.remove(*items[:160], accept=True)
    mailbox.remove(*items[160:220])
    with pytest.raises(FailedPrecondition):
        mailbox.remove(*items[220:270])
    assert len(sight.subjects()) == 80


@pytest.mark.parametrize("scope", [SyncScope(), SyncScope(folder_ids=[INBOX]), SyncScope(kinds=[ItemKind.ITEM_KIND_MESSAGE])])
def test_a_new_fill_of_an_emptied_server_is_stopped_too(replica, mailbox, sight, scope):
    several(mailbox, 150)
    several(mailbox, 200, PROJECTS)
    if scope == SyncScope():
        replica.restart()
    else:
        replica.set_scope(scope)
    mailbox.send(folders=mailbox.folders, caught_up=False)
    with pytest.raises(FailedPrecondition) as caught:
        mailbox.send()
    assert caught.value.reason == "MASS_DELETION"
    assert len(sight.subjects()) == 350
    mailbox.send(accept=True)
    assert sight.subjects() == []


def test_what_a_narrower_window_leaves_out_is_no_deletion_either(replica, mailbox, sight):
    several(mailbox, 400)
    (kept,) = several(mailbox, 1)
    scope = SyncScope(folder_ids=[INBOX])
    scope.window.mail_since.CopyFrom(kept.summary.received)
    replica.set_scope(scope)
    mailbox.send(folders=mailbox.folders, items=[entry_of(kept)])
    assert len(sight.subjects()) == 1
    assert mailbox.remove(*several(mailbox, 90)).removed == 90


def test_what_another_scope_leaves_out_is_no_deletion(replica, mailbox, sight):
    several(mailbox, 400, PROJECTS)
    kept = several(mailbox, 2)
    replica.set_scope(SyncScope(folder_ids=[INBOX]))
    mailbox.send(folders=mailbox.folders, items=[entry_of(item) for item in kept])
    assert len(sight.subjects()) == 2


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
