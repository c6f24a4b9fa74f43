"""Statements that go to SQLite's driver directly: the same answers as all others, in the same transactions."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import bindparam, func, insert, select, update

from rookery_server.store.bulk import insert_rows
from rookery_server.store.database import SqliteDatabase, open_database
from rookery_server.store.direct import Direct
from rookery_server.store.tables import domain
from tests.support.engine_rows import PATIENCE, add, names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection

    from rookery_server.store.database import Database, Transaction
    from tests.support.fakes import RecordingNotifier

_named = Direct(select(domain.c.name, domain.c.created).where(domain.c.name == bindparam("name"), domain.c.created < 100))
_count = Direct(select(func.count()).select_from(domain))
_rename = Direct(
    update(domain).where(domain.c.name == bindparam("before")).values(name=bindparam("after")).returning(domain.c.created)
)


@pytest.fixture
async def store(sqlite_url: str, notifier: RecordingNotifier) -> AsyncIterator[SqliteDatabase]:
    opened = open_database(sqlite_url, notifier=notifier)
    assert isinstance(opened, SqliteDatabase)
    yield opened
    await opened.close()


async def test_a_direct_statement_gives_what_any_other_gives(database: Database) -> None:
    rows = [{"name": f"d{number}.example", "created": number * 60} for number in range(3)]

    def fill(transaction: Transaction) -> None:
        insert_rows(transaction.connection, domain, rows)
        assert _rename.first(transaction.connection, {"before": "d1.example", "after": "e1.example"}) == (60,)
        assert _rename.first(transaction.connection, {"before": "d1.example", "after": "f1.example"}) is None

    def read(connection: Connection) -> list[object]:
        asked = ("d0.example", "e1.example", "d2.example", "d1.example")
        return [tuple(row) for name in asked for row in _named.all(connection, {"name": name})]

    await database.write(fill)
    assert await database.read(read) == await database.peek(read) == [("d0.example", 0), ("e1.example", 60)]


async def test_several_in_one_read_see_one_snapshot(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def read(connection: Connection) -> tuple[int, int]:
        before = _count.all(connection, {})[0][0]
        begun.set()
        assert go_on.wait(PATIENCE)
        return before, _count.all(connection, {})[0][0]

    reading = asyncio.create_task(database.read(read))
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    await database.write(lambda transaction: transaction.connection.execute(insert(domain), {"name": "x", "created": 0}) and None)
    go_on.set()
    before, after = await reading
    assert before == after


async def test_a_violated_constraint_fails_the_work_and_leaves_nothing(store: SqliteDatabase) -> None:
    twice = [{"name": "a", "created": 0}, {"name": "a", "created": 1}]
    with pytest.raises(sqlite3.IntegrityError):
        await store.write(lambda transaction: insert_rows(transaction.connection, domain, twice))
    assert await store.read(names) == []


async def test_work_that_swallows_the_loss_of_its_transaction_can_not_write_outside_of_one(store: SqliteDatabase) -> None:
    def insisting(transaction: Transaction) -> None:
        driver = transaction.connection.connection.dbapi_connection
        assert driver is not None
        add("before")(transaction)
        driver.rollback()  # what SQLite does by itself at some errors
        for rows in ([{"name": "outside", "created": None}], [{"name": "outside", "created": 0}]):
            try:
                insert_rows(transaction.connection, domain, rows)
            except sqlite3.Error as error:
                refused.append(str(error))

    refused: list[str] = []
    with pytest.raises(sqlite3.OperationalError, match="rolled back"):
        await store.write(insisting)
    assert "readonly" in refused[-1]
    await store.write(add("after"))
    assert await store.read(names) == ["after"]
