"""The network between devices and their server: it loses, delays, repeats, cuts and keeps people waiting."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from rookery.internal.v1.packed_pb2 import PackedPullResponse, PackedReconcileResponse
from rookery.v1 import content_service_pb2, item_service_pb2
from rookery.v1 import sync_service_pb2 as messages
from rookery_core.errors import RookeryError, Unavailable

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

    from rookery.v1.item_pb2 import Item
    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from rookery_server.services.caller import Caller
    from tests.simulation.server import Life, Server

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad the network is: chances for each call or message, and seconds."""

    lost: float = 0.0
    """A request never arrives, or its answer never does."""
    cut: float = 0.0
    """A stream breaks behind a message."""
    repeated: float = 0.0
    """A request arrives once more, later."""
    impatient: float = 0.0
    """The device goes away while the server works on."""
    delay: float = 0.0
    """At most, each way."""


CALM = Weather()
USUAL = Weather(lost=0.02, cut=0.05, repeated=0.02, impatient=0.01, delay=0.3)
STORM = Weather(lost=0.2, cut=0.3, repeated=0.2, impatient=0.1, delay=5.0)


class Network:
    """The weather for all, and what is still under way when nobody waits for it any more."""

    def __init__(self, server: Server, chance: random.Random) -> None:
        self.server = server
        self.chance = chance
        self.weather = USUAL
        self._under_way: set[asyncio.Task[None]] = set()

    def happens(self, likelihood: float) -> bool:
        """Throws the dice."""
        return self.chance.random() < likelihood

    async def travel(self) -> None:
        """A message's way."""
        await asyncio.sleep(self.chance.random() * self.weather.delay)

    def send_later(self, ask: Callable[[Life], Awaitable[object]], seconds: float) -> None:
        """Has a request carried out that nobody waits for."""

        async def sent() -> None:
            await asyncio.sleep(seconds)
            with contextlib.suppress(RookeryError):
                life = self.server.require_alive()
                await life.carry_out(ask(life))

        task = asyncio.create_task(sent())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def settle(self) -> None:
        """Waits for what is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)


class Wire:
    """One device's way to the server: a ``SyncTransport``. Messages are encoded and decoded as on a real one."""

    def __init__(self, network: Network, caller: Caller) -> None:
        self._network = network
        self._caller = caller
        self.plugged = True

    async def pull(self, request: messages.PullRequest) -> AsyncGenerator[PackedPullResponse, None]:
        """See ``SyncTransport``."""
        network = self._network
        life = await self._arrive()
        stream = life.pulls.pull(self._caller, messages.PullRequest.FromString(request.SerializeToString()))
        try:
            while (encoded := await life.carry_out(_next(stream))) is not None:
                await network.travel()
                self._require_plugged()
                yield PackedPullResponse.FromString(encoded)
                if network.happens(network.weather.cut):
                    raise _gone("the stream broke")
        finally:
            await stream.aclose()  # type: ignore[attr-defined]

    async def push(self, operations: Sequence[SyncOperation], *, epoch: bytes = b"") -> Sequence[PushResult]:
        """See ``SyncTransport``: in one message, or in several of which the answers to the first ones come."""
        network = self._network
        request = messages.PushRequest(operations=operations, epoch=epoch).SerializeToString()
        if network.happens(0.5):

            async def whole(life: Life) -> bytes:
                push = messages.PushBatchRequest(push=messages.PushRequest.FromString(request))
                return (await life.pushes.push_batch(self._caller, push)).answer.SerializeToString()

            return messages.PushResponse.FromString(await self._call(whole)).results
        portion, breaks = network.chance.randint(1, 4), network.happens(network.weather.cut)

        async def streamed(life: Life) -> list[PushResult]:
            results: list[PushResult] = []
            sent = _in_portions(messages.PushRequest.FromString(request), portion)
            async with contextlib.aclosing(life.pushes.push(self._caller, sent)) as answers:  # type: ignore[type-var]
                async for answer in answers:
                    results.extend(messages.PushResponse.FromString(answer.SerializeToString()).results)
                    if breaks:
                        break
            return results

        return await self._call(streamed)

    async def reconcile(self, request: messages.ReconcileRequest) -> PackedReconcileResponse:
        """See ``SyncTransport``."""

        async def ask(life: Life) -> bytes:
            return await life.comparisons.reconcile(self._caller, messages.ReconcileRequest.FromString(request.SerializeToString()))

        return PackedReconcileResponse.FromString(await self._call(ask))

    async def upload(self, upload_id: bytes, data: bytes) -> None:
        """See ``SyncTransport``: in pieces, of which the last ones may not arrive."""
        network = self._network
        breaks = network.happens(network.weather.cut)

        async def ask(life: Life) -> object:
            question = content_service_pb2.GetUploadRequest(upload_id=upload_id)
            received = 0
            with contextlib.suppress(RookeryError):
                received = (await life.uploads.get_upload(self._caller, question)).received_bytes
            return await life.uploads.upload(self._caller, _pieces(upload_id, data, received, whole=not breaks))

        await self._call(ask)
        if breaks:
            raise _gone("the upload broke")

    async def get_item(self, item_id: bytes) -> Item:
        """See ``SyncTransport``."""

        async def ask(life: Life) -> bytes:
            return await life.world.reading.get_item(self._caller, item_service_pb2.GetItemRequest(item_id=item_id))

        return item_service_pb2.GetItemResponse.FromString(await self._call(ask)).item

    async def download_attachment(self, item_id: bytes, attachment_id: int) -> tuple[bytes, int]:
        """See ``SyncTransport``."""

        async def ask(life: Life) -> tuple[bytes, int]:
            request = content_service_pb2.ReadContentRequest(item_id=item_id, attachment_id=attachment_id)
            response = await life.downloads.read_content(self._caller, request)
            return response.chunk.data, response.info.content_revision

        return await self._call(ask)

    async def _call(self, ask: Callable[[Life], Awaitable[T]]) -> T:
        network, weather = self._network, self._network.weather
        life = await self._arrive()
        if network.happens(weather.repeated):
            network.send_later(ask, network.chance.random() * 60)
        if network.happens(weather.impatient):
            network.send_later(ask, 0)
            raise _gone("nobody waited for the answer")
        answer = await life.carry_out(ask(life))
        await network.travel()
        self._require_plugged()
        if network.happens(weather.lost):
            raise _gone("the answer was lost")
        return answer

    async def _arrive(self) -> Life:
        self._require_plugged()
        await self._network.travel()
        if self._network.happens(self._network.weather.lost):
            raise _gone("the request was lost")
        return self._network.server.require_alive()

    def _require_plugged(self) -> None:
        if not self.plugged:
            raise _gone("there is no network")


def _gone(message: str) -> Unavailable:
    return Unavailable("SERVER_UNREACHABLE", message)


async def _next(stream: AsyncIterator[bytes]) -> bytes | None:
    return await anext(stream, None)


async def _in_portions(request: messages.PushRequest, size: int) -> AsyncIterator[messages.PushRequest]:
    for begin in range(0, max(1, len(request.operations)), size):  # one without operations asks for the epoch alone
        yield messages.PushRequest(operations=request.operations[begin : begin + size], epoch=request.epoch)


async def _pieces(upload_id: bytes, data: bytes, received: int, *, whole: bool) -> AsyncIterator[content_service_pb2.UploadRequest]:
    middle = received + (len(data) - received) // 2
    for begin, end in ((received, middle), (middle, len(data)) if whole else (middle, middle)):
        yield content_service_pb2.UploadRequest(upload_id=upload_id, total_bytes=len(data), offset=begin, data=data[begin:end])
