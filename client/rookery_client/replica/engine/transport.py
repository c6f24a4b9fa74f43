"""All that a replica's engine needs of the world: the way to one mailbox on one server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from rookery.internal.v1.packed_pb2 import PackedPullResponse, PackedReconcileResponse
    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from rookery.v1.sync_service_pb2 import PullRequest, ReconcileRequest


class SyncTransport(Protocol):
    """Calls the server on behalf of one device.

    Each call raises the exceptions of ``rookery_core.errors`` as the contract has them. Unavailable means that another attempt
    with the same arguments is safe and may succeed.
    """

    def pull(self, request: PullRequest) -> AsyncGenerator[PackedPullResponse, None]:
        """SyncService.Pull: batches, until the server has no more, or with ``follow`` until the generator is closed."""
        ...

    async def push(self, operations: Sequence[SyncOperation], *, epoch: bytes = b"") -> Sequence[PushResult]:
        """SyncService.Push: the answers to the first of the operations, or to all. `epoch`: the mailbox's, if it is known."""
        ...

    async def reconcile(self, request: ReconcileRequest) -> PackedReconcileResponse:
        """SyncService.Reconcile."""
        ...

    async def upload(self, upload_id: bytes, data: bytes) -> None:
        """ContentService.Upload under an id minted here; one that was broken off goes on, one that is whole is left alone."""
        ...
