"""The engine, run once: what waits is sent, what is lacking comes, whatever the network does."""

from __future__ import annotations

import itertools

import pytest

from rookery.v1.sync_pb2 import PushOutcome, PushResult, SyncScope
from rookery_client.replica.engine.backoff import FIRST_SECONDS, LONGEST_SECONDS, Backoff
from rookery_client.replica.engine.engine import PATIENCE
from rookery_client.replica.engine.states import Connecting, Failed, Filling, Offline, Sending, Stopped, UpToDate
from rookery_client.replica.reading.contents import Contents
from rookery_client.replica.reading.searching import Searcher
from rookery_core.errors import (
    FailedPrecondition,
    InvalidArgument,
    ResourceExhausted,
    RookeryError,
    Stale,
    Unauthenticated,
    Unavailable,
)
from tests.support.engine_fixtures import Device
from tests.support.sync_fakes import SmallMailbox

OFFLINE = Unavailable("SERVER_UNREACHABLE", "no answer from the server")


@pytest.fixture
def mailbox():
    mailbox = SmallMailbox()
    for number in range(8):
        mailbox.add(f"Message {number}")
    return mailbox


@pytest.fixture
def anna(mailbox, tmp_path):
    device = Device(tmp_path / "anna.replica", mailbox)
    yield device
    device.replica.close()


async def test_the_first_run_fills_the_replica(anna, mailbox):
    await anna.sync()
    assert anna.subjects() == mailbox.subjects()
    status = anna.replica.status()
    assert (status.items, status.caught_up_revision, status.waiting) == (8, mailbox.revision, 0)
    assert anna.states[0] == Connecting()
    assert [state.percent for state in anna.states if isinstance(state, Filling)] == [37, 75, 100]
    assert anna.states[-2:] == [UpToDate(mailbox.revision), Stopped()]


async def test_the_next_batch_is_on_its_way_while_one_is_written_and_no_more(anna, mailbox):
    ahead = []
    await anna.sync(on_applied=lambda batch, applied: ahead.append(mailbox.batches - len(ahead)))
    assert ahead == [2, 2, 2, 1]


async def test_the_next_run_brings_what_changed_and_no_more(anna, mailbox):
    await anna.sync()
    told = []
    first, second, third = sorted(mailbox.items)[:3]
    mailbox.edit(first, "Another subject")
    mailbox.mark(second)
    mailbox.delete(third)
    mailbox.add("New")
    await anna.sync(on_applied=lambda batch, applied: told.append(applied))
    assert anna.subjects() == mailbox.subjects()
    counts = [sum(getattr(applied, name) for applied in told) for name in ("added", "changed", "removed")]
    assert counts == [1, 2, 1]


async def test_what_waits_is_sent_before_anything_is_pulled(anna, mailbox):
    await anna.sync()
    mailbox.calls.clear()
    item_id = anna.create("Made here")
    anna.rename(item_id, "Made here, and renamed")
    assert "Made here, and renamed" in anna.subjects()
    answers = []
    await anna.sync(on_answered=answers.extend)
    assert [name for name, _ in mailbox.calls] == ["push", "pull"]
    assert [result.outcome for result in answers] == [PushOutcome.PUSH_OUTCOME_APPLIED] * 2
    assert anna.subjects() == mailbox.subjects()
    assert anna.replica.status().waiting == 0
    assert Sending(2) in anna.states


async def test_what_is_recorded_while_pulling_is_sent_in_the_same_run(anna, mailbox):
    pending = iter(["One more"])
    await anna.sync(on_applied=lambda batch, applied: [anna.create(subject) for subject in itertools.islice(pending, 1)])
    assert "One more" in mailbox.subjects()
    assert anna.subjects() == mailbox.subjects()
    assert anna.replica.status().waiting == 0


async def test_a_lost_answer_is_asked_for_again_under_the_same_ids_and_nothing_happens_twice(anna, mailbox):
    await anna.sync()
    for number in range(3):
        anna.create(f"Made here {number}")
    mailbox.fail("push", OFFLINE, lost=True)
    answers = []
    await anna.sync(on_answered=answers.extend)
    first, second = mailbox.asked("push")
    assert first == second
    assert [result.duplicate for result in answers] == [True] * 3
    assert len(mailbox.items) == 11
    assert anna.subjects() == mailbox.subjects()


async def test_uploads_go_before_the_operation_that_needs_them(anna, mailbox):
    await anna.sync()
    mailbox.calls.clear()
    operation, upload_id = anna.with_attachment(b"some bytes")
    await anna.sync()
    assert mailbox.uploads == {upload_id: b"some bytes"}
    assert [name for name, _ in mailbox.calls] == ["upload", "push", "pull"]
    assert operation in mailbox.ledger


async def test_an_upload_that_fails_holds_its_operation_back_until_it_succeeds(anna, mailbox):
    await anna.sync()
    mailbox.calls.clear()
    anna.with_attachment(b"some bytes")
    mailbox.fail("upload", OFFLINE)
    await anna.sync()
    assert [name for name, _ in mailbox.calls] == ["upload", "upload", "push", "pull"]


async def test_a_server_that_takes_no_changes_is_given_up_though_it_answers_otherwise(anna, mailbox):
    await anna.sync()
    anna.create("Made here")
    mailbox.calls.clear()
    mailbox.fail("push", OFFLINE, times=50)
    with pytest.raises(Unavailable):
        await anna.sync()
    assert len(mailbox.asked("push")) == PATIENCE
    assert anna.replica.status().waiting == 1


async def test_a_change_that_is_taken_back_while_its_upload_is_due_stops_nothing(anna, mailbox):
    await anna.sync()
    operation, _ = anna.with_attachment(b"some bytes")
    pending = anna.replica.pending_uploads
    anna.replica.pending_uploads = lambda operations: [pending(operations), anna.replica.dismiss(operation)][0]
    await anna.sync()
    assert mailbox.uploads == {}
    assert mailbox.asked("push") == []
    assert anna.replica.status().waiting == 0


async def test_answers_to_other_changes_than_those_sent_are_no_answers(anna, mailbox):
    await anna.sync()
    anna.create("Made here")

    async def push(operations, epoch):
        mailbox.calls.append(("push", operations))
        return [PushResult(operation_id=b"x" * 16, outcome=PushOutcome.PUSH_OUTCOME_APPLIED)]

    mailbox.push = push
    with pytest.raises(Unavailable):
        await anna.sync()
    assert len(mailbox.asked("push")) == PATIENCE
    assert anna.replica.status().waiting == 1


async def test_an_upload_that_is_refused_for_good_is_for_the_server_to_reject(anna, mailbox):
    await anna.sync()
    mailbox.calls.clear()
    anna.with_attachment(b"some bytes")
    mailbox.fail("upload", InvalidArgument("MESSAGE_TOO_LARGE", "the upload is too large"))
    await anna.sync()
    assert [name for name, _ in mailbox.calls] == ["upload", "push", "pull"]


async def test_a_rejected_operation_is_listed_and_stops_no_other(anna, mailbox):
    await anna.sync()
    anna.create("Refuse me")
    anna.create("But not me")
    await anna.sync()
    [(operation, result)] = anna.replica.rejected()
    assert operation.create_item.item.summary.subject == "Refuse me"
    assert result.error.message == "that is too much"
    assert anna.subjects() == mailbox.subjects()


async def test_an_operation_that_the_server_does_not_even_take_is_rejected_alone(anna, mailbox):
    await anna.sync()
    for number in range(3):
        anna.create(f"Made here {number}")
    mailbox.fail("push", InvalidArgument("FIELD_INVALID", "what is this?"), times=2)  # all three, and then the first one
    await anna.sync()
    [(operation, result)] = anna.replica.rejected()
    assert operation.create_item.item.summary.subject == "Made here 0"
    assert (result.outcome, result.error.message) == (PushOutcome.PUSH_OUTCOME_REJECTED, "what is this?")
    assert anna.subjects() == mailbox.subjects()
    assert len(mailbox.items) == 10


async def test_a_full_mailbox_does_not_keep_others_changes_from_coming(anna, mailbox):
    await anna.sync()
    anna.create("No room for this")
    mailbox.add("From elsewhere")
    mailbox.fail("push", ResourceExhausted("QUOTA_EXCEEDED", "the mailbox is full"))
    with pytest.raises(ResourceExhausted, match="full"):
        await anna.sync()
    assert anna.subjects() == sorted([*mailbox.subjects(), "No room for this"])
    assert anna.replica.status().waiting == 1
    await anna.sync()
    assert anna.subjects() == mailbox.subjects()


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_a_fill_that_breaks_goes_on_behind_the_last_batch(anna, mailbox, after):
    mailbox.fail("pull", OFFLINE, after=after)
    received = []
    await anna.sync(on_applied=lambda batch, applied: received.extend(entry.item.id for entry in batch.items))
    assert anna.subjects() == mailbox.subjects()
    assert sorted(received) == sorted(mailbox.items)
    assert [isinstance(state, Offline) for state in anna.states].count(True) == 1


async def test_a_server_that_stays_away_is_given_up_and_what_came_is_kept(anna, mailbox):
    mailbox.fail("pull", OFFLINE, after=1)
    mailbox.fail("pull", OFFLINE, times=PATIENCE)
    with pytest.raises(Unavailable):
        await anna.sync()
    assert anna.replica.status().items == 3
    assert anna.slept == sorted(anna.slept) and len(anna.slept) == PATIENCE - 1
    assert anna.states[-1] == Failed("SERVER_UNREACHABLE", OFFLINE.message, final=True)


def test_delays_double_up_to_a_limit_and_begin_anew_after_a_success():
    backoff = Backoff(lambda: 1.0)
    delays = [backoff.next() for _ in range(10)]
    assert delays[:3] == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS]
    assert delays[-1] == LONGEST_SECONDS
    backoff.reset()
    assert backoff.next() == FIRST_SECONDS
    assert Backoff(lambda: 0.0).next() == FIRST_SECONDS / 2


async def test_another_scope_fills_anew_over_what_is_there(anna, mailbox):
    await anna.sync()
    mailbox.fail("pull", FailedPrecondition("SCOPE_CHANGED", "the cursor was made for other folders"))
    mailbox.delete(min(mailbox.items))
    mailbox.add("New")
    await anna.sync()
    assert mailbox.asked("pull")[-2:][1] == ""
    assert anna.subjects() == mailbox.subjects()


@pytest.mark.parametrize("reason", ["SESSION_REVOKED", "TOKEN_INVALID"])
async def test_an_ended_session_stops_the_engine_and_says_what_to_do(anna, mailbox, reason):
    mailbox.fail("pull", Unauthenticated(reason, "the session was ended"))
    with pytest.raises(Unauthenticated):
        await anna.sync()
    assert anna.states[-1] == Failed(reason, "the session was ended", "sign in again", final=True)
    assert anna.slept == []


@pytest.mark.parametrize("error", [Unavailable("SLOW_CONSUMER", "too slow"), Stale("SLOW_CONSUMER", "too slow")])
async def test_a_stream_that_was_too_slow_is_begun_again(anna, mailbox, error: RookeryError):
    mailbox.fail("pull", error, after=1)
    await anna.sync()
    assert anna.subjects() == mailbox.subjects()
    assert not any(isinstance(state, Offline) for state in anna.states)


async def test_an_emptied_server_does_not_empty_the_replica(tmp_path):
    mailbox = SmallMailbox(page=50)
    for number in range(240):
        mailbox.add(f"Message {number}")
    device = Device(tmp_path / "anna.replica", mailbox)
    await device.sync()
    mailbox.delete(*list(mailbox.items))
    with pytest.raises(FailedPrecondition) as caught:
        await device.sync()
    assert caught.value.reason == "MASS_DELETION"
    assert device.replica.status().items > 0
    assert isinstance(device.states[-1], Failed)
    await device.sync(accept_deletions=True)
    assert device.replica.status().items == 0
    device.replica.close()


async def test_a_second_engine_is_told_that_there_is_one(anna):
    with anna.replica.engine_lock(), pytest.raises(FailedPrecondition) as caught:
        await anna.sync()
    assert caught.value.reason == "REPLICA_IN_USE"


async def test_what_came_can_be_searched_and_the_cache_is_kept_small(anna, mailbox):
    Contents(anna.replica, anna.clock).set_limit(1)
    await anna.sync()
    assert [row.id for row in Searcher(anna.replica, anna.clock).search("subject:7").rows] == [max(mailbox.items)]
    assert Contents(anna.replica, anna.clock).size() == 0


async def test_the_request_carries_scope_and_cursor(anna, mailbox):
    await anna.sync()
    cursor = anna.replica.status().cursor
    await anna.sync()
    assert mailbox.asked("pull") == ["", cursor]
    assert anna.replica.status().scope != SyncScope()
