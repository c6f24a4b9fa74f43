"""A bound on the bytes that wait in memory, whoever sent them."""

from __future__ import annotations

import asyncio
from collections import deque


class ByteBudget:
    """So many bytes for all together; whoever comes when they are gone waits for a turn. Belongs to one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._free = most
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> None:
        """Waits until so many bytes are free, and takes them; more than all are taken for all. First come, first served."""
        size = min(size, self._most)
        if not self._queue and size <= self._free:
            self._free -= size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._serve()  # whoever is behind may fit into what this one was waiting for
            else:
                self.give(size)
            raise

    def give(self, size: int) -> None:
        """Gives bytes back: as many as were asked for when they were taken."""
        self._free += min(size, self._most)
        self._serve()

    def _serve(self) -> None:
        while self._queue:
            size, turn = self._queue[0]
            if not turn.done():
                if size > self._free:
                    return
                self._free -= size
                turn.set_result(None)
            self._queue.popleft()
