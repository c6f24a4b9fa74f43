"""Where a replica stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery_client.replica.incoming import scoping
from rookery_client.replica.storage import facts, schema

if TYPE_CHECKING:
    import sqlite3

    from rookery.v1.sync_pb2 import SyncScope

_COUNTS = f"""SELECT (SELECT count(*) FROM folder),
    (SELECT count(*) FROM operation WHERE status = {schema.WAITING}),
    (SELECT count(*) FROM operation WHERE status = {schema.REJECTED}),
    (SELECT count(*) FROM lost)"""


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """Where it stands. Times are microseconds since 1970."""

    cursor: str
    """What to pull with next; "" begins a fill."""
    epoch: bytes
    revision: int
    """The mailbox's revision in the last batch."""
    caught_up_revision: int
    """The mailbox's revision when the replica last equalled it; 0 if it never did."""
    caught_up_at: int
    scope: SyncScope
    done: int
    """How far the fill is that is under way; 0 of 0 if none is."""
    total: int
    folders: int
    """Folders and items as the server has sent them."""
    items: int
    waiting: int
    """Operations that are to be pushed."""
    rejected: int
    """Operations that the server has refused."""
    lost: int
    """Items that were lost with a restored server, and could not be made again."""

    @classmethod
    def read(cls, connection: sqlite3.Connection) -> ReplicaStatus:
        """What the file says."""
        folders, waiting, rejected, lost = connection.execute(_COUNTS).fetchone()
        return cls(
            cursor=facts.text(connection, facts.CURSOR),
            epoch=facts.data(connection, facts.EPOCH),
            revision=facts.number(connection, facts.REVISION),
            caught_up_revision=facts.number(connection, facts.CAUGHT_UP_REVISION),
            caught_up_at=facts.number(connection, facts.CAUGHT_UP_AT),
            scope=scoping.get(connection),
            done=facts.number(connection, facts.DONE),
            total=facts.number(connection, facts.TOTAL),
            folders=folders,
            items=facts.number(connection, facts.ITEMS),
            waiting=waiting,
            rejected=rejected,
            lost=lost,
        )
