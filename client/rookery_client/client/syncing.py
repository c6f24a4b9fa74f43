"""Synchronisation: the calls that a replica is kept with, what a light client watches, and versions that lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import grpc.aio

from rookery.internal.v1 import packed_pb2 as packed
from rookery.v1 import sync_service_pb2 as pb
from rookery.v1.sync_service_pb2_grpc import SyncServiceStub
from rookery_core.errors import RookeryError, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

    from google.protobuf.message import Message

    from rookery.v1.item_pb2 import Item
    from rookery.v1.sync_pb2 import Conflict, SyncOperation
    from rookery_client.connection import Connection

SILENCE_SECONDS = 75.0
"""How long a stream may be silent: the server says something every 30 seconds. After that the connection has died."""

_SERVICE = "/rookery.v1.SyncService/"

Response = TypeVar("Response")


class Syncing:
    """The SyncService.

    Batches come as the packed twins of the contract's messages, in which summaries, states and contents stay encoded: a replica
    keeps them as they are.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = SyncServiceStub(connection.channel)
        channel: Any = connection.channel
        self._pull = channel.unary_stream(f"{_SERVICE}Pull", _encoded, packed.PackedPullResponse.FromString)
        self._pull_batch = channel.unary_unary(f"{_SERVICE}PullBatch", _encoded, packed.PackedPullBatchResponse.FromString)
        self._reconcile = channel.unary_unary(f"{_SERVICE}Reconcile", _encoded, packed.PackedReconcileResponse.FromString)

    async def pull(self, request: pb.PullRequest) -> AsyncGenerator[packed.PackedPullResponse, None]:
        """The batches that a device lacks, as they come; with ``follow`` until the caller has enough.

        An access token that ends meanwhile is renewed, and the stream goes on behind the last batch that was given. Any other
        break is raised: the caller pulls again with the last cursor that it stored. Unavailable ``DEADLINE_EXCEEDED`` if the
        server falls silent. FailedPrecondition ``CURSOR_EXPIRED``, ``EPOCH_CHANGED``, ``SCOPE_CHANGED``; InvalidArgument
        ``CURSOR_INVALID``.
        """
        now = pb.PullRequest()
        now.CopyFrom(request)
        attempts = self._connection.attempts()
        while True:
            call = self._pull(now, metadata=await attempts.metadata())
            try:
                while (batch := await self._next(call, packed.PackedPullResponse)) is not None:
                    attempts.progressed()
                    now.cursor = batch.cursor
                    yield batch
            except Unauthenticated as error:
                await attempts.failed(error)
            else:
                return
            finally:
                call.cancel()

    async def pull_batch(self, request: pb.PullRequest) -> packed.PackedPullResponse:
        """One batch; empty and ``caught_up`` if there is nothing new. Errors as those of ``pull``."""
        response: packed.PackedPullBatchResponse = await self._connection.unary(self._pull_batch, pb.PullBatchRequest(pull=request))
        return response.batch

    async def push(self, operations: Iterable[SyncOperation], *, mailbox_id: bytes = b"", epoch: bytes = b"") -> pb.PushResponse:
        """Carries out what was changed on a device, in order; at most 500 operations, and 4 MiB.

        The answers come in the same order. A refused operation is an answer too, and does not stop the others. Operations sent
        a second time are answered as the first time. With the `epoch` in which the device knows the mailbox, FailedPrecondition
        ``EPOCH_CHANGED`` if that was restored from a backup since.
        """
        request = pb.PushBatchRequest(push=pb.PushRequest(mailbox_id=mailbox_id, operations=operations, epoch=epoch))
        return (await self._connection.unary(self._stub.PushBatch, request)).answer

    async def reconcile(self, request: pb.ReconcileRequest) -> packed.PackedReconcileResponse:
        """Compares ranges of ids with the mailbox. ``RECONCILE_BUSY`` while another call of the session does."""
        response: packed.PackedReconcileResponse = await self._connection.unary(self._reconcile, request)
        return response

    async def watch(self, positions: Mapping[bytes, int] | None = None) -> AsyncGenerator[pb.WatchResponse, None]:
        """Tells of changes and of new mail, until the caller has enough; a broken stream is begun again where it was.

        `positions`: the revision up to which each mailbox is known; the caller's own from now on if left out. Raises when the
        server stays away.
        """
        known = dict(positions or {})
        attempts = self._connection.attempts()
        while True:
            places = [pb.WatchPosition(mailbox_id=mailbox_id, revision=revision) for mailbox_id, revision in known.items()]
            metadata = await attempts.metadata()
            call = self._stub.Watch(pb.WatchRequest(positions=places), metadata=metadata)
            try:
                while (response := await self._next(call, pb.WatchResponse)) is not None:
                    attempts.progressed()
                    known[response.mailbox_id] = response.revision
                    yield response
                raise Unavailable("SERVER_UNREACHABLE", f"{self._connection.server} stopped telling of changes; try again")
            except RookeryError as error:
                await attempts.failed(error)
            finally:
                call.cancel()

    async def conflicts(self, *, mailbox_id: bytes = b"") -> Sequence[Conflict]:
        """The versions that lost against others, at most 100, newest first, without contents."""
        request = pb.ListConflictsRequest(mailbox_id=mailbox_id)
        return (await self._connection.unary(self._stub.ListConflicts, request)).conflicts

    async def conflict(self, item_id: bytes, device_id: bytes, *, mailbox_id: bytes = b"") -> Conflict:
        """One version that lost, with its content. NotFound ``CONFLICT_NOT_FOUND``."""
        request = pb.GetConflictRequest(mailbox_id=mailbox_id, item_id=item_id, device_id=device_id)
        return (await self._connection.unary(self._stub.GetConflict, request)).conflict

    async def restore_conflict(self, item_id: bytes, device_id: bytes, *, mailbox_id: bytes = b"") -> Item:
        """Makes the version that lost the current one; gives the item as it is then. NotFound ``CONFLICT_NOT_FOUND``."""
        request = pb.RestoreConflictRequest(
            mailbox_id=mailbox_id, operation_id=self._connection.ids.new(), item_id=item_id, device_id=device_id
        )
        return (await self._connection.unary(self._stub.RestoreConflict, request)).item

    async def dismiss_conflict(self, item_id: bytes, device_id: bytes, *, mailbox_id: bytes = b"") -> None:
        """Forgets the version that lost. NotFound ``CONFLICT_NOT_FOUND``."""
        request = pb.DismissConflictRequest(
            mailbox_id=mailbox_id, operation_id=self._connection.ids.new(), item_id=item_id, device_id=device_id
        )
        await self._connection.unary(self._stub.DismissConflict, request)

    async def _next(self, call: grpc.aio.UnaryStreamCall[Any, Response], kind: type[Response]) -> Response | None:
        """The next message; None at the end."""
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                message = await call.read()
        except grpc.aio.AioRpcError as error:
            raise self._connection.error_of(error) from error
        except TimeoutError:
            message_text = f"{self._connection.server} does not say anything any more; try again"
            raise Unavailable("DEADLINE_EXCEEDED", message_text) from None
        return message if isinstance(message, kind) else None


def _encoded(message: Message) -> bytes:
    return message.SerializeToString()
