"""The replica's files: who may keep it up to date, and what is left when one is damaged."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from rookery.v1.sync_pb2 import PushResult, SyncOperation, SyncScope
from rookery_client.replica.storage import facts, schema
from rookery_client.replica.storage.database import file_errors, lock_of, open_for_salvage
from rookery_client.replica.storage.identity import Identity
from rookery_core.errors import FailedPrecondition, ResourceExhausted

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

_LOG_SUFFIXES = ("-wal", "-shm")
_DAMAGED = ".damaged"
_PROBED = 1000
"""Numbers that are tried one by one behind the last row that could be read, if nothing tells how many there are."""


@contextlib.contextmanager
def engine_lock(path: pathlib.Path) -> Iterator[None]:
    """Holds the right to keep the replica up to date within the block; the kernel takes it back when the process ends.

    FailedPrecondition ``REPLICA_IN_USE`` at once if somebody else holds it, in this process or another. The lock's file stays:
    removing it would race with the next owner.
    """
    with _descriptor(lock_of(path)) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise FailedPrecondition(
                "REPLICA_IN_USE",
                f"another program (process {owner}) keeps {path.name} up to date already: it brings your changes too",
                metadata={"process": owner},
            ) from None
        with contextlib.suppress(OSError):  # who it is, is said to whoever comes second; a full disk is no reason to stop
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield


@dataclass(slots=True)
class Salvaged:
    """What could be read of a damaged replica: what nobody else has, and what it was of."""

    operations: list[SyncOperation] = field(default_factory=list)
    """Those that waited, in order."""
    sent: set[bytes] = field(default_factory=set)
    """The ids of those among them that the server may have got."""
    refused: list[tuple[SyncOperation, PushResult]] = field(default_factory=list)
    """Those that the server had refused."""
    uploads: dict[bytes, bytes] = field(default_factory=dict)
    """Bytes of attachments that were made here."""
    lost: list[tuple[Any, ...]] = field(default_factory=list)
    """Rows of ``lost``: ``LOST_COLUMNS``."""
    identity: Identity | None = None
    scope: SyncScope | None = None
    epoch: bytes = b""
    """The mailbox's, in which they were made; empty if that can not be read."""


def salvage(path: pathlib.Path) -> Salvaged:
    """Reads what can be read of a damaged file. What can not is passed over, row by row."""
    found = Salvaged()
    try:
        connection = open_for_salvage(path)
    except sqlite3.Error:
        return found
    try:
        _salvage_outbox(connection, found)
        with contextlib.suppress(sqlite3.Error, DecodeError):
            found.epoch = facts.data(connection, facts.EPOCH)
            found.identity = Identity.read(connection)
            found.scope = SyncScope.FromString(facts.data(connection, facts.SCOPE))
    finally:
        connection.close()
    return found


def set_aside(path: pathlib.Path) -> pathlib.Path:
    """Sets a damaged file aside, over one that was set aside before; gives its new name. There is no replica then.

    ResourceExhausted ``REPLICA_FULL`` if the file system does not let it be done.
    """
    aside = path.with_name(path.name + _DAMAGED)
    with file_errors(path):
        for suffix in _LOG_SUFFIXES:
            source, target = path.with_name(path.name + suffix), aside.with_name(aside.name + suffix)
            if source.exists():
                source.replace(target)
            else:
                target.unlink(missing_ok=True)
        path.replace(aside)
    return aside


def remove(path: pathlib.Path) -> None:
    """Removes a file, with its logs, if it is there. ResourceExhausted as above."""
    with file_errors(path):
        for suffix in (*_LOG_SUFFIXES, ""):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _salvage_outbox(connection: sqlite3.Connection, found: Salvaged) -> None:
    for operation_id, status, sent, body, result in _readable(connection, "operation", "id, status, sent, body, result"):
        with contextlib.suppress(DecodeError):
            if status in {schema.WAITING, schema.INCLUDED}:
                found.operations.append(SyncOperation.FromString(body))
                found.sent |= {operation_id} if sent else set()
            elif status == schema.REJECTED:
                found.refused.append((SyncOperation.FromString(body), PushResult.FromString(result or b"")))
    found.uploads.update(_readable(connection, "upload", "id, data"))
    found.lost += map(tuple, _readable(connection, "lost", schema.LOST_COLUMNS))


def _readable(connection: sqlite3.Connection, table: str, columns: str) -> list[Any]:
    """The rows of a table that can be read, in order: all at once as far as that goes, and then one by one."""
    found: list[Any] = []
    last = 0
    with contextlib.suppress(sqlite3.Error):
        for number, *row in connection.execute(f"SELECT rowid, {columns} FROM {table} ORDER BY rowid"):
            found.append(row)
            last = number
        return found
    for number in range(last + 1, max(last + _PROBED, _greatest(connection, table)) + 1):
        with contextlib.suppress(sqlite3.Error):
            found += connection.execute(f"SELECT {columns} FROM {table} WHERE rowid = ?", (number,)).fetchall()
    return found


def _greatest(connection: sqlite3.Connection, table: str) -> int:
    """The greatest number of a row, if that can be read."""
    with contextlib.suppress(sqlite3.Error):
        row = connection.execute(f"SELECT max(rowid) FROM {table}").fetchone()
        return int(row[0] or 0)
    return 0


@contextlib.contextmanager
def _descriptor(path: pathlib.Path) -> Iterator[int]:
    """The file, opened; made if it is not there. ResourceExhausted ``REPLICA_FULL`` if it can not be."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ResourceExhausted("REPLICA_FULL", f"{path} can not be made: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
