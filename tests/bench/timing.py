"""How long a call takes, one at a time or several at once."""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """What a series of calls took."""

    median_ms: float
    per_second: float


async def sample(call: Callable[[int], Awaitable[object]], count: int, at_once: int = 1) -> Sample:
    """Makes `count` calls, `at_once` of them in flight at any time; each gets its number."""
    numbers = iter(range(count))
    taken: list[float] = []

    async def client() -> None:
        for number in numbers:
            begun = time.perf_counter()
            await call(number)
            taken.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(at_once)))
    return Sample(statistics.median(taken) * 1000, count / (time.perf_counter() - begun))
