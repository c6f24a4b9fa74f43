"""Putting a copy in the place of a database, whatever is left of that."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from rookery_core.errors import FailedPrecondition, Unavailable
from rookery_server.store import backup, sqlite

if TYPE_CHECKING:
    import pathlib

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
