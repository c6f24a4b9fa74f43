"""Calling back what is on its way, taking back what waits to leave, and sending again."""

from __future__ import annotations

import pytest

from rookery_client.replica.reading.submissions import Submissions
from rookery_core.errors import FailedPrecondition, NotFound
from tests.support.replica_batches import call_back, delete, rename, resend, submit
from tests.support.replica_filling import DRAFTS, PROJECTS
from tests.support.replica_sending import (
    CANCELLED,
    DELIVERED,
    EXPIRED,
    FAILED,
    FINAL,
    FOLDERS,
    HELD,
    OUTBOX,
    PENDING,
    PLENTY,
    QUEUED,
    letter,
    sent_off,
    told,
    written,
)


@pytest.fixture
def mailbox(mailbox):
    """The mailbox with the folders that mail passes through."""
    mailbox.send(folders=FOLDERS)
    return mailbox


@pytest.fixture
def submissions(replica, clock):
    """What became of the mail that was sent."""
    return Submissions(replica, clock)


def test_what_was_not_sent_yet_is_called_back_without_a_word_to_the_server(replica, mailbox, sight, submissions):
    draft = letter(mailbox, folder=PROJECTS)
    recorded = replica.record(submit(draft.id))
    assert replica.call_back(call_back(recorded.submit.submission_id)) is None
    assert replica.waiting(*PLENTY) == [] and submissions.page() == ([], None)
    assert sight.folder_of(draft.id) == PROJECTS and sight.summary(draft.id).message.draft
    assert sight.overlaid() == 0
    assert replica.record(rename(draft.id, "Better")) and replica.record(submit(draft.id))


def test_what_the_server_may_have_got_is_called_back_there_too(replica, mailbox, sight, submissions):
    draft = letter(mailbox, folder=PROJECTS)
    recorded = replica.record(submit(draft.id))
    sent_off(replica)
    taken = replica.call_back(call_back(recorded.submit.submission_id))
    assert replica.waiting(*PLENTY) == [recorded, taken]
    assert list(taken.depends_on) == [recorded.operation_id]
    assert sight.folder_of(draft.id) == PROJECTS and sight.summary(draft.id).message.draft
    assert not sight.summary(draft.id).HasField("sent")
    assert submissions.get(recorded.submit.submission_id).state == CANCELLED


def test_what_is_changed_and_sent_after_calling_it_back_rests_on_that(replica, mailbox):
    draft = letter(mailbox)
    record = told(mailbox, draft)
    draft.summary.message.draft, draft.folder_id = False, OUTBOX
    draft.revision = draft.content_revision = mailbox.next()
    mailbox.put(draft)
    taken = replica.call_back(call_back(record.id))
    edited, again = replica.record(rename(draft.id, "Better")), replica.record(submit(draft.id))
    assert list(edited.depends_on) == [taken.operation_id]
    assert list(again.depends_on) == [taken.operation_id, edited.operation_id]


def test_what_the_server_has_in_its_outbox_goes_back_to_the_drafts(replica, mailbox, sight, submissions):
    item = letter(mailbox, folder=OUTBOX, draft=False)
    record = told(mailbox, item, HELD)
    taken = replica.call_back(call_back(record.id))
    assert sight.folder_of(item.id) == DRAFTS and sight.summary(item.id).message.draft
    assert submissions.get(record.id).state == CANCELLED
    assert submissions.page(unfinished=True) == ([], None)
    mailbox.refuse(taken, "SUBMISSION_FINAL")
    assert sight.folder_of(item.id) == OUTBOX and not sight.summary(item.id).message.draft
    assert submissions.get(record.id).state == HELD
    assert [operation for operation, _ in replica.rejected()] == [taken]


def test_what_has_left_meanwhile_is_no_draft_again(replica, mailbox, sight):
    item = letter(mailbox, folder=OUTBOX, draft=False)
    record = told(mailbox, item, PENDING, delivered=[QUEUED])
    replica.call_back(call_back(record.id))
    told(mailbox, item, FINAL, submission_id=record.id, delivered=[DELIVERED])
    assert not sight.summary(item.id).message.draft and sight.folder_of(item.id) == OUTBOX


def test_what_has_left_is_not_called_back(replica, mailbox, ids):
    record = told(mailbox, letter(mailbox), FINAL, delivered=[DELIVERED])
    for operation, reason in ((call_back(record.id), "SUBMISSION_FINAL"), (call_back(ids.new()), "SUBMISSION_NOT_FOUND")):
        with pytest.raises((FailedPrecondition, NotFound)) as caught:
            replica.call_back(operation)
        assert caught.value.reason == reason


def test_calling_back_what_was_refused_is_nothing_to_tell_of(replica, mailbox, sight):
    draft = letter(mailbox)
    recorded = replica.record(submit(draft.id))
    sent_off(replica)
    taken = replica.call_back(call_back(recorded.submit.submission_id))
    mailbox.refuse(recorded, "SENDER_NOT_ALLOWED")
    mailbox.refuse(taken, "DEPENDS_ON")
    assert [operation for operation, _ in replica.rejected()] == [recorded]
    assert sight.folder_of(draft.id) == DRAFTS


def test_taking_back_the_making_of_a_draft_takes_back_its_sending(replica, mailbox, submissions):
    made = replica.record(written())
    recorded = replica.record(submit(made.create_item.item.id))
    assert replica.dismiss(made.operation_id).others == 1
    assert replica.waiting(*PLENTY) == [] and submissions.page() == ([], None)
    with pytest.raises(NotFound):
        submissions.get(recorded.submit.submission_id)


def test_taking_back_an_edit_does_not_take_back_the_sending(replica, mailbox):
    draft = letter(mailbox)
    edited, recorded = replica.record(rename(draft.id, "Worse")), replica.record(submit(draft.id))
    assert replica.dismiss(edited.operation_id).others == 0
    [left] = replica.waiting(*PLENTY)
    assert left.operation_id == recorded.operation_id and not left.depends_on


def test_what_is_to_be_sent_can_be_deleted(replica, mailbox, sight, submissions):
    draft = letter(mailbox)
    recorded = replica.record(submit(draft.id))
    replica.record(delete(draft.id))
    assert sight.folder_of(draft.id) is None
    assert not submissions.get(recorded.submit.submission_id).recipients


def test_those_who_did_not_get_it_are_queued_again(replica, mailbox, submissions):
    record = told(mailbox, letter(mailbox), FINAL, delivered=[DELIVERED, FAILED, EXPIRED])
    recorded = replica.record(resend(record.id))
    assert [each.state for each in submissions.get(record.id).recipients] == [DELIVERED, QUEUED, QUEUED]
    assert [each.id for each in submissions.page(unfinished=True)[0]] == [record.id]
    mailbox.refuse(recorded, "NOTHING_FAILED")
    assert submissions.get(record.id) == record


def test_where_nobody_failed_there_is_nothing_to_send_again(replica, mailbox):
    record = told(mailbox, letter(mailbox), FINAL, delivered=[DELIVERED])
    with pytest.raises(FailedPrecondition) as caught:
        replica.record(resend(record.id))
    assert caught.value.reason == "NOTHING_FAILED"
