"""Many devices that follow mailboxes in which nothing happens. Run by the benchmark; says so when all have caught up."""

from __future__ import annotations

import asyncio
import itertools
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import grpc.aio

from rookery.v1 import auth_service_pb2, auth_service_pb2_grpc, sync_service_pb2, sync_service_pb2_grpc
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds
from tests.bench.server import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_ONCE = 32
"""Streams that are opened at the same time."""


async def _follow(target: str, count: int, addresses: Sequence[str]) -> None:
    ids = RandomIds(SystemClock())
    tokens = []
    async with AsyncExitStack() as channels, asyncio.TaskGroup() as group:
        for address in addresses:
            async with grpc.aio.insecure_channel(target) as channel:
                login = auth_service_pb2.LoginRequest(
                    address=address, password=PASSWORD, device_name="idle", operation_id=ids.new()
                )
                tokens.append((await auth_service_pb2_grpc.AuthServiceStub(channel).Login(login)).tokens.access_token)
        opening = asyncio.Semaphore(AT_ONCE)
        caught_up = [asyncio.Event() for _ in range(count)]

        async def device(token: str, event: asyncio.Event) -> None:
            async with opening:
                # Each with a connection of its own, as devices have it.
                options = [("grpc.use_local_subchannel_pool", 1)]
                channel = await channels.enter_async_context(grpc.aio.insecure_channel(target, options=options))
                stub = sync_service_pb2_grpc.SyncServiceStub(channel)
                metadata = (("authorization", f"Bearer {token}"),)
                batches = aiter(stub.Pull(sync_service_pb2.PullRequest(follow=True), metadata=metadata))
                while not (await anext(batches)).caught_up:
                    pass
                event.set()
            async for _ in batches:
                pass

        for token, event in zip(itertools.cycle(tokens), caught_up, strict=False):
            group.create_task(device(token, event))
        for event in caught_up:
            await event.wait()
        sys.stdout.write("following\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_follow(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
