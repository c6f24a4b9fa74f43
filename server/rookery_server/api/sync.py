"""``rookery.v1.SyncService``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rookery.v1 import sync_service_pb2 as messages
    from rookery_server.api.context import Call
    from rookery_server.services.sync.conflicts import ConflictService
    from rookery_server.services.sync.pull import PullService
    from rookery_server.services.sync.push import PushService
    from rookery_server.services.sync.reconcile import ReconcileService
    from rookery_server.services.sync.watch import WatchService


class SyncServicer:
    """Hands each call to the service that carries it out."""

    def __init__(
        self,
        pull: PullService,
        push: PushService,
        reconcile: ReconcileService,
        watch: WatchService,
        conflicts: ConflictService,
    ) -> None:
        self._pull = pull
        self._push = push
        self._reconcile = reconcile
        self._watch = watch
        self._conflicts = conflicts

    def pull(self, request: messages.PullRequest, call: Call) -> AsyncIterator[bytes]:
        """Pull."""
        return self._pull.pull(call.caller, request)

    async def pull_batch(self, request: messages.PullBatchRequest, call: Call) -> bytes:
        """PullBatch."""
        return await self._pull.pull_batch(call.caller, request)

    def push(self, requests: AsyncIterator[messages.PushRequest], call: Call) -> AsyncIterator[messages.PushResponse]:
        """Push."""
        return self._push.push(call.caller, requests)

    async def push_batch(self, request: messages.PushBatchRequest, call: Call) -> messages.PushBatchResponse:
        """PushBatch."""
        return await self._push.push_batch(call.caller, request)

    async def reconcile(self, request: messages.ReconcileRequest, call: Call) -> bytes:
        """Reconcile."""
        return await self._reconcile.reconcile(call.caller, request)

    def watch(self, request: messages.WatchRequest, call: Call) -> AsyncIterator[messages.WatchResponse]:
        """Watch."""
        return self._watch.watch(call.caller, request)

    async def list_conflicts(self, request: messages.ListConflictsRequest, call: Call) -> messages.ListConflictsResponse:
        """ListConflicts."""
        return await self._conflicts.list_conflicts(call.caller, request)

    async def get_conflict(self, request: messages.GetConflictRequest, call: Call) -> messages.GetConflictResponse:
        """GetConflict."""
        return await self._conflicts.get_conflict(call.caller, request)

    async def restore_conflict(self, request: messages.RestoreConflictRequest, call: Call) -> bytes:
        """RestoreConflict."""
        return await self._conflicts.restore_conflict(call.caller, request)

    async def dismiss_conflict(self, request: messages.DismissConflictRequest, call: Call) -> bytes:
        """DismissConflict."""
        return await self._conflicts.dismiss_conflict(call.caller, request)
