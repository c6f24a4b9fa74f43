"""Putting a copy in the place of a database, whatever is left of that; and what devices learn of a restore."""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select, text, update

from rookery_core.errors import FailedPrecondition, Unavailable
from rookery_server.store import backup, sqlite
from rookery_server.store.database import open_database
from rookery_server.store.tables import change, mailbox
from tests.support.databases import ENGINES
from tests.support.fakes import FakeClock, RecordingNotifier, SequentialIds
from tests.support.rows import add_mailbox

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

    from rookery_server.store.database import Database
    from rookery_server.store.units import Transaction

GARBAGE = b"this was a database once\n" * 1000


def make(path: pathlib.Path, word: str) -> pathlib.Path:
    """A database that holds a word."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE said (word TEXT)")
        connection.execute("INSERT INTO said VALUES (?)", (word,))
        connection.commit()
    return path


def said(path: pathlib.Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [word for (word,) in connection.execute("SELECT word FROM said")]


@pytest.fixture
def database(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "rookery.db"


@pytest.fixture
def copied(tmp_path: pathlib.Path) -> pathlib.Path:
    return make(tmp_path / "copied", "restored")


def kept(database: pathlib.Path) -> pathlib.Path:
    return database.with_name("kept")


def beside(database: pathlib.Path, end: str) -> pathlib.Path:
    return database.with_name(database.name + end)


def test_the_database_that_was_there_is_kept_with_what_its_log_held(database: pathlib.Path, copied: pathlib.Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE said (word TEXT)")
        connection.execute("INSERT INTO said VALUES ('before')")
        connection.commit()
        left = {end: beside(database, end).read_bytes() for end in ("", "-wal", "-shm")}
    for end, data in left.items():  # as a server leaves them that was switched off
        beside(database, end).write_bytes(data)
    backup.put_in_place(copied, database, kept(database))
    assert (said(database), said(kept(database))) == (["restored"], ["before"])


@pytest.mark.parametrize("garbage", [GARBAGE, b"short", GARBAGE[:4096], b"SQLite format 3\0" + GARBAGE])
@pytest.mark.parametrize("ends", [(), ("-wal", "-shm")])
def test_a_database_that_is_garbage_is_put_aside_as_it_is(
    database: pathlib.Path, copied: pathlib.Path, garbage: bytes, ends: tuple[str, ...]
) -> None:
    database.write_bytes(garbage)
    for end in ends:
        beside(database, end).write_bytes(end.encode() * 100)
    backup.put_in_place(copied, database, kept(database))
    assert said(database) == ["restored"]
    assert beside(database, ".damaged").read_bytes() == garbage
    for end in ends:
        assert beside(database, f".damaged{end}").exists()
    assert not kept(database).exists()


def test_a_log_whose_database_is_gone_is_not_written_into_the_copy(database: pathlib.Path, copied: pathlib.Path) -> None:
    beside(database, "-wal").write_bytes(GARBAGE)
    backup.put_in_place(copied, database, kept(database))
    assert said(database) == ["restored"]
    assert beside(database, ".damaged-wal").read_bytes() == GARBAGE


@pytest.mark.parametrize("garbage", [True, False])
def test_what_an_earlier_restore_kept_is_never_overwritten(database: pathlib.Path, copied: pathlib.Path, *, garbage: bool) -> None:
    earlier = beside(database, ".damaged") if garbage else kept(database)
    earlier.write_bytes(b"from before")
    if garbage:
        database.write_bytes(GARBAGE)
    else:
        make(database, "now")
    with pytest.raises(FailedPrecondition, match=earlier.name):
        backup.put_in_place(copied, database, kept(database))
    assert earlier.read_bytes() == b"from before"
    assert database.exists()
    assert copied.exists()


def test_a_database_that_somebody_uses_is_left_alone(
    database: pathlib.Path, copied: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0)
    make(database, "now")
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            backup.put_in_place(copied, database, kept(database))
        other.execute("ROLLBACK")
    assert said(database) == ["now"]


async def fresh(engine: str, request: pytest.FixtureRequest) -> Database:
    """A migrated database on an engine."""
    return open_database(request.getfixturevalue(f"{engine}_url"), notifier=RecordingNotifier())


def changed(connection: Connection, mailbox_id: int, revision: int, at: int) -> None:
    """A change of a mailbox."""
    nobody = dict.fromkeys(("actor_id", "device_id", "operation_id"), bytes(16))
    connection.execute(insert(change), {"mailbox_id": mailbox_id, "revision": revision, "at": at, "operation": "x", **nobody})
    connection.execute(update(mailbox).where(mailbox.c.id == mailbox_id).values(revision=revision))


def mailboxes(connection: Connection) -> list[RowMapping]:
    return list(connection.execute(select(mailbox).order_by(mailbox.c.id)).mappings())


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_restored_mailbox_knows_what_the_backup_had_and_begins_anew(engine: str, request: pytest.FixtureRequest) -> None:
    now, ids = 1_000_000_000, SequentialIds()
    opened = await fresh(engine, request)

    def work(transaction: Transaction) -> tuple[list[RowMapping], int, list[RowMapping]]:
        connection = transaction.connection
        used, unused = add_mailbox(connection), add_mailbox(connection)
        changed(connection, used, 40, 300)
        changed(connection, used, 41, 200)  # by a clock that was set back meanwhile
        assert unused != used
        before = mailboxes(connection)
        return before, backup.begin_epoch(connection, ids.new, now, {}), mailboxes(connection)

    before, count, after = await opened.write(work)
    assert count == 2
    assert [(row["backup_revision"], row["backup_time"]) for row in before] == [(0, 0), (0, 0)]
    assert [(row["backup_revision"], row["backup_time"]) for row in after] == [(41, 200), (0, 0)]
    assert [row["revision"] for row in after] == [1_000_041, 1_000_000]
    assert [row["oldest_revision"] for row in after] == [row["revision"] for row in after]
    assert len({row["epoch"] for row in before + after}) == 4
    await opened.close()


@pytest.mark.postgresql
async def test_postgresql_knows_what_is_in_its_tables_once_a_restore_is_done(request: pytest.FixtureRequest) -> None:
    opened = await fresh("postgresql", request)

    def work(transaction: Transaction) -> float:
        add_mailbox(transaction.connection)
        backup.begin_epoch(transaction.connection, SequentialIds().new, 1_000_000_000, {})
        known = transaction.connection.execute(text("SELECT reltuples FROM pg_class WHERE oid = 'mailbox'::regclass"))
        return float(known.scalar_one())

    assert await opened.write(work) == 1  # -1 is unknown
    await opened.close()


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_backup_restored_twice_hands_out_no_revision_again(engine: str, request: pytest.FixtureRequest) -> None:
    clock, ids = FakeClock(), SequentialIds()
    opened = await fresh(engine, request)

    def restore(transaction: Transaction) -> int:
        """As it was in the backup, restored now."""
        connection = transaction.connection
        connection.execute(update(mailbox).values(revision=41))
        backup.begin_epoch(connection, ids.new, clock.micros(), {})
        return int(mailboxes(connection)[0]["revision"])

    await opened.write(lambda transaction: add_mailbox(transaction.connection))
    first = await opened.write(restore)
    clock.advance(seconds=3600)
    assert await opened.write(restore) > first + 100 * 3600  # a hundred changes a second would not have caught up
    await opened.close()


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_restored_mailbox_begins_beyond_what_was_handed_out_though_the_clock_was_set_back(
    engine: str, request: pytest.FixtureRequest
) -> None:
    clock, ids, handed_out = FakeClock(), SequentialIds(), 1 << 50
    opened = await fresh(engine, request)

    def work(transaction: Transaction) -> list[int]:
        connection = transaction.connection
        known, unknown = add_mailbox(connection), add_mailbox(connection)
        assert known != unknown
        beyond = {mailboxes(connection)[0]["uid"]: handed_out, b"gone" * 4: 1 << 60}
        backup.begin_epoch(connection, ids.new, clock.micros(), beyond)
        return [row["revision"] for row in mailboxes(connection)]

    first, second = await opened.write(work)
    assert first > handed_out
    assert second == clock.micros() // 1000
    await opened.close()


async def test_what_a_database_had_reached_is_read_out_of_its_log_too(sqlite_url: str, tmp_path: pathlib.Path) -> None:
    opened = open_database(sqlite_url, notifier=RecordingNotifier())
    await opened.write(lambda transaction: changed(transaction.connection, add_mailbox(transaction.connection), 40, 300))
    source = pathlib.Path(sqlite_url.removeprefix("sqlite:///"))
    left = {end: beside(source, end).read_bytes() for end in ("", "-wal", "-shm")}
    await opened.close()
    database = tmp_path / "switched-off.db"
    for end, data in left.items():
        beside(database, end).write_bytes(data)
    assert list(backup.reached(database).values()) == [40]
    assert beside(database, "-wal").read_bytes() == left["-wal"]


@pytest.mark.parametrize("garbage", [GARBAGE, b"short", b"SQLite format 3\0" + GARBAGE])
def test_nothing_is_known_of_what_a_database_had_reached_that_can_not_be_read(database: pathlib.Path, garbage: bytes) -> None:
    assert backup.reached(database) == {}
    assert not database.exists()
    database.write_bytes(garbage)
    beside(database, "-wal").write_bytes(GARBAGE)
    assert backup.reached(database) == {}
    assert (database.read_bytes(), beside(database, "-wal").read_bytes()) == (garbage, GARBAGE)


@pytest.mark.parametrize("engine", ENGINES)
async def test_of_restores_in_quick_succession_the_first_is_remembered(engine: str, request: pytest.FixtureRequest) -> None:
    day, ids = 86_400_000_000, SequentialIds()
    opened = await fresh(engine, request)

    def work(transaction: Transaction) -> list[tuple[int, int]]:
        connection = transaction.connection
        number, told = add_mailbox(connection), []
        for at, revision in ((100 * day, 41), (110 * day, 10**11), (200 * day, 10**12)):
            changed(connection, number, revision, at)
            backup.begin_epoch(connection, ids.new, at + day, {})
            told.append((mailboxes(connection)[0]["backup_revision"], mailboxes(connection)[0]["backup_time"]))
        return told

    assert await opened.write(work) == [(41, 100 * day), (41, 100 * day), (10**12, 200 * day)]
    await opened.close()


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_log_tells_of_the_restore_and_counts_as_a_change(engine: str, request: pytest.FixtureRequest) -> None:
    clock, ids = FakeClock(), SequentialIds()
    opened = await fresh(engine, request)

    def work(transaction: Transaction) -> list[RowMapping]:
        connection = transaction.connection
        add_mailbox(connection)
        for _ in range(2):
            backup.begin_epoch(connection, ids.new, clock.micros(), {})
            clock.advance(seconds=1)
        return [*connection.execute(select(change).order_by(change.c.revision)).mappings(), *mailboxes(connection)]

    first, second, row = await opened.write(work)
    assert (first["operation"], second["operation"]) == ("server.restore", "server.restore")
    assert (row["backup_revision"], row["backup_time"], row["revision"]) == (first["revision"], first["at"], second["revision"])
    await opened.close()
