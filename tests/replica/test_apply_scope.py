"""What a replica is to hold: another scope is filled anew over what is there, a narrower window drops what is outside."""

from __future__ import annotations

import pytest

from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.folder_pb2 import Folder
from rookery.v1.item_pb2 import ItemKind
from rookery.v1.sync_pb2 import SyncDepth, SyncScope
from rookery_core.errors import InvalidArgument
from tests.support.replica_batches import rename
from tests.support.replica_filling import INBOX, PROJECTS, entry_of

DAY = 86_400


def since(item, *, seconds=0):
    """A scope with mail from the moment on at which an item came."""
    scope = SyncScope()
    scope.window.mail_since.FromMicroseconds(item.summary.received.ToMicroseconds() + seconds * 1_000_000)
    return scope


def event(mailbox, subject, day, *, rule=""):
    item = mailbox.message(subject)
    item.summary.kind = ItemKind.ITEM_KIND_APPOINTMENT
    item.summary.appointment.start.CopyFrom(CalendarTime(local=f"2026-03-{day:02}T10:00:00", time_zone="UTC"))
    item.summary.appointment.end.CopyFrom(CalendarTime(local=f"2026-03-{day:02}T11:00:00", time_zone="UTC"))
    if rule:
        item.summary.appointment.recurrence.rules.append(rule)
    mailbox.put(item)
    return item


def test_the_scope_is_kept(replica, mailbox):
    scope = SyncScope(folder_ids=[INBOX], depth=SyncDepth.SYNC_DEPTH_FULL)
    replica.set_scope(scope)
    assert replica.status().scope == scope


@pytest.mark.parametrize(
    "scope",
    [
        SyncScope(folder_ids=[INBOX]),
        SyncScope(kinds=[ItemKind.ITEM_KIND_TASK]),
        SyncScope(depth=SyncDepth.SYNC_DEPTH_FULL),
        SyncScope(depth=SyncDepth.SYNC_DEPTH_TEXT),
    ],
)
def test_other_folders_kinds_or_depth_need_a_new_fill(replica, mailbox, scope):
    assert replica.set_scope(scope)
    assert replica.status().cursor == ""
    assert not replica.set_scope(scope)


@pytest.mark.parametrize(
    ("one", "same"),
    [
        (SyncScope(), SyncScope(depth=SyncDepth.SYNC_DEPTH_SUMMARY)),
        (SyncScope(folder_ids=[INBOX, PROJECTS]), SyncScope(folder_ids=[PROJECTS, INBOX])),
        (SyncScope(depth=SyncDepth.SYNC_DEPTH_TEXT), SyncScope(depth=SyncDepth.SYNC_DEPTH_TEXT, text_bytes=4096)),
    ],
)
def test_the_same_scope_in_other_words_needs_none(replica, mailbox, one, same):
    replica.set_scope(one)
    mailbox.send()
    assert not replica.set_scope(same)
    assert replica.status().cursor


def test_a_new_fill_drops_at_its_end_what_it_did_not_mention(replica, mailbox, sight):
    kept, gone = mailbox.mail("kept"), mailbox.mail("gone")
    replica.restart()
    assert sight.subjects() == ["gone", "kept"]
    mailbox.send(folders=mailbox.folders, items=[entry_of(kept)], caught_up=False)
    assert sight.subjects() == ["gone", "kept"]
    assert mailbox.put(mailbox.message("new")).removed == 1
    assert sight.subjects() == ["kept", "new"]
    assert replica.status().items == 2
    mailbox.send()
    assert gone.id not in {row[0] for row in sight.rows("SELECT id FROM item")}


def test_a_new_fill_that_is_begun_once_more_forgets_nothing(replica, mailbox, sight):
    mailbox.mail("gone")
    replica.restart()
    late = mailbox.message("late")
    mailbox.put(late, caught_up=False)
    replica.restart()
    mailbox.send()
    assert sight.subjects() == []


def test_a_narrower_window_drops_older_mail_when_the_server_knows_of_it(replica, mailbox, sight):
    mailbox.mail("old")
    new = mailbox.mail("new")
    assert not replica.set_scope(since(new))
    mailbox.send(caught_up=False)
    assert sight.subjects() == ["new", "old"]
    mailbox.send()
    assert sight.subjects() == ["new"]
    assert (replica.status().items, bool(replica.status().cursor)) == (1, True)


def test_a_window_that_was_narrower_only_between_two_syncs_drops_nothing(replica, mailbox, sight):
    mailbox.mail("old")
    new = mailbox.mail("new")
    replica.set_scope(since(new))
    replica.set_scope(SyncScope())
    mailbox.send()
    assert sight.subjects() == ["new", "old"]


def test_a_wider_window_drops_nothing(replica, mailbox, sight):
    mailbox.mail("old")
    new = mailbox.mail("new")
    replica.set_scope(since(new, seconds=-3600))
    assert not replica.set_scope(SyncScope())
    assert sight.subjects() == ["new", "old"]


def test_mail_over_which_changes_lie_stays(replica, mailbox, sight):
    old = mailbox.mail("old")
    replica.record(rename(old.id, "mine"))
    replica.set_scope(since(old, seconds=DAY))
    mailbox.send()
    assert sight.subjects() == ["mine"]


@pytest.mark.parametrize("end", ["passed", "dismissed", "refused"])
def test_mail_that_was_spared_goes_when_nothing_lies_over_it_any_more(replica, mailbox, sight, end):
    old = mailbox.mail("old")
    operation = replica.record(rename(old.id, "mine"))
    replica.set_scope(since(old, seconds=DAY))
    mailbox.send()
    assert sight.subjects() == ["mine"]
    if end == "passed":
        mailbox.answer(operation)
    elif end == "dismissed":
        replica.dismiss(operation.operation_id)
    else:
        mailbox.refuse(operation, "LIMIT_EXCEEDED")
    mailbox.send()
    assert (sight.subjects(), sight.rows("SELECT count(*) FROM item"), replica.status().items) == ([], [(0,)], 0)


def test_a_window_of_events_drops_those_outside_and_no_open_series(replica, mailbox, sight):
    for day in (1, 10, 20):
        event(mailbox, f"day {day}", day)
    event(mailbox, "daily", 1, rule="FREQ=DAILY")
    mailbox.mail("mail")
    scope = SyncScope()
    scope.window.events_from.FromJsonString("2026-03-05T00:00:00Z")
    scope.window.events_until.FromJsonString("2026-03-15T00:00:00Z")
    replica.set_scope(scope)
    mailbox.send()
    assert sight.subjects() == ["daily", "day 10", "mail"]


def test_a_window_that_is_none_is_refused(replica, mailbox):
    scope = SyncScope()
    scope.window.events_from.FromJsonString("2026-03-15T00:00:00Z")
    scope.window.events_until.FromJsonString("2026-03-05T00:00:00Z")
    with pytest.raises(InvalidArgument):
        replica.set_scope(scope)
    assert replica.status().scope == SyncScope()


def test_a_new_fill_drops_folders_that_it_did_not_mention(replica, mailbox, sight):
    replica.restart()
    mailbox.send(folders=mailbox.folders[:-1], caught_up=False)
    assert len(sight.folders()) == len(mailbox.folders)
    assert mailbox.send().removed_folders == 1
    assert set(sight.folders()) == {folder.name for folder in mailbox.folders[:-1]}
    mailbox.send(folders=[Folder(id=PROJECTS, name="Back again", revision=mailbox.next())])
    mailbox.send()
    assert "Back again" in sight.folders()


def test_items_of_the_tail_are_dropped_by_no_fill_that_is_over(replica, mailbox, sight):
    replica.restart()
    mailbox.send(folders=mailbox.folders)
    mailbox.send(items=[entry_of(mailbox.message("one"))], caught_up=False)
    mailbox.send()
    assert sight.subjects() == ["one"]
