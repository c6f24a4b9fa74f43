"""One read for all who ask for the same at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

T = TypeVar("T")


class SharedReads(Generic[T]):
    """Reads that are under way, by what they read. Belongs to one event loop.

    Who joins a read gets what it sees, which may be from a moment before it was asked for: it is for those who look again when they
    hear of more.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, key: Hashable, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``read`` gives or raises, or the read with the same key that runs already. One who leaves does not end it."""
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.create_task(read())
            running.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(running)

    def _forget(self, key: Hashable, done: asyncio.Task[T]) -> None:
        del self._running[key]
        if not done.cancelled():
            done.exception()  # whoever waits for it gets it; where nobody does any more, it is no matter
