"""The engine while it follows: changes go both ways as they happen, and it stops when it is told."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from rookery_client.replica.engine.engine import LOOK_SECONDS, SLOW_SECONDS
from rookery_client.replica.engine.states import Failed, Offline, Sending, Stopped, UpToDate
from rookery_client.replica.reading.searching import Searcher
from rookery_client.replica.replica import Replica
from rookery_core.errors import FailedPrecondition, ResourceExhausted, Unauthenticated, Unavailable
from tests.support.engine_fixtures import Device, threads, until
from tests.support.sync_fakes import SmallMailbox

OFFLINE = Unavailable("SERVER_UNREACHABLE", "no answer from the server")


@pytest.fixture
def mailbox():
    mailbox = SmallMailbox()
    for number in range(4):
        mailbox.add(f"Message {number}")
    return mailbox


@pytest.fixture
def anna(mailbox, tmp_path):
    device = Device(tmp_path / "anna.replica", mailbox)
    yield device
    device.replica.close()


@asynccontextmanager
async def running(device, **options):
    """An engine that follows."""
    engine = device.engine(**options)
    task = asyncio.create_task(engine.run())
    try:
        yield engine
        engine.stop()
        async with asyncio.timeout(10):
            await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        device.replica = engine.replica


async def test_what_others_change_comes_as_it_happens(anna, mailbox):
    async with running(anna):
        await until(lambda: anna.states[-1:] == [UpToDate(mailbox.revision)])
        first, second = sorted(mailbox.items)[:2]
        for change in (lambda: mailbox.add("New"), lambda: mailbox.edit(first, "Changed"), lambda: mailbox.delete(second)):
            change()
            await until(lambda: anna.subjects() == mailbox.subjects())
    assert len(mailbox.asked("pull")) == 1
    assert anna.states[-1] == Stopped()


async def test_what_is_done_here_is_sent_at_once(anna, mailbox):
    async with running(anna) as engine:
        await until(lambda: anna.states[-1:] == [UpToDate(mailbox.revision)])
        anna.create("Made here")
        engine.wake()
        await until(lambda: "Made here" in mailbox.subjects())
        await until(lambda: anna.replica.status().caught_up_revision == mailbox.revision)
        await until(lambda: anna.states[-1] == UpToDate(mailbox.revision))
    assert Sending(1) in anna.states
    assert anna.subjects() == mailbox.subjects()


async def test_what_another_program_records_is_found_and_sent(anna, mailbox):
    async with running(anna):
        await until(lambda: anna.states[-1:] == [UpToDate(mailbox.revision)])
        mine = anna.replica
        anna.replica = Replica.open(mine.path, clock=anna.clock, ids=anna.ids)
        anna.create("Made by another program")
        anna.replica.close()
        anna.replica = mine
        await until(lambda: "Made by another program" in mailbox.subjects())


async def test_a_broken_connection_is_made_again_later_and_later_until_it_works(anna, mailbox):
    mailbox.fail("pull", OFFLINE, times=6)
    async with running(anna):
        await until(lambda: anna.states[-1:] == [UpToDate(mailbox.revision)])
    delays = [state.seconds for state in anna.states if isinstance(state, Offline)]
    assert len(delays) == 6 and delays == sorted(delays)
    assert anna.subjects() == mailbox.subjects()


async def test_a_server_that_stops_is_waited_for(anna, mailbox):
    mailbox.fail("pull", OFFLINE, after=3)
    async with running(anna):
        await until(lambda: anna.states[-1:] == [UpToDate(mailbox.revision)])
        mailbox.add("New")
        await until(lambda: anna.subjects() == mailbox.subjects())
        await until(lambda: any(isinstance(state, Offline) for state in anna.states) and isinstance(anna.states[-1], UpToDate))


async def test_a_full_mailbox_is_told_of_and_does_not_keep_others_changes_from_coming(anna, mailbox):
    await anna.sync()
    mailbox.fail("push", ResourceExhausted("QUOTA_EXCEEDED", "the mailbox is full"))
    anna.create("No room for this")
    async with running(anna):
        await until(lambda: Failed("QUOTA_EXCEEDED", "the mailbox is full") in anna.states)
        mailbox.add("From elsewhere")
        await until(lambda: "From elsewhere" in anna.subjects())
        await until(lambda: anna.subjects() == mailbox.subjects())  # it is tried again after a while
    assert len(mailbox.asked("pull")) == 2


async def test_room_that_a_person_makes_lets_the_changes_go_at_once(anna, mailbox):
    await anna.sync()
    mailbox.fail("push", ResourceExhausted("QUOTA_EXCEEDED", "the mailbox is full"), times=2)
    anna.create("No room for this")
    looks = 0

    async def look(seconds):
        nonlocal looks
        looks += 1
        assert seconds == LOOK_SECONDS
        await asyncio.sleep(0.05)

    anna._sleep = look
    async with running(anna) as engine:
        await until(lambda: len(mailbox.asked("push")) == 1)
        anna.create("Nor for this")
        await until(lambda: len(mailbox.asked("push")) == 2)
        engine.wake()
        await until(lambda: {"No room for this", "Nor for this"} <= set(mailbox.subjects()))
    assert looks < SLOW_SECONDS / LOOK_SECONDS


async def test_a_server_that_takes_no_changes_for_a_while_still_brings_those_of_others(anna, mailbox):
    await anna.sync()
    mailbox.fail("push", OFFLINE, times=5)
    anna.create("Made here")
    async with running(anna):
        await until(lambda: "Made here" in mailbox.subjects())
        await until(lambda: anna.states[-1] == UpToDate(mailbox.revision))
    delays = [state.seconds for state in anna.states if isinstance(state, Offline)]
    assert len(delays) == 5 and delays == sorted(delays)
    assert len(mailbox.asked("pull")) == 2


async def test_a_session_that_ends_stops_the_engine(anna, mailbox):
    mailbox.fail("pull", Unauthenticated("SESSION_REVOKED", "the session was ended"), after=3)
    engine = anna.engine()
    with pytest.raises(Unauthenticated):
        async with asyncio.timeout(10):
            await engine.run()
    assert anna.states[-1] == Failed("SESSION_REVOKED", "the session was ended", "sign in again", final=True)


async def test_it_stops_at_once_wherever_it_is(anna, mailbox):
    for begin in (0, 1, 5, 20, 60):
        task = asyncio.create_task((engine := anna.engine()).run())
        for _ in range(begin):
            await asyncio.sleep(0.001)
        engine.stop()
        async with asyncio.timeout(10):
            await task
        assert threads() == 0
    assert anna.states[-1] == Stopped()
    await anna.sync()
    assert anna.subjects() == mailbox.subjects()


async def test_a_cancelled_engine_leaves_nothing_running_and_the_replica_free(anna, mailbox):
    task = asyncio.create_task(anna.engine().run())
    await until(lambda: anna.states[-1:] == [UpToDate(mailbox.revision)])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert threads() == 0
    assert len(asyncio.all_tasks()) == 1
    await anna.sync()


async def test_a_second_engine_is_refused_while_one_follows(anna, mailbox):
    async with running(anna):
        await until(lambda: anna.states[-1:] == [UpToDate(mailbox.revision)])
        other = Replica.open(anna.replica.path, clock=anna.clock, ids=anna.ids)
        mine, anna.replica = anna.replica, other
        with pytest.raises(FailedPrecondition) as caught:
            await anna.engine().run()
        anna.replica = mine
        other.close()
    assert caught.value.reason == "REPLICA_IN_USE"


async def test_new_mail_is_found_by_search_soon(anna, mailbox):
    async with running(anna):
        await until(lambda: anna.states[-1:] == [UpToDate(mailbox.revision)])
        mailbox.add("Pineapple")
        await until(lambda: Searcher(anna.replica, anna.clock).index_some(0) == 0 and "Pineapple" in anna.subjects())
        assert len(Searcher(anna.replica, anna.clock).search("pineapple").rows) == 1
