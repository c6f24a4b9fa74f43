"""Brief reads: the same answers as other reads, wherever they run."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from rookery_core.errors import Unavailable
from rookery_server.store.database import SqliteDatabase
from rookery_server.store.tables import domain

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_server.store.database import Database


def names(connection: Connection) -> list[str]:
    return list(connection.execute(select(domain.c.name).order_by(domain.c.name)).scalars())


async def add(database: Database, name: str) -> None:
    await database.write(lambda transaction: transaction.connection.execute(insert(domain), {"name": name, "created": 0}) and None)


async def test_a_peek_sees_what_was_committed_before_it(database: Database) -> None:
    for number in range(3):
        await add(database, f"d{number}.example")
        assert len(await database.peek(names)) == number + 1


async def test_a_peek_can_not_write_and_an_error_in_one_leaves_the_next_unharmed(database: Database) -> None:
    with pytest.raises(DBAPIError):
        await database.peek(lambda connection: connection.execute(insert(domain), {"name": "x", "created": 0}))
    with pytest.raises(ZeroDivisionError):
        await database.peek(lambda _: 1 // 0)
    assert await database.peek(names) == []


async def test_a_glance_sees_what_was_committed_before_it_and_can_not_write(database: Database) -> None:
    for number in range(3):
        await add(database, f"d{number}.example")
        assert len(await database.glance(names)) == number + 1
    with pytest.raises(DBAPIError):
        await database.glance(lambda connection: connection.execute(insert(domain), {"name": "x", "created": 0}))
    assert len(await database.glance(names)) == 3


async def test_a_read_after_a_glance_sees_one_snapshot(database: Database) -> None:
    await asyncio.gather(*(database.glance(names) for _ in range(8)))

    def twice(connection: Connection) -> tuple[list[str], list[str]]:
        before = names(connection)
        asyncio.run_coroutine_threadsafe(add(database, "late.example"), loop).result(10)
        return before, names(connection)

    loop = asyncio.get_running_loop()
    assert await database.read(twice) == ([], [])
    assert await database.glance(names) == ["late.example"]


async def test_a_closed_database_refuses_to_be_peeked_into(database: Database) -> None:
    assert await database.peek(names) == []
    await database.close()
    with pytest.raises(Unavailable) as refused:
        await database.peek(names)
    assert refused.value.reason == "SERVER_STOPPING"


async def test_on_sqlite_a_peek_runs_in_the_thread_of_the_loop_and_in_another_while_the_gate_is_shut(database: Database) -> None:
    if not isinstance(database, SqliteDatabase):
        pytest.skip("a peek is a read on PostgreSQL")

    def where(connection: Connection) -> int:
        connection.execute(text("SELECT 1"))
        return threading.get_ident()

    assert await database.peek(where) == threading.get_ident()
    with database._readers._gate.shut(1):
        waiting = asyncio.ensure_future(database.peek(where))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert await waiting != threading.get_ident()


async def test_loops_in_several_threads_peek_at_once(database: Database) -> None:
    await add(database, "one.example")
    await database.peek(names)

    def elsewhere() -> list[str]:
        async def several() -> list[str]:
            return [(await database.peek(names))[0] for _ in range(20)]

        return asyncio.run(several())

    found = await asyncio.gather(*(asyncio.to_thread(elsewhere) for _ in range(3)))
    assert found == [["one.example"] * 20] * 3
