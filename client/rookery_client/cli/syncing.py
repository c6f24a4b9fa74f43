"""`sync`: keeps a replica of the mailbox on this machine."""

from __future__ import annotations

import asyncio
import random
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from rookery.v1.sync_pb2 import SyncDepth, SyncScope
from rookery_client.cli.filters import moment
from rookery_client.cli.folder_names import FOLDER, resolve
from rookery_client.cli.kinds import Words
from rookery_client.cli.progress import stages
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.sync_report import Report, tell_damage
from rookery_client.replica.engine.engine import Engine
from rookery_client.replica.engine.rebuilding import open_or_rebuild
from rookery_client.replica.engine.remote import RemoteTransport
from rookery_client.replica.reading.contents import Contents
from rookery_client.replica.storage.identity import Identity
from rookery_core.rules import amounts
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rookery_client import Client
    from rookery_client.replica.replica import Replica

DEPTHS = {name.removeprefix("SYNC_DEPTH_").lower(): number for name, number in SyncDepth.items() if number}
_MICROS_A_DAY = 86_400_000_000
_ALL = "all"
_MOST_DIGITS_OF_DAYS = 5


@click.command()
@click.option("--watch", is_flag=True, help="Go on, and print each change as it comes, until Ctrl-C.")
@click.option("--depth", type=Words(DEPTHS), help="How much of each item; full at first. Attachments come when they are opened.")
@click.option("--mail-since", metavar="TIME", help="Only mail since this day or time, or of so many days; all for all of it.")
@click.option("--folder", "folders", type=FOLDER, multiple=True, help="Only the items of this folder; may be given again.")
@click.option("--all-folders", is_flag=True, help="The items of all folders again.")
@click.option("--cache-size", metavar="SIZE", help="The most that contents and attachments take here, like 5GiB; 1GiB at first.")
@click.option("--accept-deletions", is_flag=True, help="Delete here, too, what was deleted on the server, however much it is.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; with --watch one a change, a line each.")
@pass_session
def sync(
    session: Session,
    watch: bool,
    depth: SyncDepth.ValueType | None,
    mail_since: str | None,
    folders: tuple[str, ...],
    all_folders: bool,
    cache_size: str | None,
    accept_deletions: bool,
    as_json: bool,
) -> None:
    """Keep a replica of the mailbox on this machine, for `rookery --offline`, and send what was done offline.

    What is to be held is remembered from one call to the next. Exit status 1 if the server refused one of the changes made here.
    """
    if session.offline:
        raise click.UsageError("sync needs the server: leave out --offline.")
    if folders and all_folders:
        raise click.UsageError("Either --folder or --all-folders.")
    accepted = True
    limit = None if cache_size is None else _size(cache_size)

    async def work(client: Client) -> None:
        nonlocal accepted
        clock = SystemClock()
        ids = RandomIds(clock)
        replica = open_or_rebuild(session.replica_path, clock=clock, ids=ids, on_damage=tell_damage)
        engine: Engine | None = None
        try:
            with replica.engine_lock():
                await _identify(session, client, replica)
                chosen = await _folder_ids(client, folders)
                since = None if mail_since is None else _mail_since(mail_since, clock.micros())
                _set_scope(replica, depth=depth, mail_since=since, folder_ids=chosen, all_folders=all_folders)
                if limit is not None:
                    Contents(replica, clock).set_limit(limit)
            with stages(hidden=watch or as_json) as show:
                report = Report(lambda: engine.replica if engine is not None else replica, show, watch=watch, as_json=as_json)
                engine = Engine(
                    replica,
                    RemoteTransport(client),
                    clock=clock,
                    ids=ids,
                    chance=random.SystemRandom().random,
                    on_state=report.state,
                    on_applied=report.applied,
                    on_answered=report.answered,
                    accept_deletions=accept_deletions,
                )
                with _stopped_by_signals(engine):
                    await (engine.run() if watch else engine.run_once())
            accepted = report.finish()
        finally:
            (engine.replica if engine is not None else replica).close()

    session.run(work)
    if not accepted:
        raise click.exceptions.Exit(1)


@contextmanager
def _stopped_by_signals(engine: Engine) -> Iterator[None]:
    """Ctrl-C and SIGTERM let the engine finish what it is writing."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, engine.stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _identify(session: Session, client: Client, replica: Replica) -> None:
    """Tells a replica who its owner is, and what they are called. FailedPrecondition ``REPLICA_FOREIGN`` if it is somebody else."""
    profile, known = session.profiles.get(session.name), replica.identity()
    mailbox = await client.mailboxes.get()
    is_new = known is None or (known.server, known.address) != (profile.server, profile.address)
    account_id = known.account_id if known is not None and not is_new else (await client.auth.who_am_i()).account_id
    names = (mailbox.display_name, tuple(mailbox.aliases))
    found = Identity(profile.server, profile.address, mailbox.id, account_id, *names)
    if found != known:
        replica.adopt(found)


async def _folder_ids(client: Client, names: tuple[str, ...]) -> list[bytes]:
    if not names:
        return []
    listed = await client.folders.list()
    return [resolve(listed, name).id for name in names]


def _size(text: str) -> int:
    try:
        found = amounts.size(text)
    except ValueError as error:
        raise click.UsageError(f"--cache-size: “{text}” is wrong, {error} right") from None
    if not found:
        raise click.UsageError("--cache-size: nothing is too little; --depth summary keeps no contents.")
    return found


def _mail_since(text: str, now: int) -> int:
    """Microseconds since 1970; 0 for all mail. InvalidArgument ``FIELD_INVALID``."""
    if text == _ALL:
        return 0
    if text.isdecimal() and len(text) <= _MOST_DIGITS_OF_DAYS:
        return max(0, now - int(text) * _MICROS_A_DAY)
    return moment(text, "--mail-since").ToMicroseconds()


def _set_scope(
    replica: Replica,
    *,
    depth: SyncDepth.ValueType | None,
    mail_since: int | None,
    folder_ids: list[bytes],
    all_folders: bool,
) -> None:
    """Changes what was named; the rest stays as it was."""
    scope = SyncScope()
    scope.CopyFrom(replica.status().scope)
    scope.depth = depth or scope.depth or SyncDepth.SYNC_DEPTH_FULL
    if mail_since is not None:
        scope.window.ClearField("mail_since")
        if mail_since:
            scope.window.mail_since.FromMicroseconds(mail_since)
    if folder_ids or all_folders:
        scope.ClearField("folder_ids")
        scope.folder_ids.extend(folder_ids)
    replica.set_scope(scope)


COMMANDS = (sync,)
