"""rookeryd db."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds
from rookery_server.bootstrap import sqlite_file
from rookery_server.cli import logs
from rookery_server.cli.options import WHERE, settings_of, with_settings
from rookery_server.cli.output import bytes_of
from rookery_server.services.announcements import Announcements
from rookery_server.store import backup as backups
from rookery_server.store import migrate, recount
from rookery_server.store.database import Database, open_database
from rookery_server.store.locking import locked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from rookery_server.config import Settings


@click.group("db")
def database() -> None:
    """The database itself."""


@database.command()
@with_settings(*WHERE)
def upgrade(config_file: pathlib.Path | None, **flags: object) -> None:
    """Bring the schema up to date; make the database if there is none. A server does so itself when it starts."""
    settings = _settings(flags, config_file)
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if migrate.current(settings.database_url) == migrate.head():
        click.echo(f"The schema is at {migrate.head()} already.")
        return
    with _alone(settings):
        migrate.upgrade(settings.database_url)
    click.echo(f"The schema is at {migrate.head()}.")


@database.command()
@with_settings(*WHERE)
def check(config_file: pathlib.Path | None, **flags: object) -> None:
    """Look whether the database is sound and its counters are right. Reads all of it; a server may run meanwhile."""
    settings = _settings(flags, config_file)
    problems = migrate.check(settings.database_url)
    if not problems:
        problems = asyncio.run(_recount(settings))
    for problem in problems:
        click.echo(problem)
    if problems:
        sys.exit(1)
    click.echo("The database is sound.")


@database.command()
@click.argument("target", type=click.Path(path_type=pathlib.Path))
@with_settings(*WHERE)
def backup(target: pathlib.Path, config_file: pathlib.Path | None, **flags: object) -> None:
    """Copy the database as it is at this moment to the new file TARGET. A server may run meanwhile."""
    file = _sqlite_file(_settings(flags, config_file), "pg_dump makes backups of PostgreSQL")
    click.echo(f"{target}: {bytes_of(backups.copy(file, target))}.")


@database.command()
@click.argument("source", type=click.Path(path_type=pathlib.Path, exists=True, dir_okay=False), required=False)
@with_settings(*WHERE)
def restore(source: pathlib.Path | None, config_file: pathlib.Path | None, **flags: object) -> None:
    """Make the backup SOURCE the database; the one that was there is kept beside it. The server must not run.

    On PostgreSQL restore with pg_restore first and give no SOURCE: this then tells all devices that the server was restored.
    """
    settings = _settings(flags, config_file)
    file = sqlite_file(settings.database_url)
    if (file is None) != (source is None):
        raise click.UsageError("name a SOURCE for SQLite, and none for PostgreSQL")
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(settings):
        count = _restore_file(source, file) if file and source else asyncio.run(_begin_epoch(settings.database_url, {}))
    click.echo(f"Restored: {count:,} mailboxes have a new epoch.")
    click.echo(
        "At their next sync devices compare what they hold with the server. What was deleted before the backup they drop; what was"
    )
    click.echo("made or changed after it they send again or offer to. Mail that no device had seen yet is lost.")


def _restore_file(source: pathlib.Path, file: pathlib.Path) -> int:
    copied = file.with_name(f"{file.name}.restoring")
    copied.unlink(missing_ok=True)
    try:
        backups.copy(source, copied)
        url = f"sqlite:///{copied}"
        migrate.upgrade(url)
        count = asyncio.run(_begin_epoch(url, backups.reached(file)))
        backups.put_in_place(copied, file, file.with_name(f"{file.name}.before-restore"))
    finally:
        for end in ("", "-wal", "-shm"):
            copied.with_name(copied.name + end).unlink(missing_ok=True)
    return count


async def _begin_epoch(url: str, beyond: Mapping[bytes, int]) -> int:
    clock = SystemClock()
    ids, now = RandomIds(clock), clock.micros()
    async with _opened(url) as opened:
        return await opened.write(lambda transaction: backups.begin_epoch(transaction.connection, ids.new, now, beyond))


async def _recount(settings: Settings) -> list[str]:
    problems: list[str] = []
    async with _opened(settings.database_url) as opened:
        for number, address in (await opened.read(recount.addresses)).items():
            found = await opened.read(partial(recount.differences, mailbox_id=number))
            problems += [f"{address}: {problem}" for problem in found]
    return problems


@contextlib.asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    opened = open_database(url, notifier=Announcements(), readers=1, writers=1)
    try:
        yield opened
    finally:
        await opened.close()


def _settings(flags: dict[str, object], config_file: pathlib.Path | None) -> Settings:
    logs.configure("text", "error")
    return settings_of(flags, config_file)


def _sqlite_file(settings: Settings, otherwise: str) -> pathlib.Path:
    file = sqlite_file(settings.database_url)
    if file is None:
        raise click.UsageError(otherwise)
    return file


def _alone(settings: Settings) -> contextlib.AbstractContextManager[None]:
    """Keeps servers out for as long, where there may be one only."""
    file = sqlite_file(settings.database_url)
    return contextlib.nullcontext() if file is None else locked(file.parent)
