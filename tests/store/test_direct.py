"""Statements that go to the drivers directly: the same answers as all others, in the same transactions."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import bindparam, func, insert, select, update

from rookery_server.store.bulk import insert_rows, put_rows
from rookery_server.store.database import SqliteDatabase, open_database
from rookery_server.store.direct import ByKeys, Direct
from rookery_server.store.tables import account, blob_chunk, domain
from tests.support.engine_rows import PATIENCE, add, names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sqlalchemy import Connection

    from rookery_server.store.database import Database, Transaction
    from tests.support.fakes import RecordingNotifier

_named = Direct(select(domain.c.name, domain.c.created).where(domain.c.name == bindparam("name"), domain.c.created < 100))
_count = Direct(select(func.count()).select_from(domain))
_rename = Direct(
    update(domain).where(domain.c.name == bindparam("before")).values(name=bindparam("after")).returning(domain.c.created)
)

_accounts = Direct(select(account).order_by(account.c.id).limit(bindparam("most")))
_by_name = ByKeys(select(domain.c.name, domain.c.created), domain.c.name)
_by_both = ByKeys(
    select(domain.c.name, domain.c.created).where(domain.c.created < bindparam("most")),
    domain.c.name,
    domain.c.created,
    ordered=True,
)
_chunks = Direct(select(blob_chunk.c.offset, blob_chunk.c.data).order_by(blob_chunk.c.offset))


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


async def test_values_come_back_as_they_were_written(database: Database) -> None:
    rows = [
        (bytes(range(16)), 1, "Grüße, {\"x\"} 'y' \\ 😀", True, False, None, -(1 << 63)),
        (b"\xff" * 16, -32768, "", False, True, "", (1 << 63) - 1),
    ]
    columns = [column.name for column in account.columns]

    def write(transaction: Transaction) -> None:
        insert_rows(transaction.connection, account, [dict(zip(columns, row, strict=True)) for row in rows])

    await database.write(write)
    found = await database.read(lambda connection: _accounts.all(connection, {"most": 10}))
    by_sqlalchemy = await database.read(lambda connection: connection.execute(_accounts.statement, {"most": 10}).all())
    assert [tuple(row) for row in found] == [tuple(row) for row in by_sqlalchemy] == rows


async def test_what_is_written_is_there_for_every_later_statement_of_the_transaction(database: Database) -> None:
    def work(transaction: Transaction) -> list[list[str]]:
        connection = transaction.connection
        insert_rows(connection, domain, [{"name": "a", "created": 0}])
        seen: list[list[str]] = [names(connection)]
        _rename.run(connection, {"before": "a", "after": "b"})
        seen.append([row[0] for row in _by_name.all(connection, ["a", "b"], {})])
        _rename.run(connection, {"before": "b", "after": "c"})
        connection.execute(update(domain).where(domain.c.name == "c").values(name="d"))
        return [*seen, names(connection)]

    assert await database.write(work) == [["a"], ["b"], ["d"]]
    assert await database.read(names) == ["d"]


async def test_a_savepoint_that_is_rolled_back_takes_with_it_what_was_written_behind_it_and_nothing_else(
    database: Database,
) -> None:
    def work(transaction: Transaction) -> None:
        connection = transaction.connection
        insert_rows(connection, domain, [{"name": "before", "created": 0}])
        with connection.begin_nested():
            insert_rows(connection, domain, [{"name": "kept", "created": 0}])
        savepoint = connection.begin_nested()
        insert_rows(connection, domain, [{"name": "refused", "created": 0}])
        savepoint.rollback()
        insert_rows(connection, domain, [{"name": "behind", "created": 0}])

    await database.write(work)
    assert await database.read(names) == ["before", "behind", "kept"]


async def test_work_that_fails_leaves_nothing_to_those_that_come_after_it(database: Database) -> None:
    def failing(transaction: Transaction) -> None:
        insert_rows(transaction.connection, domain, [{"name": "failed", "created": 0}])
        raise ZeroDivisionError

    for number in range(10):  # more than there are connections
        with pytest.raises(ZeroDivisionError):
            await database.write(failing)
        await database.write(add(f"d{number}"))
    assert await database.read(names) == [f"d{number}" for number in range(10)]


async def test_keys_are_looked_up_one_or_many_whatever_is_in_them(database: Database) -> None:
    strange = ["a", "{b,c}", '"', "\\", "NULL", "", "d" * 200]
    rows = [{"name": name, "created": place} for place, name in enumerate(strange)]
    await database.write(lambda transaction: insert_rows(transaction.connection, domain, rows))

    def look_up(transaction: Transaction) -> None:
        wanted: list[str]
        for wanted in ([], strange[:1], ["none"], [*strange, "none"]):
            found = _by_name.all(transaction.connection, wanted, {})
            assert sorted(row[0] for row in found) == sorted({*wanted} & {*strange})
        pairs: list[tuple[str, int]]
        for pairs in ([], [("a", 0)], [("a", 0), ("a", 1), ("{b,c}", 1), ("none", 0)]):
            found = _by_both.all(transaction.connection, pairs, {"most": 100})
            assert sorted(map(tuple, found)) == sorted({*pairs} & {("a", 0), ("{b,c}", 1)})

    await database.write(look_up)


async def test_many_rows_are_written_at_once_and_large_ones(database: Database) -> None:
    many = [{"name": f"d{number:04}", "created": number} for number in range(1_201)]
    large = [
        {"blob_id": bytes(16), "offset": number, "size_bytes": 1, "codec": 0, "data": bytes([number]) * (256 << 10)}
        for number in range(9)
    ]

    def work(transaction: Transaction) -> None:
        insert_rows(transaction.connection, domain, many)
        insert_rows(transaction.connection, blob_chunk, large)

    await database.write(work)
    assert await database.read(names) == [row["name"] for row in many]
    chunks = await database.read(lambda connection: _chunks.all(connection, {}))
    assert [tuple(row) for row in chunks] == [(row["offset"], row["data"]) for row in large]


async def test_a_row_is_put_in_the_place_of_the_one_with_its_key(database: Database) -> None:
    def put(created: int) -> Callable[[Transaction], None]:
        rows = [{"name": name, "created": created} for name in ("a", f"b{created}")]
        return lambda transaction: put_rows(transaction.connection, domain, rows)

    await database.write(put(1))
    await database.write(put(2))
    found = await database.read(lambda connection: _by_name.all(connection, ["a", "b1", "b2"], {}))
    assert sorted(map(tuple, found)) == [("a", 2), ("b1", 1), ("b2", 2)]


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
