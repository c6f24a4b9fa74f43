"""Messages as they leave for elsewhere: their bytes from the store, with signatures before them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery_server.services.content import blob_reading
from rookery_server.store.blob_chunks import CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from rookery_server.gateway.delivery import OpenMessage
    from rookery_server.gateway.dkim import DkimSigner
    from rookery_server.store.database import Database
    from rookery_server.store.outgoing import Claimed
    from rookery_server.store.submissions import SubmissionRow


@dataclass(frozen=True, slots=True)
class Leaving:
    """A message that leaves."""

    size: int
    """Bytes, with its signatures."""
    open: OpenMessage
    """Its bytes from the beginning, each time that it is called."""


class LeavingMail:
    """Opens messages of submissions. What fits into a chunk is read once, what is larger once to be signed and once to be sent."""

    def __init__(self, database: Database, signer: DkimSigner) -> None:
        self._database = database
        self._signer = signer

    async def open(self, claimed: Claimed) -> Leaving:
        """The message, signed as it is."""
        if claimed.message is not None:
            return await self.made(claimed.message)
        submission = claimed.submission
        blob_id, size = _blob_of(submission), submission.size_bytes
        if size <= CHUNK_BYTES:
            return await self.made(await self._database.peek(lambda connection: blob_reading.at_once(connection, blob_id, size)))
        async with contextlib.aclosing(self._stored(blob_id, size, b"")) as message:
            signatures = await self._signer.sign(message)
        return Leaving(len(signatures) + size, lambda: self._stored(blob_id, size, signatures))

    async def made(self, data: bytes) -> Leaving:
        """A message that was made of one, signed."""
        signed = await self._signer.sign(_one(data)) + data
        return Leaving(len(signed), lambda: _one(signed))

    async def whole(self, submission: SubmissionRow) -> bytes:
        """The message in one piece, and not signed."""
        return await blob_reading.whole(self._database, _blob_of(submission), 0, submission.size_bytes)

    async def _stored(self, blob_id: bytes, size: int, before: bytes) -> AsyncGenerator[bytes, None]:
        if before:
            yield before
        async with contextlib.aclosing(blob_reading.pages(self._database, blob_id, 0, size)) as pages:
            async for page in pages:
                for chunk in page:
                    yield blob_reading.cut(chunk, 0, size)


def _blob_of(submission: SubmissionRow) -> bytes:
    if submission.blob_id is None:
        raise ValueError("a submission with recipients to be reached keeps its message")
    return submission.blob_id


async def _one(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data
