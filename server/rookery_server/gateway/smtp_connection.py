"""The connection under an SMTP session: bytes out, replies in, with a limit in time for each."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import TYPE_CHECKING, cast

from rookery_server.gateway.smtp_replies import GarbageReply, ReplyParser

if TYPE_CHECKING:
    from rookery_server.gateway.smtp_replies import Reply

_MOST_UNREAD = 1 << 20
"""Bytes of replies that may wait to be read: more than all commands that can be on their way at once are answered with."""


class ConnectionBroken(Exception):
    """The connection is of no more use. ``enhanced`` tells the kind: 4.4.1 no answer, 4.4.2 lost, 4.5.0 garbage, 4.7.5 TLS."""

    def __init__(self, enhanced: str, text: str) -> None:
        super().__init__(text)
        self.enhanced = enhanced
        self.text = text


class SmtpConnection(asyncio.Protocol):
    """A connection to one address. Made by ``open``; belongs to one event loop and one task at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = ReplyParser()
        self._replies: deque[Reply] = deque()
        self._unread = 0  # bytes that came since there was nothing to read
        self._broken: ConnectionBroken | None = None
        self._awaited: asyncio.Future[None] | None = None  # wakes whoever waits for a reply, for room, or for the end
        self._full = False

    @classmethod
    async def open(
        cls, address: str, port: int, *, tls: ssl.SSLContext | None, server_name: str, connect_seconds: float, tls_seconds: float
    ) -> SmtpConnection:
        """Connects; with ``tls``, encrypted from the first byte. Raises ConnectionBroken."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(connect_seconds):
                _, connection = await loop.create_connection(cls, address, port)
        except TimeoutError:
            raise ConnectionBroken("4.4.1", f"no answer within {connect_seconds:g} seconds") from None
        except OSError as error:
            raise ConnectionBroken("4.4.1", f"no connection: {error.strerror or error}") from None
        if tls is not None:
            await connection.start_tls(tls, server_name, tls_seconds)
        return connection

    @property
    def quiet(self) -> bool:
        """Open, and the host has said nothing that nobody asked for."""
        return self._broken is None and not self._replies and self._parser.idle

    @property
    def flushed(self) -> bool:
        """All that was written has gone to the network."""
        return not self._full

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The session's TLS side, where it has one."""
        found = self._transport.get_extra_info("ssl_object") if self._transport else None
        return found if isinstance(found, ssl.SSLObject) else None

    def write(self, data: bytes) -> None:
        """Sends, or leaves what does not go out at once to be sent. Raises ConnectionBroken."""
        if self._broken is not None or self._transport is None:
            raise self._broken or ConnectionBroken("4.4.2", "the connection is closed")
        if not self._transport.is_closing():
            self._transport.write(data)
        # What is written to a connection that was lost is dropped without a word, and `connection_lost` is yet to come.
        if self._transport.is_closing():
            raise ConnectionBroken("4.4.2", "the connection was lost")

    async def drained(self, seconds: float) -> None:
        """Returns when all that was written has gone out, or the host has spoken. Raises ConnectionBroken."""
        if self._full and self._broken is None and not self._replies:
            await self._wait(seconds, until_reply=False)
        if self._broken is not None:
            raise self._broken

    async def reply(self, seconds: float) -> Reply:
        """The host's next reply, whole within so many seconds. Raises ConnectionBroken."""
        if not self._replies and self._broken is None:
            await self._wait(seconds, until_reply=True)
        if self._replies:
            found = self._replies.popleft()
            if not self._replies:
                self._unread = 0
            return found
        raise self._broken or ConnectionBroken("4.4.2", "the connection is closed")

    def has_reply(self) -> bool:
        """A reply is there to be read."""
        return bool(self._replies)

    def require_quiet(self) -> None:
        """ConnectionBroken unless it is quiet: what the host has said before a command would be taken for the answer to it."""
        if self.quiet:
            return
        said = f"{self._replies[0].code} {self._replies[0].text}".rstrip() if self._replies else ""
        broken = ConnectionBroken("4.5.0", f"the host speaks without being asked: {said}")
        self._fail(broken)
        self.abort()
        raise self._broken or broken

    async def start_tls(self, context: ssl.SSLContext, server_name: str, seconds: float) -> None:
        """Encrypts from here on. Raises ConnectionBroken, also if the host has sent anything in plain text beyond its last reply.

        (What an attacker slips in behind the answer to STARTTLS would otherwise count as said by the host under encryption:
        RFC 3207 section 6, CVE-2011-0411.)
        """
        if not self.quiet or self._transport is None:
            self.abort()
            raise ConnectionBroken("4.7.5", "the host sent more than its answer before encryption began")
        try:
            async with asyncio.timeout(seconds):
                transport = await asyncio.get_running_loop().start_tls(
                    self._transport, self, context, server_hostname=server_name or None, ssl_handshake_timeout=seconds
                )
        except TimeoutError:
            self.abort()
            raise ConnectionBroken("4.7.5", f"no TLS handshake within {seconds:g} seconds") from None
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; ValueError: a server name that is none
            self.abort()
            raise ConnectionBroken("4.7.5", f"the TLS handshake failed: {_reason(error)}") from None
        if transport is None:
            self.abort()
            raise ConnectionBroken("4.7.5", "the connection was lost during the TLS handshake")
        self._attach(transport)

    def leave(self) -> None:
        """Takes leave without waiting for the answer, and ends the connection."""
        if self._broken is None and self._transport is not None:
            self._transport.write(b"QUIT\r\n")
        self.close()

    def close(self) -> None:
        """Ends the connection after what was written has gone out."""
        if self._transport is not None:
            self._transport.close()
        self._fail(ConnectionBroken("4.4.2", "the connection is closed"))

    def abort(self) -> None:
        """Ends the connection at once."""
        if self._transport is not None:
            self._transport.abort()
        self._fail(ConnectionBroken("4.4.2", "the connection is closed"))

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._attach(cast("asyncio.Transport", transport))  # create_connection makes no other

    def data_received(self, data: bytes) -> None:
        """Reads replies."""
        try:
            self._replies.extend(self._parser.feed(data))
        except GarbageReply as error:
            self._give_up(str(error))
        self._unread += len(data)
        if self._unread > _MOST_UNREAD:
            self._replies.clear()
            self._give_up("the host sends replies without end")
        if self._replies:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remembers how it ended."""
        self._fail(ConnectionBroken("4.4.2", f"the connection was lost: {_reason(exc)}" if exc else "the host hung up"))

    def pause_writing(self) -> None:
        """Something written has not gone out."""
        self._full = True

    def resume_writing(self) -> None:
        """It has."""
        self._full = False
        if self._broken is None:
            self._wake()

    def _attach(self, transport: asyncio.Transport) -> None:
        # So that pause_writing tells whether all is out. Under TLS asyncio counts from this number on, otherwise from one above.
        transport.set_write_buffer_limits(high=1 if transport.get_extra_info("ssl_object") else 0)
        self._transport = transport

    def _give_up(self, text: str) -> None:
        self._fail(ConnectionBroken("4.5.0", text))
        self.abort()

    def _fail(self, broken: ConnectionBroken) -> None:
        if self._broken is None:
            self._broken = broken
        self._wake()

    def _wake(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    async def _wait(self, seconds: float, *, until_reply: bool) -> None:
        """Until there is a reply, or it is broken, or (for writers) all is out. A time-out breaks the connection."""
        try:
            async with asyncio.timeout(seconds):
                while not self._replies and self._broken is None and (until_reply or self._full):
                    self._awaited = asyncio.get_running_loop().create_future()
                    await self._awaited
        except TimeoutError:
            self._fail(ConnectionBroken("4.4.2", f"no answer within {seconds:g} seconds"))
            self.abort()
        finally:
            self._awaited = None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS error"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
