"""Fixtures: a fresh, migrated database for each test, on every engine that the machine has.

``tests/conftest.py`` has them for all tests: ``database`` (open, ``notifier`` behind it) or ``database_url``.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from rookery_server.store import migrate
from rookery_server.store.database import open_database
from tests.support.fakes import RecordingNotifier
from tests.support.postgres import running_cluster
from tests.support.postgres_copies import PostgresCopies

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Iterator

    from rookery_server.store.database import Database
    from tests.support.postgres import PostgresCluster

ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]

ON_BOTH = pytest.mark.parametrize("database_url", ENGINES, indirect=True)
"""For a test in a module with ``sqlite_unless_asked``: runs on each engine."""


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresCluster]:
    """A private PostgreSQL server; skips where its binaries are not installed."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def migrated_postgres(postgres_cluster: PostgresCluster) -> str:
    """The name of a migrated database, to be copied."""
    migrate.upgrade(postgres_cluster.create("migrated"))
    return "migrated"


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A migrated file, to be copied: nothing has it open, and its log is empty."""
    path = tmp_path_factory.mktemp("migrated") / "rookery.db"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(migrated_sqlite: pathlib.Path, tmp_path: pathlib.Path) -> str:
    """The URL of a fresh SQLite database."""
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'rookery.db')}"


@pytest.fixture(scope="session")
def postgres_copies(postgres_cluster: PostgresCluster, migrated_postgres: str) -> PostgresCopies:
    """Where fresh PostgreSQL databases come from."""
    return PostgresCopies(postgres_cluster, migrated_postgres)


@pytest.fixture
def postgresql_url(postgres_cluster: PostgresCluster, postgres_copies: PostgresCopies) -> Iterator[str]:
    """The URL of a fresh PostgreSQL database."""
    name = postgres_copies.take()
    yield postgres_cluster.url(name)
    postgres_copies.give_back(name)


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh database, on each engine in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(name="database_url")
def sqlite_unless_asked(request: pytest.FixtureRequest) -> str:
    """Imported by modules whose tests are about rules rather than SQL: one engine for all but those that are marked ON_BOTH."""
    url: str = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url")
    return url


@pytest.fixture
def notifier() -> RecordingNotifier:
    """What the database under test announces."""
    return RecordingNotifier()


@pytest.fixture
async def database(database_url: str, notifier: RecordingNotifier) -> AsyncIterator[Database]:
    """A fresh database, open, on each engine in turn."""
    opened = open_database(database_url, notifier=notifier)
    yield opened
    await opened.close()
