"""Opens the channel to a server: TLS everywhere, plain text only where nobody can listen or where it is asked for."""

from __future__ import annotations

import ipaddress
import pathlib
import ssl

import grpc
import grpc.aio

from rookery_core.errors import InvalidArgument

MESSAGE_BYTES = 32 * 1024 * 1024
"""As much as a server sends."""

_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    # A connection that died without a word is noticed within 80 seconds, and pings alone keep no idle server awake.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # The attempts of rookery_client.connection.retry find a server that came back without waiting for gRPC's own delays.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_retries", 0),
]


def host_of(server: str) -> str:
    """The host of "HOST:PORT", "[IPv6]:PORT" or "unix:PATH" ("" for the latter). InvalidArgument ``FIELD_INVALID`` else."""
    if server.startswith("unix:"):
        return ""
    host, colon, port = server.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536 or not host.strip("[]"):
        raise InvalidArgument("FIELD_INVALID", f"“{server}” is no server: write HOST:PORT", field="server")
    return host.removeprefix("[").removesuffix("]")


def is_loopback(server: str) -> bool:
    """Whether what travels to `server` never leaves this machine."""
    host = host_of(server)
    if host in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_channel(
    server: str, *, tls: bool | None = None, ca_file: str | pathlib.Path | None = None, insecure: bool = False
) -> grpc.aio.Channel:
    """A channel to "HOST:PORT"; nothing is sent yet.

    `tls`: None means TLS except to loopback. `ca_file`: PEM file with the authorities to trust instead of the system's; means
    TLS. `insecure` allows plain text to any address. InvalidArgument ``FIELD_INVALID`` for a wrong address, an unreadable
    `ca_file`, and plain text to another machine that was not asked for.
    """
    loopback = is_loopback(server)
    if tls is None:
        tls = ca_file is not None or not (loopback or insecure)
    if not tls:
        if not (loopback or insecure):
            message = f"{server} is another machine: plain text would show passwords on the way; use TLS"
            raise InvalidArgument("FIELD_INVALID", message, field="tls")
        return grpc.aio.insecure_channel(server, options=_OPTIONS)
    credentials = grpc.ssl_channel_credentials(_roots(ca_file))
    return grpc.aio.secure_channel(server, credentials, options=_OPTIONS)


def _roots(ca_file: str | pathlib.Path | None) -> bytes | None:
    """The trusted authorities, PEM: the given ones, else the system's, else (None) those that come with gRPC."""
    if ca_file is not None:
        try:
            return pathlib.Path(ca_file).read_bytes()
        except OSError as error:
            message = f"the authorities in {ca_file} can not be read: {error.strerror}"
            raise InvalidArgument("FIELD_INVALID", message, field="ca_file") from error
    paths = ssl.get_default_verify_paths()
    candidates = [paths.cafile, f"{paths.capath}/ca-certificates.crt" if paths.capath else None]
    for candidate in candidates:
        if candidate and pathlib.Path(candidate).is_file():
            return pathlib.Path(candidate).read_bytes()
    return None
