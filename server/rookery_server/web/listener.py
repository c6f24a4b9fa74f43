"""HTTP, for what programs fetch by a URL: uvicorn in the server's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from rookery_core.errors import InvalidArgument, Unavailable

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Awaitable, Callable, Iterator, MutableMapping

    Application = Callable[
        [
            MutableMapping[str, Any],
            Callable[[], Awaitable[MutableMapping[str, Any]]],
            Callable[[MutableMapping[str, Any]], Awaitable[None]],
        ],
        Awaitable[None],
    ]

_MOST_CONNECTIONS = 256
_KEEP_ALIVE_SECONDS = 15
"""For a connection to ask for something, at first and again."""
_LONGEST_SECONDS = 600
"""For a connection in all, however slowly its other end reads; programs open another."""
_GRACE_SECONDS = 5
_HEADER_BYTES = 16 << 10

_log = structlog.get_logger("rookery.web")


class WebListener:
    """Listens from ``start`` to ``stop``, with TLS if there is a certificate. Belongs to one event loop."""

    def __init__(
        self,
        address: str,
        application: Application,
        *,
        tls_cert: pathlib.Path | None,
        tls_key: pathlib.Path | None,
        insecure_plaintext: bool,
    ) -> None:
        """InvalidArgument ``FIELD_INVALID`` for plain text beyond loopback that was not asked for."""
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._is_secure = tls_cert is not None
        if not (self._is_secure or insecure_plaintext or _is_loopback(self._host)):
            message = (
                f"plain text on {address} would show to the network which calendars are fetched: give --tls-cert and --tls-key, "
                "or --insecure-plaintext where something in front does TLS"
            )
            raise InvalidArgument("FIELD_INVALID", message, field="calendars")
        self._config = uvicorn.Config(
            application,
            loop="none",
            lifespan="off",
            http=_Connection,
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            ssl_certfile=tls_cert,
            ssl_keyfile=tls_key,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            h11_max_incomplete_event_size=_HEADER_BYTES,
        )
        self._server = _Server(self._config)
        self._task: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None

    async def start(self) -> str:
        """Begins; gives "HOST:PORT" with the real port. Unavailable ``ADDRESS_IN_USE``."""
        try:
            self._socket = _bound(self._host, self._port)
        except OSError as error:
            message = f"can not serve calendars on {self._host}:{self._port}: {error.strerror or error}"
            raise Unavailable("ADDRESS_IN_USE", message) from None
        self._task = asyncio.create_task(self._server.serve([self._socket]))
        await self._server.ready.wait()
        address = f"{_in_brackets(self._host)}:{self._socket.getsockname()[1]}"
        _log.info("serving calendars", address=address, tls=self._is_secure)
        return address

    async def stop(self) -> None:
        """Ends, once those who are being answered have their answers, or after five seconds."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        if self._socket is not None:
            self._socket.close()

    @property
    def scheme(self) -> str:
        """What URLs begin with."""
        return "https" if self._is_secure else "http"


class _Connection(H11Protocol):
    """Ends where nobody asks for anything, or does not take what was asked for: such connections are all that would be left."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins."""
        super().connection_made(transport)
        self._deadlines = [
            self.loop.call_later(_KEEP_ALIVE_SECONDS, self._end_unless_asked),
            self.loop.call_later(_LONGEST_SECONDS, transport.abort),
        ]

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends."""
        for deadline in self._deadlines:
            deadline.cancel()
        super().connection_lost(exc)

    def _end_unless_asked(self) -> None:
        begun: object = self.cycle
        if begun is None:
            self.transport.abort()


class _Server(uvicorn.Server):
    """Says when it listens, and leaves signals to whoever runs the process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen."""
        try:
            await super().startup(sockets)
        finally:
            self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Does nothing of the kind."""
        yield


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except BaseException:
        listening.close()
        raise
    return listening


def _in_brackets(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
