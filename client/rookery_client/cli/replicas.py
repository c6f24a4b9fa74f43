"""The replica that a command works on, and how it stands."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp

from rookery_client.cli.terminal import moment, time_text
from rookery_client.replica.engine.states import Filling
from rookery_client.replica.reading.contents import Contents
from rookery_client.replica.replica import Replica
from rookery_core.errors import RookeryError
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rookery_client.cli.session import Session
    from rookery_client.replica.replica import ReplicaStatus


_MOST_KEPT = 64 << 20


@contextmanager
def opened(session: Session) -> Iterator[Replica]:
    """The profile's replica. FailedPrecondition ``REPLICA_MISSING``; DataLoss ``REPLICA_DAMAGED``."""
    clock = SystemClock()
    replica = Replica.open(session.replica_path, clock=clock, ids=RandomIds(clock))
    try:
        yield replica
    finally:
        replica.close()


def kept_bytes(session: Session) -> int:
    """Up to how many bytes of what is fetched now the replica keeps for the next time; 0 if it is used now, or there is none."""
    return 0 if session.offline or not session.replica_path.exists() else _MOST_KEPT


def keep(session: Session, put: Callable[[Contents], bool]) -> None:
    """Lets the replica keep what was fetched, in place of what was not used for the longest time if there is too much.

    One that can not be written now does not keep anybody from reading.
    """
    if kept_bytes(session):
        with suppress(RookeryError), opened(session) as replica:
            contents = Contents(replica, SystemClock())
            if put(contents):
                contents.evict()


def standing(session: Session) -> dict[str, Any] | None:
    """How the profile's replica stands, as JSON values; None if there is none. `problem` says why it can not be read."""
    path = session.replica_path
    if not path.exists():
        return None
    try:
        with opened(session) as replica:
            status = replica.status()
    except RookeryError as error:
        return {"path": str(path), "state": "unreadable", "problem": error.message}
    return {
        "path": str(path),
        "state": _state(status),
        "revision": status.caught_up_revision,
        "caught_up": time_text(_time(status)) if status.caught_up_at else None,
        "percent": Filling(status.done, status.total).percent if status.total else 100,
        "items": status.items,
        "folders": status.folders,
        "waiting": status.waiting,
        "rejected": status.rejected,
        "lost": status.lost,
        "problem": None,
    }


def standing_text(found: dict[str, Any]) -> str:
    """The same for people, in a line."""
    if found["problem"] is not None:
        return str(found["problem"])
    held = f"{found['items']:,} items"
    parts = [f"filling, {found['percent']} %, {held}" if found["state"] == "filling" else held]
    if found["state"] == "complete":
        time = Timestamp()
        time.FromJsonString(found["caught_up"])
        parts.append(f"as of {moment(time)} (revision {found['revision']})")
    if found["waiting"]:
        parts.append(f"{found['waiting']:,} to be sent")
    if found["rejected"]:
        parts.append(f"{found['rejected']:,} refused (`rookery changes list`)")
    if found["lost"]:
        parts.append(f"{found['lost']:,} lost with the server (`rookery changes lost`)")
    return ", ".join(parts)


def _state(status: ReplicaStatus) -> str:
    """In a word: empty, filling until all that is wanted has come, and complete from then on."""
    if status.total:
        return "filling"
    return "complete" if status.caught_up_revision else "empty"


def _time(status: ReplicaStatus) -> Timestamp:
    time = Timestamp()
    time.FromMicroseconds(status.caught_up_at)
    return time
