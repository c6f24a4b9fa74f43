"""The way of administrative commands to a server: through the socket of the one that runs, else with the store opened here."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, TypeVar

import click
import grpc
import grpc.aio

from rookery.v1 import admin_service_pb2 as messages
from rookery.v1.admin_service_pb2_grpc import AdminServiceStub
from rookery.v1.availability_service_pb2_grpc import AvailabilityServiceStub
from rookery.v1.dkim_service_pb2_grpc import DkimServiceStub
from rookery.v1.queue_service_pb2_grpc import QueueServiceStub
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds
from rookery_server.api.listening import socket_name
from rookery_server.bootstrap import Server
from rookery_server.cli import logs
from rookery_server.cli.options import settings_of

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Awaitable, Callable

    from rookery_server.config import Settings

T = TypeVar("T")


class Refused(click.ClickException):
    """The server refused what it understood: exit status 1."""


class Misunderstood(click.ClickException):
    """The server found the request itself wrong: exit status 2."""

    exit_code = 2


class Administration:
    """The services for administrators, and what every command needs beside them."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.service = AdminServiceStub(channel)
        self.availability = AvailabilityServiceStub(channel)
        self.queue = QueueServiceStub(channel)
        self.dkim = DkimServiceStub(channel)
        self._ids = RandomIds(SystemClock())

    def operation_id(self) -> bytes:
        """The id of a new operation."""
        return self._ids.new()

    async def account(self, address: str) -> messages.Account:
        """The account with this address."""
        return (await self.service.GetAccount(messages.GetAccountRequest(address=address))).account


def administer(flags: dict[str, object], config_file: pathlib.Path | None, work: Callable[[Administration], Awaitable[T]]) -> T:
    """Carries ``work`` out as the machine's administrator. ``Refused`` or ``Misunderstood`` if the server does not."""
    settings = settings_of(flags, config_file)
    logs.configure("text", "error")

    async def run() -> T:
        async with connected(settings) as administration:
            try:
                return await work(administration)
            except grpc.aio.AioRpcError as error:
                kind = Misunderstood if error.code() == grpc.StatusCode.INVALID_ARGUMENT else Refused
                raise kind(error.details() or "the server failed") from None

    return asyncio.run(run())


@contextlib.asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Administration]:
    """Administration of the server that runs on the socket, or of one that is started here for as long as it takes."""
    async with contextlib.AsyncExitStack() as stack:
        if not is_served(settings):
            server = Server(settings, socket_only=True)
            await server.start()
            stack.push_async_callback(server.stop, 5.0)
        channel = grpc.aio.insecure_channel(f"unix:{socket_name(settings.unix_socket)}")
        stack.push_async_callback(channel.close, None)
        yield Administration(channel)


def is_served(settings: Settings) -> bool:
    """Whether a server answers on the socket. A file that a killed one left behind does not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(socket_name(settings.unix_socket))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True
