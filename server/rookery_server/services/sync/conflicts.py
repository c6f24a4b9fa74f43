"""Conflicts: versions that lost against others, listed, looked at, restored, dismissed, and at last forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.internal.v1.packed_pb2 import PackedItemResponse
from rookery.v1 import item_pb2, sync_service_pb2
from rookery.v1.item_pb2 import ItemSummary
from rookery.v1.sync_pb2 import Conflict
from rookery_core.errors import NotFound
from rookery_core.rules.ids import require_id
from rookery_server.services import access
from rookery_server.services.items import item_packing
from rookery_server.services.sync import conflict_restoring, conflict_versions
from rookery_server.store import conflicts, items, mailboxes, sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from rookery.v1.item_pb2 import ItemContent
    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.operations import Operations
    from rookery_server.store.conflicts import ConflictRow
    from rookery_server.store.database import Database, Transaction

KEPT_DAYS = 90
_MICROS = KEPT_DAYS * 86_400 * 1_000_000
_STEP = 100
"""Conflicts that are forgotten in one go."""
_STEPS = 100
"""Goes a run: what is left waits for the next one."""


class ConflictService:
    """Carries out the calls for conflicts of ``rookery.v1.SyncService``.

    ``wake`` is called after each restore: what comes back of a task, whoever gave it may be told.
    """

    def __init__(self, database: Database, operations: Operations, clock: Clock, ids: Ids, *, wake: Callable[[], None]) -> None:
        self._database = database
        self._wake = wake
        self._operations = operations
        self._clock = clock
        self._ids = ids

    async def list_conflicts(
        self, caller: Caller, request: sync_service_pb2.ListConflictsRequest
    ) -> sync_service_pb2.ListConflictsResponse:
        """The conflicts of a mailbox, newest first, without contents."""

        def work(connection: Connection) -> sync_service_pb2.ListConflictsResponse:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            rows = conflicts.list_all(connection, mailbox.id)
            messages = _to_messages(connection, mailbox.id, rows)
            return sync_service_pb2.ListConflictsResponse(conflicts=messages, revision=mailbox.revision)

        return await self._database.read(work)

    async def get_conflict(
        self, caller: Caller, request: sync_service_pb2.GetConflictRequest
    ) -> sync_service_pb2.GetConflictResponse:
        """One conflict, with the content of the version that lost. NotFound ``CONFLICT_NOT_FOUND``."""

        def work(connection: Connection) -> sync_service_pb2.GetConflictResponse:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            row = _require(connection, mailbox.id, request.item_id, request.device_id)
            content = conflict_versions.load(connection, mailbox.id, row).item.content
            message = _to_messages(connection, mailbox.id, [row], content=content)[0]
            return sync_service_pb2.GetConflictResponse(conflict=message, revision=mailbox.revision)

        return await self._database.read(work)

    async def restore_conflict(self, caller: Caller, request: sync_service_pb2.RestoreConflictRequest) -> bytes:
        """Makes the version that lost the current one, in the units that lost; the encoded RestoreConflictResponse.

        InvalidArgument if that would make an item that can not be. A deleted item is restored; of a purged one a new item is made.
        """
        new_id = self._ids.new()

        def work(change: MailboxChange) -> PackedItemResponse:
            row = _require(change.connection, change.mailbox.id, request.item_id, request.device_id)
            restored = conflict_restoring.restore(change, row, new_id)
            conflicts.remove(change.connection, change.mailbox.id, row.item_id, row.device_id)
            return PackedItemResponse(item=item_packing.pack(restored), revision=change.current_revision)

        try:
            return await self._operations.on_mailbox(
                caller, request.mailbox_id, request.operation_id, "conflict.restore", request, work
            )
        finally:
            self._wake()

    async def dismiss_conflict(self, caller: Caller, request: sync_service_pb2.DismissConflictRequest) -> bytes:
        """Forgets a version that lost, which changes nothing that a device holds; the encoded DismissConflictResponse."""

        def work(change: MailboxChange) -> sync_service_pb2.DismissConflictResponse:
            row = _require(change.connection, change.mailbox.id, request.item_id, request.device_id)
            conflicts.remove(change.connection, change.mailbox.id, row.item_id, row.device_id)
            return sync_service_pb2.DismissConflictResponse(revision=change.current_revision)

        return await self._operations.on_mailbox(
            caller, request.mailbox_id, request.operation_id, "conflict.dismiss", request, work
        )

    async def forget_old(self) -> int:
        """Forgets conflicts that are 90 days old; gives how many."""
        before = self._clock.micros() - _MICROS
        done = 0
        for _ in range(_STEPS):
            old = await self._database.read(lambda connection: conflicts.older_than(connection, before, _STEP))
            for mailbox_uid, item_id, device_id in old:
                done += await self._forget(mailbox_uid, item_id, device_id, before)
            if len(old) < _STEP:
                break
        return done

    async def _forget(self, mailbox_uid: bytes, item_id: bytes, device_id: bytes, before: int) -> int:
        def work(transaction: Transaction) -> int:
            connection = transaction.connection
            mailbox = mailboxes.find(connection, mailbox_uid, lock=True)
            row = conflicts.find(connection, mailbox.id, item_id, device_id) if mailbox is not None else None
            if mailbox is None or row is None or row.created >= before:
                return 0  # dismissed meanwhile, or lost again
            conflicts.remove(connection, mailbox.id, item_id, device_id)
            return 1

        return await self._database.write(work)


def _require(connection: Connection, mailbox_id: int, item_id: bytes, device_id: bytes) -> ConflictRow:
    found = conflicts.find(connection, mailbox_id, require_id(item_id, "item_id"), require_id(device_id, "device_id"))
    if found is None:
        raise NotFound("CONFLICT_NOT_FOUND", "the item has no conflict with an edit of this device", field="item_id")
    return found


def _to_messages(
    connection: Connection, mailbox_id: int, rows: Sequence[ConflictRow], content: ItemContent | None = None
) -> list[Conflict]:
    """The records."""
    places = items.places(connection, mailbox_id, [row.item_id for row in rows]) if rows else {}
    known = {device_id: sessions.find(connection, device_id) for device_id in {row.device_id for row in rows}}
    messages = []
    for row in rows:
        session, place = known[row.device_id], places.get(row.item_id)
        message = Conflict(
            item_id=row.item_id,
            device_id=row.device_id,
            device_name=session.device_name if session else "",
            revision=row.revision,
            units=sorted(row.lost),
            summary=ItemSummary.FromString(row.summary),
            content=content,
            item_life=item_pb2.ItemLife.ValueType(place.life if place else 0),
        )
        message.created.FromMicroseconds(row.created)
        messages.append(message)
    return messages
