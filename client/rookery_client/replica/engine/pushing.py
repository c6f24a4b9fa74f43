"""Pushing: what was changed here, in order, each change once."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from google.rpc import code_pb2, error_details_pb2, status_pb2

from rookery.v1.sync_pb2 import PushOutcome, PushResult
from rookery_client.replica.engine.states import Sending
from rookery_client.replica.outbox import sent_once
from rookery_core.errors import InvalidArgument, NotFound, RookeryError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.sync_pb2 import SyncOperation
    from rookery_client.replica.engine.means import Means

MOST_OPERATIONS = 500
MOST_BYTES = 2 * 1024 * 1024
"""Of one call. The contract takes twice as many bytes."""


class Pushing:
    """Sends the outbox.

    An answer is stored before the next operations are sent. If one was lost the operations go again under the same ids, and the
    server answers as the first time. One that was restored from a backup takes none (``EPOCH_CHANGED``): it is to be compared with
    first, or it would refuse for ever what rests on that which it has lost.
    """

    def __init__(self, means: Means) -> None:
        self._means = means

    async def run(self) -> int:
        """Sends until nothing waits; how many operations were answered."""
        count = 0
        while operations := await self._means.do(lambda replica: replica.waiting(MOST_OPERATIONS, MOST_BYTES)):
            count += await self._send(operations)
        self._means.tell_pulling()
        return count

    async def _send(self, operations: Sequence[SyncOperation]) -> int:
        means = self._means
        status = await means.do(lambda replica: replica.status())
        means.tell(Sending(status.waiting))
        for upload_id, size in await means.do(lambda replica: replica.pending_uploads(operations)):
            await self._upload(upload_id, size)
        await self._require_epoch(operations, status.epoch)
        operations = await means.do(lambda replica: replica.sending(operations))
        if not operations:
            return 0
        results = await self._answers(operations, status.epoch)
        await means.do(lambda replica: replica.answered(results))
        means.backoff.reset()
        means.on_answered(results)
        return len(results)

    async def _require_epoch(self, operations: Sequence[SyncOperation], epoch: bytes) -> None:
        """Makes sure, before mail is on its way, that the mailbox is still the one that this device knows; raises what push raises.

        Mail of which nobody knows whether a server got it that was restored since is not sent again.
        """
        if epoch and epoch != self._means.epoch and sent_once.any_sends(operations):
            await self._means.transport.push([], epoch=epoch)

    async def _upload(self, upload_id: bytes, size: int) -> None:
        """Sends bytes that an operation needs. If they are refused for good, it is left to the server to refuse that operation."""
        try:
            data = await self._means.do(lambda replica: replica.upload_data(upload_id, 0, size))
        except NotFound:
            return  # another program has just taken the operation back
        with suppress(InvalidArgument):
            await self._means.transport.upload(upload_id, data)

    async def _answers(self, operations: Sequence[SyncOperation], epoch: bytes) -> Sequence[PushResult]:
        """The answers to the first of the operations. One that the server does not even take is rejected here."""
        try:
            results = await self._means.transport.push(operations, epoch=epoch)
        except RookeryError as error:
            if not (isinstance(error, InvalidArgument) or error.reason == "MESSAGE_TOO_LARGE"):
                raise
            if len(operations) > 1:
                return await self._answers(operations[: len(operations) // 2], epoch)
            return [_refusal(operations[0], error)]
        if not {operation.operation_id for operation in operations} & {result.operation_id for result in results}:
            raise Unavailable("SERVER_UNREACHABLE", "the server answered none of the changes; try again")
        return results


def _refusal(operation: SyncOperation, error: RookeryError) -> PushResult:
    """The answer to an operation whose message was refused: the operation is what was wrong with it."""
    status = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=error.message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(domain="rookery", reason=error.reason, metadata=error.metadata))
    return PushResult(operation_id=operation.operation_id, outcome=PushOutcome.PUSH_OUTCOME_REJECTED, error=status)
