"""Mail that was sent is an object of its own: all of the sender's devices see where it stands, and none of them sends it twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2, sync_pb2, sync_service_pb2
from rookery.v1 import submission_pb2 as records
from rookery.v1 import submission_service_pb2 as messages
from tests.support.mail import until
from tests.sync.rules.home import APPLIED, Home

if TYPE_CHECKING:
    from rookery.v1.submission_pb2 import Submission
    from rookery.v1.sync_pb2 import SyncOperation
    from tests.sync.rules.home import Device

DRAFTS, SENT = folder_pb2.FOLDER_ROLE_DRAFTS, folder_pb2.FOLDER_ROLE_SENT
DELIVERED, RELAYED = records.DELIVERY_STATE_DELIVERED, records.DELIVERY_STATE_RELAYED
HERE, ELSEWHERE = "ben@rookery.test", "x@other.example"


@pytest.fixture
async def ben(home: Home) -> Home:
    return Home(home.server, await home.server.add_person("ben"))


def letter(device: Device, *to: str, **fields: Any) -> list[SyncOperation]:
    """A letter, written and sent on a device."""
    ids = device.home.server.ids
    record = item_pb2.Item(id=ids.new())
    record.summary.kind, record.summary.subject, record.summary.message.draft = item_pb2.ITEM_KIND_MESSAGE, "Letter", True
    for address in to:
        record.content.recipients.add().person.address = address
    written = device.operation(create_item=item_service_pb2.CreateItemRequest(item=record))
    request = messages.SubmitRequest(item_id=record.id, submission_id=ids.new(), **fields)
    return [written, device.operation(submit=request, depends_on=[written.operation_id])]


async def subjects(home: Home) -> list[str]:
    return [item.summary.subject for item in (await home.all_items()).values()]


async def asked(home: Home, submission_id: bytes) -> Submission:
    """A submission as a client without a replica reads it."""
    request = messages.GetSubmissionRequest(submission_id=submission_id)
    found: Submission = (await home.ask(home.submissions.GetSubmission, request)).submission
    return found


async def test_a_followed_stream_tells_of_a_mail_from_its_start_to_each_recipient_s_end(
    home: Home, ben: Home, phone: Device
) -> None:
    laptop = await home.device("laptop", sync_pb2.SyncScope(folder_ids=[await home.role(DRAFTS)]))
    await laptop.news()
    stream = phone.stream(follow=True)
    phone.apply(await stream.read())
    operations = letter(laptop, HERE, ELSEWHERE)
    results = await laptop.push(*operations)
    assert [result.outcome for result in results] == [APPLIED, APPLIED]
    submission_id = results[1].submission.id
    seen: list[Submission] = []
    while not seen or [each.state for each in seen[-1].recipients] != [DELIVERED, RELAYED]:
        batch = await stream.read()
        phone.apply(batch)
        seen += [each for each in batch.submissions if each.id == submission_id]
    stream.cancel()
    revisions = [each.revision for each in seen]
    assert seen[-1].state == records.SUBMISSION_STATE_FINAL and revisions == sorted(set(revisions))
    assert seen[-1] == await asked(home, submission_id)
    await phone.news()
    await phone.require_equal()
    assert phone.items[operations[0].create_item.item.id].folder_id == await home.role(SENT)
    await laptop.news()
    assert laptop.submissions == phone.submissions and laptop.items == {}, "submissions are in every scope"
    assert await subjects(ben) == ["Letter"]


async def test_a_mail_whose_answer_was_lost_is_sent_once(home: Home, ben: Home, phone: Device) -> None:
    operations = letter(phone, HERE)
    requests = [sync_service_pb2.PushRequest(operations=operations)]
    call = home.sync.Push(iter(requests), metadata=phone.metadata)
    while not (await phone.news()).submissions:
        pass
    call.cancel()  # it was carried out, and nobody read the answer
    answers = [result for answer in await phone.push_stream(requests) for result in answer.results]
    assert [(result.outcome, result.duplicate) for result in answers] == [(APPLIED, True)] * 2
    again = await phone.push(*operations)
    assert again == answers

    async def has_arrived() -> bool:
        return (await asked(home, again[1].submission.id)).state == records.SUBMISSION_STATE_FINAL

    await until(has_arrived)
    assert await subjects(ben) == ["Letter"] and await subjects(home) == ["Letter"]


async def test_a_mail_called_back_on_another_device_is_a_draft_on_all(home: Home, ben: Home, phone: Device) -> None:
    (written, sent) = await phone.push(*letter(phone, HERE, undo_seconds=60))
    laptop = await home.device("laptop")
    await laptop.news()
    assert laptop.submissions[sent.submission.id].state == records.SUBMISSION_STATE_HELD
    request = messages.CancelSubmissionRequest(submission_id=sent.submission.id)
    assert (await laptop.do(laptop.operation(cancel_submission=request))).outcome == APPLIED
    for device in (phone, laptop):
        await device.news()
        await device.require_equal()
        assert device.submissions[sent.submission.id].state == records.SUBMISSION_STATE_CANCELLED
        draft = device.items[written.item.id]
        assert draft.summary.message.draft and draft.folder_id == await home.role(DRAFTS)
    assert await subjects(ben) == []
