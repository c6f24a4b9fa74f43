"""Reconcile: a replica repairs itself instead of starting over, after its cursor expired or the server was restored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.errors import Unavailable
from rookery_server.services import access
from rookery_server.services.sync import tail
from rookery_server.services.sync.batches import BATCH_BYTES, ContentForm
from rookery_server.services.sync.comparison import Comparison
from rookery_server.services.sync.reconcile_checks import checked
from rookery_server.services.sync.scopes import Scope

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery.internal.v1.packed_pb2 import SyncCursor
    from rookery.v1 import sync_service_pb2 as messages
    from rookery_server.services.caller import Caller
    from rookery_server.services.sync.cursors import Cursors
    from rookery_server.store.database import Database
    from rookery_server.store.mailboxes import MailboxRow

MOST_ITEMS = 50_000
"""Items that a call looks at; more than a leaf has entries."""


class ReconcileService:
    """Carries out Reconcile. One call is one read transaction; nothing is kept between calls."""

    def __init__(
        self, database: Database, cursors: Cursors, *, most_items: int = MOST_ITEMS, most_bytes: int = BATCH_BYTES
    ) -> None:
        self._database = database
        self._cursors = cursors
        self._most_items = most_items
        self._most_bytes = most_bytes
        self._running: set[bytes] = set()

    async def reconcile(self, caller: Caller, request: messages.ReconcileRequest) -> bytes:
        """What differs: the encoded ReconcileResponse, at most 1 MiB but for a single larger item.

        InvalidArgument for what ``Scope.of`` and ``reconcile_checks.checked`` refuse; Unavailable ``RECONCILE_BUSY`` while
        another call of the same session runs.
        """
        scope = Scope.of(request.scope)
        ranges, leaves = checked(request)
        form = ContentForm.of(scope, request.accept_encodings)

        def work(connection: Connection) -> bytes:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            limits = {"most_items": self._most_items, "most_bytes": self._most_bytes}
            comparison = Comparison(connection, mailbox, scope, form, **limits)
            if request.include_folders:
                comparison.tell_folders()
            comparison.compare(ranges)
            comparison.set_right(leaves)
            response = comparison.response
            response.cursor = self._cursors.encode(self._cursor(caller, mailbox, scope))
            response.revision, response.epoch = mailbox.revision, mailbox.epoch
            if mailbox.backup_revision:
                response.backup_revision = mailbox.backup_revision
                response.backup_time.FromMicroseconds(mailbox.backup_time)
            return response.SerializeToString()

        if caller.session_id in self._running:
            raise Unavailable("RECONCILE_BUSY", "this session compares already: wait for the answer, then ask on")
        self._running.add(caller.session_id)
        try:
            return await self._database.read(work)
        finally:
            self._running.discard(caller.session_id)

    def _cursor(self, caller: Caller, mailbox: MailboxRow, scope: Scope) -> SyncCursor:
        """For a replica that equals the mailbox as it is now, but for what later responses of the same round bring."""
        cursor = self._cursors.at(caller, mailbox, scope)
        tail.begin_ahead(cursor)
        return cursor
