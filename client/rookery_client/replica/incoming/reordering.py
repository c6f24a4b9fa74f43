"""The order in which changes wait, when what they rest on was lost with a restored server and is created again.

What needs it goes behind it; the rest keeps its place. What was acknowledged after the backup, and waits again, may be in the item
that is created already, with all that others did to it later: it is left out of the outbox until that is answered. If another
device was first, with a version of its own, it is pushed after all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rookery_client.replica.outbox import filling_in
from rookery_client.replica.storage import operations, schema

if TYPE_CHECKING:
    import sqlite3

    from rookery_client.replica.storage.operations import Recorded

_WITHIN = frozenset({"update_item", "set_item_state", "move_items"})
"""What a row of an item has in it."""


@dataclass(slots=True)
class Again:
    """What is created again."""

    operations: dict[bytes, bytes] = field(default_factory=dict)
    """Items, with the ids of the operations that create them."""
    revisions: dict[bytes, int] = field(default_factory=dict)
    """The items' revisions, as the device had them."""
    versions: set[bytes] = field(default_factory=set)
    """Those of the items that the server has in another version: they come without attachments."""
    folders: set[bytes] = field(default_factory=set)
    used: set[bytes] = field(default_factory=set)
    """The folders that the items are created in."""


def put_behind(connection: sqlite3.Connection, last: int, again: Again) -> None:
    """Moves what needs it, of that which waits up to the number ``last``, behind what was just recorded."""
    items, folders, used = set(again.operations), set(again.folders), set(again.used)
    moved: list[int] = []
    for recorded in operations.outgoing(connection):
        if recorded.seq > last:
            break
        touched = operations.items_of(connection, [recorded.seq])
        changed = operations.folders_of(connection, recorded.seq)
        named = filling_in.folders_named(recorded.operation) - {b""}
        ends = changed & used if recorded.action != "create_folder" else set()
        if touched & items or changed & folders or named & folders or ends:
            moved.append(recorded.seq)
            items |= touched
            folders |= changed
            used |= named
            if recorded.status == schema.WAITING and _is_within(recorded, touched, again):
                operations.include(connection, recorded.seq, again.operations[touched.pop()])
    operations.move_to_end(connection, moved)


def _is_within(recorded: Recorded, touched: set[bytes], again: Again) -> bool:
    """Whether an item that is created again has the operation in it."""
    if recorded.action not in _WITHIN or len(touched) != 1:
        return False
    edits = recorded.operation.update_item.list_edits
    if touched & again.versions and (edits.add_attachments or edits.remove_attachment_ids):
        return False
    return 0 < recorded.revision <= max(again.revisions.get(item_id, 0) for item_id in touched)
