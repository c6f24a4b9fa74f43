"""Defects that the simulation found in the replica: a test for each, named after what was wrong."""

from __future__ import annotations

from rookery.v1.folder_pb2 import CreateFolderRequest, Folder
from rookery.v1.sync_pb2 import SyncOperation


def test_a_folder_that_another_device_brought_back_after_a_restore_is_no_refusal(replica, mailbox):
    operation = replica.record(SyncOperation(create_folder=CreateFolderRequest(folder=Folder(name="Plans"))))
    mailbox.refuse(operation, "ID_TAKEN")
    assert (replica.rejected(), replica.waiting(10, 10_000)) == ([], [])
