"""Brings a database's schema up to date, and looks whether it is sound. Migrations only go up."""

from __future__ import annotations

import pathlib
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

import rookery_migrations
from rookery_core.errors import DataLoss, Unavailable
from rookery_server.store import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection


def upgrade(url: str) -> None:
    """Migrates to the newest schema, in one transaction; an SQLite file is made where there is none.

    Safe to call at every start, and from several processes at once: they wait for each other. Errors as ``Database`` has them.
    """
    with _connection(url, "create") as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def current(url: str) -> str | None:
    """The revision of the database's schema; None where there is no schema, or no SQLite file."""
    path = _sqlite_path(url)
    if path is not None and not path.is_file():
        return None
    with _connection(url, "read") as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The newest revision that this program knows."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise RuntimeError("the package rookery_migrations has no revision")
    return revision


def check(url: str) -> list[str]:
    """What is wrong with the database, a sentence each; [] if nothing is.

    Reads the whole of an SQLite file (pages, indexes, foreign keys) in one read transaction, so it takes as long as that does.
    """
    problems: list[str] = []
    path = _sqlite_path(url)
    try:
        revision = current(url)
        if revision != head():
            problems.append(f"The schema is at {revision or 'nothing'}, this program needs {head()}: run “rookeryd db upgrade”.")
        if path is not None and path.is_file():
            with _connection(url, "read") as connection:
                problems += _sqlite_problems(connection)
    except DataLoss:
        problems.append(f"{path} is damaged beyond reading: restore it from a backup.")
    return problems


def _sqlite_problems(connection: Connection) -> list[str]:
    found = [row[0] for row in connection.execute(text("PRAGMA integrity_check"))]
    problems = [f"Integrity: {line}" for line in found if line != "ok"]
    for table, rowid, parent, _ in connection.execute(text("PRAGMA foreign_key_check")):
        problems.append(f"A row of {table} (number {rowid}) refers to a row of {parent} that is not there.")
    return problems


def _unreachable(error: DBAPIError) -> Unavailable | None:
    """For the administrator, who gave the address: what the driver says when there is no connection at all."""
    if error.connection_invalidated or isinstance(error, OperationalError):
        return Unavailable("DATABASE_BUSY", f"The database can not be reached: {str(error.orig).splitlines()[0]}")
    return None


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(pathlib.Path(rookery_migrations.__path__[0])).replace("%", "%%"))
    return config


def _sqlite_path(url: str) -> pathlib.Path | None:
    parsed = make_url(url)
    return pathlib.Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


@contextmanager
def _connection(url: str, use: sqlite.Use) -> Iterator[Connection]:
    """One connection, in a transaction that is committed at the end; on SQLite it excludes other writers unless it is to read."""
    path = _sqlite_path(url)
    engine = postgresql.open_engine(make_url(url), 1) if path is None else sqlite.open_engine(path, use)
    try:
        with engine.begin() as connection:
            yield connection
    except sqlite3.Error as error:
        raise sqlite.translated(error) or error from error
    except DBAPIError as error:
        raise (sqlite.translated(error) if path else postgresql.translated(error) or _unreachable(error)) or error from error
    finally:
        engine.dispose()
