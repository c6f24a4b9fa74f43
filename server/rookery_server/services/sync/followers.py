"""Followers: streams that wait for the next commit to a mailbox."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping


class Followers:
    """Knows who waits for which mailbox. Commits come from the store's threads; who waits belongs to one event loop.

    A commit to a mailbox that nobody follows costs one look-up, and any number of commits in quick succession one wake-up.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._followed: dict[bytes, _Followed] = {}

    @contextmanager
    def following(self, mailbox_uids: Collection[bytes]) -> Iterator[Follower]:
        """Within the block no commit to these mailboxes is missed: each is seen by what is read in it, or announced to it."""
        loop = asyncio.get_running_loop()
        follower = Follower()
        with self._lock:
            for uid in mailbox_uids:
                followed = self._followed.setdefault(uid, _Followed(loop))
                followed.followers[follower] = None
                follower.mailboxes[uid] = followed
        try:
            yield follower
        finally:
            with self._lock:
                for uid, followed in follower.mailboxes.items():
                    followed.followers.pop(follower, None)
                    if not followed.followers:
                        del self._followed[uid]

    def on_commit(self, mailbox_uid: bytes, revision: int) -> None:
        """The mailbox has reached a revision: a listener of ``Announcements``. From any thread, in any order."""
        if mailbox_uid not in self._followed:
            return
        with self._lock:
            followed = self._followed.get(mailbox_uid)
            if followed is None or revision <= followed.revision:
                return
            followed.revision = revision
            if followed.waking:
                return
            followed.waking = True
        _call_in(followed.loop, self._wake, followed)

    def after_gap(self) -> None:
        """Commits may have gone unheard: everybody looks again. From any thread."""
        with self._lock:
            followed = list(self._followed.values())
        for each in followed:
            _call_in(each.loop, self._doubt, each)

    def _wake(self, followed: _Followed) -> None:
        with self._lock:
            followed.waking = False
        for follower in followed.followers:
            follower.wake()

    def _doubt(self, followed: _Followed) -> None:
        for follower in followed.followers:
            follower.doubts = True
            follower.wake()


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[_Followed], None], followed: _Followed) -> None:
    """Calls it in the loop; not at all if that is closed: then the server has stopped, and nobody waits."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, followed)


class _Followed:
    """A mailbox that somebody follows."""

    __slots__ = ("followers", "loop", "revision", "waking")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.followers: dict[Follower, None] = {}
        """In the order in which they came, which is that of waking them: what happens is then the same each time."""
        self.revision = 0
        self.waking = False


class Follower:
    """One stream that waits."""

    __slots__ = ("_waiting", "doubts", "mailboxes")

    def __init__(self) -> None:
        self.mailboxes: dict[bytes, _Followed] = {}
        self.doubts = False
        """Something may have been committed that was not announced."""
        self._waiting: asyncio.Future[None] | None = None

    async def news(self, known: Mapping[bytes, int], seconds: float) -> bool:
        """Waits until a mailbox is, or may be, beyond the revision that the stream knows of; False if that takes longer."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while not self.doubts and not any(followed.revision > known[uid] for uid, followed in self.mailboxes.items()):
            self._waiting = loop.create_future()
            timer = loop.call_at(until, self.wake)
            try:
                await self._waiting
            finally:
                timer.cancel()
                self._waiting = None
            if loop.time() >= until:
                return False
        self.doubts = False
        return True

    def wake(self) -> None:
        """Lets ``news`` look again."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
