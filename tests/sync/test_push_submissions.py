"""Push: mail that was sent, called back and sent again on a device, with no network."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import item_pb2, item_service_pb2, sync_pb2, sync_service_pb2
from rookery.v1 import submission_pb2 as records
from rookery.v1 import submission_service_pb2 as messages
from rookery_core.errors import FailedPrecondition, Unavailable
from rookery_core.formats import mime
from rookery_server.services.submission import departing
from rookery_server.services.submission.settling import Result
from rookery_server.services.sync import push
from tests.support.mail import DRAFTS, OUTBOX, SENT, MailWorld, Outside
from tests.sync.devices import Device, Fleet, reason

if TYPE_CHECKING:
    from rookery.v1.sync_pb2 import SyncOperation
    from rookery_server.store.database import Database
    from tests.support.world import Person

APPLIED, REJECTED = sync_pb2.PUSH_OUTCOME_APPLIED, sync_pb2.PUSH_OUTCOME_REJECTED
HELD, PENDING = records.SUBMISSION_STATE_HELD, records.SUBMISSION_STATE_PENDING
TAKEN = Result(records.DELIVERY_STATE_RELAYED, "2.0.0", "250 thanks", "mx.other.example")
NEVER = Result(records.DELIVERY_STATE_FAILED, "5.1.1", "550 no such user", "mx.other.example")


@pytest.fixture
def world(database: Database) -> MailWorld:
    return MailWorld(database)


@pytest.fixture
def fleet(world: MailWorld, anna: Person) -> Fleet:
    return Fleet(world, anna)


@pytest.fixture
def device(fleet: Fleet) -> Device:
    return fleet.device()


def drafting(device: Device, *to: str, subject: str = "A letter") -> SyncOperation:
    record = item_pb2.Item(id=device.fleet.world.ids.new())
    record.summary.kind, record.summary.subject, record.summary.message.draft = item_pb2.ITEM_KIND_MESSAGE, subject, True
    for address in to:
        record.content.recipients.add().person.address = address
    return device.operation(create_item=item_service_pb2.CreateItemRequest(item=record))


def submitting(device: Device, item_id: bytes, *needs: SyncOperation, fail: bool = False, **fields: Any) -> SyncOperation:
    request = messages.SubmitRequest(item_id=item_id, submission_id=device.fleet.world.ids.new(), **fields)
    operation = device.operation(submit=request, fail=fail)
    operation.depends_on.extend(each.operation_id for each in needs)
    return operation


def cancelling(device: Device, submission_id: bytes, *needs: SyncOperation) -> SyncOperation:
    operation = device.operation(cancel_submission=messages.CancelSubmissionRequest(submission_id=submission_id))
    operation.depends_on.extend(each.operation_id for each in needs)
    return operation


def resending(device: Device, submission_id: bytes) -> SyncOperation:
    return device.operation(resend_submission=messages.ResendSubmissionRequest(submission_id=submission_id))


async def test_a_draft_made_changed_and_sent_offline_leaves_as_it_was_written(
    fleet: Fleet, device: Device, world: MailWorld, anna: Person
) -> None:
    before = await fleet.revision()
    made = drafting(device, "x@other.example")
    item_id = made.create_item.item.id
    edited = device.rename(item_id, "Better")
    sent = submitting(device, item_id, made, edited, undo_seconds=20)
    answers = await device.send(made, edited, sent, drafting(device))
    assert [answer.outcome for answer in answers] == [APPLIED] * 4
    assert [answer.revision for answer in answers] == [before + 1, before + 2, before + 3, before + 4]
    submission = answers[2].submission
    assert (submission.id, submission.item_id, submission.revision) == (sent.submit.submission_id, item_id, before + 3)
    assert submission.state == HELD and submission == await world.submission(anna, submission.id)
    assert mime.parse(await world.message(anna, submission.id)).summary.subject == "Better"
    assert [item.id for item in await world.within(anna, OUTBOX)] == [item_id]
    assert fleet.woken == 1
    await world.check_counters(anna)


async def test_a_lost_answer_is_asked_for_again_and_the_mail_is_sent_once(
    fleet: Fleet, device: Device, world: MailWorld, anna: Person
) -> None:
    made = drafting(device, "x@other.example")
    sent = submitting(device, made.create_item.item.id, made)
    batch = [made, sent, cancelling(device, sent.submit.submission_id, sent)]
    first = await device.send(*batch)
    revision = await fleet.revision()
    again = await device.stream(batch)
    assert all(answer.duplicate for answer in again)
    for answer in again:
        answer.duplicate = False
    assert again == first
    assert await fleet.revision() == revision
    [submission] = (await world.listed(anna)).submissions
    assert submission.state == records.SUBMISSION_STATE_CANCELLED
    assert [item.id for item in await world.within(anna, DRAFTS)] == [submission.item_id] and await world.due() == []


async def test_the_same_submit_on_two_connections_at_once_sends_one_mail(device: Device, world: MailWorld, anna: Person) -> None:
    sent = submitting(device, await world.draft(anna, "x@other.example"))
    answers = await asyncio.gather(*(device.do(sent) for _ in range(4)))
    assert sorted(answer.duplicate for answer in answers) == [False, True, True, True]
    assert {answer.submission.id for answer in answers} == {sent.submit.submission_id}
    assert len((await world.listed(anna)).submissions) == 1


async def test_what_can_not_be_sent_is_rejected_and_does_not_stop_the_others(
    device: Device, world: MailWorld, anna: Person
) -> None:
    draft, nobody = await world.draft(anna, "x@other.example"), await world.draft(anna)
    foreign = await world.draft(anna, "x@other.example", author="ben@rookery.example")
    failed = drafting(device)
    failed.create_item.item.folder_id = b"short"
    nameless = submitting(device, draft)
    nameless.submit.ClearField("submission_id")
    unsent = submitting(device, world.ids.new())
    answers = await device.send(
        submitting(device, nobody),
        submitting(device, foreign),
        unsent,
        cancelling(device, unsent.submit.submission_id, unsent),
        failed,
        submitting(device, failed.create_item.item.id, failed),
        nameless,
        submitting(device, draft, undo_seconds=601),
        cancelling(device, world.ids.new()),
        submitting(device, draft),
        submitting(device, draft),
    )
    reasons = ["NO_RECIPIENTS", "SENDER_NOT_ALLOWED", "ITEM_NOT_FOUND", "DEPENDS_ON", "ID_INVALID", "DEPENDS_ON", "ID_INVALID"]
    assert [reason(answer) for answer in answers] == [*reasons, "LIMIT_EXCEEDED", "SUBMISSION_NOT_FOUND", "", "NOT_A_DRAFT"]
    assert len((await world.listed(anna)).submissions) == 1
    assert {item.id for item in await world.within(anna, DRAFTS)} == {nobody, foreign}


async def test_a_refusal_is_the_answer_to_the_repetition_too(device: Device, world: MailWorld, anna: Person) -> None:
    draft = await world.draft(anna)
    sent = submitting(device, draft)
    assert reason(await device.do(sent)) == "NO_RECIPIENTS"
    edit = item_pb2.Item(id=draft)
    lists = item_service_pb2.ListEdits()
    lists.add_recipients.add().person.address = "x@other.example"
    assert (await device.do(device.edit(edit, lists=lists))).outcome == APPLIED
    again = await device.do(sent)
    assert again.duplicate and reason(again) == "NO_RECIPIENTS"
    assert (await device.do(submitting(device, draft))).outcome == APPLIED


async def test_a_draft_that_another_device_changed_leaves_with_that_change(
    fleet: Fleet, device: Device, world: MailWorld, anna: Person
) -> None:
    draft = await world.draft(anna, "x@other.example")
    await device.see()
    await fleet.device().do(fleet.device().rename(draft, "By another"))
    sent = await device.do(submitting(device, draft, etag=1))
    assert sent.outcome == APPLIED
    assert mime.parse(await world.message(anna, sent.submission.id)).summary.subject == "By another"


async def test_who_asks_to_be_told_of_other_changes_is_told_of_others_alone(
    fleet: Fleet, device: Device, world: MailWorld, anna: Person
) -> None:
    foreign, own = await world.draft(anna, "x@other.example"), await world.draft(anna, "x@other.example")
    await device.see()
    await fleet.device().do(fleet.device().rename(foreign, "By another"))
    stale = await device.do(submitting(device, foreign, fail=True))
    assert (stale.outcome, reason(stale)) == (REJECTED, "STALE_ETAG")
    mine = await device.send(device.rename(own, "By myself"), submitting(device, own, fail=True))
    assert [answer.outcome for answer in mine] == [APPLIED, APPLIED]
    made = drafting(device, "x@other.example")
    assert (await device.send(made, submitting(device, made.create_item.item.id, made, fail=True)))[1].outcome == APPLIED
    await device.see()
    assert (await device.do(submitting(device, foreign, fail=True))).outcome == APPLIED


async def test_a_draft_that_is_edited_while_it_is_submitted_leaves_as_it_is_then(
    fleet: Fleet, device: Device, world: MailWorld, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = await world.draft(anna, "x@other.example")
    prepare, edits = departing.prepare, ["once", "twice"]

    async def edited_meanwhile(*arguments: Any, **named: Any) -> departing.Departing:
        ready = await prepare(*arguments, **named)
        if edits:
            await fleet.device().do(fleet.device().rename(draft, edits.pop(0)))
        return ready

    monkeypatch.setattr(departing, "prepare", edited_meanwhile)
    made = drafting(device)
    answers = await device.send(made, submitting(device, draft))
    assert [answer.outcome for answer in answers] == [APPLIED, APPLIED]
    assert mime.parse(await world.message(anna, answers[1].submission.id)).summary.subject == "twice"


async def test_a_draft_that_is_edited_all_the_time_ends_the_call_behind_the_answers_so_far(
    fleet: Fleet, device: Device, world: MailWorld, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = await world.draft(anna, "x@other.example")
    prepare = departing.prepare

    async def edited_always(*arguments: Any, **named: Any) -> departing.Departing:
        ready = await prepare(*arguments, **named)
        await fleet.device().do(fleet.device().rename(draft, world.ids.new().hex()))
        return ready

    sent = submitting(device, draft)
    with monkeypatch.context() as patched:
        patched.setattr(departing, "prepare", edited_always)
        assert len(await device.send(drafting(device), sent, drafting(device))) == 1
        with pytest.raises(Unavailable):
            await device.send(sent)
    assert (await device.do(sent)).outcome == APPLIED, "it was not answered, so it may be sent again"


async def test_what_has_left_is_not_called_back_and_goes_again_to_those_who_failed(
    fleet: Fleet, device: Device, world: MailWorld, anna: Person
) -> None:
    sent = (await device.do(submitting(device, await world.draft(anna, "a@one.example", "b@one.example")))).submission
    await world.work(Outside(lambda claimed: [TAKEN, NEVER]))
    late = await device.do(cancelling(device, sent.id))
    assert (late.outcome, reason(late)) == (REJECTED, "SUBMISSION_FINAL")
    again, woken = resending(device, sent.id), fleet.woken
    first = await device.do(again)
    assert first.outcome == APPLIED and fleet.woken == woken + 1
    states = [records.DELIVERY_STATE_RELAYED, records.DELIVERY_STATE_QUEUED]
    assert [each.state for each in first.submission.recipients] == states
    outside = Outside(lambda claimed: [TAKEN] * len(claimed.recipients))
    await world.work(outside)
    assert (await device.do(again)).duplicate
    await world.work(outside)
    assert outside.carried == [("one.example", ["b@one.example"])]
    assert reason(await device.do(resending(device, sent.id))) == "NOTHING_FAILED"
    assert [item.id for item in await world.within(anna, SENT)] == [sent.item_id]


async def test_more_answers_than_a_response_holds_are_left_to_the_next_call(
    device: Device, world: MailWorld, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "ANSWER_BYTES", 300)
    batch = [submitting(device, await world.draft(anna, "x@other.example")) for _ in range(4)]
    answered: list[bytes] = []
    while len(answered) < len(batch):
        answers = await device.send(*batch[len(answered) :])
        assert 0 < len(answers) < len(batch)
        answered += [answer.operation_id for answer in answers]
    assert answered == [operation.operation_id for operation in batch]


async def test_a_submit_for_another_epoch_sends_nothing(device: Device, world: MailWorld, anna: Person) -> None:
    draft = await world.draft(anna, "x@other.example")
    request = sync_service_pb2.PushRequest(operations=[submitting(device, draft)], epoch=b"another epoch 16")
    with pytest.raises(FailedPrecondition) as caught:
        await device.fleet.push.push_batch(device.caller, sync_service_pb2.PushBatchRequest(push=request))
    assert caught.value.reason == "EPOCH_CHANGED"
    assert await world.due() == [] and [item.id for item in await world.within(anna, DRAFTS)] == [draft]


async def test_an_edit_of_a_draft_that_another_device_has_sent_is_kept_and_the_copy_stays_what_left(
    fleet: Fleet, device: Device, world: MailWorld, anna: Person
) -> None:
    draft, other = await world.draft(anna, "x@other.example", subject="As sent"), fleet.device()
    await device.see()
    await other.see()
    assert (await other.do(submitting(other, draft))).outcome == APPLIED
    edit = device.rename(draft, "Too late", at=60)
    answer = await device.do(edit)
    assert (answer.outcome, list(answer.lost_units)) == (sync_pb2.PUSH_OUTCOME_CONFLICT, ["summary.subject"])
    [outgoing] = await world.within(anna, OUTBOX)
    assert outgoing.summary.subject == "As sent" and not outgoing.summary.message.draft
    assert (await fleet.conflict(draft, device)).summary.subject == "Too late"
    stale = await device.do(device.rename(draft, "Tell me", fail=True))
    assert (stale.outcome, reason(stale)) == (REJECTED, "STALE_ETAG")
    assert reason(await device.do(device.rename(draft, "x" * 100_000))) == "FIELD_INVALID"
    await device.see()
    assert (await device.do(device.rename(draft, "A name for the archive"))).outcome == APPLIED


async def test_an_edit_of_a_draft_that_was_sent_and_called_back_is_applied(
    fleet: Fleet, device: Device, world: MailWorld, anna: Person
) -> None:
    draft, other = await world.draft(anna, "x@other.example"), fleet.device()
    await device.see()
    sent = await other.do(submitting(other, draft, undo_seconds=60))
    await other.do(cancelling(other, sent.submission.id))
    assert (await device.do(device.rename(draft, "Still mine"))).outcome == APPLIED
    assert [item.summary.subject for item in await world.within(anna, DRAFTS)] == ["Still mine"]
