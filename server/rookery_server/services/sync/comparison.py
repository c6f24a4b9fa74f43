"""One Reconcile call's comparison, inside its read transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.internal.v1.packed_pb2 import PackedReconcileResponse
from rookery.v1 import sync_pb2
from rookery_core.rules.digests import RangeDigest
from rookery_server.services.folders.folders import to_message
from rookery_server.services.sync import batches
from rookery_server.store import folders, items, reconcile_rows, sync_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from rookery_server.services.sync.batches import ContentForm
    from rookery_server.services.sync.reconcile_checks import Bounds, Leaf, Range
    from rookery_server.services.sync.scopes import Scope
    from rookery_server.store.mailboxes import MailboxRow

_LEAF_ROWS = 2500
"""Items of a leaf that are looked at in one go: about as many as a response has room for, beside what the device may have."""
_PORTION = 64
_REMOVAL_BYTES = 40
"""At least what a removal takes: id, revision, reason, tags and lengths."""
_ENVELOPE_BYTES = 2048
"""Kept free for what is not an entry: cursor, revision, epoch, indexes."""


class Comparison:
    """Compares what a device has with what the mailbox has, within a budget of items looked at and of bytes answered.

    Whatever the budgets, each call tells something new: the first range is always looked at, and the first entry always fits.
    """

    def __init__(
        self, connection: Connection, mailbox: MailboxRow, scope: Scope, form: ContentForm, *, most_items: int, most_bytes: int
    ) -> None:
        self.response = PackedReconcileResponse()
        self._connection = connection
        self._mailbox = mailbox
        self._conditions = sync_rows.in_scope(scope.folder_ids, scope.kinds, scope.window)
        self._form = form
        self._most = self._left = most_items
        self._room = most_bytes - _ENVELOPE_BYTES
        self._empty = True

    def tell_folders(self) -> None:
        """Adds all folders."""
        self.response.folders.extend(to_message(row) for row in folders.list_all(self._connection, self._mailbox.id))
        self._room -= self.response.ByteSize()

    def compare(self, ranges: Sequence[Range]) -> None:
        """Tells which ranges differ, and which were not looked at.

        Of a range no more items are read than the device has there, and one: what a device says that it has, it pays with. A range
        of more than a call looks at counts as different, so that the device asks again with narrower ones.
        """
        for index, part in enumerate(ranges):
            if part.size > self._most:
                self.response.differing_ranges.append(index)
            elif part.size > self._left or not self._left:
                self.response.unread_ranges.append(index)
            elif self._differs(part):
                self.response.differing_ranges.append(index)

    def set_right(self, leaves: Sequence[Leaf]) -> None:
        """Tells what the device lacks or has otherwise in each leaf, and which leaves have to be asked for again."""
        for index, leaf in enumerate(leaves):
            if not self._set_right(leaf):
                self.response.unread_leaves.extend(range(index, len(leaves)))
                return

    def _differs(self, part: Range) -> bool:
        rows = self._held(part.bounds, part.size + 1)
        if len(rows) != part.size:
            return True
        digest = RangeDigest()
        digest.add(rows)
        return digest.digest() != part.digest

    def _set_right(self, leaf: Leaf) -> bool:
        """Whether everything in the leaf was told.

        Where a leaf has more than a response takes, its beginning is told: the device, asking again, has that already.
        """
        most = min(self._left, _LEAF_ROWS)
        if most <= len(leaf.held):
            return False
        rows = self._held(leaf.bounds, most)
        complete = len(rows) < most
        here = dict(rows)
        dropped = {id_: held for id_, held in leaf.held.items() if id_ not in here and (complete or id_ < rows[-1][0])}
        if dropped and not self._takes(len(dropped) * _REMOVAL_BYTES):
            return False
        self._drop(dropped)
        return self._send([item_id for item_id, revision in rows if leaf.held.get(item_id) != revision]) and complete

    def _held(self, bounds: Bounds, most: int) -> list[tuple[bytes, int]]:
        rows = reconcile_rows.held(self._connection, self._mailbox.id, self._conditions, **bounds._asdict(), most=most)
        self._left = max(0, self._left - len(rows))
        return rows

    def _send(self, item_ids: Sequence[bytes]) -> bool:
        """Adds items, one after the other; False where one does not fit any more."""
        for start in range(0, len(item_ids), _PORTION):
            rows = reconcile_rows.whole(self._connection, self._mailbox.id, item_ids[start : start + _PORTION])
            for row, content in batches.carried(self._connection, self._mailbox.id, rows, self._form):
                if not self._takes(batches.size_of(row, content)):
                    return False
                self.response.items.append(batches.sync_item(row, content))
        return True

    def _drop(self, held: Mapping[bytes, int]) -> None:
        """Adds removals of what is not in scope: deleted, alive elsewhere, or lost when a backup was restored.

        Lost is what the mailbox has never had: it remembers the ids of all items for ever.
        """
        if not held:
            return
        connection, mailbox = self._connection, self._mailbox
        alive, departed = reconcile_rows.gone(connection, mailbox.id, list(held))
        taken, retired = items.known(connection, mailbox.id, list(held))
        for item_id, revision in held.items():
            when = departed.get(item_id, 0)
            known = item_id in taken or item_id in retired
            self.response.removals.add(
                item_id=item_id,
                # A device that has the item from a time that was lost has it from a later revision than the one at which it went.
                revision=0 if not known else when if when > revision else mailbox.revision,
                reason=sync_pb2.REMOVAL_REASON_LEFT_SCOPE if item_id in alive else sync_pb2.REMOVAL_REASON_DELETED,
            )

    def _takes(self, size: int) -> bool:
        """Whether so many bytes more fit. The first always do."""
        if size > self._room and not self._empty:
            return False
        self._room -= size
        self._empty = False
        return True
