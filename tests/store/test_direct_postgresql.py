"""Statements that go to PostgreSQL past SQLAlchemy: their errors mean what all others mean, and what waits is never lost."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InternalError

from rookery_core.errors import Unavailable
from rookery_server.store import postgresql_session
from rookery_server.store.bulk import insert_rows
from rookery_server.store.database import Transaction, open_database
from rookery_server.store.direct import Direct
from rookery_server.store.postgresql import PostgresqlDatabase
from rookery_server.store.tables import domain
from tests.support.engine_rows import PATIENCE, add, names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sqlalchemy import Connection

    from tests.support.fakes import RecordingNotifier
    from tests.support.postgres import PostgresCluster

pytestmark = pytest.mark.postgresql

_count = Direct(select(func.count()).select_from(domain))
_named = Direct(select(domain.c.name, domain.c.created).where(domain.c.name == bindparam("name")))
_locked = Direct(select(domain.c.name).where(domain.c.name == bindparam("name")).with_for_update())
_increment = Direct(update(domain).where(domain.c.name == bindparam("this")).values(created=domain.c.created + bindparam("by")))


@pytest.fixture
async def store(postgresql_url: str, notifier: RecordingNotifier) -> AsyncIterator[PostgresqlDatabase]:
    opened = open_database(postgresql_url, notifier=notifier)
    assert isinstance(opened, PostgresqlDatabase)
    yield opened
    await opened.close()


def put(connection: Connection, *wanted: str) -> None:
    """Has rows inserted; they wait for the next statement."""
    insert_rows(connection, domain, [{"name": name, "created": 0} for name in wanted])


def end_session(cluster: PostgresCluster, connection: Connection) -> None:
    """Has the server end the session behind a connection; what waits stays waiting."""
    driver = connection.connection.driver_connection
    assert driver is not None
    cluster.execute(f"SELECT pg_terminate_backend({driver.info.backend_pid}, 10000)")


def until(cluster: PostgresCluster, question: str) -> None:
    """Waits until a question has an answer."""
    deadline = time.monotonic() + PATIENCE
    while not cluster.execute(question):
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_a_violated_constraint_is_met_by_the_next_statement_and_leaves_nothing(store: PostgresqlDatabase) -> None:
    def work(transaction: Transaction) -> None:
        put(transaction.connection, "a", "b", "a", "c")
        reached.append("behind the insertion")
        _count.all(transaction.connection, {})
        reached.append("behind the question")

    reached: list[str] = []
    with pytest.raises(IntegrityError):
        await store.write(work)
    assert reached == ["behind the insertion"]
    assert await store.read(names) == []


async def test_a_violated_constraint_is_met_by_the_commit_where_nothing_is_asked(store: PostgresqlDatabase) -> None:
    with pytest.raises(IntegrityError):
        await store.write(lambda transaction: put(transaction.connection, "a", "a"))
    assert await store.read(names) == []
    await store.write(lambda transaction: put(transaction.connection, "a"))
    assert await store.read(names) == ["a"]


async def test_a_violated_constraint_is_met_by_what_sqlalchemy_sends_itself(store: PostgresqlDatabase) -> None:
    def work(transaction: Transaction) -> None:
        put(transaction.connection, "a", "a")
        names(transaction.connection)

    with pytest.raises(IntegrityError):
        await store.write(work)


async def test_after_a_failed_statement_the_transaction_carries_nothing_out_and_does_not_commit(store: PostgresqlDatabase) -> None:
    def insisting(transaction: Transaction) -> None:
        put(transaction.connection, "a", "a")
        with pytest.raises(IntegrityError):
            _count.all(transaction.connection, {})
        with pytest.raises(InternalError, match="aborted"):
            _count.all(transaction.connection, {})
        put(transaction.connection, "b")

    def swallowing(transaction: Transaction) -> None:
        put(transaction.connection, "a", "a")
        with pytest.raises(IntegrityError):
            _count.all(transaction.connection, {})

    for work, complaint in ((insisting, "aborted"), (swallowing, "rolled back")):
        with pytest.raises(InternalError, match=complaint):
            await store.write(work)
        assert await store.read(names) == []


async def test_what_a_column_can_not_hold_is_refused(store: PostgresqlDatabase) -> None:
    def insertion(row: dict[str, object]) -> Callable[[Transaction], None]:
        return lambda transaction: insert_rows(transaction.connection, domain, [row])

    for row in ({"name": "a\0b", "created": 0}, {"name": "a" * 256, "created": 0}, {"name": "a", "created": 1 << 63}):
        with pytest.raises(DataError):
            await store.write(insertion(row))
    with pytest.raises(UnicodeEncodeError):
        await store.write(lambda transaction: put(transaction.connection, "a", "\ud800"))
    assert await store.read(names) == []


async def test_a_read_can_not_write_not_even_what_nobody_asks_for(store: PostgresqlDatabase) -> None:
    for reading in (store.read, store.glance):
        with pytest.raises(DBAPIError, match="read-only"):
            await reading(lambda connection: put(connection, "a"))
    assert await store.read(names) == []


async def test_two_writes_that_deadlock_both_succeed(store: PostgresqlDatabase) -> None:
    first_locks = threading.Barrier(2)
    runs: list[str] = []

    async def lock(own: str, other: str) -> None:
        def work(transaction: Transaction) -> None:
            runs.append(own)
            _increment.run(transaction.connection, {"this": own, "by": 1})
            _named.all(transaction.connection, {"name": own})
            if len(runs) <= 2:  # the first run of each
                first_locks.wait(PATIENCE)
            _increment.run(transaction.connection, {"this": other, "by": 1})

        await store.write(work)

    await store.write(lambda transaction: put(transaction.connection, "a", "b"))
    await asyncio.gather(lock("a", "b"), lock("b", "a"))
    found = await store.read(lambda connection: [_named.all(connection, {"name": name})[0] for name in ("a", "b")])
    assert found == [("a", 2), ("b", 2)]
    assert len(runs) == 3


@pytest.mark.parametrize("asked", [True, False], ids=["before a question", "before the commit"])
async def test_a_connection_lost_with_statements_that_wait_is_replaced(
    store: PostgresqlDatabase, postgres_cluster: PostgresCluster, *, asked: bool
) -> None:
    runs: list[int] = []

    def work(transaction: Transaction) -> None:
        runs.append(1)
        put(transaction.connection, "a")
        _count.all(transaction.connection, {})
        put(transaction.connection, "b")
        if len(runs) == 1:
            end_session(postgres_cluster, transaction.connection)
        if asked:
            _count.all(transaction.connection, {})

    await store.write(work)
    assert await store.read(names) == ["a", "b"]
    assert len(runs) == 2


async def test_reads_survive_the_loss_of_all_connections(store: PostgresqlDatabase, postgres_cluster: PostgresCluster) -> None:
    def count(connection: Connection) -> int:
        found: int = _count.all(connection, {})[0][0]
        return found

    for reading in (store.read, store.glance):
        await asyncio.gather(*(reading(count) for _ in range(20)))
        postgres_cluster.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'rookery'")
        assert await asyncio.gather(*(reading(count) for _ in range(20))) == [0] * 20


async def test_a_lock_that_is_not_freed_in_time_is_answered_with_busy(store: PostgresqlDatabase) -> None:
    locked, go_on = threading.Event(), threading.Event()

    def holding(transaction: Transaction) -> None:
        _locked.all(transaction.connection, {"name": "a"})
        locked.set()
        assert go_on.wait(PATIENCE)

    def hurried(transaction: Transaction) -> None:
        transaction.connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
        _increment.run(transaction.connection, {"this": "a", "by": 1})

    await store.write(add("a"))
    holder = asyncio.create_task(store.write(holding))
    assert await asyncio.to_thread(locked.wait, PATIENCE)
    with pytest.raises(Unavailable) as busy:
        await store.write(hurried)
    assert busy.value.reason == "DATABASE_BUSY"
    go_on.set()
    await holder


async def test_while_one_waits_for_a_lock_the_rest_of_the_process_runs(
    store: PostgresqlDatabase, postgres_cluster: PostgresCluster
) -> None:
    locked, go_on = threading.Event(), threading.Event()

    def holding(transaction: Transaction) -> None:
        _locked.all(transaction.connection, {"name": "a"})
        locked.set()
        assert go_on.wait(PATIENCE)

    def waiting(transaction: Transaction) -> list[str]:
        put(transaction.connection, "b")  # on the same journey as the question
        return [row[0] for row in _locked.all(transaction.connection, {"name": "a"})]

    await store.write(add("a"))
    holder = asyncio.create_task(store.write(holding))
    assert await asyncio.to_thread(locked.wait, PATIENCE)
    waiter = asyncio.create_task(store.write(waiting))
    await asyncio.to_thread(until, postgres_cluster, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    go_on.set()
    await holder
    assert await waiter == ["a"]


async def test_a_glance_is_no_transaction(store: PostgresqlDatabase) -> None:
    def work(connection: Connection) -> list[int]:
        before = _count.all(connection, {})[0][0]
        asyncio.run_coroutine_threadsafe(store.write(add("a")), loop).result(PATIENCE)
        return [before, _count.all(connection, {})[0][0]]

    loop = asyncio.get_running_loop()
    assert await store.glance(work) == [0, 1]
    assert await store.read(work_that_counts_twice) == [1, 1]


def work_that_counts_twice(connection: Connection) -> list[int]:
    return [_count.all(connection, {})[0][0] for _ in range(2)]


async def test_a_migration_that_changes_what_statements_give_is_survived(store: PostgresqlDatabase) -> None:
    await store.write(lambda transaction: put(transaction.connection, "a"))
    assert await store.read(lambda connection: _named.all(connection, {"name": "a"})) == [("a", 0)]
    await store.write(
        lambda transaction: transaction.connection.execute(text("ALTER TABLE domain ALTER created TYPE text")) and None
    )
    for reading in (store.read, store.glance):
        assert await reading(lambda connection: _named.all(connection, {"name": "a"})) == [("a", "0")]


async def test_plans_are_made_anew_now_and_then(
    postgresql_url: str, notifier: RecordingNotifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def discarded(connection: Connection) -> object:
        _count.all(connection, {})
        found = connection.execute(text("SELECT count(*) FROM pg_prepared_statements WHERE statement = 'DISCARD PLANS'"))
        return found.scalar_one()

    for seconds, expected in ((60.0, 0), (0.0, 1)):
        monkeypatch.setattr(postgresql_session, "PLANS_SECONDS", seconds)
        opened = open_database(postgresql_url, notifier=notifier)
        for _ in range(2):
            assert await opened.read(discarded) == expected
            assert await opened.glance(discarded) == expected
            assert await opened.write(lambda transaction: discarded(transaction.connection)) == expected
        await opened.close()
