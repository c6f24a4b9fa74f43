"""Sockets that mail comes in by, and the connections on them."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING

import structlog

from rookery_core.errors import InvalidArgument, Unavailable
from rookery_server.smtp.conversation import Conversation, about
from rookery_server.smtp.dialogue import Dialogue
from rookery_server.smtp.guests import Guests
from rookery_server.smtp.memory import Memory
from rookery_server.smtp.receiving import Kind, Session
from rookery_server.smtp.wire import Wire

if TYPE_CHECKING:
    import pathlib
    import ssl
    from collections.abc import Callable

    from rookery_server.smtp.counters import Counters
    from rookery_server.smtp.limits import Limits
    from rookery_server.smtp.receiving import Receiver

_BACKLOG = 1024
_LANDING_BYTES = 64 * 1024
_IPV4_IN_IPV6 = "::ffff:"

_log = structlog.get_logger("rookery.smtp")


class Listener:
    """One kind of listener, on any number of addresses.

    ``host`` is this server's name. With ``tls`` it offers STARTTLS, or with ``implicit_tls`` speaks TLS from the first byte.
    ``plaintext_passwords`` lets people sign in without TLS: for loopback addresses only. ``trusted`` tells by the IP address which
    peers are MTAs in front of this server; in LMTP everybody is one.
    """

    def __init__(
        self,
        kind: Kind,
        receiver: Receiver,
        *,
        host: str,
        limits: Limits,
        counters: Counters,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        plaintext_passwords: bool = False,
        trusted: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._kind = kind
        self._receiver = receiver
        self._host = host
        self._limits = limits
        self._counters = counters
        self._tls = tls
        self._implicit_tls = implicit_tls
        self._plaintext_passwords = plaintext_passwords
        self._trusted = trusted
        self._guests = Guests(limits)
        self._landing = memoryview(bytearray(_LANDING_BYTES))
        self._memory = Memory(limits.memory_bytes, limits.peer_memory_bytes)
        self._servers: list[asyncio.Server] = []
        self._paths: list[pathlib.Path] = []
        self._stopping = False
        self._open: dict[asyncio.Task[None], Wire] = {}

    @property
    def memory_taken(self) -> int:
        """Bytes of messages that are on their way in, or being delivered."""
        return self._memory.taken

    async def bind(self, host: str, port: int, *, reuse_port: bool = False) -> int:
        """Listens; gives the port, which with 0 is any free one. ``reuse_port`` lets several processes share it.

        Unavailable ``ADDRESS_IN_USE``; InvalidArgument ``FIELD_INVALID`` if there is no such address.
        """
        try:
            server = await asyncio.get_running_loop().create_server(
                self._wire, host, port, backlog=_BACKLOG, reuse_port=reuse_port or None
            )
        except OSError as error:
            raise _not_bound(f"{host}:{port}", error) from None
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def bind_unix(self, path: pathlib.Path, mode: int) -> None:
        """Listens on a Unix socket with these permissions; one that a dead server left there goes. Errors as ``bind``."""
        try:
            listening = _unix_socket(path, mode)
        except OSError as error:
            raise _not_bound(str(path), error) from None
        self._paths.append(path)
        self._servers.append(await asyncio.get_running_loop().create_unix_server(self._wire, sock=listening, backlog=_BACKLOG))

    async def stop(self, grace: float) -> None:
        """Takes no new connections, says 421 to those that wait, and gives messages under way so many seconds."""
        self._stopping = True
        for server in self._servers:
            server.close()
        for path in self._paths:
            path.unlink(missing_ok=True)
        for wire in self._open.values():
            wire.stop()
        if self._open:
            await asyncio.wait(self._open, timeout=grace)
        for task, wire in self._open.items():
            wire.abort()
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
        self._paths.clear()

    def _wire(self) -> Wire:
        return Wire(self._connected, self._landing, self._limits.untaken_seconds)

    def _connected(self, wire: Wire) -> None:
        if self._stopping:  # it was on its way in when the sockets closed
            wire.abort()
            return
        session = self._session(wire.transport.get_extra_info("peername"))
        self._counters.connections += 1
        refusal = self._guests.admit(session.peer, asyncio.get_running_loop().time(), trusted=session.trusted)
        if refusal is not None:
            self._counters.refused_connections += 1
            self._counters.refusals[refusal.code] += 1
            _log.info("mail session refused", **about(session), why=refusal.text)
            wire.transport.write(refusal.line().encode() + b"\r\n")
            wire.transport.close()
            return
        self._counters.open_connections += 1
        conversation = Conversation(wire, session, self._limits, self._counters)
        dialogue = Dialogue(
            conversation,
            self._receiver,
            self._memory,
            tls=self._tls,
            implicit_tls=self._implicit_tls,
            plaintext_passwords=self._plaintext_passwords,
        )
        task = asyncio.get_running_loop().create_task(dialogue.run(), name=f"mail from {session.peer}")
        self._open[task] = wire
        task.add_done_callback(lambda done: self._gone(done, session))

    def _gone(self, task: asyncio.Task[None], session: Session) -> None:
        del self._open[task]
        self._guests.let_go(session.peer)
        self._counters.open_connections -= 1
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("mail session broke", **about(session), exc_info=error)

    def _session(self, peername: tuple[str, int] | str | None) -> Session:
        peer, port = peername[:2] if isinstance(peername, tuple) else ("", 0)
        peer = peer.removeprefix(_IPV4_IN_IPV6)
        return Session(self._kind, self._host, peer, port, self._kind is Kind.LMTP or self._trusted(peer))


def _unix_socket(path: pathlib.Path, mode: int) -> socket.socket:
    """Bound to the path. Raises OSError."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~mode)
    try:
        if path.is_socket() and not _answers(path):
            path.unlink()
        listening.bind(str(path))
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(before)
    listening.setblocking(False)
    return listening


def _answers(path: pathlib.Path) -> bool:
    """Somebody listens on the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


def _not_bound(address: str, error: OSError) -> InvalidArgument | Unavailable:
    if error.errno == errno.EADDRINUSE:
        return Unavailable("ADDRESS_IN_USE", f"can not listen on {address}: is something else listening there?")
    return InvalidArgument("FIELD_INVALID", f"can not listen on {address}: {error.strerror or error}")
