"""The way to a real server: a signed-in client."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from rookery.internal.v1.packed_pb2 import PackedPullResponse, PackedReconcileResponse
    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from rookery.v1.sync_service_pb2 import PullRequest, ReconcileRequest
    from rookery_client.client import Client


class RemoteTransport:
    """A ``SyncTransport`` over a client, for one mailbox; empty is the caller's own."""

    def __init__(self, client: Client, mailbox_id: bytes = b"") -> None:
        self._client = client
        self._mailbox_id = mailbox_id

    def pull(self, request: PullRequest) -> AsyncGenerator[PackedPullResponse, None]:
        """See ``SyncTransport``."""
        return self._client.sync.pull(request)

    async def push(self, operations: Sequence[SyncOperation], *, epoch: bytes = b"") -> Sequence[PushResult]:
        """See ``SyncTransport``."""
        return (await self._client.sync.push(operations, mailbox_id=self._mailbox_id, epoch=epoch)).results

    async def reconcile(self, request: ReconcileRequest) -> PackedReconcileResponse:
        """See ``SyncTransport``."""
        return await self._client.sync.reconcile(request)

    async def upload(self, upload_id: bytes, data: bytes) -> None:
        """See ``SyncTransport``."""
        await self._client.content.upload(data, upload_id=upload_id, mailbox_id=self._mailbox_id)
