"""The queue in an administrator's hands: seen, tried at once, released, given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1 import queue_service_pb2 as messages
from rookery.v1 import submission_pb2 as records
from rookery_core.errors import InvalidArgument, NotFound, PermissionDenied
from rookery_server.services.caller import MACHINE_ADMINISTRATOR
from rookery_server.services.page_tokens import PageTokens
from rookery_server.services.submission.queue_administration import QueueAdministration
from rookery_server.services.submission.settling import Result
from rookery_server.store import backup
from tests.support.mail import INBOX, OUTBOX, SENT, MailWorld, Outside

if TYPE_CHECKING:
    from rookery.v1.submission_pb2 import Submission
    from rookery_server.store.database import Database
    from tests.support.world import Person

LATER = Result(records.DELIVERY_STATE_DEFERRED, "4.2.0", "450 not now", "mx.one.example[192.0.2.1]:25")
TAKEN = Result(records.DELIVERY_STATE_RELAYED, "2.0.0", "250 thanks", "mx.one.example[192.0.2.1]:25")
BOSS = MACHINE_ADMINISTRATOR


def always(result: Result) -> Outside:
    return Outside(lambda claimed: [result] * len(claimed.recipients))


class Office(MailWorld):
    """A world whose queue is looked after."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        shared = (database, self.operations, PageTokens(b"k" * 32), self.clock)
        self.administration = QueueAdministration(*shared, self.reports, wake=self._wake)

    async def listed(self, **fields: object) -> list[messages.QueuedRecipient]:  # type: ignore[override]
        request = messages.ListQueueRequest(**fields)  # type: ignore[arg-type]
        found: list[messages.QueuedRecipient] = []
        while True:
            response = await self.administration.list_queue(BOSS, request)
            found += response.recipients
            request.page_token = response.next_page_token
            if not request.page_token:
                return found

    async def retry(self, person: Person, submission: Submission) -> int:
        request = messages.RetryQueuedRequest(operation_id=self.ids.new(), mailbox_id=person.mailbox, submission_id=submission.id)
        answer = await self.administration.retry_queued(BOSS, request)
        return messages.RetryQueuedResponse.FromString(answer).recipient_count

    async def delete_queued(self, person: Person, submission: Submission) -> int:
        request = messages.DeleteQueuedRequest(operation_id=self.ids.new(), mailbox_id=person.mailbox, submission_id=submission.id)
        answer = await self.administration.delete_queued(BOSS, request)
        return messages.DeleteQueuedResponse.FromString(answer).recipient_count


@pytest.fixture
def world(database: Database) -> Office:
    return Office(database)


async def test_the_queue_shows_envelopes_page_by_page(world: Office, anna: Person, ben: Person) -> None:
    sent = await world.send(anna, "a@one.example", "b@two.example", "ben@rookery.example", subject="secret")
    await world.send(ben, "c@one.example", undo_seconds=0)
    called_back = await world.send(ben, "d@one.example")
    await world.call_back(ben, called_back.id)
    await world.work(always(LATER))
    found = await world.listed(page_size=1)
    assert sorted(each.recipient.person.address for each in found) == ["a@one.example", "b@two.example", "c@one.example"]
    assert b"secret" not in b"".join(each.SerializeToString() for each in found)
    first = next(each for each in found if each.recipient.person.address == "a@one.example")
    assert (first.mailbox_id, first.submission_id, first.sender) == (anna.mailbox, sent.id, "anna@rookery.example")
    assert first.recipient.reply == "450 not now" and first.recipient.attempts == 1 and not first.is_leased
    assert first.due.ToMicroseconds() > world.clock.now
    at_one = await world.listed(domain="one.example")
    assert sorted(each.recipient.person.address for each in at_one) == ["a@one.example", "c@one.example"]
    assert len(await world.listed(submission_id=sent.id)) == 2
    with pytest.raises(InvalidArgument):
        await world.listed(page_size=501)


async def test_only_administrators_look_after_the_queue(world: Office, anna: Person) -> None:
    sent = await world.send(anna, "a@one.example")
    which = {"operation_id": world.ids.new(), "mailbox_id": anna.mailbox, "submission_id": sent.id}
    with pytest.raises(PermissionDenied):
        await world.administration.list_queue(anna.caller, messages.ListQueueRequest())
    with pytest.raises(PermissionDenied):
        await world.administration.retry_queued(anna.caller, messages.RetryQueuedRequest(**which))
    with pytest.raises(PermissionDenied):
        await world.administration.delete_queued(anna.caller, messages.DeleteQueuedRequest(**which))
    assert len(await world.listed()) == 1


async def test_a_message_is_tried_before_its_time(world: Office, anna: Person) -> None:
    sent = await world.send(anna, "a@one.example", "b@two.example")
    await world.work(always(LATER))
    assert await world.retry(anna, sent) == 2
    await world.work(always(TAKEN))
    assert await world.listed() == []
    assert await world.retry(anna, sent) == 0
    with pytest.raises(NotFound):
        await world.retry(anna, records.Submission(id=world.ids.new()))


async def test_what_its_sender_holds_back_is_not_sent_by_others(world: Office, anna: Person) -> None:
    held = await world.submit(anna, await world.draft(anna, "a@one.example"), undo_seconds=60)
    assert await world.retry(anna, held) == 0
    assert (await world.submission(anna, held.id)).state == records.SUBMISSION_STATE_HELD


async def test_what_a_restored_backup_holds_is_released(world: Office, anna: Person) -> None:
    pending, final = await world.send(anna, "a@one.example"), await world.send(anna, "b@one.example", "c@two.example")
    await world.work(Outside(lambda claimed: [TAKEN if claimed.recipients[0].domain == "two.example" else LATER]))
    now = world.clock.now
    await world.database.write(lambda transaction: backup.begin_epoch(transaction.connection, world.ids.new, now, {}))
    world.clock.advance(days=10)
    outside = always(TAKEN)
    await world.work(outside)
    assert outside.carried == []
    assert [each.HasField("due") for each in await world.listed()] == [False, False]
    for each in (pending, final):
        assert (await world.submission(anna, each.id)).recipients[0].state == records.DELIVERY_STATE_DEFERRED
        assert await world.retry(anna, each) == 1
    await world.work(always(LATER))
    assert len(await world.listed()) == 2, "their five days begin anew"
    for each in (pending, final):
        await world.retry(anna, each)
    await world.work(outside)
    assert sorted(addresses for _, addresses in outside.carried) == [["a@one.example"], ["b@one.example"]]
    assert len(await world.within(anna, SENT)) == 2
    await world.check_counters(anna)


async def test_a_message_that_is_given_up_is_told_to_its_sender(world: Office, anna: Person) -> None:
    sent = await world.send(anna, "a@one.example", "b@two.example")
    await world.work(Outside(lambda claimed: [TAKEN if claimed.recipients[0].domain == "two.example" else LATER]))
    assert await world.delete_queued(anna, sent) == 1
    assert await world.delete_queued(anna, sent) == 0
    states = [each.state for each in (await world.submission(anna, sent.id)).recipients]
    assert states == [records.DELIVERY_STATE_FAILED, records.DELIVERY_STATE_RELAYED]
    [report] = await world.within(anna, INBOX)
    assert report.summary.subject == "Not delivered: A letter"
    assert await world.within(anna, OUTBOX) == []
    assert await world.listed() == []
