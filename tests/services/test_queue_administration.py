"""The queue in an administrator's hands: seen, tried at once, released, given up."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from rookery.v1 import queue_service_pb2 as messages
from rookery.v1 import submission_pb2 as records
from rookery_core.errors import InvalidArgument, NotFound, PermissionDenied
from rookery_server.gateway.destinations import Feedback
from rookery_server.gateway.figures import Figures
from rookery_server.gateway.traffic import Traffic
from rookery_server.services.caller import MACHINE_ADMINISTRATOR
from rookery_server.services.page_tokens import PageTokens
from rookery_server.services.submission.queue_administration import QueueAdministration
from rookery_server.services.submission.queue_destinations import QueueDestinations
from rookery_server.services.submission.settling import Result
from rookery_server.store import backup, outgoing
from rookery_server.store.outgoing import Wanted
from tests.support.mail import INBOX, OUTBOX, SENT, MailWorld, Outside, until

if TYPE_CHECKING:
    from rookery.v1.submission_pb2 import Submission
    from rookery_server.store.database import Database
    from tests.support.world import Person

LATER = Result(records.DELIVERY_STATE_DEFERRED, "4.2.0", "450 not now", "mx.one.example[192.0.2.1]:25")
REFUSED = Result(records.DELIVERY_STATE_FAILED, "5.1.1", "550 no such user", "mx.one.example[192.0.2.1]:25")
TAKEN = Result(records.DELIVERY_STATE_RELAYED, "2.0.0", "250 thanks", "mx.one.example[192.0.2.1]:25")
BOSS = MACHINE_ADMINISTRATOR


def always(result: Result) -> Outside:
    return Outside(lambda claimed: [result] * len(claimed.recipients))


class Office(MailWorld):
    """A world whose queue is looked after."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        shared = (database, self.operations, PageTokens(b"k" * 32), self.clock)
        self.administration = QueueAdministration(*shared, self.reports, retry=self.retry_now)
        self.by_destination = QueueDestinations(database, Traffic(self.figures, self.destinations, lambda domain: domain))

    async def listed(self, **fields: object) -> list[messages.QueuedRecipient]:  # type: ignore[override]
        request = messages.ListQueueRequest(**fields)  # type: ignore[arg-type]
        found: list[messages.QueuedRecipient] = []
        while True:
            response = await self.administration.list_queue(BOSS, request)
            found += response.recipients
            request.page_token = response.next_page_token
            if not request.page_token:
                return found

    async def listed_destinations(self, limit: int = 0) -> list[messages.Destination]:
        request = messages.ListDestinationsRequest(limit=limit)
        return list((await self.by_destination.list_destinations(BOSS, request)).destinations)

    async def retry(self, person: Person, submission: Submission) -> int:
        request = messages.RetryQueuedRequest(operation_id=self.ids.new(), mailbox_id=person.mailbox, submission_id=submission.id)
        answer = await self.administration.retry_queued(BOSS, request)
        return messages.RetryQueuedResponse.FromString(answer).recipient_count

    async def hold(self, person: Person, submission: Submission) -> int:
        request = messages.HoldQueuedRequest(operation_id=self.ids.new(), mailbox_id=person.mailbox, submission_id=submission.id)
        return messages.HoldQueuedResponse.FromString(await self.administration.hold_queued(BOSS, request)).recipient_count

    async def release(self, person: Person, submission: Submission) -> int:
        request = messages.ReleaseQueuedRequest(operation_id=self.ids.new(), mailbox_id=person.mailbox, submission_id=submission.id)
        return messages.ReleaseQueuedResponse.FromString(await self.administration.release_queued(BOSS, request)).recipient_count

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
    with pytest.raises(PermissionDenied):
        await world.administration.hold_queued(anna.caller, messages.HoldQueuedRequest(**which))
    with pytest.raises(PermissionDenied):
        await world.administration.release_queued(anna.caller, messages.ReleaseQueuedRequest(**which))
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


async def test_a_message_is_held_until_it_is_released(world: Office, anna: Person) -> None:
    sent = await world.send(anna, "a@one.example", "b@two.example")
    before = await world.submission(anna, sent.id)
    assert await world.hold(anna, sent) == 2
    assert await world.hold(anna, sent) == 0, "it is held already"
    held = await world.submission(anna, sent.id)
    assert held.state == records.SUBMISSION_STATE_HELD and held.revision > before.revision
    world.clock.advance(days=10)
    outside = always(TAKEN)
    await world.work(outside)
    assert outside.carried == [] and [each.HasField("due") for each in await world.listed()] == [False, False]
    assert await world.release(anna, sent) == 2
    assert await world.release(anna, sent) == 0
    released = await world.submission(anna, sent.id)
    assert released.state == records.SUBMISSION_STATE_PENDING and released.revision > held.revision
    await world.work(always(LATER))
    assert len(await world.listed()) == 2, "its five days begin anew"
    assert await world.retry(anna, sent) == 2
    await world.work(outside)
    assert len(outside.carried) == 2
    with pytest.raises(NotFound):
        await world.hold(anna, records.Submission(id=world.ids.new()))


async def test_what_somebody_has_already_stays_final_while_the_rest_is_held(world: Office, anna: Person) -> None:
    sent = await world.send(anna, "a@one.example", "b@two.example")
    await world.work(Outside(lambda claimed: [TAKEN if claimed.recipients[0].domain == "two.example" else LATER]))
    assert await world.hold(anna, sent) == 1
    assert (await world.submission(anna, sent.id)).state == records.SUBMISSION_STATE_FINAL
    assert await world.release(anna, sent) == 1
    assert (await world.submission(anna, sent.id)).state == records.SUBMISSION_STATE_FINAL


async def test_what_is_being_tried_is_not_held(world: Office, anna: Person) -> None:
    sent = await world.send(anna, "a@one.example", "b@two.example")
    now = world.clock.now
    await world.database.write(
        lambda transaction: outgoing.claim(transaction.connection, [Wanted("one.example", 1)], b"o" * 16, now, now + 60_000_000, 10)
    )
    assert await world.hold(anna, sent) == 1
    assert [each.is_leased for each in await world.listed() if each.HasField("due")] == [True]


async def test_what_a_dead_process_had_taken_on_is_in_the_administrators_hands(world: Office, anna: Person) -> None:
    parked, given_up = await world.send(anna, "a@one.example"), await world.send(anna, "b@one.example")
    now, until = world.clock.now, world.clock.now + 60_000_000
    claim = partial(outgoing.claim, wanted=[Wanted("one.example", 10)], owner=b"d" * 16, now=now, until=until, together=50)
    await world.database.write(lambda transaction: claim(transaction.connection))
    assert [each.is_leased for each in await world.listed()] == [True, True]
    assert (await world.hold(anna, parked), await world.delete_queued(anna, given_up)) == (0, 0)
    world.clock.advance(seconds=61)
    assert [each.is_leased for each in await world.listed()] == [False, False]
    assert (await world.hold(anna, parked), await world.delete_queued(anna, given_up)) == (1, 1)
    outside = always(TAKEN)
    await world.work(outside)
    assert outside.carried == []
    assert await world.release(anna, parked) == 1
    await world.work(outside)
    assert outside.carried == [("one.example", ["a@one.example"])]


@pytest.mark.parametrize("action", ["retry", "release"])
async def test_what_an_administrator_wants_tried_is_tried_though_its_host_did_not_answer(
    world: Office, anna: Person, action: str
) -> None:
    first, second = await world.send(anna, "a@one.example"), await world.send(anna, "b@two.example")
    if action == "release":
        await world.hold(anna, first)
    for _ in range(3):
        for domain in ("one.example", "two.example"):
            world.destinations.begin(domain)
            world.destinations.end(domain, Feedback.FAULT)
    outside = always(TAKEN)
    async with world.working(outside):
        assert await (world.retry if action == "retry" else world.release)(anna, first) == 1
        await until(lambda: delivered(world, anna, first))
    assert outside.carried == [("one.example", ["a@one.example"])]
    assert world.destinations.pressure("two.example").paused_until > world.clock.now
    assert (await world.submission(anna, second.id)).recipients[0].attempts == 0


async def delivered(world: Office, person: Person, sent: Submission) -> bool:
    return (await world.submission(person, sent.id)).recipients[0].state == records.DELIVERY_STATE_RELAYED


async def test_a_domain_may_be_written_as_people_write_it(world: Office, anna: Person) -> None:
    await world.send(anna, "a@one.example", "b@später.example", "c@[192.0.2.1]")
    for written, address in (("ONE.Example", "a@"), ("SPÄTER.example", "b@"), ("[192.0.2.1]", "c@")):
        [found] = await world.listed(domain=written)
        assert found.recipient.person.address.startswith(address)
    with pytest.raises(InvalidArgument):
        await world.listed(domain="no domain")


async def test_what_is_sent_again_waits_while_the_message_is_held(world: Office, anna: Person) -> None:
    sent = await world.send(anna, "a@one.example", "b@one.example")
    await world.work(Outside(lambda claimed: [REFUSED, LATER]))
    assert await world.hold(anna, sent) == 1
    await world.send_again(anna, sent.id)
    outside = always(TAKEN)
    await world.work(outside)
    assert outside.carried == []
    assert await world.release(anna, sent) == 2
    await world.work(outside)
    assert outside.carried == [("one.example", ["a@one.example", "b@one.example"])]


async def test_releasing_does_not_undo_what_the_sender_holds_back(world: Office, anna: Person) -> None:
    later = await world.submit(anna, await world.draft(anna, "a@one.example"), undo_seconds=60)
    assert await world.hold(anna, later) == 1
    assert await world.release(anna, later) == 1
    outside = always(TAKEN)
    await world.work(outside)
    assert outside.carried == []
    world.clock.advance(seconds=61)
    await world.work(outside)
    assert len(outside.carried) == 1


async def test_a_held_message_may_be_called_back(world: Office, anna: Person) -> None:
    sent = await world.send(anna, "a@one.example")
    await world.hold(anna, sent)
    assert (await world.call_back(anna, sent.id)).state == records.SUBMISSION_STATE_CANCELLED
    assert await world.release(anna, sent) == 0
    assert await world.listed() == []


async def test_destinations_tell_what_waits_for_them_the_most_first(world: Office, anna: Person) -> None:
    world.clock.advance(seconds=3600)
    first = world.clock.now
    await world.send(anna, "a@one.example")
    world.clock.advance(seconds=10)
    await world.send(anna, "a@one.example", "b@one.example", "c@two.example")
    held = await world.send(anna, "d@three.example")
    await world.hold(anna, held)
    await world.send(anna, "anna@rookery.example")
    found = await world.listed_destinations()
    assert [(one.name, one.waiting) for one in found] == [("one.example", 3), ("here", 1), ("two.example", 1)]
    assert found[0].oldest.ToMicroseconds() == first
    await world.work(always(LATER))
    found = await world.listed_destinations()
    assert [(one.name, one.waiting, one.delivered, one.deferred) for one in found] == [
        ("one.example", 3, 0, 3),
        ("two.example", 1, 0, 1),
        ("here", 0, 1, 0),
    ]
    assert [one.name for one in await world.listed_destinations(limit=1)] == ["one.example"]
    with pytest.raises(InvalidArgument):
        await world.listed_destinations(limit=1001)
    with pytest.raises(PermissionDenied):
        await world.by_destination.list_destinations(anna.caller, messages.ListDestinationsRequest())


async def test_what_goes_by_one_smarthost_is_one_destination(world: Office, anna: Person) -> None:
    await world.send(anna, "a@one.example", "c@two.example")
    by_smarthost = QueueDestinations(world.database, Traffic(Figures(), world.destinations, lambda _: "relay.example"))
    found = (await by_smarthost.list_destinations(BOSS, messages.ListDestinationsRequest())).destinations
    assert [(one.name, one.waiting) for one in found] == [("relay.example", 2)]
