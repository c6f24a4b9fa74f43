"""A small server in this process, for tests of the client alone: each call is answered by a function that the test gives."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from google.protobuf import any_pb2, message_factory
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from rookery.v1 import (
    auth_service_pb2,
    content_service_pb2,
    folder_pb2,
    item_service_pb2,
    mailbox_pb2,
    search_service_pb2,
    submission_service_pb2,
    sync_service_pb2,
)
from rookery.v1.auth_service_pb2 import LoginResponse, RefreshResponse, Tokens
from rookery_client import Client, RetryPolicy

if TYPE_CHECKING:
    from google.protobuf.message import Message

Handler = Callable[[Any, Any], Any]

_SERVICES = {
    name: module.DESCRIPTOR.services_by_name[name]
    for module in (
        auth_service_pb2,
        content_service_pb2,
        folder_pb2,
        item_service_pb2,
        mailbox_pb2,
        search_service_pb2,
        submission_service_pb2,
        sync_service_pb2,
    )
    for name in module.DESCRIPTOR.services_by_name
}

QUICK = RetryPolicy(attempts=4, resumptions=6, first_delay=0.001, longest_delay=0.01)


def status_of(code: int, reason: str, message: str, *, field: str = "", **metadata: str) -> status_pb2.Status:
    """A google.rpc.Status as the server makes it."""
    info = any_pb2.Any()
    info.Pack(error_details_pb2.ErrorInfo(domain="rookery", reason=reason, metadata=metadata))
    status = status_pb2.Status(code=code, message=message, details=[info])
    if field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    return status


async def refuse(context: Any, code: int, reason: str, message: str = "no", **more: str) -> None:
    """Ends a call with an error, as the server does."""
    await context.abort_with_status(rpc_status.to_status(status_of(code, reason, message, **more)))


def tokens(name: str, *, expires_micros: int = 4_000_000_000_000_000) -> Tokens:
    """Tokens that end in the far future, or when told."""
    made = Tokens(access_token=f"access-{name}", refresh_token=f"refresh-{name}")
    made.access_expires.FromMicroseconds(expires_micros)
    return made


async def login(request: Any, context: Any) -> LoginResponse:
    """Signs everybody in."""
    return LoginResponse(tokens=tokens("1"))


async def refresh(request: Any, context: Any) -> RefreshResponse:
    """Gives the next tokens: refresh-1 leads to access-2."""
    number = int(request.refresh_token.rpartition("-")[2])
    return RefreshResponse(tokens=tokens(str(number + 1)))


def _wrapped(method: Any, handler: Handler) -> grpc.RpcMethodHandler[Any, Any]:
    request = message_factory.GetMessageClass(method.input_type)
    kinds = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    make = kinds[method.client_streaming, method.server_streaming]
    return make(handler, request_deserializer=request.FromString, response_serializer=lambda answer: answer.SerializeToString())


async def serve(
    handlers: Mapping[str, Handler], port: int = 0, credentials: grpc.ServerCredentials | None = None
) -> tuple[grpc.aio.Server, int]:
    """Starts a server on loopback that answers "Service.Method" with `handlers`; gives it with its port."""
    server = grpc.aio.server()
    for service_name, service in _SERVICES.items():
        methods = {
            method.name: _wrapped(method, handlers[f"{service_name}.{method.name}"])
            for method in service.methods
            if f"{service_name}.{method.name}" in handlers
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, methods),))
    address = f"127.0.0.1:{port}"
    bound = server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
    await server.start()
    return server, bound


@contextlib.asynccontextmanager
async def client_of(handlers: Mapping[str, Handler], **options: Any) -> AsyncIterator[Client]:
    """A signed-in client of a server with these handlers."""
    server, port = await serve({"AuthService.Login": login, "AuthService.Refresh": refresh, **handlers})
    options = {"retry": QUICK, "tokens": tokens("1"), **options}
    try:
        async with Client.connect(f"127.0.0.1:{port}", **options) as client:
            yield client
    finally:
        await server.stop(None)


def failing_first(times: int, code: int, reason: str, answer: Callable[[Any], Message], seen: list[Any]) -> Handler:
    """A handler that refuses the first `times` calls and answers the others; all requests go to `seen`."""

    async def handler(request: Any, context: Any) -> Message | None:
        seen.append(request)
        if len(seen) <= times:
            await refuse(context, code, reason)
        return answer(request)

    return handler
