"""A device that does not take what a lasting stream brings is not waited for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest
import structlog

from rookery.v1 import content_service_pb2, sync_service_pb2
from rookery_client.connection.status import error_of_call
from rookery_core.rules.ids import RandomIds
from rookery_server.api.call_counts import CallCounts
from rookery_server.api.calls import LASTING, Calls
from rookery_server.api.registry import method_name, register
from rookery_server.services.caller import Caller
from tests.support.fakes import FakeClock
from tests.support.server import bearer, untyped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVICES = [
    sync_service_pb2.DESCRIPTOR.services_by_name["SyncService"],
    content_service_pb2.DESCRIPTOR.services_by_name["ContentService"],
]
PIECE = bytes(1 << 20)
LIMIT_SECONDS = 1.5


class Anybody:
    """Lets everybody in."""

    async def authenticate(self, access_token: str) -> Caller:
        """Some account."""
        return Caller(b"a" * 16, access_token.encode(), administrator=False)

    async def confirm(self, caller: Caller) -> None:
        """Nobody is ever signed out."""


class Pouring:
    """Answers each call with a stream that has no end; ``ended`` once one was closed."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        for service in SERVICES:
            for method in service.methods:
                setattr(self, method_name(method.name), self._pour)

    async def _pour(self, *_: Any) -> AsyncIterator[bytes]:
        try:
            while True:
                yield PIECE
        finally:
            self.ended.set()


@contextlib.asynccontextmanager
async def pouring(path: str) -> AsyncIterator[tuple[Pouring, grpc.aio.UnaryStreamCall[Any, Any]]]:
    """A server that pours, and a call of a client that has not read yet."""
    server, servicer = grpc.aio.server(), Pouring()
    calls = Calls(Anybody(), RandomIds(FakeClock()), CallCounts(), write_seconds=LIMIT_SECONDS)
    for service in SERVICES:
        register(server, calls, service, servicer)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield servicer, untyped(channel).unary_stream(path)(b"", metadata=bearer("t"))
    finally:
        await server.stop(0)


async def to_the_end(call: Any) -> int:
    """Reads all that comes; gives how much it was."""
    count = 0
    while await call.read() is not grpc.aio.EOF:
        count += 1
    return count


async def over(servicer: Pouring, lines: list[Any]) -> None:
    """Waits until a stream was closed, and its call has its line in the log."""
    async with asyncio.timeout(20):
        await servicer.ended.wait()
        while True:
            if lines:
                return
            await asyncio.sleep(0.05)


def test_the_lasting_streams_are_calls_of_the_contract() -> None:
    assert {f"{service.full_name}/{method.name}" for service in SERVICES for method in service.methods} >= LASTING


@pytest.mark.parametrize("name", sorted(LASTING))
async def test_a_stream_that_is_not_read_is_ended(name: str) -> None:
    with structlog.testing.capture_logs() as lines:
        async with pouring(f"/{name}") as (servicer, call):
            await call.read()
            await over(servicer, lines)
            assert (lines[0]["status"], lines[0]["reason"]) == ("Unavailable", "SLOW_CONSUMER")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await to_the_end(call)
            assert error_of_call(caught.value, "the server").reason == "SLOW_CONSUMER"


async def test_a_call_that_is_never_read_again_is_over_all_the_same() -> None:
    with structlog.testing.capture_logs() as lines:
        async with pouring("/rookery.v1.SyncService/Pull") as (servicer, _call):
            await over(servicer, lines)
            assert lines[0]["reason"] == "SLOW_CONSUMER"


async def test_who_reads_steadily_is_served_for_as_long_as_it_likes() -> None:
    async with pouring("/rookery.v1.SyncService/Pull") as (servicer, call):
        for _ in range(60):  # longer, in all, than one message may wait
            assert len(await call.read()) == len(PIECE)
            await asyncio.sleep(LIMIT_SECONDS / 25)
        assert not servicer.ended.is_set()


async def test_a_download_may_wait() -> None:
    async with pouring("/rookery.v1.ContentService/DownloadAttachment") as (servicer, call):
        await call.read()
        await asyncio.sleep(LIMIT_SECONDS * 3)
        assert not servicer.ended.is_set()
        assert len(await call.read()) == len(PIECE)
