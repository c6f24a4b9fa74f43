"""What one stream of imports has unanswered, and what is ready to be sent."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from google.rpc import code_pb2, status_pb2

from rookery.v1.content_service_pb2 import ImportResult
from rookery_core.errors import RookeryError
from rookery_server.services.refusals import rpc_status

if TYPE_CHECKING:
    from rookery_server.services.content.byte_budget import ByteBudget
    from rookery_server.services.importing.import_commit import Outcome

STREAM_DOCUMENTS = 1024
STREAM_BYTES = 32 << 20
"""What one stream may have unanswered; beyond it the server stops reading, and so the client has to wait."""

_log = logging.getLogger(__name__)


class ImportStream:
    """Counts documents in and gathers their results. Belongs to one event loop."""

    def __init__(self, memory: ByteBudget) -> None:
        self._memory = memory
        self._documents = 0
        self._bytes = 0
        self._ready: list[ImportResult] = []
        self._something = asyncio.Event()
        self._some_room = asyncio.Event()

    @property
    def idle(self) -> bool:
        """Whether everything is answered and sent."""
        return not self._documents and not self._ready

    def wake(self) -> None:
        """Has ``results`` return, even if with nothing."""
        self._something.set()

    async def make_room(self, documents: int, size: int) -> None:
        """Waits until so many more may come, with so many bytes together, and takes these from the server's memory."""
        while self._documents and (self._documents + documents > STREAM_DOCUMENTS or self._bytes + size > STREAM_BYTES):
            self._some_room.clear()
            await self._some_room.wait()
        await self._memory.take(size)

    def expect(self, operation_id: bytes, size: int, future: asyncio.Future[Outcome]) -> None:
        """Counts a document until it is answered, and gives its bytes back then."""
        self._documents += 1
        self._bytes += size

        def answered(done: asyncio.Future[Outcome]) -> None:
            self._documents -= 1
            self._bytes -= size
            self._memory.give(size)
            self._some_room.set()
            if not done.cancelled():
                self._ready.append(_result(operation_id, done))
            self._something.set()

        future.add_done_callback(answered)

    async def results(self) -> list[ImportResult]:
        """What has become ready since it was asked last, waited for: those that a commit settled come together."""
        await self._something.wait()
        self._something.clear()
        ready, self._ready = self._ready, []
        return ready


def _result(operation_id: bytes, done: asyncio.Future[Outcome]) -> ImportResult:
    failure = done.exception()
    if failure is None:
        outcome = done.result()
        if outcome.error is not None:
            outcome.result.error.CopyFrom(rpc_status(outcome.error))
        return outcome.result
    if isinstance(failure, RookeryError):
        return ImportResult(operation_id=operation_id, error=rpc_status(failure))
    _log.error("an import failed", exc_info=failure)
    error = status_pb2.Status(code=code_pb2.INTERNAL, message="the server failed on this document; its log tells more")
    return ImportResult(operation_id=operation_id, error=error)
