"""Periodic work: each job in a task of its own, one run after the other, patient after failures."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from rookery_core.errors import RookeryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_log = structlog.get_logger("rookery.jobs")

_FIRST_PAUSE = 5.0
"""Seconds before a failed job is tried again; doubled with each failure, up to its period."""


@dataclass(frozen=True)
class _Job:
    name: str
    seconds: float
    work: Callable[[], Awaitable[int]]


class JobRunner:
    """Runs jobs from ``start`` to ``stop``. ``sleep`` waits for so many seconds."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._jobs: list[_Job] = []
        self._tasks: list[asyncio.Task[None]] = []

    def every(self, name: str, seconds: float, work: Callable[[], Awaitable[int]]) -> None:
        """Has ``work`` run at the start and then so many seconds after each run. It gives how much it did, for the log.

        Work is bounded: what it left it does the next time. It may be cancelled at any await.
        """
        self._jobs.append(_Job(name, seconds, work))

    def start(self) -> None:
        """Begins. On the running event loop."""
        self._tasks = [asyncio.create_task(self._run(job), name=f"job {job.name}") for job in self._jobs]

    async def stop(self) -> None:
        """Ends all jobs, wherever they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _run(self, job: _Job) -> None:
        failures = 0
        while True:
            failures = 0 if await self._once(job) else failures + 1
            await self._sleep(min(job.seconds, _FIRST_PAUSE * 2.0 ** min(failures - 1, 20)) if failures else job.seconds)

    async def _once(self, job: _Job) -> bool:
        started = time.perf_counter()
        try:
            done = await job.work()
        except RookeryError as error:
            _log.warning("job failed", job=job.name, reason=error.reason, message=error.message)
            return False
        except Exception:  # noqa: BLE001 - one job's mistake must not end the others; it is logged
            _log.exception("job failed", job=job.name)
            return False
        if done:
            _log.info("job", job=job.name, done=done, ms=round((time.perf_counter() - started) * 1000, 1))
        return True
