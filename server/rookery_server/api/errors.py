"""Errors to gRPC status: the one place where a call is ended without an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from rookery_server.services.refusals import rpc_status

if TYPE_CHECKING:
    from rookery_core.errors import RookeryError
    from rookery_server.api.context import Context

DETAILS_KEY = "grpc-status-details-bin"
REQUEST_ID_KEY = "x-request-id"

_CODES = {code.value[0]: code for code in grpc.StatusCode}


async def refuse(context: Context, error: RookeryError, request_id: str) -> None:
    """Ends the call with the error's status and its details (``google.rpc.Status``). Raises, as ``abort`` does."""
    status = rpc_status(error)
    trailing = ((REQUEST_ID_KEY, request_id), (DETAILS_KEY, status.SerializeToString()))
    await context.abort(_CODES[status.code], error.message, trailing)


async def fail(context: Context, request_id: str) -> None:
    """Ends the call with INTERNAL, telling nothing but the request id, under which the log has the rest. Raises."""
    message = f"the server failed on this call; its log tells more under request id {request_id}"
    await context.abort(grpc.StatusCode.INTERNAL, message, ((REQUEST_ID_KEY, request_id),))


async def expire(context: Context, seconds: float, request_id: str) -> None:
    """Ends a call that ran as long as the server allows where the client set no deadline. Raises."""
    message = f"no answer within {seconds:.0f} seconds; try again with the same operation id"
    await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, message, ((REQUEST_ID_KEY, request_id),))
