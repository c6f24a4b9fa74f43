"""SQLite's writer: waiting writes share a commit, and only those fail that must."""

from __future__ import annotations

import asyncio
import random
import resource
import sqlite3
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from rookery_core.errors import NotFound, ResourceExhausted, Unavailable
from rookery_server.store.database import SqliteDatabase, Transaction, open_database
from tests.support.engine_rows import PATIENCE, add, names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.support.fakes import RecordingNotifier

MAILBOX = b"m" * 16
OTHER = b"o" * 16


@pytest.fixture
async def store(sqlite_url: str, notifier: RecordingNotifier) -> AsyncIterator[SqliteDatabase]:
    opened = open_database(sqlite_url, notifier=notifier)
    assert isinstance(opened, SqliteDatabase)
    yield opened
    await opened.close()


@pytest.fixture
async def commits(store: SqliteDatabase) -> list[str]:
    """Grows by one with each COMMIT that succeeds."""
    done: list[str] = []
    event.listen(store._writer._engine, "commit", lambda _connection: done.append("commit"))
    return done


@asynccontextmanager
async def busy(store: SqliteDatabase, first: Callable[[Transaction], object] = lambda _: None) -> AsyncIterator[None]:
    """Keeps the writer busy (with ``first``) within the block, so that what is written there waits and becomes one group."""
    started, go_on = threading.Event(), threading.Event()

    def work(transaction: Transaction) -> None:
        first(transaction)
        started.set()
        assert go_on.wait(PATIENCE)

    blocker = asyncio.create_task(store.write(work))
    assert await asyncio.to_thread(started.wait, PATIENCE)
    yield
    for _ in range(2):  # the tasks made in the block ask for their work to be done, and at the turn's end it is queued
        await asyncio.sleep(0)
    go_on.set()
    await blocker


async def write_together(store: SqliteDatabase, *works: Callable[[Transaction], object]) -> list[object]:
    """The outcomes of works that were waiting at the same time."""
    async with busy(store):
        tasks = [asyncio.create_task(store.write(work)) for work in works]
    return await asyncio.gather(*tasks, return_exceptions=True)


def outcomes(results: list[object]) -> list[str]:
    """Results as they are, errors by their kind or reason."""
    return [
        getattr(result, "reason", type(result).__name__) if isinstance(result, Exception) else str(result) for result in results
    ]


def half(name: str) -> Callable[[Transaction], None]:
    """Work that writes a row and then thinks better of it."""

    def work(transaction: Transaction) -> None:
        add(name)(transaction)
        transaction.announce(MAILBOX, 99)
        raise NotFound("ITEM_NOT_FOUND", "There is no such item.")

    return work


def orphan(transaction: Transaction) -> None:
    """Work that only COMMIT refuses: a foreign key that is checked there."""
    transaction.connection.execute(text("PRAGMA defer_foreign_keys = ON"))
    transaction.connection.execute(text("INSERT INTO search_progress VALUES (4711, 1, 0)"))


def large(name: str, size: int) -> Callable[[Transaction], str]:
    """Work that needs room on the disk."""

    def work(transaction: Transaction) -> str:
        row = {"id": name.encode().ljust(16), "data": bytes(size)}
        transaction.connection.execute(text("INSERT INTO blob_chunk VALUES (:id, 0, 1, 1, :data)"), row)
        return add(name)(transaction)

    return work


async def test_waiting_writes_are_committed_together_in_their_order(store: SqliteDatabase, commits: list[str]) -> None:
    seen: list[int] = []

    def numbered(number: int) -> Callable[[Transaction], None]:
        def work(transaction: Transaction) -> None:
            add(str(number))(transaction)
            seen.append(number)

        return work

    await write_together(store, *(numbered(number) for number in range(100)))
    assert seen == list(range(100))
    assert len(await store.read(names)) == 100
    assert len(commits) == 2  # the one that kept the writer busy, and the group


async def test_what_is_asked_for_in_one_turn_of_the_loop_is_committed_together(store: SqliteDatabase, commits: list[str]) -> None:
    await asyncio.gather(*(store.write(add(str(number))) for number in range(8)))
    assert len(commits) == 1


async def test_what_was_accepted_in_the_last_turn_before_closing_is_committed(store: SqliteDatabase, sqlite_url: str) -> None:
    last = asyncio.create_task(store.write(add("last")))
    await asyncio.sleep(0)
    await store.close()
    assert await last == "last"
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as other:
        assert other.execute("SELECT name FROM domain").fetchall() == [("last",)]
    other.close()


async def test_a_member_that_fails_before_it_has_written_has_none_run_again(store: SqliteDatabase, commits: list[str]) -> None:
    ran: list[str] = []

    def counted(name: str, work: Callable[[Transaction], object]) -> Callable[[Transaction], object]:
        return lambda transaction: (ran.append(name), work(transaction))[1]

    def refuse(transaction: Transaction) -> None:
        raise NotFound("ITEM_NOT_FOUND", "There is no such item.")

    results = await write_together(store, counted("a", add("a")), counted("b", refuse), counted("c", add("c")))
    assert outcomes(results) == ["a", "ITEM_NOT_FOUND", "c"]
    assert ran == ["a", "b", "c"]
    assert len(commits) == 2


async def test_a_member_that_fails_fails_alone(store: SqliteDatabase, commits: list[str], notifier: RecordingNotifier) -> None:
    results = await write_together(
        store, add("a"), half("b"), lambda transaction: (add("c")(transaction), add("c")(transaction)), add("d")
    )
    assert outcomes(results) == ["a", "ITEM_NOT_FOUND", "IntegrityError", "d"]
    assert await store.read(names) == ["a", "d"]
    assert len(commits) == 2
    assert notifier.published == []


async def test_each_mailbox_is_announced_once_a_group_with_its_greatest_revision(
    store: SqliteDatabase, notifier: RecordingNotifier
) -> None:
    def announce(mailbox: bytes, revision: int) -> Callable[[Transaction], None]:
        return lambda transaction: transaction.announce(mailbox, revision)

    await write_together(store, announce(MAILBOX, 1), announce(OTHER, 7), announce(MAILBOX, 2))
    assert sorted(notifier.published) == [(MAILBOX, 2), (OTHER, 7)]


async def test_a_commit_that_fails_costs_only_the_member_that_broke_it(
    store: SqliteDatabase, notifier: RecordingNotifier, caplog: pytest.LogCaptureFixture
) -> None:
    def announcing(transaction: Transaction) -> str:
        transaction.announce(MAILBOX, 5)
        return add("c")(transaction)

    results = await write_together(store, add("a"), orphan, announcing)
    assert outcomes(results) == ["a", "IntegrityError", "c"]
    assert await store.read(names) == ["a", "c"]
    assert notifier.published == [(MAILBOX, 5)]
    assert "each is run again alone" in caplog.text


async def test_a_commit_that_fails_leaves_the_writer_usable(store: SqliteDatabase) -> None:
    with pytest.raises(IntegrityError):
        await store.write(orphan)
    await store.write(add("a"))
    assert await store.read(names) == ["a"]


async def test_an_error_that_ends_the_transaction_makes_each_member_run_alone(store: SqliteDatabase) -> None:
    def breaking(transaction: Transaction) -> None:
        add("b")(transaction)
        transaction.connection.connection.rollback()  # what SQLite does by itself at some errors
        raise sqlite3.OperationalError("disk I/O error")

    results = await write_together(store, add("a"), breaking, add("c"))
    assert outcomes(results) == ["a", "OperationalError", "c"]
    assert await store.read(names) == ["a", "c"]


async def test_work_that_swallows_such_an_error_can_not_write_outside_of_a_transaction(store: SqliteDatabase) -> None:
    def insisting(transaction: Transaction) -> None:
        driver = transaction.connection.connection.dbapi_connection
        assert driver is not None
        add("before")(transaction)
        driver.rollback()
        for statement in ("INSERT INTO no_such_table VALUES (1)", "INSERT INTO domain VALUES ('outside', 0)"):
            try:
                transaction.connection.exec_driver_sql(statement)
            except DBAPIError as error:
                refused.append(str(error.orig))

    refused: list[str] = []
    results = await write_together(store, add("a"), insisting, add("c"))
    assert outcomes(results) == ["a", "OperationalError", "c"]
    assert "readonly" in refused[-1]
    assert await store.read(names) == ["a", "c"]


async def test_a_full_database_refuses_what_needs_room_and_takes_the_rest(
    store: SqliteDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    def limit(transaction: Transaction) -> None:
        pages = transaction.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        transaction.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 20}")

    await store.write(limit)
    results = await write_together(store, add("a"), large("b", 1 << 20), add("c"), large("d", 1000))
    assert outcomes(results) == ["a", "DATABASE_FULL", "c", "d"]
    assert isinstance(results[1], ResourceExhausted)
    assert await store.read(names) == ["a", "c", "d"]


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Makes the system refuse to write any file beyond ``size``: an I/O error as a failing disk gives it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_an_io_error_in_the_commit_undoes_the_group_and_each_member_is_tried_alone(
    store: SqliteDatabase, notifier: RecordingNotifier
) -> None:
    def announcing(transaction: Transaction) -> str:
        transaction.announce(MAILBOX, 1)
        return large("b", 4 << 20)(transaction)

    await store.write(add("first"))
    with file_size_limit(2 << 20):
        results = await write_together(store, add("a"), announcing, add("c"))
    assert outcomes(results) == ["a", "DATABASE_BUSY", "c"]
    assert isinstance(results[1], Unavailable)
    assert notifier.published == []
    assert await store.read(names) == ["a", "c", "first"]
    await store.write(announcing)
    assert await store.read(names) == ["a", "b", "c", "first"]


async def test_a_database_locked_by_another_program_is_busy_until_then(store: SqliteDatabase, sqlite_url: str) -> None:
    def impatient(transaction: Transaction) -> None:
        transaction.connection.exec_driver_sql("PRAGMA busy_timeout = 50")

    await store.write(impatient)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(store.write(add("a")), store.write(add("b")), return_exceptions=True)
    assert outcomes([*results]) == ["DATABASE_BUSY", "DATABASE_BUSY"]
    other.execute("ROLLBACK")
    other.close()
    await store.write(add("c"))
    assert await store.read(names) == ["c"]


async def test_exactly_what_was_acknowledged_is_there_whatever_fails_in_between(store: SqliteDatabase) -> None:
    chance = random.Random(42)

    def choose(number: int) -> Callable[[Transaction], object]:
        name = f"{number:04}"
        kinds = [add(name)] * 6 + [large(name, chance.randrange(1, 60_000)), large(name, 3 << 20), half(name), orphan]
        return chance.choice(kinds)

    def limit(transaction: Transaction) -> None:
        transaction.connection.exec_driver_sql("PRAGMA max_page_count = 400")

    async def client(number: int) -> list[str]:
        done = await asyncio.gather(*(store.write(choose(number * 100 + n)) for n in range(20)), return_exceptions=True)
        return [outcome for outcome in done if isinstance(outcome, str)]

    await store.write(limit)
    acknowledged = await asyncio.gather(*(client(number) for number in range(20)))
    assert await store.read(names) == sorted(name for done in acknowledged for name in done)
    assert 0 < len(await store.read(names)) < 400


async def test_more_than_a_group_takes_is_committed_in_several(store: SqliteDatabase, commits: list[str]) -> None:
    await write_together(store, *(add(str(n)) for n in range(600)))
    assert len(await store.read(names)) == 600
    assert len(commits) == 1 + 3


async def test_a_write_cancelled_before_its_turn_does_not_run(store: SqliteDatabase) -> None:
    async with busy(store):
        unwanted = asyncio.create_task(store.write(add("unwanted")))
        wanted = asyncio.create_task(store.write(add("wanted")))
        await asyncio.sleep(0)
        unwanted.cancel()
    await wanted
    assert await store.read(names) == ["wanted"]


class Rival:
    """Another program, which locks the database as soon as a change is announced."""

    def __init__(self, url: str) -> None:
        self.connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)

    def publish(self, mailbox_uid: bytes, revision: int) -> None:
        self.connection.execute("BEGIN IMMEDIATE")


async def test_a_group_that_can_not_even_begin_is_refused_at_once(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    def opening(transaction: Transaction) -> None:
        transaction.connection.exec_driver_sql("PRAGMA busy_timeout = 50")
        transaction.announce(MAILBOX, 1)

    rival = Rival(sqlite_url)
    store = open_database(sqlite_url, notifier=rival)
    assert isinstance(store, SqliteDatabase)
    async with busy(store, opening):
        writes = [asyncio.create_task(store.write(add(str(number)))) for number in range(5)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert outcomes([*results]) == ["DATABASE_BUSY"] * 5
    assert "alone" not in caplog.text
    rival.connection.execute("ROLLBACK")
    rival.connection.close()
    await store.write(add("later"))
    assert await store.read(names) == ["later"]
    await store.close()
