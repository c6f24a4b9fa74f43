"""A damaged replica is replaced: what was not sent is saved, the file is set aside, and a new one is filled."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from rookery_client.replica.outbox import outbox
from rookery_client.replica.replica import Replica
from rookery_client.replica.storage import files
from rookery_core.errors import DataLoss

if TYPE_CHECKING:
    import pathlib

    from rookery.v1.sync_pb2 import SyncScope
    from rookery_client.replica.storage.identity import Identity
    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids

_NEW = ".new"


def open_or_rebuild(path: pathlib.Path, *, clock: Clock, ids: Ids) -> Replica:
    """The replica at `path`, made if it is not there. One that is too damaged to be opened is replaced.

    FailedPrecondition ``REPLICA_IN_USE`` if somebody keeps the damaged one up to date: they replace it. Else as ``Replica.open``.
    """
    new = _new(path)
    if not path.exists() and new.exists():
        # Replacing it was broken off in the moment between the two names.
        new.replace(path)
    try:
        return Replica.open(path, clock=clock, ids=ids, create=True)
    except DataLoss:
        with files.engine_lock(path):
            return rebuilt(path, clock=clock, ids=ids)


def rebuilt(
    path: pathlib.Path, *, clock: Clock, ids: Ids, identity: Identity | None = None, scope: SyncScope | None = None
) -> Replica:
    """A new replica in the place of a damaged one, with what was not sent; what it had pulled is pulled again.

    The caller holds the engine's lock, and has closed the damaged one. `identity` and `scope` are for where the file does not
    tell them any more.
    """
    saved = files.salvage(path)
    new = _new(path)
    new.unlink(missing_ok=True)
    replica = Replica.open(new, clock=clock, ids=ids, create=True)
    try:
        if (whose := saved.identity or identity) is not None:
            replica.adopt(whose)
        if (wanted := saved.scope or scope) is not None:
            replica.set_scope(wanted)
        with replica.database.writing() as connection:
            outbox.requeue(connection, saved.operations, saved.uploads, now=clock.micros())
    finally:
        replica.close()
    files.replace(path)
    new.replace(path)
    return Replica.open(path, clock=clock, ids=ids)


def close_damaged(replica: Replica) -> None:
    """Closes a replica whose file may not even let itself be closed in order."""
    with suppress(DataLoss):
        replica.close()


def _new(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(path.name + _NEW)
