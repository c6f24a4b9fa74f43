"""The server under test: a real `rookeryd serve` with a data folder of its own, and a signed-in connection to it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import pathlib
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rookery.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    auth_service_pb2,
    auth_service_pb2_grpc,
    content_service_pb2_grpc,
    folder_pb2,
    folder_pb2_grpc,
    item_service_pb2_grpc,
    search_service_pb2_grpc,
    submission_service_pb2_grpc,
)
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

ADDRESS = "anna@bench.example"
PASSWORD = "correct horse battery"
MESSAGE_LIMIT = 16 << 20
QUIET_SECONDS = 900
_PROCESS_CLOCK = 2
"""With the complement of a process id before it the clock of that process, as clock_getcpuclockid(3) gives it: to the nanosecond,
where proc(5) counts ticks of 10 ms."""


def _rookeryd(*arguments: str, stdin: str = "") -> None:
    command = [str(pathlib.Path(sys.executable).parent / "rookeryd"), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        sys.exit(f"rookeryd {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Server:
    """A running server process."""

    def __init__(self, data: pathlib.Path, url: str, port: int, process: subprocess.Popen[bytes]) -> None:
        self.database = data / "rookery.db"
        self.url = url
        self.socket = data / "rookery.sock"
        self.target = f"127.0.0.1:{port}"
        self._process = process

    def resident_mib(self) -> float:
        """Resident memory of the process in MiB."""
        return self._status("VmRSS")

    def peak_mib(self) -> float:
        """The most resident memory that the process ever had, in MiB."""
        return self._status("VmHWM")

    def _status(self, field: str) -> float:
        for line in pathlib.Path(f"/proc/{self._process.pid}/status").read_text("ascii").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) / 1024
        raise LookupError(field)

    async def quiet(self) -> None:
        """Waits until the process has next to nothing to do: work that it had put off is no part of the next figure."""
        async with asyncio.timeout(QUIET_SECONDS):
            before = self.cpu_seconds()
            while True:
                await asyncio.sleep(1.5)  # longer than the pauses that the indexer makes
                if (now := self.cpu_seconds()) - before < 0.1:
                    return
                before = now

    def cpu_seconds(self) -> float:
        """What the process has computed so far, in seconds of one core."""
        return time.clock_gettime(~self._process.pid << 3 | _PROCESS_CLOCK)

    def commits(self) -> int:
        """Transactions committed so far: the change counter in the header of SQLite's WAL index."""
        with pathlib.Path(f"{self.database}-shm").open("rb") as index:
            return int.from_bytes(index.read(12)[8:], sys.byteorder)


@contextlib.contextmanager
def serving(
    folder: pathlib.Path,
    prepare: Callable[[str], None] = lambda _url: None,
    *,
    database_url: str = "",
    accounts: Sequence[str] = (ADDRESS,),
    program: Sequence[str] = (),
) -> Iterator[Server]:
    """A server with one domain and some accounts, stopped by SIGTERM at the end. `prepare` is handed the database's URL before.

    `database_url`: an empty PostgreSQL database; SQLite in the folder where there is none. `program`: what takes the place of
    `rookeryd serve` and understands its options.
    """
    data = folder / "data"
    where = ["--data", str(data), *(["--database-url", database_url] if database_url else [])]
    _rookeryd("db", "upgrade", *where)
    _rookeryd("domain", "add", "bench.example", *where)
    for address in accounts:
        _rookeryd("account", "add", address, "--password-stdin", *where, stdin=PASSWORD + "\n")
    url = database_url or f"sqlite:///{data / 'rookery.db'}"
    prepare(url)
    port = free_port()
    program = program or (str(pathlib.Path(sys.executable).parent / "rookeryd"), "serve")
    command = [*program, *where, "--listen", f"127.0.0.1:{port}"]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield Server(data, url, port, process)
        finally:
            process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclasses.dataclass(frozen=True)
class Connection:
    """A signed-in connection: the contract's own stubs, so that no client library is measured with the server."""

    health: health_pb2_grpc.HealthAsyncStub
    items: item_service_pb2_grpc.ItemServiceAsyncStub
    content: content_service_pb2_grpc.ContentServiceAsyncStub
    search: search_service_pb2_grpc.SearchServiceAsyncStub
    submissions: submission_service_pb2_grpc.SubmissionServiceAsyncStub
    metadata: tuple[tuple[str, str], ...]
    inbox: bytes
    ids: RandomIds

    async def empty_call(self, _number: int) -> None:
        """The least that this server can do."""
        await self.health.Check(health_pb2.HealthCheckRequest())


@contextlib.asynccontextmanager
async def connected(server: Server, address: str = ADDRESS) -> AsyncIterator[Connection]:
    """Connects, waits until the server serves, and signs in."""
    ids = RandomIds(SystemClock())
    options = [("grpc.max_receive_message_length", MESSAGE_LIMIT), ("grpc.max_send_message_length", MESSAGE_LIMIT)]
    async with grpc.aio.insecure_channel(server.target, options=options) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        async with asyncio.timeout(60):
            await health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True)
        login = auth_service_pb2.LoginRequest(address=address, password=PASSWORD, device_name="bench", operation_id=ids.new())
        signed_in = await auth_service_pb2_grpc.AuthServiceStub(channel).Login(login)
        metadata = (("authorization", f"Bearer {signed_in.tokens.access_token}"),)
        wanted = folder_pb2.GetFolderRequest(role=folder_pb2.FOLDER_ROLE_INBOX)
        inbox = await folder_pb2_grpc.FolderServiceStub(channel).GetFolder(wanted, metadata=metadata)
        yield Connection(
            health=health,
            items=item_service_pb2_grpc.ItemServiceStub(channel),
            content=content_service_pb2_grpc.ContentServiceStub(channel),
            search=search_service_pb2_grpc.SearchServiceStub(channel),
            submissions=submission_service_pb2_grpc.SubmissionServiceStub(channel),
            metadata=metadata,
            inbox=inbox.folder.id,
            ids=ids,
        )


async def add_accounts(server: Server, addresses: Iterable[str]) -> None:
    """Adds accounts to a server that runs, over its socket."""
    ids = RandomIds(SystemClock())
    async with grpc.aio.insecure_channel(f"unix:{server.socket}") as channel:
        admin = admin_service_pb2_grpc.AdminServiceStub(channel)
        for address in addresses:
            account = admin_service_pb2.Account(address=address)
            request = admin_service_pb2.CreateAccountRequest(operation_id=ids.new(), account=account, password=PASSWORD)
            await admin.CreateAccount(request)
