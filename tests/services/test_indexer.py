"""The indexer leaves the machine to those who write."""

from __future__ import annotations

import asyncio
import itertools
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from rookery_server.services.search import indexer as indexing
from rookery_server.store import search as search_store
from tests.services.test_search import Searching
from tests.support.mail import until

if TYPE_CHECKING:
    from rookery_server.store.database import Database
    from tests.support.world import Person


@pytest.fixture
def world(database: Database) -> Searching:
    return Searching(database)


@pytest.mark.parametrize(("quiet_seconds", "sizes"), [(1000.0, [2, 2, 1]), (0.0, [4, 1])])
async def test_while_others_write_batches_are_small_and_the_indexer_rests_between_them(
    world: Searching, anna: Person, monkeypatch: pytest.MonkeyPatch, quiet_seconds: float, sizes: list[int]
) -> None:
    for name, value in {"BATCH": 4, "BUSY_BATCH": 2, "QUIET_SECONDS": quiet_seconds, "REST": 2}.items():
        monkeypatch.setattr(indexing, name, value)
    written: list[int] = []
    times: list[float] = []
    real = search_store.index_batch

    def noting(connection: Any, mailbox_id: int, batch: Any, **named: Any) -> bool:
        times.append(time.monotonic())
        time.sleep(0.05)
        if batch:
            written.append(len(batch))
        return real(connection, mailbox_id, batch, **named)

    monkeypatch.setattr(search_store, "index_batch", noting)
    for number in range(5):
        await world.message(anna, f"Report {number}")
    world.indexer.start()
    await until(lambda: _are_indexed(world, 5))
    await world.indexer.stop()
    assert written == sizes
    if quiet_seconds:
        assert all(later - earlier >= 0.05 + 2 * 0.05 for earlier, later in itertools.pairwise(times))


async def test_the_indexer_does_not_rest_for_long_however_long_a_batch_took(
    world: Searching, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"BUSY_BATCH": 1, "QUIET_SECONDS": 1000.0, "REST": 1_000_000, "LONGEST_REST_SECONDS": 0.02}.items():
        monkeypatch.setattr(indexing, name, value)
    for number in range(3):
        await world.message(anna, f"Report {number}")
    world.indexer.start()
    await until(lambda: _are_indexed(world, 3))
    await world.indexer.stop()


async def test_an_indexer_that_has_nothing_to_do_is_woken_by_the_next_commit_once(
    world: Searching, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[object] = []
    loop = asyncio.get_running_loop()
    real = loop.call_soon_threadsafe

    def noting(callback: Any, *arguments: Any) -> asyncio.Handle:
        if getattr(callback, "__self__", None) is world.indexer._wake:
            woken.append(callback)
        return real(callback, *arguments)

    monkeypatch.setattr(loop, "call_soon_threadsafe", noting)
    world.indexer.start()
    for number in range(1, 4):
        item = await world.message(anna, f"Report {number}")
        for _ in range(3):  # commits that follow each other
            world.indexer.on_commit(anna.mailbox, item.revision)
        await until(partial(_are_indexed, world, number))
        await until(lambda: _is_asleep(world))
        assert len(woken) == number
    await world.indexer.stop()


async def _is_asleep(world: Searching) -> bool:
    return not world.indexer._is_awake


async def _are_indexed(world: Searching, count: int) -> bool:
    return await world.documents() >= count
