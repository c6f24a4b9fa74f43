"""Applying batches: what comes, changes and goes, and what is not newer."""

from __future__ import annotations

import sqlite3

import pytest

from rookery.internal.v1.packed_pb2 import PackedItem, PackedPullResponse, PackedSyncItem
from rookery.v1.folder_pb2 import Folder
from rookery.v1.item_pb2 import FlagStatus, FollowUp, ItemKind, ItemState, ItemSummary
from rookery.v1.sync_pb2 import ItemChange, ItemPlace
from rookery_client.replica.storage import rows
from rookery_core.errors import FailedPrecondition, ResourceExhausted
from tests.support.replica_batches import LEFT, progress
from tests.support.replica_filling import DRAFTS, FULL, INBOX, NONE, PROJECTS, TEXT, batch_of, entry_of


def test_items_and_folders_come(replica, mailbox, sight):
    applied = mailbox.put(mailbox.message("one"), mailbox.message("two"))
    assert (applied.added, applied.changed, applied.removed, applied.caught_up) == (2, 0, 0, True)
    assert sight.subjects(INBOX) == ["one", "two"]
    assert set(sight.folders()) == {"Inbox", "Drafts", "Deleted Items", "Recovered Items", "Projects"}
    status = replica.status()
    assert (status.items, status.folders, status.cursor, status.caught_up_revision) == (2, 5, "at 3", 3)


def test_what_lists_filter_by_is_taken_out_of_state_and_summary(mailbox, sight):
    item = mailbox.message("flagged", read=False)
    item.state.follow_up.status = FlagStatus.FLAG_STATUS_FLAGGED
    mailbox.put(item)
    wanted = (ItemKind.ITEM_KIND_MESSAGE, 0, FlagStatus.FLAG_STATUS_FLAGGED, item.summary.received.ToMicroseconds(), item.uid)
    assert sight.rows("SELECT kind, is_read, flag_status, fill_key, uid FROM item") == [wanted]


@pytest.mark.parametrize("kind", [kind for kind in ItemKind.values() if kind])
def test_the_kind_is_read_off_the_encoded_summary(kind):
    summary = ItemSummary(kind=kind, subject="Ünïcode", preview="x" * 200)
    assert rows.kind_of(summary.SerializeToString()) == kind


def test_a_summary_in_another_order_is_decoded_for_its_kind():
    first, second = ItemSummary(subject="before").SerializeToString(), ItemSummary(kind=3).SerializeToString()
    assert rows.kind_of(first + second) == 3
    assert rows.kind_of(b"") == 0


def test_an_older_item_changes_nothing(mailbox, sight):
    old = mailbox.message("old")
    new = mailbox.message("new")
    new.id = old.id
    mailbox.put(new)
    applied = mailbox.put(old)
    assert (applied.added, applied.changed) == (0, 0)
    assert sight.subjects() == ["new"]


def test_a_newer_item_replaces_the_older_one_and_its_search_document_is_known_to_be_old(mailbox, sight):
    item = mailbox.mail("old")
    item.summary.subject = "new"
    item.revision = item.content_revision = mailbox.next()
    assert mailbox.put(item).changed == 1
    assert sight.subjects() == ["new"]
    assert sight.rows("SELECT number FROM item_changed") == sight.rows("SELECT number FROM item")


def test_the_same_batch_twice_is_the_same_replica(replica, mailbox, sight):
    items = [mailbox.message("one"), mailbox.message("two")]
    mailbox.put(*items)
    before = sight.rows("SELECT * FROM item"), replica.status()
    mailbox.put(*items)
    assert (sight.rows("SELECT * FROM item"), replica.status()) == before


def test_marks_and_moves_send_no_content(mailbox, sight):
    item = mailbox.mail("one", read=False)
    mailbox.mark(item, read=True, categories=["Red"])
    assert list(sight.state(item.id).categories) == ["Red"]
    assert sight.rows("SELECT is_read FROM item") == [(1,)]
    mailbox.move(item, DRAFTS)
    assert sight.subjects(DRAFTS) == ["one"]


def test_a_mark_and_a_move_in_one_change(mailbox, sight):
    item = mailbox.mail("one")
    revision = mailbox.next()
    change = ItemChange(item_id=item.id, revision=revision, state=ItemState(), place=ItemPlace(folder_id=PROJECTS, uid=7))
    assert mailbox.send(changes=[change]).changed == 1
    assert sight.rows("SELECT folder_id, uid, is_read, revision FROM item") == [(PROJECTS, 7, 0, revision)]


def test_an_older_change_and_one_of_an_unknown_item_change_nothing(mailbox, sight):
    item = mailbox.mail("one", read=False)
    late = ItemChange(item_id=item.id, revision=item.revision, state=ItemState(read=True))
    unknown = ItemChange(item_id=b"u" * 16, revision=99, state=ItemState(read=True))
    assert mailbox.send(changes=[late, unknown]).changed == 0
    assert sight.rows("SELECT is_read FROM item") == [(0,)]


def test_a_removal_takes_an_item_with_what_is_kept_of_it(replica, mailbox, sight):
    item = mailbox.mail("one", "text")
    with replica.database.writing() as connection:
        connection.execute("INSERT INTO attachment VALUES (?, 1, 2, 3, 0, x'010203')", (item.id,))
    assert mailbox.remove(item).removed == 1
    assert sight.rows(
        "SELECT (SELECT count(*) FROM item) + (SELECT count(*) FROM content) + (SELECT count(*) FROM attachment)"
    ) == [(0,)]
    assert replica.status().items == 0


def test_an_item_that_came_back_is_not_taken_by_an_older_removal(mailbox, sight):
    item = mailbox.mail("one")
    mailbox.revision -= 1
    assert mailbox.remove(item).removed == 0
    assert sight.subjects() == ["one"]


def test_removing_what_is_not_here_is_no_error(mailbox):
    assert mailbox.remove(mailbox.message("never sent")).removed == 0


def test_numbers_of_items_are_never_given_again(mailbox, sight):
    mailbox.remove(mailbox.mail("one"))
    mailbox.mail("two")
    assert sight.rows("SELECT number FROM item") == [(2,)]


def test_an_item_before_its_folder_is_hidden_until_that_comes(mailbox, sight):
    mailbox.mail("early", folder=b"n" * 16)
    assert sight.subjects() == []
    mailbox.send(folders=[Folder(id=b"n" * 16, name="New", revision=mailbox.next())])
    assert sight.subjects() == ["early"]


def test_an_item_that_moved_out_of_a_folder_outlives_the_folder(mailbox, sight):
    item = mailbox.mail("one", folder=PROJECTS)
    mailbox.remove_folder(PROJECTS, caught_up=False)
    assert sight.subjects() == []
    mailbox.move(item, INBOX)
    assert sight.subjects(INBOX) == ["one"]


def test_an_older_folder_record_changes_nothing_and_counters_are_newer(mailbox, sight):
    mailbox.send(folders=[Folder(id=INBOX, name="Inbox", revision=1, contents_revision=9, unread_count=3)])
    mailbox.send(folders=[Folder(id=INBOX, name="Inbox", revision=1, contents_revision=8, unread_count=2)])
    assert sight.folders()["Inbox"].unread_count == 3


def test_contents_are_kept_as_they_come(mailbox, sight):
    item = mailbox.message("one", "a long text")
    mailbox.put(item, extent=TEXT)
    assert sight.rows("SELECT extent, content_revision, data FROM content") == [
        (TEXT, item.content_revision, item.content.SerializeToString())
    ]


def test_a_part_of_a_content_does_not_go_over_the_whole(mailbox, sight):
    item = mailbox.message("one", "whole")
    part = mailbox.message("one", "wh")
    part.id, part.content_revision = item.id, item.content_revision
    mailbox.put(item)
    mailbox.put(part, extent=TEXT)
    assert sight.rows("SELECT data FROM content") == [(item.content.SerializeToString(),)]


def test_the_whole_goes_over_a_part_of_the_same_content(mailbox, sight):
    item = mailbox.message("one", "whole")
    mailbox.put(item, extent=TEXT)
    mailbox.put(item)
    assert sight.rows("SELECT extent FROM content") == [(FULL,)]
    assert sight.rows("SELECT number FROM item_changed") == sight.rows("SELECT number FROM item")


def test_summaries_alone_keep_no_content(mailbox, sight):
    mailbox.put(mailbox.message("one", "text"), extent=NONE)
    assert sight.rows("SELECT count(*) FROM content") == [(0,)]


def test_the_progress_of_a_fill_is_told_until_it_ends(replica, mailbox):
    mailbox.send(items=[entry_of(mailbox.message("one"))], progress=progress(1, 2), caught_up=False)
    assert (replica.status().done, replica.status().total, replica.status().caught_up_revision) == (1, 2, 1)
    mailbox.put(mailbox.message("two"))
    assert (replica.status().done, replica.status().total, replica.status().caught_up_revision) == (0, 0, mailbox.revision)


def test_a_batch_of_another_epoch_is_not_applied(replica, mailbox, sight):
    batch = batch_of(revision=5, epoch=b"x" * 16, items=[entry_of(mailbox.message("foreign"))])
    with pytest.raises(FailedPrecondition, match="restored") as caught:
        replica.apply(batch)
    assert caught.value.reason == "EPOCH_CHANGED"
    assert sight.subjects() == []


def test_a_full_disk_leaves_the_replica_as_it_was(replica, mailbox, sight):
    mailbox.mail("before")
    writer = replica.database._writer
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 4}").close()
    before = replica.status()
    with pytest.raises(ResourceExhausted) as caught:
        mailbox.put(*(mailbox.message("x" * 900, "y" * 900) for _ in range(200)))
    assert caught.value.reason == "REPLICA_FULL"
    assert replica.status() == before
    writer.execute("PRAGMA max_page_count = 1000000000").close()
    mailbox.mail("after")
    assert sight.subjects() == ["after", "before"]


def test_a_mistake_in_a_statement_is_not_taken_for_a_damaged_file(replica):
    with pytest.raises(sqlite3.OperationalError), replica.database.reading() as connection:
        connection.execute("SELECT nothing FROM nowhere")


def test_unknown_fields_of_summaries_survive(replica, mailbox, sight):
    summary = ItemSummary(kind=1, subject="one").SerializeToString() + b"\xfa\x3f\x03abc"  # field 1023: not of this version
    item = PackedItem(id=b"i" * 16, folder_id=INBOX, revision=2, content_revision=2, summary=summary)
    replica.apply(PackedPullResponse(items=[PackedSyncItem(item=item)], cursor="c", revision=2, epoch=b"e" * 16))
    assert sight.rows("SELECT summary FROM item") == [(summary,)]


def test_left_scope_takes_the_item_away(mailbox, sight):
    item = mailbox.mail("one")
    mailbox.remove(item, reason=LEFT)
    assert sight.subjects() == []


def test_a_flag_alone_is_a_state(mailbox, sight):
    item = mailbox.mail("one")
    mailbox.mark(item, follow_up=FollowUp(status=FlagStatus.FLAG_STATUS_COMPLETED))
    assert sight.rows("SELECT flag_status FROM item") == [(FlagStatus.FLAG_STATUS_COMPLETED,)]
