"""What a replica holds of its mailbox, and what to say about the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ItemKind
from rookery.v1.sync_pb2 import SyncScope
from rookery_client.replica.storage import facts
from rookery_core.errors import FailedPrecondition, NotFound, RookeryError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from google.protobuf.timestamp_pb2 import Timestamp

    from rookery.v1.folder_pb2 import Folder


def scope(connection: sqlite3.Connection) -> SyncScope:
    """What the replica is to hold."""
    return SyncScope.FromString(facts.data(connection, facts.SCOPE))


def unknown_item(connection: sqlite3.Connection) -> RookeryError:
    """The error for an item that is not here: whether it is on the server is known only if the replica holds everything."""
    if _holds_everything(connection):
        return NotFound("ITEM_NOT_FOUND", "the mailbox has no such item", field="item_id")
    return FailedPrecondition("NOT_IN_REPLICA", "the replica does not hold this item: go online, or sync more of the mailbox")


def require_folder(connection: sqlite3.Connection, folder: Folder) -> None:
    """FailedPrecondition ``NOT_IN_REPLICA`` for a folder whose items are not synced: its list would be empty without a reason."""
    wanted = scope(connection).folder_ids
    if wanted and folder.id not in wanted:
        message = f"what is in “{folder.name}” is not in the replica: go online, or name it, too, to `rookery sync` with --folder"
        raise FailedPrecondition("NOT_IN_REPLICA", message)


def recoverable() -> FailedPrecondition:
    """The error for what was deleted."""
    message = "what was deleted is on the server only: go online to list and restore it"
    return FailedPrecondition("NOT_IN_REPLICA", message)


def limits(connection: sqlite3.Connection) -> Iterator[str]:
    """What is missing from lists and searches, a sentence each."""
    wanted = scope(connection)
    if not facts.number(connection, facts.CAUGHT_UP_REVISION):
        yield "The replica is not complete yet: `rookery sync` goes on with it."
    if wanted.folder_ids:
        yield "Only some folders are in the replica."
    if wanted.kinds:
        kinds = ", ".join(ItemKind.Name(kind).removeprefix("ITEM_KIND_").lower().replace("_", " ") for kind in wanted.kinds)
        yield f"Only these kinds of items are in the replica: {kinds}."
    window = wanted.window
    if window.HasField("mail_since"):
        yield f"Mail from before {_day(window.mail_since)} is not in the replica."
    if window.HasField("events_from"):
        yield f"Appointments before {_day(window.events_from)} are not in the replica."
    if window.HasField("events_until"):
        yield f"Appointments after {_day(window.events_until)} are not in the replica."


def _holds_everything(connection: sqlite3.Connection) -> bool:
    return next(limits(connection), None) is None


def _day(time: Timestamp) -> str:
    return time.ToJsonString()[:10]
