"""Folders in the local view: made, renamed, moved, deleted and emptied without the server, by its rules."""

from __future__ import annotations

import pytest

from rookery.v1.folder_pb2 import CreateFolderRequest, DeleteFolderRequest, EmptyFolderRequest, Folder, UpdateFolderRequest
from rookery.v1.item_service_pb2 import RestoreItemsRequest
from rookery.v1.sync_pb2 import PushOutcome, SyncOperation
from rookery_core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from tests.support.replica_batches import create, mark, move, rename
from tests.support.replica_filling import DRAFTS, INBOX, PROJECTS, RECOVERED


def new_folder(name, parent=b"", folder_id=b""):
    return SyncOperation(create_folder=CreateFolderRequest(folder=Folder(id=folder_id, parent_id=parent, name=name)))


def rename_folder(folder_id, name):
    request = UpdateFolderRequest(folder=Folder(id=folder_id, name=name))
    request.update_mask.paths.append("name")
    return SyncOperation(update_folder=request)


def move_folder(folder_id, parent):
    request = UpdateFolderRequest(folder=Folder(id=folder_id, parent_id=parent))
    request.update_mask.paths.append("parent_id")
    return SyncOperation(update_folder=request)


def delete_folder(folder_id):
    return SyncOperation(delete_folder=DeleteFolderRequest(folder_id=folder_id))


def empty(folder_id, **options):
    return SyncOperation(empty_folder=EmptyFolderRequest(folder_id=folder_id, **options))


def made(replica, name, parent=b""):
    """The id of a new folder."""
    return replica.record(new_folder(name, parent)).create_folder.folder.id


def test_a_new_folder_is_there_at_once_and_takes_items(replica, sight, mailbox):
    folder_id = made(replica, " Trips ", PROJECTS)
    assert sight.folders()["Trips"].parent_id == PROJECTS
    item = mailbox.mail("one")
    replica.record(move(folder_id, item.id))
    replica.record(create("two", folder=folder_id))
    assert sight.subjects(folder_id) == ["one", "two"]


def test_renaming_and_moving_show_at_once(replica, sight, mailbox):
    folder_id = made(replica, "Trips")
    replica.record(rename_folder(PROJECTS, "Plans"))
    replica.record(move_folder(PROJECTS, folder_id))
    assert sight.folders()["Plans"].parent_id == folder_id


def test_a_deleted_folder_hides_what_is_in_it_and_below(replica, sight, mailbox):
    below = made(replica, "Trips", PROJECTS)
    mailbox.mail("one", folder=PROJECTS)
    replica.record(create("two", folder=below))
    replica.record(delete_folder(PROJECTS))
    assert {"Projects", "Trips"}.isdisjoint(sight.folders())
    assert sight.subjects() == []


def test_what_was_moved_out_before_stays(replica, sight, mailbox):
    item = mailbox.mail("one", folder=PROJECTS)
    replica.record(move(INBOX, item.id))
    replica.record(delete_folder(PROJECTS))
    assert sight.subjects() == ["one"]


def test_an_item_of_a_deleted_folder_is_restored_to_recovered_items(replica, sight, mailbox):
    item = mailbox.mail("one", folder=PROJECTS)
    replica.record(delete_folder(PROJECTS))
    replica.record(SyncOperation(restore_items=RestoreItemsRequest(item_ids=[item.id])))
    assert sight.subjects(RECOVERED) == ["one"]


def test_a_restore_that_did_nothing_does_not_bring_an_item_back_out_of_a_folder_deleted_later(replica, sight, mailbox):
    item = mailbox.mail("one")
    folder_id = made(replica, "Short-lived")
    replica.record(move(folder_id, item.id))
    replica.record(SyncOperation(restore_items=RestoreItemsRequest(item_ids=[item.id], folder_id=DRAFTS)))
    replica.record(delete_folder(folder_id))
    assert sight.subjects() == []
    mailbox.mark(item, read=False)
    assert sight.subjects() == []


def test_emptying_hides_the_items_that_are_there_and_none_that_come_later(replica, sight, mailbox):
    mailbox.mail("one")
    replica.record(create("mine"))
    replica.record(empty(INBOX))
    assert sight.subjects() == []
    mailbox.mail("later")
    assert sight.subjects() == ["later"]


def test_an_emptied_item_that_another_device_had_moved_out_is_not_touched(replica, sight, mailbox):
    item = mailbox.mail("one")
    replica.record(empty(INBOX))
    mailbox.move(item, PROJECTS)
    assert sight.subjects() == ["one"]


def test_emptying_with_subfolders_keeps_role_folders_and_what_leads_to_them(replica, sight, mailbox):
    mailbox.send(folders=[Folder(id=DRAFTS, name="Drafts", role=2, parent_id=PROJECTS, revision=mailbox.next())])
    doomed = made(replica, "Doomed", PROJECTS)
    mailbox.mail("one", folder=DRAFTS)
    replica.record(create("two", folder=doomed))
    replica.record(empty(PROJECTS, include_subfolders=True))
    assert {"Projects", "Drafts"} <= set(sight.folders())
    assert "Doomed" not in sight.folders()
    assert sight.subjects() == []


def test_an_emptying_that_came_back_leaves_no_trace(replica, sight, mailbox):
    item = mailbox.mail("one")
    operation = replica.record(empty(INBOX))
    mailbox.answer(operation)
    assert sight.overlaid() == 1
    mailbox.remove(item)
    assert (sight.overlaid(), sight.subjects()) == (0, [])


def test_a_name_that_others_took_meanwhile_is_varied(replica, sight, mailbox):
    made(replica, "Trips")
    mailbox.send(folders=[Folder(id=b"o" * 16, name="trips", revision=mailbox.next())])
    assert {"trips", "Trips (2)"} <= set(sight.folders())


def test_a_folder_has_the_name_that_the_answer_tells(replica, sight, mailbox):
    operation = replica.record(new_folder("Trips"))
    folder = Folder(id=operation.create_folder.folder.id, name="Trips (3)")
    mailbox.answer(operation, folder=folder, outcome=PushOutcome.PUSH_OUTCOME_MERGED)
    assert "Trips (3)" in sight.folders()
    folder.revision = mailbox.revision
    mailbox.send(folders=[folder])
    assert ("Trips (3)" in sight.folders(), sight.overlaid()) == (True, 0)


def test_counters_that_come_reach_a_folder_that_was_renamed_here(replica, sight, mailbox):
    replica.record(rename_folder(PROJECTS, "Plans"))
    mailbox.send(folders=[Folder(id=PROJECTS, name="Projects", revision=1, contents_revision=mailbox.next(), item_count=7)])
    assert sight.folders()["Plans"].item_count == 7


def test_a_later_name_by_another_device_shows_before_the_replica_has_caught_up(replica, sight, mailbox):
    operation = replica.record(rename_folder(PROJECTS, "Mine"))
    mailbox.answer(operation, folder=Folder(id=PROJECTS, name="Mine"))
    mailbox.send(folders=[Folder(id=PROJECTS, name="Theirs", revision=mailbox.next())], caught_up=False)
    assert "Theirs" in sight.folders()


def test_a_refused_folder_takes_what_was_put_into_it_out_of_sight(replica, sight, mailbox):
    operation = replica.record(new_folder("Trips"))
    item = mailbox.mail("one")
    replica.record(move(operation.create_folder.folder.id, item.id))
    mailbox.refuse(operation, "LIMIT_EXCEEDED")
    assert "Trips" not in sight.folders()
    assert sight.subjects() == []


@pytest.mark.parametrize(
    ("operation", "kind", "reason"),
    [
        (new_folder("inbox"), AlreadyExists, "FOLDER_NAME_TAKEN"),
        (new_folder("a/b"), InvalidArgument, "FIELD_INVALID"),
        (new_folder("x", b"u" * 16), NotFound, "FOLDER_NOT_FOUND"),
        (new_folder("x", b"", PROJECTS), AlreadyExists, "ID_TAKEN"),
        (rename_folder(INBOX, "Mail"), FailedPrecondition, "FOLDER_PROTECTED"),
        (rename_folder(PROJECTS, "Drafts"), AlreadyExists, "FOLDER_NAME_TAKEN"),
        (rename_folder(b"u" * 16, "x"), NotFound, "FOLDER_NOT_FOUND"),
        (move_folder(PROJECTS, PROJECTS), FailedPrecondition, "FOLDER_CYCLE"),
        (SyncOperation(update_folder=UpdateFolderRequest(folder=Folder(id=PROJECTS))), InvalidArgument, "FIELD_NOT_WRITABLE"),
        (delete_folder(INBOX), FailedPrecondition, "FOLDER_PROTECTED"),
        (delete_folder(b"u" * 16), NotFound, "FOLDER_NOT_FOUND"),
        (empty(b"u" * 16), NotFound, "FOLDER_NOT_FOUND"),
    ],
)
def test_what_the_server_would_refuse_is_refused(replica, sight, mailbox, operation, kind, reason):
    with pytest.raises(kind) as caught:
        replica.record(operation)
    assert caught.value.reason == reason
    assert (replica.status().waiting, sight.overlaid()) == (0, 0)


def test_a_folder_can_not_be_moved_below_what_is_below_it(replica, mailbox):
    below = made(replica, "Trips", PROJECTS)
    with pytest.raises(FailedPrecondition) as caught:
        replica.record(move_folder(PROJECTS, below))
    assert caught.value.reason == "FOLDER_CYCLE"


def test_folders_nest_at_most_a_hundred_deep(replica, mailbox):
    parent = b""
    for level in range(100):
        parent = made(replica, f"Level {level}", parent)
    with pytest.raises(FailedPrecondition) as caught:
        made(replica, "too deep", parent)
    assert caught.value.reason == "LIMIT_EXCEEDED"
    with pytest.raises(FailedPrecondition) as caught:
        replica.record(move_folder(PROJECTS, parent))
    assert caught.value.reason == "LIMIT_EXCEEDED"


def test_marks_in_a_folder_deleted_by_others_wait_out_of_sight(replica, sight, mailbox):
    item = mailbox.mail("one", folder=PROJECTS)
    replica.record(mark(item.id, read=False))
    replica.record(rename(item.id, "mine"))
    mailbox.remove_folder(PROJECTS, caught_up=False)
    assert sight.subjects() == []
    mailbox.move(item, INBOX)
    assert sight.subjects(INBOX) == ["mine"]
