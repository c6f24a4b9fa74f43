"""Comparing and repairing: digests as the server makes them, and what differs set right."""

from __future__ import annotations

import hashlib

import pytest

from rookery.v1.folder_pb2 import Folder
from rookery.v1.sync_pb2 import SyncDepth, SyncScope
from rookery_core.errors import FailedPrecondition
from tests.support.replica_batches import GONE, LEFT, ROLES, create, delete, rename
from tests.support.replica_comparing import PLENTY, changed, response
from tests.support.replica_filling import EPOCH, NONE, PROJECTS, batch_of, entry_of

NAMES = {folder_id: folder_id.hex() for folder_id in ROLES}


def ids_of(count):
    """Ids all over the range."""
    return sorted(hashlib.sha256(str(number).encode()).digest()[:16] for number in range(count))


@pytest.fixture
def many(mailbox):
    items = []
    for item_id in ids_of(100):
        item = mailbox.message("x")
        item.id = item_id
        items.append(item)
    mailbox.put(*items)
    return items


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 64, 100, 500])
def test_bounds_cover_everything_once_in_equal_parts(replica, many, parts):
    bounds = replica.bounds(parts)
    assert len(bounds) <= parts
    assert (bounds[0][0], bounds[-1][1]) == (b"", b"")
    assert [through for _, through in bounds[:-1]] == [after for after, _ in bounds[1:]]
    counts = [replica.digest(*span)[0] for span in bounds]
    assert sum(counts) == 100
    assert max(counts) == -(-100 // parts)


def test_a_range_is_cut_within_its_bounds(replica, many):
    after, through = many[9].id, many[29].id
    bounds = replica.bounds(4, after, through)
    assert (bounds[0][0], bounds[-1][1]) == (after, through)
    assert [replica.digest(*span)[0] for span in bounds] == [5, 5, 5, 5]


def test_an_empty_replica_is_one_range(replica):
    assert replica.bounds(64) == [(b"", b"")]
    assert replica.digest(b"", b"") == (0, hashlib.sha256().digest())


def test_the_digest_is_over_ids_and_revisions(replica, many):
    chosen = many[10:20]
    expected = hashlib.sha256(b"".join(item.id + item.revision.to_bytes(8, "big") for item in chosen)).digest()
    span = many[9].id, many[19].id
    assert replica.digest(*span) == (10, expected)
    assert replica.entries(*span) == [(item.id, item.revision) for item in chosen]


def test_local_edits_are_left_out_of_it(replica, many):
    before = replica.digest(b"", b"")
    replica.record(rename(many[0].id, "mine"))
    replica.record(delete(many[1].id))
    replica.record(create("mine"))
    assert replica.digest(b"", b"") == before


def test_what_the_server_has_replaces_what_is_here_however_new(replica, mailbox, sight):
    item = mailbox.mail("here, and newer", "a text that is not there")
    there = mailbox.message("there", "text")
    there.id, there.revision, there.content_revision = item.id, 1, 1
    new = mailbox.message("new")
    assert replica.repair(response(items=[there, new])).items == 2
    assert sight.subjects() == ["new", "there"]
    assert sight.rows("SELECT revision FROM item WHERE id = ?", item.id) == [(1,)]
    assert sight.rows("SELECT data FROM content WHERE item_id = ?", item.id) == [(there.content.SerializeToString(),)]
    assert replica.status().items == 2


def test_operations_lie_over_what_was_replaced(replica, mailbox, sight):
    item = mailbox.mail("here")
    replica.record(rename(item.id, "mine"))
    item.summary.subject = "there"
    replica.repair(response(items=[item]))
    assert sight.subjects() == ["mine"]
    assert sight.rows("SELECT count(*) FROM local_item") == [(1,)]


@pytest.mark.parametrize("reason", [GONE, LEFT])
def test_what_the_server_lacks_goes(replica, mailbox, sight, reason):
    item = mailbox.mail("one")
    repaired = replica.repair(response(gone=[item], reason=reason))
    assert (repaired.removed, repaired.recreated, repaired.lost) == (1, 0, 0)
    assert (sight.subjects(), replica.status().items, replica.waiting(*PLENTY)) == ([], 0, [])


def test_a_mass_deletion_is_stopped_here_too(replica, mailbox, sight):
    items = [mailbox.message("x") for _ in range(150)]
    mailbox.put(*items)
    replica.repair(response(gone=items[:80]))
    with pytest.raises(FailedPrecondition) as caught:
        replica.repair(response(gone=items[80:]))
    assert caught.value.reason == "MASS_DELETION"
    assert len(sight.subjects()) == 70
    replica.repair(response(gone=items[80:]), accept_deletions=True)
    assert sight.subjects() == []


def test_folders_become_those_of_the_server(replica, mailbox, sight):
    folders = [Folder(id=key, name=NAMES[key], role=ROLES[key], revision=1) for key in ROLES if key != PROJECTS]
    replica.repair(response(folders=folders))
    assert set(sight.folders()) == {NAMES[key] for key in ROLES if key != PROJECTS}


def test_a_fill_for_more_of_each_item_is_not_over_because_the_rest_is_equal(replica, mailbox, sight):
    replica.set_scope(SyncScope(depth=SyncDepth.SYNC_DEPTH_SUMMARY))
    item = mailbox.message("one", "text")
    mailbox.put(item, extent=NONE)
    gone = mailbox.mail("gone")
    assert replica.set_scope(SyncScope(depth=SyncDepth.SYNC_DEPTH_FULL))
    replica.finish_reconcile("new cursor", b"n" * 16, 1000)
    status = replica.status()
    assert (status.cursor, status.epoch, status.revision) == ("", b"n" * 16, 1000)
    replica.apply(batch_of(revision=1001, epoch=b"n" * 16, folders=mailbox.folders, items=[entry_of(item)]))
    assert sight.rows("SELECT item_id FROM content") == [(item.id,)]
    assert gone.id not in {row[0] for row in sight.rows("SELECT id FROM item")}


def test_the_end_of_a_comparison_is_a_new_cursor_and_epoch(replica, mailbox, sight):
    mailbox.mail("one")
    replica.finish_reconcile("new cursor", b"n" * 16, 1000)
    status = replica.status()
    assert (status.cursor, status.epoch, status.revision) == ("new cursor", b"n" * 16, 1000)
    replica.apply(batch_of(revision=1001, epoch=b"n" * 16))
    assert sight.subjects() == ["one"]
    with pytest.raises(FailedPrecondition):
        replica.apply(batch_of(revision=1002, epoch=EPOCH))


def test_what_differs_for_other_reasons_than_a_restore_is_not_brought_to_the_server(replica, mailbox, sight):
    item = mailbox.mail("as the server has it", "text")
    changed(mailbox, item, "as it is here")
    replica.repair(response(items=[item]))
    assert (replica.waiting(*PLENTY), sight.subjects()) == ([], ["as the server has it"])
