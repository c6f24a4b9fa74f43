"""A private PostgreSQL cluster for the tests: made in a temporary directory, reached by a Unix socket, gone at the end.

Each process of a test run (pytest-xdist) has its own. PostgreSQL refuses to run as root, so root starts it as the user
"postgres", or "nobody" where there is none.
"""

from __future__ import annotations

import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

START_SECONDS = 60
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # a test may kill the server process or this one, but not the machine
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "logging_collector": "off",
}


class PostgresCluster:
    """A running server. Databases are named in SQL as they are: only plain lower-case names."""

    def __init__(self, socket_directory: pathlib.Path, process: subprocess.Popen[bytes]) -> None:
        self._sockets = socket_directory
        self.process = process

    def url(self, database: str) -> str:
        """Where the server under test finds a database."""
        return f"postgresql://rookery@/{database}?host={self._sockets}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Runs one statement outside of any transaction; gives its rows, if it has any."""
        with psycopg.connect(host=str(self._sockets), user="rookery", dbname=database, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def create(self, database: str, *, template: str | None = None) -> str:
        """Makes a database, a copy of ``template`` or an empty one; gives its URL.

        Empty ones sort by the rules of English, not by code point, so that a query which relies on the locale is found out.
        """
        if template is None:
            self.execute(f"CREATE DATABASE {database} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
        else:
            self.execute(f"CREATE DATABASE {database} TEMPLATE {template}")
        return self.url(database)

    def drop(self, database: str) -> None:
        """Removes a database, ending whatever still uses it."""
        self.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


def binaries() -> pathlib.Path:
    """The directory of initdb. Where there is none, the test is skipped; with ROOKERY_REQUIRE_POSTGRESQL=1 it fails."""
    on_path = shutil.which("initdb")
    found = [pathlib.Path(on_path)] if on_path else sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if found:
        return found[-1].resolve().parent
    reason = "PostgreSQL's initdb is neither on PATH nor in /usr/lib/postgresql/*/bin"
    if os.environ.get("ROOKERY_REQUIRE_POSTGRESQL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def _version(initdb: pathlib.Path) -> float:
    return float(initdb.parent.parent.name)


def _unprivileged() -> dict[str, Any]:
    """The arguments with which subprocess sheds root's rights."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextmanager
def running_cluster(settings: Mapping[str, str] = SETTINGS, folder: pathlib.Path | None = None) -> Iterator[PostgresCluster]:
    """A server that runs within the block, with its data below ``folder``, or where temporary files go."""
    programs = binaries()
    rights = _unprivileged()
    base = pathlib.Path(tempfile.mkdtemp(prefix="rookery-pg-", dir=folder))
    try:
        if rights:
            os.chown(base, rights["user"], rights["group"])
        initdb: list[str | pathlib.Path] = [programs / "initdb", "-D", base / "data", "-U", "rookery", "-A", "trust"]
        initdb += ["-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=base, **rights)
        options: list[str | pathlib.Path] = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (base / "log").open("wb") as log:
            command: list[str | pathlib.Path] = [programs / "postgres", "-D", base / "data", "-k", base, *options]
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=base, **rights)
        try:
            cluster = PostgresCluster(base, process)
            _wait_until_ready(cluster, base / "log")
            yield cluster
        finally:
            process.send_signal(signal.SIGINT)  # "fast": ends sessions, then stops
            process.wait(timeout=START_SECONDS)
    finally:
        shutil.rmtree(base)


def _wait_until_ready(cluster: PostgresCluster, log: pathlib.Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            cluster.execute("SELECT 1")
        except psycopg.OperationalError as error:
            if cluster.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start:\n{log.read_text('utf-8', 'replace')}") from error
            time.sleep(0.05)
        else:
            return
