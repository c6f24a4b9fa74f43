"""A damaged replica is replaced: what was not sent is saved, the file is set aside, and a new one is filled.

The new one is made under another name, and gets a third one as soon as it has all that was saved. From then on the damaged one is
not read again: whoever finds a file of that name puts it in its place, and need not know what was done before it was broken off.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from rookery_client.replica.replica import Replica
from rookery_client.replica.storage import files
from rookery_client.replica.storage.database import file_errors
from rookery_core.errors import DataLoss

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    from rookery.v1.sync_pb2 import SyncScope
    from rookery_client.replica.storage.identity import Identity
    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids

_NEW, _READY = ".new", ".ready"


def open_or_rebuild(path: pathlib.Path, *, clock: Clock, ids: Ids, on_damage: Callable[[DataLoss], None]) -> Replica:
    """The replica at `path`, made if it is not there. One that is too damaged to be opened is replaced: `on_damage` hears of it.

    FailedPrecondition ``REPLICA_IN_USE`` if somebody keeps the damaged one up to date: they replace it. Else as ``Replica.open``.
    """
    if _named(path, _READY).exists():
        with files.engine_lock(path):
            return replaced(path, clock=clock, ids=ids)
    try:
        return Replica.open(path, clock=clock, ids=ids, create=True)
    except DataLoss as error:
        with files.engine_lock(path):
            on_damage(error)
            save(path, clock=clock, ids=ids)
            return replaced(path, clock=clock, ids=ids)


def save(path: pathlib.Path, *, clock: Clock, ids: Ids, identity: Identity | None = None, scope: SyncScope | None = None) -> None:
    """Saves what was not sent out of a damaged replica into a new one beside it; what it had pulled is pulled again.

    The caller holds the engine's lock. `identity` and `scope` are for where the file does not tell them any more.
    """
    new, ready = _named(path, _NEW), _named(path, _READY)
    if ready.exists():
        return
    files.remove(new)
    saved = files.salvage(path)
    replica = Replica.open(new, clock=clock, ids=ids, create=True)
    try:
        if (whose := saved.identity or identity) is not None:
            replica.adopt(whose)
        if (wanted := saved.scope or scope) is not None:
            replica.set_scope(wanted)
        replica.take_over(saved)
    finally:
        replica.close()
    with file_errors(path):
        new.replace(ready)


def replaced(path: pathlib.Path, *, clock: Clock, ids: Ids) -> Replica:
    """Puts the new replica into the place of the damaged one, which is set aside, and which the caller has closed."""
    ready = _named(path, _READY)
    with file_errors(path):
        if ready.exists():
            if path.exists():
                files.set_aside(path)
            ready.replace(path)
    return Replica.open(path, clock=clock, ids=ids)


def close_damaged(replica: Replica) -> None:
    """Closes a replica whose file may not even let itself be closed in order."""
    with suppress(DataLoss):
        replica.close()


def _named(path: pathlib.Path, suffix: str) -> pathlib.Path:
    return path.with_name(path.name + suffix)
