"""What became of the mail that was sent: kept as the server tells it, listed as the server lists it, and forgotten in time."""

from __future__ import annotations

import pytest

from rookery.v1 import submission_pb2 as records
from rookery.v1.submission_pb2 import Submission, SubmissionRecipient
from rookery_client.replica.reading.submissions import Submissions
from rookery_core.errors import FailedPrecondition, NotFound
from tests.support.replica_filling import EPOCH, batch_of

DAY = 86_400_000_000
HELD, PENDING, FINAL, CANCELLED = (
    records.SUBMISSION_STATE_HELD,
    records.SUBMISSION_STATE_PENDING,
    records.SUBMISSION_STATE_FINAL,
    records.SUBMISSION_STATE_CANCELLED,
)
QUEUED, DELIVERED, DEFERRED, FAILED = (
    records.DELIVERY_STATE_QUEUED,
    records.DELIVERY_STATE_DELIVERED,
    records.DELIVERY_STATE_DEFERRED,
    records.DELIVERY_STATE_FAILED,
)


@pytest.fixture
def submissions(replica, clock):
    return Submissions(replica, clock)


@pytest.fixture
def submission(mailbox, ids, clock):
    """Makes records, each submitted a second after the one before; not told yet."""

    def make(state=FINAL, *recipients, item_id=b"i" * 16, submitted=0):
        clock.advance(seconds=1)
        record = Submission(id=ids.new(), item_id=item_id, revision=mailbox.next(), state=state)
        record.submitted.FromMicroseconds(submitted or clock.now)
        record.recipients.extend(SubmissionRecipient(state=each) for each in recipients or (DELIVERED,))
        return record

    return make


def test_what_is_told_is_there(mailbox, submissions, submission):
    record = submission()
    assert mailbox.send(submissions=[record]).submissions == 1
    assert submissions.get(record.id) == record
    with pytest.raises(NotFound) as caught:
        submissions.get(b"x" * 16)
    assert caught.value.reason == "SUBMISSION_NOT_FOUND"


def test_what_is_not_newer_changes_nothing(mailbox, submissions, submission):
    record = submission(PENDING, QUEUED)
    newer = Submission()
    newer.CopyFrom(record)
    newer.revision, newer.state = mailbox.next(), FINAL
    assert mailbox.send(submissions=[newer]).submissions == 1
    for again in (record, newer):
        assert mailbox.send(submissions=[again]).submissions == 0
    assert submissions.get(record.id) == newer


def test_a_batch_that_is_refused_leaves_no_submission(replica, mailbox, submissions, submission):
    mailbox.send()
    batch = batch_of(revision=mailbox.revision, epoch=b"another epoch...", submissions=[submission()])
    with pytest.raises(FailedPrecondition):
        replica.apply(batch)
    assert submissions.page() == ([], None)


def test_a_comparison_drops_all_since_the_next_pull_brings_them(replica, mailbox, submissions, submission):
    record = submission()
    mailbox.send(submissions=[record])
    replica.finish_reconcile("cursor", EPOCH, mailbox.revision)
    assert submissions.page() == ([], None)
    mailbox.send(submissions=[record])
    assert submissions.get(record.id) == record


def test_a_new_fill_keeps_them(replica, mailbox, submissions, submission):
    record = submission()
    mailbox.send(submissions=[record])
    replica.restart()
    mailbox.send(folders=mailbox.folders, submissions=[record])
    assert submissions.page() == ([record], None)


def test_the_newest_come_first_page_by_page(mailbox, submissions, submission):
    made = [submission() for _ in range(5)]
    at_once = [submission(submitted=made[-1].submitted.ToMicroseconds()) for _ in range(3)]
    mailbox.send(submissions=[*made, *at_once])
    listed, after = [], None
    while True:
        page, after = submissions.page(size=3, after=after)
        listed += page
        if after is None:
            break
    assert listed == [*reversed(at_once), *reversed(made)]


def test_lists_hold_what_is_asked_for(mailbox, submissions, submission):
    mine, other = submission(item_id=b"a" * 16), submission(item_id=b"b" * 16)
    waiting = [submission(HELD, QUEUED), submission(PENDING, QUEUED), submission(FINAL, DELIVERED, DEFERRED)]
    over = [submission(FINAL, DELIVERED, FAILED), submission(CANCELLED, QUEUED)]
    mailbox.send(submissions=[mine, other, *waiting, *over])
    assert submissions.page(item_id=b"a" * 16)[0] == [mine]
    assert submissions.page(unfinished=True)[0] == waiting[::-1]
    assert len(submissions.page()[0]) == 7


def test_what_was_held_until_now_is_on_its_way(mailbox, submissions, submission, clock):
    record, for_good = submission(HELD, QUEUED), submission(HELD, QUEUED)
    record.hold_until.FromMicroseconds(clock.now + DAY)
    mailbox.send(submissions=[record, for_good])
    assert submissions.get(record.id).state == HELD
    clock.advance(days=1)
    assert submissions.get(record.id).state == PENDING
    assert [each.state for each in submissions.page()[0]] == [HELD, PENDING]


def test_after_thirty_days_what_is_finished_is_forgotten(replica, mailbox, submissions, submission, clock):
    finished, cancelled, unfinished = submission(FINAL, DELIVERED), submission(CANCELLED), submission(FINAL, DEFERRED)
    mailbox.send(submissions=[finished, cancelled, unfinished])
    assert replica.forget_submissions() == 0
    clock.advance(days=30, seconds=5)
    assert submissions.page()[0] == [unfinished]
    assert submissions.get(finished.id) == finished
    assert replica.forget_submissions() == 2
    with pytest.raises(NotFound):
        submissions.get(finished.id)
    assert submissions.page()[0] == [unfinished]
