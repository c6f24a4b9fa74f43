"""What tasks ask a thread for comes to it together, and nobody who asks alone waits for others."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from rookery_core.errors import Unavailable
from rookery_server.store import calls
from rookery_server.store.calls import Answers, Inbox


@pytest.fixture
def inbox() -> Inbox[int]:
    """One whose thread is at work."""
    return Inbox()


def ask(inbox: Inbox[int]) -> asyncio.Task[int]:
    return asyncio.create_task(inbox.call_with_others(lambda number: number))


def came(inbox: Inbox[int]) -> int:
    """How many calls have come to the thread since."""
    return len(inbox.waiting(99)[0])


async def turns(count: int, *, busy: bool = False) -> None:
    for _ in range(count):
        if busy:
            time.sleep(0.001)  # noqa: ASYNC251 - it is the loop itself that has something to do
        await asyncio.sleep(0)


async def test_what_a_busy_loop_asks_for_in_several_turns_comes_together(
    inbox: Inbox[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "_LONGEST_GATHERING_SECONDS", 1000)
    asked = []
    for _ in range(5):
        asked.append(ask(inbox))
        await turns(1, busy=True)
    assert came(inbox) == 0
    await asyncio.sleep(0.1)
    assert came(inbox) == 5
    for task in asked:
        task.cancel()


async def test_a_loop_that_is_busy_all_the_time_is_not_waited_for(inbox: Inbox[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_LONGEST_GATHERING_SECONDS", 0.002)
    asked = ask(inbox)
    await turns(5, busy=True)
    assert came(inbox) == 1
    asked.cancel()


async def test_who_asks_alone_does_not_wait(inbox: Inbox[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "_LONGEST_GATHERING_SECONDS", 1000)
    monkeypatch.setattr(calls, "_SHORT_TURN_SECONDS", -1.0)  # no turn is ever short
    answers = Answers()

    def serve() -> None:
        while (call := inbox.next()) is not None:
            call.result = call.work(7)
            answers.deliver((call,))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        async with asyncio.timeout(10):
            assert await inbox.call(lambda number: number) == 7
            await asyncio.sleep(0.1)  # the thread waits for more by now
            assert await ask(inbox) == 7
    finally:
        inbox.close(1)
        thread.join()


async def test_what_was_accepted_comes_before_the_end(inbox: Inbox[int]) -> None:
    asked = ask(inbox)
    await asyncio.sleep(0)
    inbox.close(1)
    accepted, ended = inbox.waiting(99)
    assert (len(accepted), ended) == (1, True)
    await turns(10)
    assert came(inbox) == 0
    with pytest.raises(Unavailable):
        await inbox.call_with_others(lambda number: number)
    asked.cancel()
