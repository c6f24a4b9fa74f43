"""Migrations go up, from anywhere, from several processes at once; and a damaged database is found out."""

from __future__ import annotations

import pathlib
import shutil
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import rookery_migrations
from rookery_core.errors import DataLoss, Unavailable
from rookery_server.store import migrate
from rookery_server.store.locking import locked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import PostgresCluster


@pytest.fixture
def empty_sqlite_url(tmp_path: pathlib.Path) -> str:
    return f"sqlite:///{tmp_path / 'new.db'}"


@pytest.fixture
def empty_postgresql_url(postgres_cluster: PostgresCluster) -> Iterator[str]:
    yield postgres_cluster.create("empty")
    postgres_cluster.drop("empty")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def empty_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database without any schema, on each engine in turn."""
    url: str = request.getfixturevalue(f"empty_{request.param}_url")
    return url


def test_an_empty_database_has_no_revision_and_that_is_a_problem(empty_url: str) -> None:
    assert migrate.current(empty_url) is None
    assert "rookeryd db upgrade" in migrate.check(empty_url)[0]


def test_looking_at_a_database_that_is_not_there_makes_none(empty_sqlite_url: str, tmp_path: pathlib.Path) -> None:
    migrate.current(empty_sqlite_url)
    migrate.check(empty_sqlite_url)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_database_is_brought_to_the_head(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    assert migrate.current(empty_url) == migrate.head()
    assert migrate.check(empty_url) == []


def test_servers_that_start_at_once_migrate_one_after_the_other(empty_url: str) -> None:
    together = threading.Barrier(4)

    def start(_number: int) -> None:
        together.wait()
        program = "import sys; from rookery_server.store import migrate; migrate.upgrade(sys.argv[1])"
        subprocess.run([sys.executable, "-W", "error", "-c", program, empty_url], check=True, timeout=120)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))
    assert migrate.check(empty_url) == []


def test_a_migration_that_fails_leaves_nothing(empty_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    package = shutil.copytree(pathlib.Path(rookery_migrations.__path__[0]), tmp_path / "copy")
    (package / "versions" / "9999_fails.py").write_text(
        f"revision, down_revision = '9999', {migrate.head()!r}\ndef upgrade():\n    raise OSError('this migration fails')\n"
    )
    monkeypatch.setattr(rookery_migrations, "__path__", [str(package)])
    with pytest.raises(OSError, match="this migration fails"):
        migrate.upgrade(empty_url)
    assert migrate.current(empty_url) is None


def test_a_new_sqlite_file_has_the_settings_that_only_a_new_file_can_get(sqlite_url: str) -> None:
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "journal_mode", "encoding")]
    connection.close()
    assert found == [8192, "wal", "UTF-8"]


def test_a_new_sqlite_file_is_for_its_owner_only(empty_sqlite_url: str) -> None:
    migrate.upgrade(empty_sqlite_url)
    assert pathlib.Path(empty_sqlite_url.removeprefix("sqlite:///")).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("url", ["sqlite:///{0}/no/such/directory/r.db", "postgresql://nobody@/none?host={0}"])
def test_a_database_that_can_not_be_reached_is_told_so(url: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(Unavailable, match=r"can not be (made|reached)"):
        migrate.upgrade(url.format(tmp_path))


def test_a_damaged_file_is_found_out(sqlite_url: str) -> None:
    path = pathlib.Path(sqlite_url.removeprefix("sqlite:///"))
    with path.open("r+b") as file:
        file.seek(8192 * 5)
        file.write(b"\xff" * 8192)
    assert "damaged" in "".join(migrate.check(sqlite_url))


def test_an_index_that_misses_a_row_is_found_out(sqlite_url: str) -> None:
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_schema SET sql = sql || ' WHERE 0' WHERE name = 'ix_blob_touched'")
    connection.execute("PRAGMA writable_schema = RESET")
    connection.execute("INSERT INTO blob VALUES (x'00', x'00', 0, 0, 0)")
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_schema SET sql = replace(sql, ' WHERE 0', '') WHERE name = 'ix_blob_touched'")
    connection.close()
    assert any(problem.startswith("Integrity:") for problem in migrate.check(sqlite_url))


def test_a_file_that_is_no_database_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "letter.db"
    path.write_bytes(b"Dear Sir or Madam, " * 1000)
    with pytest.raises(DataLoss):
        migrate.upgrade(f"sqlite:///{path}")


def test_a_row_that_refers_to_nothing_is_found_out(sqlite_url: str) -> None:
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    connection.execute("INSERT INTO search_progress VALUES (4711, 1, 0)")
    connection.commit()
    connection.close()
    assert migrate.check(sqlite_url) == ["A row of search_progress (number 1) refers to a row of mailbox that is not there."]


def test_a_data_directory_that_is_not_there_can_not_be_locked(tmp_path: pathlib.Path) -> None:
    with pytest.raises(Unavailable, match="data directory"), locked(tmp_path / "none"):
        pass


def test_a_data_directory_serves_one_process_at_a_time(tmp_path: pathlib.Path) -> None:
    program = (
        "import pathlib, sys\n"
        "from rookery_server.store.locking import locked\n"
        "with locked(pathlib.Path(sys.argv[1])):\n"
        "    print('locked', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None and owner.stdout.readline() == "locked\n"
        with pytest.raises(Unavailable, match=str(owner.pid)) as taken, locked(tmp_path):
            pass
        assert taken.value.metadata == {"process": str(owner.pid)}
        owner.kill()
    with locked(tmp_path):
        pass
    with locked(tmp_path):
        pass
