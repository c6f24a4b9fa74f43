"""What a replica needs when it has caught up: its search index follows, its cache keeps within its limit, and it forgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_client.replica.reading.contents import Contents
from rookery_client.replica.reading.searching import Searcher

if TYPE_CHECKING:
    from rookery_client.replica.engine.means import Means
    from rookery_client.replica.replica import Replica
    from rookery_core.rules.clock import Clock

SLICE = 100
"""Items that are indexed before a batch that came meanwhile gets its turn."""


class Tending:
    """Indexes, evicts and forgets."""

    def __init__(self, means: Means, clock: Clock) -> None:
        self._means = means
        self._clock = clock

    async def run(self) -> None:
        """Indexes what the index lacks, then takes out of the cache what is too much, and forgets submissions of old."""
        while await self._means.do(self._index):
            pass
        await self._means.do(self._evict)
        await self._means.do(lambda replica: replica.forget_submissions())

    def _index(self, replica: Replica) -> int:
        return Searcher(replica, self._clock).index_some(SLICE)

    def _evict(self, replica: Replica) -> int:
        return Contents(replica, self._clock).evict()
