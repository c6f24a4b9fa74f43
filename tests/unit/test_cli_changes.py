"""`rookery changes`: what waits, what was refused, what a restored server lost."""

from __future__ import annotations

import json

import pytest

from rookery.v1.item_pb2 import Item
from rookery.v1.item_service_pb2 import CreateItemRequest, SetItemStateRequest
from rookery.v1.sync_pb2 import ContentExtent, SyncOperation
from rookery_client.cli.changes import described
from rookery_core.errors import FailedPrecondition
from rookery_core.rules.ids import text_of
from tests.support.cli_fakes import shown
from tests.support.cli_syncing import opened, record, synchronised
from tests.support.replica_batches import refusal

pytest_plugins = ["tests.support.cli_fixtures"]


@pytest.fixture
def box():
    return synchronised()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "config" / "replicas" / "default.replica"


def test_what_was_done_offline_is_sent_and_what_was_refused_is_told(run, box, path):
    run("sync")
    record(path, "Made here")
    record(path, "Refuse me")
    status, out, error = run("sync")
    assert status == 1
    assert "2 sent" in out.decode() and "Made here" in box.small.subjects()
    assert error == "rookery: refused: create “Refuse me”: that is too much (`rookery changes list`)\n"
    assert run("sync")[0] == 0


def test_what_a_restored_server_has_lost_is_told_until_it_is_forgotten(run, box, path):
    run("sync")
    box.small.back_up()
    lost = box.small.add("Lost with the disk")
    run("sync")
    with opened(path) as replica, replica.database.writing() as connection:
        connection.execute("UPDATE content SET extent = ?", (ContentExtent.CONTENT_EXTENT_TEXT,))
    box.small.restore_from_backup()
    status, _, error = run("sync")
    assert status == 0 and error.count("\n") == 1 and "`rookery changes lost`" in error
    assert "1 lost" in run("status")[1].decode()
    assert shown(run("status", "--json"))["replica"]["lost"] == 1
    [told] = shown(run("changes", "lost", "--json"))["lost"]
    assert (told["id"], told["summary"]["subject"]) == (text_of(lost), "Lost with the disk")
    assert "The text of Lost with the disk." in run("changes", "lost", text_of(lost))[1].decode()
    assert run("changes", "lost", text_of(b"u" * 16))[0] == 1
    assert run("changes", "lost", text_of(lost), "--forget")[0] == 2
    assert "Lost with the disk" in run("changes", "lost", "--forget")[1].decode()
    assert run("sync")[2] == ""
    assert shown(run("changes", "lost", "--json")) == {"lost": [], "forgotten": False}


def test_all_that_was_refused_is_tried_again_in_order(run, box, path):
    run("sync")
    with opened(path) as replica:
        for subject in ("First", "Second"):
            record(path, subject)
        gone = next(iter(box.small.items))
        replica.record(SyncOperation(set_item_state=SetItemStateRequest(item_ids=[gone], read=True)))
        replica.answered([refusal(operation, "OPERATION_EXPIRED") for operation in replica.waiting(10, 1 << 20)])
    box.small.delete(gone)
    assert run("sync")[0] == 0
    status, out, error = run("changes", "retry", "--all", "--json")
    document = json.loads(out)
    assert (status, len(document["ids"]), len(document["failed"])) == (1, 2, 1)
    assert error.count("\n") == 1 and "mark 1 item" in error
    run("sync")
    assert {"First", "Second"} <= set(box.small.subjects())
    assert len(shown(run("changes", "list", "--json"))["changes"]) == 1
    assert (run("changes", "retry")[0], run("changes", "retry", "x", "--all")[0]) == (2, 2)


def test_changes_are_listed_taken_back_and_tried_again(run, box, path):
    run("sync")
    record(path, "Refuse me")
    run("sync")
    record(path, "Made \x1b[31mhere")
    refused, waiting = shown(run("changes", "list", "--json"))["changes"]
    assert (refused["action"], refused["rejected"], refused["message"]) == ("create_item", True, "that is too much")
    assert (waiting["description"], waiting["rejected"]) == ("create “Made \x1b[31mhere”", False)
    text = run("changes", "list")[1].decode()
    assert "refused: that is too much" in text and "waits" in text and "\x1b" not in text
    again = shown(run("changes", "retry", refused["id"], "--json"))["id"]
    assert run("changes", "dismiss", waiting["id"]) == (0, b"", "Forgotten.\n")
    [left] = shown(run("changes", "list", "--json"))["changes"]
    assert (left["id"], left["rejected"]) == (again, False)
    for words in (("dismiss", refused["id"]), ("retry", left["id"]), ("retry", text_of(b"x" * 16))):
        status, _, error = run("changes", *words)
        assert status == 1 and "rookery changes list" in error


def test_a_change_that_was_sent_without_an_answer_is_not_taken_back_as_if_it_had_not_been(run, box, path):
    run("sync")
    record(path, "Made here")
    box.small.fail("push", FailedPrecondition("SERVER_FAILED", "it broke behind that"), lost=True)  # not tried again at once
    assert run("sync")[0] == 1
    assert "Made here" in box.small.subjects()
    [waiting] = shown(run("changes", "list", "--json"))["changes"]
    assert waiting["sent"] is True
    assert "sent, not answered yet" in run("changes", "list")[1].decode()
    status, _, error = run("changes", "dismiss", waiting["id"])
    assert status == 0 and "sent already" in error
    run("sync")
    assert "Made here" in run("--offline", "ls", "inbox")[1].decode()


def test_what_comes_back_after_a_restore_is_not_told_as_something_new():
    item = Item(revision=7)
    item.summary.subject = "Lost and found"
    assert described(SyncOperation(create_item=CreateItemRequest(item=item))) == "bring back “Lost and found”"
    item.revision = 0
    assert described(SyncOperation(create_item=CreateItemRequest(item=item))) == "create “Lost and found”"


def test_changes_need_a_replica(run):
    status, _, error = run("changes", "list")
    assert status == 1 and "rookery sync" in error
