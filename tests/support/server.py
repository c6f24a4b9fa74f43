"""Servers under test: a whole one in this process, and a real ``rookeryd serve`` process. Both on a free
port, in a folder of their own.

A conftest imports ``server`` with the fixtures that it rests on (``tests.support.databases``).
"""

from __future__ import annotations

import contextlib
import pathlib
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest
from argon2 import PasswordHasher

from rookery.v1 import admin_service_pb2, auth_service_pb2
from rookery.v1.admin_service_pb2_grpc import AdminServiceStub
from rookery.v1.auth_service_pb2_grpc import AuthServiceStub
from rookery_core.rules.ids import RandomIds
from rookery_server import config
from rookery_server.bootstrap import Edges, Server
from rookery_server.services.accounts.passwords import Passwords
from tests.support.fakes import FakeClock, SequentialIds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from rookery.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from rookery.v1.auth_service_pb2_grpc import AuthServiceAsyncStub

DOMAIN = "rookery.test"
PASSWORD = "correct horse battery"
STARTS_WITHIN = 60.0


def quick_passwords() -> Passwords:
    """Password hashing with the least work that argon2 allows."""
    return Passwords(hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@dataclass(frozen=True)
class Person:
    """Somebody with an account, signed in."""

    account: admin_service_pb2.Account
    login: auth_service_pb2.LoginResponse

    @property
    def address(self) -> str:
        """The primary address."""
        return self.account.address

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call of theirs carries."""
        return bearer(self.login.tokens.access_token)


def bearer(access_token: str) -> tuple[tuple[str, str], ...]:
    """The metadata that carries an access token."""
    return (("authorization", f"Bearer {access_token}"),)


@dataclass(frozen=True)
class Running:
    """A server that runs, with a channel to its port and one to its socket."""

    address: str
    channel: grpc.aio.Channel
    machine: grpc.aio.Channel
    clock: FakeClock
    ids: SequentialIds | RandomIds
    server: Server | None = None

    @property
    def auth(self) -> AuthServiceAsyncStub:
        """Signing in, over the port."""
        return AuthServiceStub(self.channel)

    @property
    def admin(self) -> AdminServiceAsyncStub:
        """Administration, over the socket: as the machine's administrator."""
        return AdminServiceStub(self.machine)

    async def add_domain(self, name: str = DOMAIN) -> None:
        """Adds a domain unless it is there."""
        listed = await self.admin.ListDomains(admin_service_pb2.ListDomainsRequest())
        if name not in {domain.name for domain in listed.domains}:
            domain = admin_service_pb2.Domain(name=name)
            await self.admin.CreateDomain(admin_service_pb2.CreateDomainRequest(operation_id=self.ids.new(), domain=domain))

    async def add_account(self, name: str, **fields: Any) -> admin_service_pb2.Account:
        """Adds an account NAME@rookery.test with the password ``PASSWORD``."""
        await self.add_domain()
        account = admin_service_pb2.Account(address=f"{name}@{DOMAIN}", **fields)
        request = admin_service_pb2.CreateAccountRequest(operation_id=self.ids.new(), account=account, password=PASSWORD)
        return (await self.admin.CreateAccount(request)).account

    async def sign_in(self, address: str, password: str = PASSWORD, device: str = "a test") -> auth_service_pb2.LoginResponse:
        """Signs in."""
        request = auth_service_pb2.LoginRequest(address=address, password=password, device_name=device, operation_id=self.ids.new())
        return await self.auth.Login(request)

    async def add_person(self, name: str, **fields: Any) -> Person:
        """Adds an account and signs it in."""
        account = await self.add_account(name, **fields)
        return Person(account, await self.sign_in(account.address))


def untyped(channel: Any) -> Any:
    """A channel for calls with raw bytes: its types know messages only."""
    return channel


def settings_of(folder: pathlib.Path, **flags: object) -> config.Settings:
    """Settings of a server on a free port, with nothing from the environment."""
    return config.load({"data": str(folder), "listen": "127.0.0.1:0", **flags}, {})


@contextlib.asynccontextmanager
async def serving(settings: config.Settings, clock: FakeClock | None = None) -> AsyncIterator[Running]:
    """A whole server in this process. Its clock stands still at the time of the test's start, unless it is moved."""
    clock = clock or FakeClock(time.time_ns() // 1000)
    ids = SequentialIds(clock)
    server = Server(settings, Edges(clock=clock, ids=ids, passwords=quick_passwords))
    await server.start()
    try:
        async with channels(server.address, settings.unix_socket) as (channel, machine):
            yield Running(server.address, channel, machine, clock, SequentialIds(clock, stream=1), server)
    finally:
        await server.stop(0)


@contextlib.asynccontextmanager
async def channels(address: str, socket: pathlib.Path) -> AsyncIterator[tuple[grpc.aio.Channel, grpc.aio.Channel]]:
    """Channels to a port and to a socket."""
    async with grpc.aio.insecure_channel(address) as channel, grpc.aio.insecure_channel(f"unix:{socket}") as machine:
        yield channel, machine


@pytest.fixture
async def server(database_url: str, tmp_path: pathlib.Path) -> AsyncIterator[Running]:
    """A whole server in this process, on each engine in turn."""
    settings = settings_of(tmp_path, database_url=database_url)
    async with serving(settings) as running:
        yield running


class ServerProcess:
    """A real ``rookeryd serve``. ``start`` and ``stop`` as often as wanted: the data stays.

    ``program``: what takes its place and understands its options.
    """

    def __init__(self, folder: pathlib.Path, *arguments: str, listen: str = "127.0.0.1:0", program: Sequence[str] = ()) -> None:
        self.folder = folder
        self._program = program or (str(rookeryd()), "serve")
        self._arguments = [*arguments, "--listen", listen]
        self._process: subprocess.Popen[str] | None = None
        self.address = ""

    @property
    def socket(self) -> pathlib.Path:
        """The socket for administration."""
        return self.folder / "rookery.sock"

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts the process and waits until it serves."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._program, "--data", str(self.folder), *self._arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("rookeryd: serving on "), f"{line!r}\n{self.log()}"
        self.address = line.split()[-1]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and waits for the end; gives the exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Waits for the end; gives the exit status."""
        assert self._process is not None
        status = self._process.wait(STARTS_WITHIN)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return status

    def kill(self) -> None:
        """SIGKILL, if it runs: nothing is finished, nothing is closed."""
        if self._process is not None:
            self.stop(signal.SIGKILL)

    def log(self) -> str:
        """What it logged."""
        return (self.folder / "server.log").read_text()

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Running]:
        """Channels to it."""
        clock = FakeClock(time.time_ns() // 1000)
        async with channels(self.address, self.socket) as (channel, machine):
            yield Running(self.address, channel, machine, clock, RandomIds(clock))


def rookeryd() -> pathlib.Path:
    """The installed command."""
    return pathlib.Path(sys.executable).with_name("rookeryd")


@pytest.fixture
def server_process(tmp_path: pathlib.Path) -> Iterator[ServerProcess]:
    """A real server process on SQLite, started."""
    process = ServerProcess(tmp_path / "data")
    process.start()
    yield process
    process.kill()
