"""Pulling: batches from the server into the replica, the next one on its way while one is written."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from rookery.v1.content_service_pb2 import ContentEncoding
from rookery.v1.sync_service_pb2 import PullRequest
from rookery_client.replica.engine.states import CatchingUp, Connecting, Filling, UpToDate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from rookery.internal.v1.packed_pb2 import PackedPullResponse
    from rookery_client.replica.engine.means import Means
    from rookery_client.replica.replica import Replica

ENCODINGS = (ContentEncoding.CONTENT_ENCODING_ZSTD,)


class Pulling:
    """Brings the replica up to the mailbox. `caught_up` is set with each batch that brought it there."""

    def __init__(self, means: Means, caught_up: asyncio.Event) -> None:
        self._means = means
        self._caught_up = caught_up

    async def run(self, *, follow: bool) -> None:
        """Pulls until there is nothing new; with `follow` goes on with what comes, until the stream breaks.

        A batch that was received is applied whole or not at all, even if the caller is cancelled meanwhile. Raises what the
        stream raises, and what ``Replica.apply`` does; the cursor stands behind the last batch that was applied.
        """
        self._means.epoch = b""
        self._means.tell(Connecting())
        stream = self._means.transport.pull(await self._means.do(lambda replica: _request(replica, follow=follow)))
        receiving = asyncio.ensure_future(_received(stream))
        try:
            while (batch := await receiving) is not None:
                receiving = asyncio.ensure_future(_received(stream))
                await self._apply(batch)
        finally:
            receiving.cancel()
            # What the batch behind a failure would have been is of no interest.
            await asyncio.gather(receiving, return_exceptions=True)
            await stream.aclose()

    async def _apply(self, batch: PackedPullResponse) -> None:
        means = self._means
        if batch.HasField("progress"):
            means.tell(Filling(batch.progress.done, batch.progress.total))
        elif not batch.caught_up:
            means.tell(CatchingUp())
        accept = means.accept_deletions
        applied = await means.do(lambda replica: replica.apply(batch, accept_deletions=accept))
        means.epoch = batch.epoch
        means.backoff.reset()
        means.on_applied(batch, applied)
        if batch.caught_up:
            # What was accepted is done. What is deleted after this is another matter.
            means.accept_deletions = False
            means.tell(UpToDate(batch.revision))
            self._caught_up.set()


def _request(replica: Replica, *, follow: bool) -> PullRequest:
    status, identity = replica.status(), replica.identity()
    return PullRequest(
        mailbox_id=identity.mailbox_id if identity is not None else b"",
        cursor=status.cursor,
        scope=status.scope,
        follow=follow,
        accept_encodings=ENCODINGS,
    )


async def _received(stream: AsyncGenerator[PackedPullResponse, None]) -> PackedPullResponse | None:
    """The next batch; None at the end."""
    with suppress(StopAsyncIteration):
        return await anext(stream)
    return None
