"""PostgreSQL: conflicts and lost connections are survived, commits are durable, nothing waits for ever."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import Connection, make_url, text

from rookery_core.errors import Unavailable
from rookery_server.store.database import Transaction, open_database
from rookery_server.store.postgresql import PostgresqlDatabase
from tests.support.engine_rows import PATIENCE, add, names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import PoolProxiedConnection

    from tests.support.fakes import RecordingNotifier
    from tests.support.postgres import PostgresCluster

pytestmark = pytest.mark.postgresql

MAILBOX = b"m" * 16


@pytest.fixture
async def store(postgresql_url: str, notifier: RecordingNotifier) -> AsyncIterator[PostgresqlDatabase]:
    opened = open_database(postgresql_url, notifier=notifier)
    assert isinstance(opened, PostgresqlDatabase)
    yield opened
    await opened.close()


def end_session(cluster: PostgresCluster, connection: Connection) -> None:
    """Has the server end the session behind a connection."""
    cluster.execute(f"SELECT pg_terminate_backend({connection.execute(text('SELECT pg_backend_pid()')).scalar_one()}, 10000)")


def lose(connection: PoolProxiedConnection) -> None:
    """Closes the driver's connection behind the back of the pool."""
    assert isinstance(connection.driver_connection, psycopg.Connection)
    connection.driver_connection.close()


def value(connection: Connection, setting: str) -> str:
    """What a setting is in the session."""
    found: str = connection.execute(text("SELECT current_setting(:setting)"), {"setting": setting}).scalar_one()
    return found


async def test_two_writes_that_deadlock_both_succeed(store: PostgresqlDatabase) -> None:
    first_locks = threading.Barrier(2)
    runs: list[str] = []

    async def lock(own: str, other: str) -> None:
        def work(transaction: Transaction) -> None:
            runs.append(own)
            for name in (own, other):
                transaction.connection.execute(text("UPDATE domain SET created = created + 1 WHERE name = :name"), {"name": name})
                if name == own and len(runs) <= 2:  # the first run of each
                    first_locks.wait(PATIENCE)

        await store.write(work)

    await store.write(add("a"))
    await store.write(add("b"))
    await asyncio.gather(lock("a", "b"), lock("b", "a"))
    rows = await store.read(lambda connection: connection.execute(text("SELECT created FROM domain")).scalars().all())
    assert rows == [2, 2]
    assert len(runs) == 3


async def test_a_connection_lost_within_the_work_is_replaced(
    store: PostgresqlDatabase, postgres_cluster: PostgresCluster, notifier: RecordingNotifier
) -> None:
    runs: list[int] = []

    def work(transaction: Transaction) -> str:
        runs.append(1)
        add("a")(transaction)
        transaction.announce(MAILBOX, len(runs))
        if len(runs) == 1:
            end_session(postgres_cluster, transaction.connection)
        return add("b")(transaction)

    assert await store.write(work) == "b"
    assert await store.read(names) == ["a", "b"]
    assert notifier.published == [(MAILBOX, 2)]


async def test_a_connection_lost_before_the_commit_arrives_is_replaced(
    store: PostgresqlDatabase, postgres_cluster: PostgresCluster
) -> None:
    runs: list[int] = []

    def work(transaction: Transaction) -> None:
        runs.append(1)
        add("a")(transaction)
        if len(runs) == 1:
            end_session(postgres_cluster, transaction.connection)

    await store.write(work)
    assert await store.read(names) == ["a"]
    assert len(runs) == 2


async def test_after_a_commit_of_unknown_outcome_the_work_is_run_again_and_may_find_its_result(
    store: PostgresqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[int] = []
    commit = store._write_engine.dialect.do_commit

    def commit_without_answer(connection: PoolProxiedConnection) -> None:
        commit(connection)
        if not lost:
            lost.append(1)
            lose(connection)
            raise psycopg.OperationalError("consuming input failed: the server closed the connection")

    def work(transaction: Transaction) -> str:
        if names(transaction.connection):
            return "done already"
        return add("a")(transaction)

    monkeypatch.setattr(store._write_engine.dialect, "do_commit", commit_without_answer)
    assert await store.write(work) == "done already"
    assert await store.read(names) == ["a"]


async def test_a_read_survives_the_loss_of_all_connections(store: PostgresqlDatabase, postgres_cluster: PostgresCluster) -> None:
    await store.write(add("a"))
    await asyncio.gather(*(store.read(names) for _ in range(20)))
    postgres_cluster.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'rookery'")
    assert await asyncio.gather(*(store.read(names) for _ in range(20))) == [["a"]] * 20


async def test_a_lock_that_is_not_freed_in_time_is_answered_with_busy(store: PostgresqlDatabase) -> None:
    locked, go_on = threading.Event(), threading.Event()

    def holding(transaction: Transaction) -> None:
        transaction.connection.execute(text("LOCK TABLE domain"))
        locked.set()
        assert go_on.wait(PATIENCE)

    def hurried(transaction: Transaction) -> None:
        transaction.connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
        add("a")(transaction)

    holder = asyncio.create_task(store.write(holding))
    assert await asyncio.to_thread(locked.wait, PATIENCE)
    with pytest.raises(Unavailable) as busy:
        await store.write(hurried)
    assert busy.value.reason == "DATABASE_BUSY"
    go_on.set()
    await holder


async def test_a_server_that_is_not_there_is_unavailable(notifier: RecordingNotifier, tmp_path: object) -> None:
    database = open_database(f"postgresql://nobody@/none?host={tmp_path}", notifier=notifier)
    with pytest.raises(Unavailable) as gone:
        await database.read(names)
    assert gone.value.reason == "DATABASE_BUSY"
    await database.close()


async def test_commits_are_durable_even_where_the_server_is_set_to_be_hasty(
    store: PostgresqlDatabase, postgres_cluster: PostgresCluster, postgresql_url: str
) -> None:
    name = make_url(postgresql_url).database
    postgres_cluster.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    assert await store.write(lambda transaction: value(transaction.connection, "synchronous_commit")) == "on"


@pytest.mark.parametrize(
    ("name", "reads", "writes"),
    [
        ("transaction_isolation", "repeatable read", "read committed"),
        ("transaction_read_only", "on", "off"),
        ("lock_timeout", "10s", "10s"),
        ("statement_timeout", "1min", "1min"),
        ("idle_in_transaction_session_timeout", "1min", "1min"),
    ],
)
async def test_sessions_are_set_up_for_their_use(store: PostgresqlDatabase, name: str, reads: str, writes: str) -> None:
    assert await store.read(lambda connection: value(connection, name)) == reads
    assert await store.write(lambda transaction: value(transaction.connection, name)) == writes


async def test_options_in_the_url_overrule_the_limits(postgresql_url: str, notifier: RecordingNotifier) -> None:
    database = open_database(f"{postgresql_url}&options=-c%20lock_timeout%3D3s", notifier=notifier)
    assert await database.read(lambda connection: value(connection, "lock_timeout")) == "3s"
    await database.close()
