"""Sending without a network: what is refused, what the person sees until the next sync, and what is pushed."""

from __future__ import annotations

import pytest

from rookery.v1 import item_pb2
from rookery.v1.person_pb2 import Person
from rookery.v1.submission_pb2 import Submission
from rookery_client.replica.reading.submissions import Submissions
from rookery_client.replica.storage import operations
from rookery_client.replica.storage.files import Salvaged
from rookery_core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Stale
from tests.support.replica_batches import mark, move, rename, rewrite, submit
from tests.support.replica_filling import DRAFTS, NONE, PROJECTS
from tests.support.replica_sending import (
    FOLDERS,
    HELD,
    OUTBOX,
    PENDING,
    PLENTY,
    QUEUED,
    SENT,
    addressed,
    letter,
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


# What is refused.


@pytest.mark.parametrize(
    ("addresses", "error", "reason"),
    [
        ([], FailedPrecondition, "NO_RECIPIENTS"),
        (["nobody"], InvalidArgument, "ADDRESS_INVALID"),
        ([""], InvalidArgument, "ADDRESS_INVALID"),
        ([f"a{number}@example.org" for number in range(1001)], InvalidArgument, "LIMIT_EXCEEDED"),
        (["Nobody: ;"], FailedPrecondition, "NO_RECIPIENTS"),
    ],
)
def test_a_draft_that_can_not_be_addressed_is_refused(replica, mailbox, sight, addresses, error, reason):
    draft = letter(mailbox, recipients=addressed(*addresses))
    with pytest.raises(error) as caught:
        replica.record(submit(draft.id))
    assert caught.value.reason == reason
    assert replica.waiting(*PLENTY) == [] and sight.folder_of(draft.id) == DRAFTS


def test_only_drafts_are_sent(replica, mailbox):
    mail = mailbox.mail("no draft")
    with pytest.raises(FailedPrecondition) as caught:
        replica.record(submit(mail.id))
    assert caught.value.reason == "NOT_A_DRAFT"
    with pytest.raises(NotFound) as unknown:
        replica.record(submit(b"x" * 16))
    assert unknown.value.reason == "ITEM_NOT_FOUND"


def test_a_draft_that_was_changed_meanwhile_is_not_sent_with_its_old_etag(replica, mailbox):
    draft = letter(mailbox)
    with pytest.raises(Stale):
        replica.record(submit(draft.id, etag=draft.content_revision - 1))
    recorded = replica.record(submit(draft.id, etag=draft.content_revision))
    assert recorded.submit.etag == 0 and recorded.base_revision >= draft.content_revision


def test_times_that_can_not_be_are_refused(replica, mailbox, clock):
    draft = letter(mailbox)
    late = submit(draft.id)
    late.submit.send_at.FromMicroseconds(clock.now + 400 * 86_400_000_000)
    for operation in (late, submit(draft.id, undo_seconds=601)):
        with pytest.raises(InvalidArgument) as caught:
            replica.record(operation)
        assert caught.value.reason == "LIMIT_EXCEEDED"


def test_an_id_is_used_once(replica, mailbox, ids):
    known = told(mailbox, letter(mailbox))
    first, second = letter(mailbox), letter(mailbox)
    recorded = replica.record(submit(first.id))
    for taken in (known.id, recorded.submit.submission_id):
        with pytest.raises(AlreadyExists) as caught:
            replica.record(submit(second.id, submission_id=taken))
        assert caught.value.reason == "ID_TAKEN"


def test_who_is_on_a_distribution_list_is_left_to_the_server(replica, mailbox):
    team = item_pb2.Recipient(person=Person(name="Team"), list_item_id=b"l" * 16)
    assert replica.record(submit(letter(mailbox, recipients=[team]).id))
    with pytest.raises(InvalidArgument):
        replica.record(submit(letter(mailbox, recipients=[team, *addressed("nobody")]).id))


def test_a_draft_whose_content_is_not_here_is_left_to_the_server(replica, mailbox, submissions):
    draft = letter(mailbox, extent=NONE)
    recorded = replica.record(submit(draft.id))
    assert not submissions.get(recorded.submit.submission_id).recipients


# What the person sees.


def test_a_draft_that_waits_to_be_sent_is_in_the_outbox(replica, mailbox, sight, clock):
    draft = letter(mailbox)
    replica.record(submit(draft.id))
    summary = sight.summary(draft.id)
    assert sight.folder_of(draft.id) == OUTBOX and not summary.message.draft
    assert summary.sent.seconds == clock.now // 1_000_000


def test_what_is_on_its_way_is_neither_sent_nor_changed_again(replica, mailbox):
    draft = letter(mailbox)
    replica.record(submit(draft.id))
    for operation in (submit(draft.id), rename(draft.id, "Another"), rewrite(draft.id, "Another")):
        with pytest.raises(FailedPrecondition) as caught:
            replica.record(operation)
        assert caught.value.reason == "NOT_A_DRAFT" and "on its way" in caught.value.message
    assert replica.record(mark(draft.id, read=False))


def test_a_submission_that_waits_is_listed_with_everybody_it_goes_to(replica, mailbox, submissions, clock):
    group = item_pb2.Recipient(
        type=item_pb2.RECIPIENT_TYPE_CC, person=Person(address="Team: c@example.org, Ben <ben@EXAMPLE.org>;")
    )
    draft = letter(mailbox, recipients=[group, *addressed("Ben@example.org")])
    recorded = replica.record(submit(draft.id))
    found = submissions.get(recorded.submit.submission_id)
    assert (found.item_id, found.state, found.revision) == (draft.id, PENDING, 0)
    assert (found.sender, found.submitted.ToMicroseconds()) == ("anna@example.org", clock.now)
    assert [each.person.address for each in found.recipients] == ["Ben@example.org", "c@example.org"]
    assert {each.state for each in found.recipients} == {QUEUED}
    assert submissions.page() == ([found], None) == submissions.page(unfinished=True, item_id=draft.id)


def test_what_is_to_leave_later_is_held_until_then(replica, mailbox, submissions, clock):
    operation = submit(letter(mailbox).id)
    operation.submit.send_at.FromMicroseconds(clock.now + 3_600_000_000)
    recorded = replica.record(operation)
    found = submissions.get(recorded.submit.submission_id)
    assert (found.state, found.hold_until) == (HELD, operation.submit.send_at)
    clock.advance(seconds=3600)
    assert submissions.get(recorded.submit.submission_id).state == PENDING


def test_a_time_that_is_past_holds_nothing(replica, mailbox, submissions, clock):
    operation = submit(letter(mailbox).id, undo_seconds=20)
    operation.submit.send_at.FromMicroseconds(clock.now - 1)
    found = submissions.get(replica.record(operation).submit.submission_id)
    assert found.state == PENDING and not found.HasField("hold_until")


def test_what_the_server_answers_is_what_is_listed(replica, mailbox, submissions, sight):
    draft = letter(mailbox)
    recorded = replica.record(submit(draft.id))
    answer = Submission(
        id=recorded.submit.submission_id, item_id=draft.id, revision=mailbox.next(), state=PENDING, sender="a@b.org"
    )
    mailbox.answer(recorded, revision=mailbox.revision, submission=answer)
    assert submissions.get(answer.id) == answer
    assert sight.folder_of(draft.id) == OUTBOX and not sight.summary(draft.id).message.draft


def test_what_was_sent_is_where_the_server_says_once_it_has_come_back(replica, mailbox, sight):
    draft = letter(mailbox)
    recorded = replica.record(submit(draft.id))
    mailbox.answer(recorded)
    draft.summary.message.draft, draft.folder_id = False, SENT
    draft.revision = draft.content_revision = mailbox.next()
    mailbox.put(draft)
    assert sight.folder_of(draft.id) == SENT and sight.overlaid() == 0


def test_what_the_server_refuses_is_a_draft_again_and_told(replica, mailbox, sight, submissions):
    draft = letter(mailbox)
    recorded = replica.record(submit(draft.id))
    mailbox.refuse(recorded, "SENDER_NOT_ALLOWED")
    assert sight.folder_of(draft.id) == DRAFTS and sight.summary(draft.id).message.draft
    assert [operation for operation, _ in replica.rejected()] == [recorded]
    assert submissions.page() == ([], None)
    again = replica.retry(recorded.operation_id)
    assert again.submit.submission_id == recorded.submit.submission_id and sight.folder_of(draft.id) == OUTBOX


def test_what_was_marked_or_moved_after_it_is_laid_over_it(replica, mailbox, sight):
    draft = letter(mailbox)
    replica.record(submit(draft.id))
    replica.record(move(PROJECTS, draft.id))
    assert sight.folder_of(draft.id) == PROJECTS and not sight.summary(draft.id).message.draft


# In which order it is pushed.


def test_mail_rests_on_all_that_was_done_to_its_draft(replica, mailbox):
    made = replica.record(written())
    item_id = made.create_item.item.id
    edited, marked = replica.record(rename(item_id, "Better")), replica.record(mark(item_id, read=False))
    recorded = replica.record(submit(item_id))
    assert replica.waiting(*PLENTY) == [made, edited, marked, recorded]
    assert list(recorded.depends_on) == [made.operation_id, edited.operation_id]


def test_mail_rests_on_no_more_than_the_contract_takes(replica, mailbox, ids):
    draft = letter(mailbox)
    edits = [rename(draft.id, f"Version {number}") for number in range(1001)]
    with replica.database.writing() as connection:
        for edit in edits:
            edit.operation_id = ids.new()
            operations.touch(connection, operations.insert(connection, edit, 0), [draft.id], [])
    assert list(replica.record(submit(draft.id)).depends_on) == [each.operation_id for each in edits[1:]]


def test_the_inner_requests_name_neither_mailbox_nor_operation(replica, mailbox):
    draft = letter(mailbox)
    operation = submit(draft.id, mailbox_id=b"x" * 16, operation_id=b"y" * 16)
    request = replica.record(operation).submit
    assert (request.mailbox_id, request.operation_id) == (b"", b"") and request.submission_id


# Taking over from a damaged file.


def test_mail_on_its_way_stays_here_where_nobody_knows_from_before_which_restore_it_is(replica, ids):
    known, unknown = (submit(ids.new(), submission_id=ids.new()) for _ in range(2))
    for operation in (known, unknown):
        operation.operation_id = ids.new()
    replica.take_over(Salvaged(operations=[known, unknown], sent={unknown.operation_id}))
    assert replica.waiting(*PLENTY) == [known]
    [(operation, result)] = replica.rejected()
    assert operation == unknown and "may have been sent" in result.error.message


def test_mail_on_its_way_waits_to_be_sent_to_the_mailbox_that_it_was_for(replica, ids):
    operation = submit(ids.new(), submission_id=ids.new())
    operation.operation_id = ids.new()
    replica.take_over(Salvaged(operations=[operation], sent={operation.operation_id}, epoch=b"the known epoch."))
    [left] = replica.all_waiting()
    assert left.operation == operation and left.sent and replica.status().epoch == b"the known epoch."
