"""The limit of a download: a process that streams bytes over gRPC and does nothing else. Run by the benchmark."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from tests.bench.server import MESSAGE_LIMIT, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

METHOD = "/bench.Bytes/Stream"
ROUNDS = 5


async def _stream(request: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> AsyncIterator[bytes]:
    """The request is two numbers: how many bytes, and how many of them a message. They are all different, as real ones are."""
    total, size = map(int, request.split())
    content = _content(total)
    for offset in range(0, total, size):
        yield content[offset : offset + size]


@functools.cache
def _content(total: int) -> bytes:
    return os.urandom(total)


async def _serve(port: int) -> None:
    server = grpc.aio.server()
    handler = grpc.unary_stream_rpc_method_handler(_stream)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Bytes", {"Stream": handler}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


@contextlib.contextmanager
def streaming() -> Iterator[str]:
    """The process; gives where it listens."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", __name__, "serve", str(port)])
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


async def received(channel: grpc.aio.Channel, total: int, size: int) -> int:
    """Streams so many bytes in messages of such a size; gives how many came."""
    call = channel.unary_stream(METHOD, None, None)(b"%d %d" % (total, size), wait_for_ready=True)
    return sum([len(piece) async for piece in call])


def speed(total: int, size: int, *, keeping_memory: bool) -> float:
    """MB/s of the bare stream, the median of some rounds, between two processes that do nothing else.

    ``keeping_memory``: the receiving one has the C library keep what is freed, as Rookery's client library does.
    """
    with streaming() as target:
        words = [sys.executable, "-m", __name__, "receive", target, str(total), str(size), str(int(keeping_memory))]
        return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


async def _receive(target: str, total: int, size: int) -> float:
    options = [("grpc.max_receive_message_length", MESSAGE_LIMIT)]
    taken = []
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        await received(channel, total, size)
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            if await received(channel, total, size) != total:
                raise RuntimeError("the bare stream lost bytes")
            taken.append(time.perf_counter() - begun)
    return total / statistics.median(taken) / 1e6


def _main(what: str, *words: str) -> None:
    if what == "serve":
        asyncio.run(_serve(int(words[0])))
        return
    target, total, size, keeping_memory = words
    if int(keeping_memory):
        bytes(8 << 20)
    sys.stdout.write(str(asyncio.run(_receive(target, int(total), int(size)))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
