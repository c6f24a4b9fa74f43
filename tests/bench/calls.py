"""Single calls: an empty one, a read, a durable update."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from rookery.v1 import item_pb2, item_service_pb2

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.bench.server import Connection


def read_one(connection: Connection, item_ids: list[bytes], seed: int) -> Callable[[int], Awaitable[object]]:
    """Reads one item whole, another each time."""
    rng = random.Random(seed)

    async def call(_number: int) -> object:
        request = item_service_pb2.GetItemRequest(item_id=rng.choice(item_ids))
        return await connection.items.GetItem(request, metadata=connection.metadata)

    return call


def mark_one(connection: Connection, item_ids: list[bytes], seed: int) -> Callable[[int], Awaitable[object]]:
    """Flags one item, another each time, so that every call changes something and has to reach the disk."""
    unflagged = random.Random(seed).sample(item_ids, len(item_ids))
    flag = item_pb2.FollowUp(status=item_pb2.FLAG_STATUS_FLAGGED)

    async def call(_number: int) -> object:
        request = item_service_pb2.SetItemStateRequest(
            operation_id=connection.ids.new(), item_ids=[unflagged.pop()], follow_up=flag
        )
        answer = await connection.items.SetItemState(request, metadata=connection.metadata)
        if answer.changed != 1:
            raise RuntimeError("an update changed nothing")
        return answer

    return call
