"""How a stream of requests ended.

A write that fails because the server ended the call makes grpc.aio report an internal error of its own, before or over the
server's status: the refusal would be lost in one case of two. So the status is noted whenever one is set.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import grpc.aio

from rookery_client.connection.status import error_of_status_parts
from rookery_core.errors import RookeryError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Coroutine

_WRITE_FAILED = "Internal error from Core"
_LOOKS = 25
_LOOK_SECONDS = 0.02
"""The server's status may come after a failed write, but not long: both are events of one connection."""

Value = TypeVar("Value")


class Ending:
    """Watches one call, from before its first write."""

    def __init__(self, call: grpc.aio.Call, server: str) -> None:
        self._call = call
        self._server = server
        self._known: RookeryError | None = None
        call.add_done_callback(self._note)

    async def error(self) -> RookeryError:
        """The exception that the failed call stands for; Unavailable if the connection broke without a status."""
        for _ in range(_LOOKS):
            self._note()
            if self._known is not None:
                return self._known
            await asyncio.sleep(_LOOK_SECONDS)
        return Unavailable("SERVER_UNREACHABLE", f"the connection to {self._server} broke; try again")

    def _note(self, _call: object = None) -> None:
        if self._known is not None or not self._call.done():
            return
        code, details = _at_once(self._call.code()), _at_once(self._call.details()) or ""
        if code is grpc.StatusCode.OK or (code is grpc.StatusCode.INTERNAL and details == _WRITE_FAILED):
            return
        trailing = _at_once(self._call.trailing_metadata())
        self._known = error_of_status_parts(code, details, trailing, self._server)


def _at_once(coroutine: Coroutine[Any, Any, Value]) -> Value:
    """The result of a coroutine that does not wait: what a finished call tells."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: Value = end.value
        return value
    coroutine.close()
    raise RuntimeError("the call was not finished")
