"""Copies of a SQLite database, made while servers write to it; and what makes a restored one safe to sync with."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import urllib.parse
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, text, update

from rookery_core.errors import AlreadyExists, DataLoss, FailedPrecondition, Unavailable
from rookery_server.store import outgoing, sqlite
from rookery_server.store.tables import change, mailbox

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

REVISIONS_AHEAD = 1_000_000
"""How far a restored mailbox's clock is moved on at least: beyond every revision handed out between the backup and its loss.

And never below the milliseconds since 1970, nor what the database had reached that is replaced: where one backup is restored twice,
the second life of a mailbox must not hand out the first one's revisions again, or a device would take different things for equal.
"""

_REMEMBERED = 60 * 86_400 * 1_000_000
"""Microseconds. What a device did longer ago is not taken any more: its operation ids are too old for the ledger."""
_NOBODY = bytes(16)
_BESIDE = ("-wal", "-shm", "-journal")
"""Ends of the names of the files that SQLite has beside a database."""


def copy(source: pathlib.Path, target: pathlib.Path) -> int:
    """Copies a database as it is at this moment to a new file, whole and on disk before it has its name; gives its bytes.

    AlreadyExists ``FIELD_INVALID`` if there is a file; DataLoss ``CONTENT_DAMAGED`` if what was read is no sound database.
    """
    if target.exists():
        raise AlreadyExists("FIELD_INVALID", f"{target} is there already: name a new file")
    unfinished = target.with_name(f"{target.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    try:
        with contextlib.closing(_open(source, "ro")) as read, contextlib.closing(_open(unfinished, "rw")) as written:
            read.backup(written)
            written.execute("PRAGMA journal_mode = DELETE").close()  # one file, no log beside it
            problems = [row[0] for row in written.execute("PRAGMA quick_check")]
        if problems != ["ok"]:
            raise DataLoss("CONTENT_DAMAGED", f"{source} is damaged: {problems[0]}")
        _sync(unfinished)
        unfinished.rename(target)
        _sync(target.parent)
    except sqlite3.Error as error:
        raise sqlite.translated(error) or DataLoss("CONTENT_DAMAGED", f"{source} is no sound database: {error}") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return target.stat().st_size


def put_in_place(copied: pathlib.Path, database: pathlib.Path, kept: pathlib.Path) -> None:
    """Makes a copy the database; the one that was there is kept under another name. Nobody may have either open.

    One that is too damaged to be opened is kept as it is, with the files beside it, under its own name and ".damaged".
    FailedPrecondition ``FIELD_INVALID`` if a file of that name is there; Unavailable ``DATABASE_BUSY`` if somebody has it open.
    """
    if database.exists():
        _require_free(kept)
    if not (database.exists() and _take_in_log(database)):
        kept = database.with_name(f"{database.name}.damaged")
    there = [end for end in ("", *_BESIDE) if _beside(database, end).exists()]
    for end in there:
        _require_free(_beside(kept, end))
    for end in there:  # the log too, or it would be written into the copy
        _beside(database, end).rename(_beside(kept, end))
    copied.rename(database)
    with contextlib.closing(_open(database, "rw")) as connection:
        connection.execute("PRAGMA journal_mode = WAL").close()
    _sync(database.parent)


def reached(database: pathlib.Path) -> dict[bytes, int]:
    """The revisions that the mailboxes of a database have reached, by their uids; none if it is not there, or can not be read."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(_open(database, "ro")) as connection:
        return dict(connection.execute("SELECT uid, revision FROM mailbox").fetchall())
    return {}


def begin_epoch(connection: Connection, new_id: Callable[[], bytes], now: int, beyond: Mapping[bytes, int]) -> int:
    """Gives every mailbox a new epoch and moves its clock far ahead, so that devices compare before they trust; gives how many.

    ``beyond``: what is known of the revisions that were handed out, by uids of mailboxes (``reached``).

    Mail that was on its way out is held: much of it has left since the backup was made. And PostgreSQL learns what is in its
    tables, which pg_restore does not tell it.

    Kept with the mailbox: its revision in the backup, and the time of the latest change that the backup has. What a device has from
    after them was lost. Where the backup itself is of a mailbox that was restored within the last 60 days, what is kept of that
    restore stays: a device that slept through both has to hear of the first. ``now`` in microseconds.
    """
    columns = [mailbox.c[name] for name in ("id", "uid", "revision", "backup_revision")]
    rows = connection.execute(select(*columns).order_by(mailbox.c.id).with_for_update()).all()
    for row in rows:
        revision = max(max(row.revision, beyond.get(row.uid, 0)) + REVISIONS_AHEAD, now // 1000)
        values = {"epoch": new_id(), "revision": revision, "oldest_revision": revision}
        if not row.backup_revision or _restored(connection, row.id, row.backup_revision) < now - _REMEMBERED:
            values |= {"backup_revision": row.revision, "backup_time": _latest_change(connection, row.id)}
        connection.execute(update(mailbox).where(mailbox.c.id == row.id).values(values))
        outgoing.hold_all(connection, row.id, revision)
        line = {"mailbox_id": row.id, "revision": revision, "at": now, "operation": "server.restore"}
        connection.execute(insert(change), {**line, "actor_id": _NOBODY, "device_id": _NOBODY, "operation_id": _NOBODY})
    analyze(connection)
    return len(rows)


def analyze(connection: Connection) -> None:
    """Has PostgreSQL look at what is in its tables, now that very much has come into them.

    It would do so by itself within a minute or two, and until then take long ways to what is asked. SQLite needs no such knowledge.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE"))


def _latest_change(connection: Connection, mailbox_id: int) -> int:
    """The time of a mailbox's latest change in microseconds; 0 if it never changed."""
    times = select(change.c.at).where(change.c.mailbox_id == mailbox_id).order_by(change.c.revision.desc()).limit(1)
    return connection.execute(times).scalar() or 0


def _restored(connection: Connection, mailbox_id: int, backup_revision: int) -> int:
    """When a backup with this revision was restored, in microseconds: that is the change behind it."""
    times = select(change.c.at).where(change.c.mailbox_id == mailbox_id, change.c.revision > backup_revision)
    return connection.execute(times.order_by(change.c.revision).limit(1)).scalar() or 0


def _take_in_log(database: pathlib.Path) -> bool:
    """Writes what is in a database's log into its file, after which there is no log; False if it is no sound database."""
    try:
        with contextlib.closing(_open(database, "ro&immutable=1")) as connection:  # else SQLite deletes the log of a damaged one
            connection.execute("SELECT count(*) FROM sqlite_schema").close()
        with contextlib.closing(_open(database, "rw")) as connection:
            connection.execute("PRAGMA journal_mode = DELETE").close()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise Unavailable("DATABASE_BUSY", f"{database} is in use by another program: stop that first") from None
        return False
    return True


def _beside(database: pathlib.Path, end: str) -> pathlib.Path:
    return database.with_name(database.name + end)


def _require_free(path: pathlib.Path) -> None:
    if path.exists():
        message = f"{path} is there, from a restore before: move it away, so that nothing is lost"
        raise FailedPrecondition("FIELD_INVALID", message)


def _open(path: pathlib.Path, mode: str) -> sqlite3.Connection:
    address = f"file:{urllib.parse.quote(str(path))}?mode={mode}"
    return sqlite3.connect(address, uri=True, timeout=sqlite.BUSY_SECONDS, isolation_level=None)


def _sync(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
