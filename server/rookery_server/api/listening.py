"""The gRPC server's sockets and limits."""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from rookery_core.errors import InvalidArgument, Unavailable

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

RECEIVE_BYTES = 24 << 20
"""The largest request message: an item has at most 20 MiB, an import carries at most 4 MiB, an upload 1 MiB."""
SEND_BYTES = 32 << 20
"""The largest response message: whatever was stored can be sent."""
MOST_CALLS = 5_000
"""Calls that are answered at the same time; RESOURCE_EXHAUSTED beyond it. Each may have a message in memory."""

_SOCKET_PATH_BYTES = 107  # sockaddr_un, without the final zero


def create_server(*, reuse_port: bool) -> grpc.aio.Server:
    """A server with the limits of the contract. ``reuse_port`` lets several processes listen on one port (SO_REUSEPORT)."""
    options: Sequence[tuple[str, int]] = [
        ("grpc.max_receive_message_length", RECEIVE_BYTES),
        ("grpc.max_send_message_length", SEND_BYTES),
        ("grpc.max_concurrent_streams", 1000),
        ("grpc.so_reuseport", int(reuse_port)),
        # A client that vanished without a word is noticed within 80 seconds; clients may ping as often as every 20 seconds.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),
    ]
    return grpc.aio.server(options=options, maximum_concurrent_rpcs=MOST_CALLS)


def bind(
    server: grpc.aio.Server,
    address: str,
    *,
    tls_cert: pathlib.Path | None,
    tls_key: pathlib.Path | None,
    insecure_plaintext: bool,
) -> str:
    """Listens on "HOST:PORT", with TLS if there is a certificate; gives the address with its real port.

    InvalidArgument ``FIELD_INVALID`` for plain text beyond loopback that was not asked for, and for unreadable files; Unavailable
    ``ADDRESS_IN_USE`` where it can not listen.
    """
    host = address.rpartition(":")[0]
    try:
        if tls_cert is not None and tls_key is not None:
            credentials = grpc.ssl_server_credentials([(_read(tls_key), _read(tls_cert))])
            port = server.add_secure_port(address, credentials)
        elif insecure_plaintext or is_loopback(host):
            port = server.add_insecure_port(address)
        else:
            message = (
                f"plain text on {address} would show passwords to the network: give --tls-cert and --tls-key, "
                "or --insecure-plaintext where something in front does TLS"
            )
            raise InvalidArgument("FIELD_INVALID", message, field="listen")
    except RuntimeError:  # what grpc raises when bind(2) fails
        raise Unavailable("ADDRESS_IN_USE", f"can not listen on {address}: is something else listening there?") from None
    return f"{host}:{port}"


def bind_unix(server: grpc.aio.Server, path: pathlib.Path) -> None:
    """Listens on a Unix socket that only this user may open (mode 0600). Errors as ``bind``."""
    name = socket_name(path)
    before = os.umask(0o177)
    try:
        server.add_insecure_port(f"unix:{name}")
    except RuntimeError:
        raise Unavailable("ADDRESS_IN_USE", f"can not listen on the socket {path}") from None
    finally:
        os.umask(before)


def socket_name(path: pathlib.Path) -> str:
    """The path as the kernel takes it: relative if the absolute one is too long. InvalidArgument if both are."""
    for name in (str(path), os.path.relpath(path)):
        if len(os.fsencode(name)) <= _SOCKET_PATH_BYTES:
            return name
    message = f"the path of the socket is too long for the system: give a shorter one than {path} as --unix-socket"
    raise InvalidArgument("FIELD_INVALID", message, field="unix_socket")


def is_loopback(host: str) -> bool:
    """Whether what travels to the host never leaves this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _read(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidArgument("FIELD_INVALID", f"{path} can not be read: {error.strerror}", field="tls_cert") from None
