"""What is submitted while there is a place for it goes straight to the worker, and whatever happens, it goes once."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from rookery.v1 import submission_pb2 as records
from rookery_core.errors import AlreadyExists, FailedPrecondition, Unavailable
from rookery_server.gateway.destinations import Destinations, Feedback
from rookery_server.services.submission.settling import Result
from rookery_server.store import outgoing
from tests.support.mail import MailWorld, Outside, until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rookery.v1.submission_pb2 import Submission
    from rookery_server.services.submission.submission_changes import Reserved
    from rookery_server.store.database import Database
    from rookery_server.store.outgoing import Claimed
    from tests.support.world import Person

TAKEN = Result(records.DELIVERY_STATE_RELAYED, "2.0.0", "250 thanks", "mx.other.example[192.0.2.1]:25")


class Hosts(Outside):
    """Other people's servers, which take a message once they are let."""

    def __init__(self) -> None:
        super().__init__(lambda claimed: [TAKEN] * len(claimed.recipients))
        self.messages: list[bytes | None] = []
        self.may_answer = asyncio.Event()

    async def carry(self, claimed: Claimed) -> tuple[list[Result], Feedback]:
        self.messages.append(claimed.message)
        found = await super().carry(claimed)
        await self.may_answer.wait()
        return found

    async def has(self, count: int) -> bool:
        return len(self.carried) == count


@pytest.fixture
def world(database: Database) -> MailWorld:
    return MailWorld(database)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The domains that were looked for in the queue."""
    domains: list[str] = []
    claim = outgoing.claim

    def noting(connection: object, wanted: list[outgoing.Wanted], *more: object, **others: object) -> object:
        domains.extend(each.domain for each in wanted)
        return claim(connection, wanted, *more, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(outgoing, "claim", noting)
    return domains


async def has_left(world: MailWorld, person: Person, submission: Submission) -> bool:
    found = await world.submission(person, submission.id)
    return {each.state for each in found.recipients} == {records.DELIVERY_STATE_RELAYED}


async def test_it_is_carried_without_being_looked_for(world: MailWorld, anna: Person, looked: list[str]) -> None:
    outside = Hosts()
    outside.may_answer.set()
    async with world.working(outside, grace=60):
        sent = await world.send(anna, "a@one.example", "b@two.example", "c@one.example", text="It is you who are early.\n")
        await until(partial(has_left, world, anna, sent))
    assert sorted(outside.carried) == [("one.example", ["a@one.example", "c@one.example"]), ("two.example", ["b@two.example"])]
    assert all(message is not None and b"It is you who are early." in message for message in outside.messages)
    assert looked == []


async def test_what_has_begun_can_not_be_called_back(world: MailWorld, anna: Person) -> None:
    async with world.working(Hosts()):
        sent = await world.send(anna, "a@one.example")
        with pytest.raises(FailedPrecondition, match="left already"):
            await world.call_back(anna, sent.id)


async def test_what_is_held_waits_in_the_queue(world: MailWorld, anna: Person) -> None:
    outside = Hosts()
    async with world.working(outside):
        sent = await world.submit(anna, await world.draft(anna, "a@one.example"), undo_seconds=60)
        assert (await world.call_back(anna, sent.id)).state == records.SUBMISSION_STATE_CANCELLED
    assert outside.carried == []


async def test_where_there_is_no_place_it_waits_in_the_queue(world: MailWorld, anna: Person, looked: list[str]) -> None:
    outside = Hosts()
    async with world.working(outside, grace=60):
        sent = [await world.send(anna, "a@one.example") for _ in range(4)]
        await until(partial(outside.has, 2))  # as many as go to a host that has not answered yet
        outside.may_answer.set()
        for submission in sent:
            await until(partial(has_left, world, anna, submission))
    assert len(outside.carried) == 4
    assert set(looked) == {"one.example"}


async def test_a_smarthosts_places_are_for_all_domains_together(world: MailWorld, anna: Person) -> None:
    outside = Hosts()
    outside.destination = lambda domain: "smarthost"  # type: ignore[method-assign]
    async with world.working(outside):
        await world.send(anna, *(f"a@d{number}.example" for number in range(5)))
        await until(partial(outside.has, 2))
        await asyncio.sleep(0.1)
        assert len(outside.carried) == 2
        assert world.destinations.pressure("smarthost").running == 2


async def test_nobody_overtakes_what_waits(world: MailWorld, anna: Person) -> None:
    outside = Hosts()
    async with world.working(outside, grace=60):
        for name in "abc":
            await world.send(anna, f"{name}@one.example")
        await until(partial(outside.has, 2))
        await asyncio.sleep(0.1)  # the third waits for a place by now
        outside.may_answer.set()
        world.destinations.end("one.example", Feedback.ALIVE)  # a place is free, and who waits has not heard of it
        await world.send(anna, "d@one.example")
        await until(partial(outside.has, 4))
        world.destinations.begin("one.example")
    assert [addresses for _, addresses in outside.carried][2:] == [["c@one.example"], ["d@one.example"]]


async def test_a_repeat_sends_nothing_twice(world: MailWorld, anna: Person) -> None:
    outside = Hosts()
    outside.may_answer.set()
    draft, operation_id = await world.draft(anna, "a@one.example"), world.ids.new()
    async with world.working(outside, grace=60):
        first, second = [await world.submit(anna, draft, operation_id=operation_id) for _ in range(2)]
        await until(partial(has_left, world, anna, first))
        assert second.id == first.id
    assert len(outside.carried) == 1


async def test_a_refusal_gives_the_places_back(world: MailWorld, anna: Person) -> None:
    outside = Hosts()
    outside.may_answer.set()
    async with world.working(outside, grace=60):
        sent = await world.send(anna, "a@one.example")
        with pytest.raises(AlreadyExists):
            await world.submit(anna, await world.draft(anna, "b@one.example"), submission_id=sent.id)
        await until(partial(has_left, world, anna, sent))
    assert world.destinations.pressure("one.example").running == 0
    assert len(outside.carried) == 1


async def test_who_hangs_up_may_have_submitted(world: MailWorld, anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = Hosts()
    draft, reserved = await world.draft(anna, "a@one.example"), asyncio.Event()
    async with world.working(outside) as worker:
        reserve = worker.reserve

        def noting(recipients: Mapping[str, int]) -> Reserved:
            reserved.set()
            return reserve(recipients)

        monkeypatch.setattr(worker, "reserve", noting)
        submitting = asyncio.create_task(world.submit(anna, draft))
        await reserved.wait()
        submitting.cancel()
        await until(partial(outside.has, 1))
    assert submitting.cancelled()


async def test_what_was_never_begun_comes_up_again(world: MailWorld, anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies between the commit and the first attempt."""
    async with world.working(Hosts()) as worker:
        monkeypatch.setattr(worker, "begin", lambda reserved, taken: worker.release(reserved))
        sent = await world.send(anna, "a@one.example")
    later = Hosts()
    later.may_answer.set()
    if world.database.dialect == "postgresql":  # another process may still be at it, as long as its lease runs
        await world.queue_looks(later)
        assert later.carried == []
        world.clock.advance(seconds=601)
    await world.work(later)
    assert len(later.carried) == 1
    assert await has_left(world, anna, sent)


async def test_a_database_that_is_lost_leaves_no_place_taken(
    world: MailWorld, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.destinations = Destinations(world.clock)
    draft = await world.draft(anna, "a@one.example")

    async def lost(work: object) -> None:
        raise Unavailable("DATABASE_BUSY", "gone")

    async with world.working(Hosts()):
        with monkeypatch.context() as patch:
            patch.setattr(world.database, "write", lost)
            with pytest.raises(Unavailable):
                await world.submit(anna, draft)
        assert world.destinations.pressure("one.example").running == 0
