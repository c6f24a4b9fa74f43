"""SQLite's write-ahead log stays small under readers that never pause."""

from __future__ import annotations

import asyncio
import pathlib
import threading
import time
from typing import TYPE_CHECKING

import pytest

from rookery_core.errors import ResourceExhausted
from rookery_server.store import wal
from rookery_server.store.database import SqliteDatabase, Transaction, open_database
from rookery_server.store.sqlite_readers import Gate
from tests.support.engine_rows import PATIENCE, names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sqlalchemy import Connection

    from tests.support.fakes import RecordingNotifier

LIMIT = 1 << 20


@pytest.fixture
async def store(sqlite_url: str, notifier: RecordingNotifier, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteDatabase]:
    """A store whose log is emptied above 1 MiB, and which has little patience with readers."""
    monkeypatch.setattr(wal, "PATIENCE_SECONDS", 0.5)
    opened = open_database(sqlite_url, notifier=notifier)
    assert isinstance(opened, SqliteDatabase)
    opened._writer._keeper._limit = opened._writer._keeper._next = LIMIT
    yield opened
    await opened.close()


def wal_bytes(url: str) -> int:
    return pathlib.Path(url.removeprefix("sqlite:///") + "-wal").stat().st_size


def chunk(number: int) -> Callable[[Transaction], None]:
    """Work that adds 100 kB to the log."""

    def work(transaction: Transaction) -> None:
        row = (number.to_bytes(16, "big"), bytes(100_000))
        transaction.connection.exec_driver_sql("INSERT INTO blob_chunk VALUES (?, 0, 1, 1, ?)", row)

    return work


async def test_the_log_is_emptied_although_readers_overlap_all_the_time(store: SqliteDatabase, sqlite_url: str) -> None:
    done = threading.Event()

    def lingering(connection: Connection) -> None:
        names(connection)
        done.wait(0.01)

    async def reader() -> int:
        count = 0
        while not done.is_set():
            await store.read(lingering)
            count += 1
        return count

    readers = [asyncio.create_task(reader()) for _ in range(4)]
    largest = 0
    for number in range(100):
        await store.write(chunk(number))
        largest = max(largest, wal_bytes(sqlite_url))
    done.set()
    assert all(await asyncio.gather(*readers))
    assert largest < 3 * LIMIT  # of the 10 MB that were written


async def test_a_reader_that_stays_stops_neither_writers_nor_other_readers(store: SqliteDatabase, sqlite_url: str) -> None:
    looked, leave = threading.Event(), threading.Event()

    def staying(connection: Connection) -> list[str]:
        before = names(connection)
        looked.set()
        assert leave.wait(PATIENCE)
        assert names(connection) == before
        return before

    reader = asyncio.create_task(store.read(staying))
    assert await asyncio.to_thread(looked.wait, PATIENCE)
    for number in range(20):
        await store.write(chunk(number))
        await store.read(names)
    stayed = wal_bytes(sqlite_url)
    assert stayed > LIMIT
    leave.set()
    await reader
    for number in range(20, 30):
        await store.write(chunk(number))
    assert wal_bytes(sqlite_url) < stayed


async def test_a_full_disk_gets_the_room_that_the_log_takes(sqlite_url: str, notifier: RecordingNotifier) -> None:
    def limit(transaction: Transaction) -> None:
        pages = transaction.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        transaction.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    store = open_database(sqlite_url, notifier=notifier)
    for number in range(10):
        await store.write(chunk(number))
    before = wal_bytes(sqlite_url)
    await store.write(limit)
    with pytest.raises(ResourceExhausted):
        await store.write(chunk(10))
    await store.write(lambda transaction: None)  # the log is emptied before the next write begins
    assert wal_bytes(sqlite_url) == 0 < before
    await store.close()


def test_a_shut_gate_holds_newcomers_until_it_opens() -> None:
    gate = Gate()
    passed = threading.Event()

    def newcomer() -> None:
        with gate:
            passed.set()

    thread = threading.Thread(target=newcomer)
    with gate.shut(PATIENCE) as empty:
        assert empty
        thread.start()
        assert not passed.wait(0.05)
    assert passed.wait(PATIENCE)
    thread.join()


def test_a_gate_waits_for_those_inside_but_not_for_ever() -> None:
    gate = Gate()
    with gate, gate.shut(0.01) as empty:
        assert not empty
    with gate:
        pass
    begun, left = threading.Event(), threading.Event()

    def visitor() -> None:
        with gate:
            begun.set()
            time.sleep(0.05)
            left.set()

    thread = threading.Thread(target=visitor)
    thread.start()
    assert begun.wait(PATIENCE)
    with gate.shut(PATIENCE) as empty:
        assert empty and left.is_set()
    thread.join()
