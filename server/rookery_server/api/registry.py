"""Registers servicers from the contract's descriptors: no generated base class, one method for each call."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from google.protobuf import message_factory

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

    from rookery_server.api.calls import Calls

PUBLIC = frozenset({"rookery.v1.AuthService.Login", "rookery.v1.AuthService.Refresh"})
"""The calls of the contract that need no sign-in."""


def register(server: grpc.aio.Server, calls: Calls, service: ServiceDescriptor, servicer: object) -> None:
    """Adds a service to a server that has not started. TypeError if the servicer lacks a method."""
    handlers = {method.name: _handler(calls, method, servicer) for method in service.methods}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))


def method_name(rpc_name: str) -> str:
    """The servicer's method for a call: "BatchGetItems" is "batch_get_items", "Import" is "import_"."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", rpc_name).lower()
    return f"{name}_" if keyword.iskeyword(name) else name


def _handler(calls: Calls, method: MethodDescriptor, servicer: object) -> grpc.RpcMethodHandler[bytes, bytes]:
    function = getattr(servicer, method_name(method.name), None)
    if function is None:
        raise TypeError(f"{type(servicer).__name__} has no method {method_name(method.name)} for {method.full_name}")
    name = f"{method.containing_service.full_name}/{method.name}"
    request_type = message_factory.GetMessageClass(method.input_type)
    make, wrap = {
        (False, False): (grpc.unary_unary_rpc_method_handler, calls.unary_unary),
        (False, True): (grpc.unary_stream_rpc_method_handler, calls.unary_stream),
        (True, False): (grpc.stream_unary_rpc_method_handler, calls.stream_unary),
        (True, True): (grpc.stream_stream_rpc_method_handler, calls.stream_stream),
    }[method.client_streaming, method.server_streaming]
    return make(wrap(name, function, request_type, public=method.full_name in PUBLIC))
