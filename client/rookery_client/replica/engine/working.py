"""Where the replica's own work is done, so that the event loop is free for the network meanwhile."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class Worker(Protocol):
    """Does pieces of work one after the other."""

    async def do(self, work: Callable[[], Result]) -> Result:
        """Does `work` and gives its result. Work that was begun is finished, even if nobody waits for it any more."""
        ...

    def close(self) -> None:
        """Waits for what was begun; there is no work after that."""
        ...


class WorkerThread:
    """A worker with a thread of its own."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="replica")

    async def do(self, work: Callable[[], Result]) -> Result:
        """See ``Worker``. A caller that is cancelled is held until the work is finished: what it touches is at rest then."""
        running = asyncio.get_running_loop().run_in_executor(self._executor, work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

    def close(self) -> None:
        """See ``Worker``."""
        self._executor.shutdown()
