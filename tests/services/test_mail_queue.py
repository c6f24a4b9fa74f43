"""The queue's worker: everything that is accepted goes out, is tried again in time, or is given up; nothing goes twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from rookery.v1 import submission_pb2 as records
from rookery_core.errors import ResourceExhausted, RookeryError, Unavailable
from rookery_core.formats import mime
from rookery_server.gateway import settlements
from rookery_server.gateway import worker as worker_module
from rookery_server.gateway.carriers import CaptureCarrier
from rookery_server.gateway.destinations import Destinations, Feedback
from rookery_server.services.submission import settling
from rookery_server.services.submission.settling import Attempt, Result, settle
from rookery_server.store import outgoing
from rookery_server.store.outgoing import Wanted
from tests.support.mail import OUTBOX, SENT, MailWorld, Outside, until

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rookery.v1.submission_pb2 import Submission
    from rookery_server.store.database import Database
    from rookery_server.store.outgoing import Claimed
    from rookery_server.store.units import Transaction
    from tests.support.world import Person

RELAYED, DEFERRED = records.DELIVERY_STATE_RELAYED, records.DELIVERY_STATE_DEFERRED
FAILED, EXPIRED = records.DELIVERY_STATE_FAILED, records.DELIVERY_STATE_EXPIRED
FINAL, PENDING = records.SUBMISSION_STATE_FINAL, records.SUBMISSION_STATE_PENDING
TAKEN = Result(RELAYED, "2.0.0", "250 thanks", "mx.other.example[192.0.2.1]:25")
LATER = Result(DEFERRED, "4.3.0", "450 not now", "mx.other.example[192.0.2.1]:25")
NEVER = Result(FAILED, "5.1.1", "550 no such user", "mx.other.example[192.0.2.1]:25")
LOST = Result(DEFERRED, "4.4.2", "the connection was lost", ambiguous=True)


@pytest.fixture
def world(database: Database) -> MailWorld:
    return MailWorld(database)


def always(result: Result) -> Outside:
    return Outside(lambda claimed: [result] * len(claimed.recipients))


def states(submission: Submission) -> list[int]:
    return [each.state for each in submission.recipients]


async def has_left(world: MailWorld, person: Person, submission: Submission) -> bool:
    return states(await world.submission(person, submission.id)) == [RELAYED]


async def test_recipients_at_one_domain_go_together_and_others_apart(world: MailWorld, anna: Person) -> None:
    outside = always(TAKEN)
    sent = await world.send(anna, "a@one.example", "b@two.example", "c@one.example")
    await world.work(outside)
    assert sorted(outside.carried) == [("one.example", ["a@one.example", "c@one.example"]), ("two.example", ["b@two.example"])]
    after = await world.submission(anna, sent.id)
    assert after.state == FINAL and states(after) == [RELAYED] * 3
    assert after.recipients[0].remote_host == TAKEN.host and after.recipients[0].reply == TAKEN.reply
    assert [each.attempts for each in after.recipients] == [1] * 3
    assert [item.id for item in await world.within(anna, SENT)] == [sent.item_id]
    assert await world.due() == []


async def test_so_many_recipients_go_at_once(world: MailWorld, anna: Person) -> None:
    outside = always(TAKEN)
    await world.send(anna, *(f"{number}@one.example" for number in range(7)))
    await world.work(outside, together=3)
    assert sorted(len(addresses) for _, addresses in outside.carried) == [1, 3, 3]
    assert len({address for _, addresses in outside.carried for address in addresses}) == 7


async def test_what_is_put_off_comes_again_in_time_and_can_be_called_back(world: MailWorld, anna: Person) -> None:
    outside = always(LATER)
    sent = await world.send(anna, "a@one.example")
    await world.work(outside)
    after = await world.submission(anna, sent.id)
    assert after.state == PENDING and states(after) == [DEFERRED] and after.recipients[0].reply == "450 not now"
    pause = after.recipients[0].next_attempt.ToMicroseconds() - world.clock.now
    assert 120_000_000 <= pause <= 132_000_000
    await world.work(outside)
    assert len(outside.carried) == 1, "before its time"
    world.clock.now += pause
    await world.work(outside)
    assert (await world.submission(anna, sent.id)).recipients[0].attempts == 2
    assert [item.id for item in await world.within(anna, OUTBOX)] == [sent.item_id]
    assert (await world.call_back(anna, sent.id)).state == records.SUBMISSION_STATE_CANCELLED
    world.clock.advance(days=1)
    await world.work(outside)
    assert len(outside.carried) == 2


async def test_a_recipient_is_given_up_after_five_days(world: MailWorld, anna: Person) -> None:
    outside = always(LATER)
    sent = await world.send(anna, "a@one.example")
    for _ in range(200):
        due = await world.due()
        if not due:
            break
        world.clock.now = max(world.clock.now, due[0].at)
        await world.work(outside)
    after = await world.submission(anna, sent.id)
    assert after.state == FINAL and states(after) == [EXPIRED]
    assert world.clock.now - after.submitted.ToMicroseconds() >= 5 * 86_400_000_000
    assert len(outside.carried) == after.recipients[0].attempts > 50
    assert [item.id for item in await world.within(anna, SENT)] == [sent.item_id]
    again = await world.send_again(anna, sent.id)
    await world.work(always(TAKEN))
    assert states(await world.submission(anna, again.id)) == [RELAYED]


async def test_what_may_have_arrived_is_tried_again_and_not_called_back(world: MailWorld, anna: Person) -> None:
    sent = await world.send(anna, "a@one.example")
    messages = []

    async def message() -> None:
        messages.append(mime.parse(await world.message(anna, sent.id)).summary.message.message_id)

    await message()
    await world.work(always(LOST))
    after = await world.submission(anna, sent.id)
    assert after.state == FINAL and states(after) == [DEFERRED]
    await message()
    world.clock.advance(seconds=600)
    await world.work(always(TAKEN))
    assert states(await world.submission(anna, sent.id)) == [RELAYED]
    assert messages[0] == messages[1]
    assert len(await world.within(anna, SENT)) == 1


async def test_each_recipient_has_an_outcome_of_its_own(world: MailWorld, anna: Person) -> None:
    outside = Outside(lambda claimed: [TAKEN, LATER, NEVER])
    sent = await world.send(anna, "a@one.example", "b@one.example", "c@one.example")
    await world.work(outside)
    assert states(await world.submission(anna, sent.id)) == [RELAYED, DEFERRED, FAILED]
    world.clock.advance(seconds=600)
    again = always(TAKEN)
    await world.work(again)
    assert again.carried == [("one.example", ["b@one.example"])]
    assert states(await world.submission(anna, sent.id)) == [RELAYED, RELAYED, FAILED]


async def test_a_dead_destination_is_left_alone_and_the_others_are_served(world: MailWorld, anna: Person) -> None:
    def answer(claimed: Claimed) -> list[Result]:
        alive = claimed.recipients[0].domain == "alive.example"
        outside.feedback = Feedback.ALIVE if alive else Feedback.FAULT
        return [TAKEN if alive else LATER] * len(claimed.recipients)

    async def is_dead() -> bool:
        return world.destinations.ready_at("dead.example") > world.clock.now

    outside = Outside(answer)
    for _ in range(20):
        await world.send(anna, "a@dead.example")
    async with world.working(outside, at_once=1):
        await until(is_dead)
        before = Counter(domain for domain, _ in outside.carried)["dead.example"]
        sent = await world.send(anna, "a@alive.example")
        await until(lambda: has_left(world, anna, sent))
        assert Counter(domain for domain, _ in outside.carried)["dead.example"] == before < 20


class Tarpits(Outside):
    """Hosts that take a connection and say nothing, but for those of some domains."""

    def __init__(self, *alive: str) -> None:
        super().__init__(lambda claimed: [TAKEN] * len(claimed.recipients))
        self._alive = alive

    async def carry(self, claimed: Claimed) -> tuple[list[Result], Feedback]:
        if claimed.recipients[0].domain not in self._alive:
            await asyncio.Event().wait()
        return await super().carry(claimed)


async def test_hosts_that_say_nothing_hold_up_nobody(world: MailWorld, anna: Person) -> None:
    world.destinations = Destinations(world.clock, most_unanswered=24)
    await world.send(anna, "a@old.example")
    await world.work(always(TAKEN))  # it has answered before
    for number in range(11):
        for _ in range(3):
            await world.send(anna, f"a@tarpit{number}.example")
    outside = Tarpits("old.example", "new.example")
    async with world.working(outside, at_once=30):
        for address in ("a@new.example", *["a@old.example"] * 10):
            sent = await world.send(anna, address)
            await until(partial(has_left, world, anna, sent))


async def test_what_comes_to_an_end_together_is_written_down_together(world: MailWorld, anna: Person) -> None:
    settled: list[int] = []
    settle_them = settling.settle

    def counting(transaction: Transaction, attempts: Sequence[Attempt], owner: bytes, now: int) -> None:
        settled.append(len(attempts))
        settle_them(transaction, attempts, owner, now)

    sent = [await world.send(anna, f"a@{name}.example", f"b@{name}.example") for name in ("one", "two") * 6]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settling, "settle", counting)
        await world.work(always(TAKEN))
    assert sum(settled) == 12 and len(settled) < 12
    for submission in sent:
        after = await world.submission(anna, submission.id)
        assert after.state == FINAL and states(after) == [RELAYED] * 2
    assert sorted(item.id for item in await world.within(anna, SENT)) == sorted(submission.item_id for submission in sent)


async def test_a_result_that_comes_alone_is_written_at_once_and_the_next_waits_for_a_moment(
    world: MailWorld, anna: Person, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlements, "_MOMENT_SECONDS", 1000)
    outside = always(TAKEN)
    async with world.working(outside):
        first = await world.send(anna, "a@one.example")
        await until(partial(has_left, world, anna, first))
        second = await world.send(ben, "a@two.example")
        await until(lambda: _are_carried(outside, 2))
        assert not await has_left(world, ben, second)
    assert (await world.submission(ben, second.id)).state == PENDING, "it is as if it had not been tried"


async def _are_carried(outside: Outside, count: int) -> bool:
    return len(outside.carried) == count


async def test_a_result_that_can_not_be_written_does_not_take_others_with_it(
    world: MailWorld, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [await world.send(anna, "a@one.example") for _ in range(6)]
    settle_them = settling.settle

    def failing(transaction: Transaction, attempts: Sequence[Attempt], owner: bytes, now: int) -> None:
        if any(attempt.claimed.submission.id == sent[2].id for attempt in attempts):
            raise RuntimeError("this one is strange")
        settle_them(transaction, attempts, owner, now)

    monkeypatch.setattr(settling, "settle", failing)
    async with world.working(always(TAKEN)):
        for submission in (*sent[:2], *sent[3:]):
            await until(partial(has_left, world, anna, submission))
    assert not await has_left(world, anna, sent[2])


async def test_what_was_sent_is_not_sent_again_because_the_database_failed_for_a_moment(
    world: MailWorld, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[RookeryError] = [Unavailable("DATABASE_BUSY", "busy"), ResourceExhausted("DATABASE_FULL", "full")]
    settle_them = settling.settle

    def failing(transaction: Transaction, attempts: Sequence[Attempt], owner: bytes, now: int) -> None:
        if failures:
            raise failures.pop()
        settle_them(transaction, attempts, owner, now)

    monkeypatch.setattr(settling, "settle", failing)
    monkeypatch.setattr(settlements, "_BREATH_SECONDS", 0.01)
    outside = always(TAKEN)
    sent = await world.send(anna, "a@one.example")
    await world.work(outside)
    assert len(outside.carried) == 1
    assert await has_left(world, anna, sent)


async def test_a_lease_lasts_for_as_long_as_the_attempt(world: MailWorld, anna: Person) -> None:
    await world.send(anna, "a@one.example")
    async with world.working(Tarpits(), lease_seconds=0.3):
        for _ in range(2):
            [due] = await world.due()
            world.clock.now = max(world.clock.now, due.at) + 1

            async def is_renewed() -> bool:
                return [due for due in await world.due() if due.at > world.clock.now] != []

            await until(is_renewed)


async def test_a_worker_that_is_woken_works_at_once(world: MailWorld, anna: Person) -> None:
    outside = always(TAKEN)
    async with world.working(outside):
        await world.idle()
        async with asyncio.timeout(10):  # far below the time after which it looks by itself
            sent = await world.send(anna, "a@one.example")
            await until(lambda: has_left(world, anna, sent))
    assert outside.closed


class Interrupted(Outside):
    """Takes a message, and then the process dies before it is written down."""

    def __init__(self) -> None:
        super().__init__(lambda claimed: [TAKEN] * len(claimed.recipients))
        self.reached = asyncio.Event()

    async def carry(self, claimed: Claimed) -> tuple[list[Result], Feedback]:
        await super().carry(claimed)
        self.reached.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_what_a_dead_process_had_taken_on_comes_up_again(world: MailWorld, anna: Person) -> None:
    outside = Interrupted()
    sent = await world.send(anna, "a@one.example")
    async with world.working(outside):
        await outside.reached.wait()
    assert (await world.submission(anna, sent.id)).state == PENDING
    later = always(TAKEN)
    if world.database.dialect == "postgresql":  # another process may still be at it, as long as its lease runs
        await world.queue_looks(later)
        assert later.carried == []
        world.clock.advance(seconds=601)
    await world.work(later)
    assert len(later.carried) == 1
    assert states(await world.submission(anna, sent.id)) == [RELAYED]


async def test_a_late_success_counts_and_a_late_failure_does_not(world: MailWorld, anna: Person) -> None:
    """A lease that has run out, and the recipient is another's by now."""
    for late, expected in ((TAKEN, RELAYED), (NEVER, DEFERRED)):
        sent = await world.send(anna, "a@one.example")
        slow, now = b"s" * 16, world.clock.now
        claim = partial(outgoing.claim, wanted=[Wanted("one.example", 1)], owner=slow, now=now, until=now + 120_000_000, together=9)
        [claimed] = (await world.database.write(lambda transaction, claim=claim: claim(transaction.connection))).claimed
        world.clock.advance(seconds=601)
        await world.work(always(LATER))
        await world.database.write(partial(settle, attempts=[Attempt(claimed, [late])], owner=slow, now=world.clock.now))
        assert states(await world.submission(anna, sent.id)) == [expected]


async def test_two_workers_share_the_queue_and_send_nothing_twice(world: MailWorld, anna: Person, ben: Person) -> None:
    outside = always(TAKEN)
    sent = [(person, await world.send(person, "a@one.example", "b@two.example")) for person in (anna, ben) * 10]
    other = world.worker(outside, alone=False)
    other.start()
    try:
        await world.work(outside, alone=False)
    finally:
        await other.stop(5)
    assert Counter(domain for domain, _ in outside.carried) == {"one.example": 20, "two.example": 20}
    for person, submission in sent:
        assert states(await world.submission(person, submission.id)) == [RELAYED] * 2


async def test_a_database_that_fails_for_a_moment_delays_the_mail_and_loses_none(
    world: MailWorld, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [Unavailable("DATABASE_BUSY", "busy")] * 2
    read = outgoing.due

    def failing(connection: Connection, **which: bool) -> Sequence[object]:
        if failures:
            raise failures.pop()
        return read(connection, **which)

    monkeypatch.setattr(outgoing, "due", failing)
    monkeypatch.setattr(worker_module, "_BREATH_SECONDS", 0.01)
    sent = await world.send(anna, "a@one.example")
    await world.work(always(TAKEN))
    assert states(await world.submission(anna, sent.id)) == [RELAYED]


async def test_a_carrier_that_has_no_room_gives_back_what_it_was_handed(world: MailWorld, anna: Person) -> None:
    def answer(_: Claimed) -> list[Result]:
        raise Unavailable("DATABASE_BUSY", "busy")

    sent = await world.send(anna, "a@one.example")
    await world.work(Outside(answer))
    recipient = (await world.submission(anna, sent.id)).recipients[0]
    assert (recipient.state, recipient.attempts) == (records.DELIVERY_STATE_QUEUED, 0)
    assert await world.due() == [("one.example", world.clock.now + 60_000_000)]


async def test_captured_mail_is_a_file_with_its_envelope(world: MailWorld, anna: Person, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "captured"
    sent = await world.send(anna, "a@one.example", "b@two.example", bcc=("c@one.example",))
    message = await world.message(anna, sent.id)
    await world.work(CaptureCarrier(world.leaving, folder))
    found = sorted(path.read_bytes() for path in folder.iterdir())
    head = b"X-Rookery-Sender: anna@rookery.example\r\nX-Rookery-Recipients: "
    assert found == [head + b"a@one.example,\r\n c@one.example\r\n" + message, head + b"b@two.example\r\n" + message]
    after = await world.submission(anna, sent.id)
    assert states(after) == [RELAYED] * 3 and "captured" in after.recipients[0].reply
