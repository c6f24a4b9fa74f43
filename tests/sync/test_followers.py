"""Followers: woken by the mailboxes that they follow, once for many commits, and cheap while nothing happens."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

from rookery_server.services.sync.followers import Follower, Followers

ANNA, BEN = b"a" * 16, b"b" * 16
LONG = 60.0


async def soon(waiting: asyncio.Task[bool]) -> bool:
    """What a wait gave that is about to end."""
    return await asyncio.wait_for(waiting, 10)


async def asleep(follower: Follower, known: dict[bytes, int], seconds: float = LONG) -> asyncio.Task[bool]:
    """A stream that waits."""
    waiting = asyncio.create_task(follower.news(known, seconds))
    await asyncio.sleep(0)
    assert not waiting.done()
    return waiting


async def test_a_commit_wakes_who_follows_the_mailbox() -> None:
    followers = Followers()
    with followers.following([ANNA]) as follower:
        waiting = await asleep(follower, {ANNA: 1})
        threading.Thread(target=followers.on_commit, args=(ANNA, 2)).start()
        assert await soon(waiting)


async def test_a_commit_to_another_mailbox_wakes_nobody() -> None:
    followers = Followers()
    with followers.following([ANNA]) as follower, followers.following([BEN]) as other:
        waiting, disturbed = await asleep(follower, {ANNA: 1}), await asleep(other, {BEN: 1})
        followers.on_commit(BEN, 2)
        assert await soon(disturbed)
        assert not waiting.done()
        waiting.cancel()


async def test_who_knows_the_revision_already_sleeps_on() -> None:
    followers = Followers()
    with followers.following([ANNA]) as follower:
        waiting = await asleep(follower, {ANNA: 5})
        for revision in (4, 5):
            followers.on_commit(ANNA, revision)
            await asyncio.sleep(0.01)
        assert not waiting.done()
        followers.on_commit(ANNA, 6)
        assert await soon(waiting)


async def test_what_is_committed_while_a_stream_reads_is_not_missed() -> None:
    followers = Followers()
    with followers.following([ANNA]) as follower:
        followers.on_commit(ANNA, 2)
        assert await asyncio.wait_for(follower.news({ANNA: 1}, LONG), 10)


async def test_revisions_may_be_announced_out_of_order() -> None:
    followers = Followers()
    with followers.following([ANNA]) as follower:
        followers.on_commit(ANNA, 3)
        followers.on_commit(ANNA, 2)
        assert await asyncio.wait_for(follower.news({ANNA: 2}, LONG), 10)


async def test_silence_ends_after_its_time() -> None:
    followers = Followers()
    with followers.following([ANNA]) as follower:
        assert not await follower.news({ANNA: 1}, 0.01)


class Counting(Followers):
    """Counts the times that it wakes a mailbox's followers."""

    wakes = 0

    def _wake(self, *followed: Any) -> None:
        self.wakes += 1
        super()._wake(*followed)


async def test_many_commits_are_one_wake_up() -> None:
    followers = Counting()
    with followers.following([ANNA]) as follower:
        waiting = await asleep(follower, {ANNA: 1})
        for revision in range(2, 1000):
            followers.on_commit(ANNA, revision)
        assert await soon(waiting)
        assert followers.wakes == 1
        waiting = await asleep(follower, {ANNA: 999})
        followers.on_commit(ANNA, 1000)
        assert await soon(waiting)
        assert followers.wakes == 2


async def test_a_stream_may_follow_several_mailboxes() -> None:
    followers = Followers()
    with followers.following([ANNA, BEN]) as follower:
        for uid in (ANNA, BEN):
            waiting = await asleep(follower, {ANNA: 1, BEN: 1})
            followers.on_commit(uid, 2)
            assert await soon(waiting)
            follower.mailboxes[uid].revision = 1


async def test_after_a_gap_everybody_looks_again() -> None:
    followers = Followers()
    with followers.following([ANNA]) as follower, followers.following([BEN]) as other:
        waits = [await asleep(follower, {ANNA: 1}), await asleep(other, {BEN: 1})]
        threading.Thread(target=followers.after_gap).start()
        assert [await soon(waiting) for waiting in waits] == [True, True]
        again = await asleep(follower, {ANNA: 1})
        again.cancel()


async def test_a_gap_while_a_stream_reads_is_not_missed() -> None:
    followers = Followers()
    with followers.following([ANNA]) as follower:
        followers.after_gap()
        await asyncio.sleep(0)
        assert await asyncio.wait_for(follower.news({ANNA: 1}, LONG), 10)


async def test_nothing_is_left_of_a_stream_that_ended() -> None:
    followers = Followers()
    with followers.following([ANNA]):
        with followers.following([ANNA, BEN]):
            assert set(followers._followed) == {ANNA, BEN}
        assert set(followers._followed) == {ANNA}
    assert not followers._followed
    followers.on_commit(ANNA, 2)
    followers.after_gap()


def test_a_commit_after_the_loop_has_ended_is_harmless() -> None:
    followers = Followers()

    async def follow() -> None:
        following = followers.following([ANNA])
        following.__enter__()
        entered.append(following)

    entered: list[object] = []
    asyncio.run(follow())
    followers.on_commit(ANNA, 2)
    followers.after_gap()


async def test_an_idle_follower_takes_little_memory_and_no_task() -> None:
    followers = Followers()
    before = asyncio.all_tasks()
    with followers.following([ANNA]) as follower:
        assert asyncio.all_tasks() == before
        parts = [follower, follower.mailboxes, followers._followed[ANNA].followers]
        assert sum(map(sys.getsizeof, parts)) < 2000
