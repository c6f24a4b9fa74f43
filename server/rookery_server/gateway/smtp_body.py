"""A message's way to the host, by DATA or by BDAT, piece by piece as it comes from the store.

The last piece and what ends the message are one write. A host that answers before it has everything has given up on the
message, and is heard at once rather than after it was sent the rest.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

from rookery_server.gateway.smtp_connection import ConnectionBroken
from rookery_server.gateway.smtp_wire import LineEndings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rookery_server.gateway.smtp_connection import SmtpConnection
    from rookery_server.gateway.smtp_replies import Reply
    from rookery_server.gateway.smtp_timeouts import Timeouts

_CHUNKS_UNDER_WAY = 2


class BodyRefused(Exception):
    """The host does not want the message, and has not got its end. The connection is closed unless it is still in step."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


class Body(Protocol):
    """One way to send a message."""

    @property
    def arrived(self) -> bool:
        """As far as this side can tell, the host has the message's end: what it does with it is its own affair from here on."""
        ...

    async def send(self, message: AsyncIterator[bytes]) -> None:
        """Sends all of it, and leaves the final answer to be read. BodyRefused, ConnectionBroken."""
        ...


class DataBody:
    """After the host's 354 to DATA: lines, with dots doubled, and a dot at the end (RFC 5321 section 4.5.2)."""

    def __init__(self, connection: SmtpConnection, timeouts: Timeouts) -> None:
        self._connection = connection
        self._timeouts = timeouts
        self._end_written = False

    @property
    def arrived(self) -> bool:
        """The dot is out."""
        return self._end_written and self._connection.flushed

    async def send(self, message: AsyncIterator[bytes]) -> None:
        """Sends all of it and the dot."""
        lines = LineEndings(dots=True)
        waiting = b""
        async for chunk in message:
            if waiting:
                await self._write(waiting)
            waiting = lines.encode(chunk)
        await self._write(waiting + lines.finish() + b".\r\n", end=True)

    async def _write(self, data: bytes, *, end: bool = False) -> None:
        if self._connection.has_reply():
            await _heard_early(self._connection, self._timeouts)
        try:
            self._connection.write(data)
            self._end_written = end
            await self._connection.drained(self._timeouts.block)
        except ConnectionBroken:
            if self._connection.has_reply() and not self.arrived:
                await _heard_early(self._connection, self._timeouts)
            raise
        if not self._connection.flushed:
            await _heard_early(self._connection, self._timeouts)


class ChunkedBody:
    """In BDAT chunks, each with its length and an answer of its own (RFC 3030). Two are under way at once.

    ``answers`` is how many the last chunk gets: one, or in LMTP as many as there are recipients.
    """

    def __init__(self, connection: SmtpConnection, timeouts: Timeouts, answers: int) -> None:
        self._connection = connection
        self._timeouts = timeouts
        self._answers = answers
        self._end_written = False
        self._under_way = 0

    @property
    def arrived(self) -> bool:
        """The last chunk is out."""
        return self._end_written and self._connection.flushed

    async def send(self, message: AsyncIterator[bytes]) -> None:
        """Sends all of it; the answers to all chunks but the last are read."""
        lines = LineEndings(dots=False)
        waiting = b""
        async for chunk in message:
            if waiting:
                await self._write(b"BDAT %d\r\n" % len(waiting) + waiting)
                self._under_way += 1
            if self._under_way == _CHUNKS_UNDER_WAY:
                await self._taken()
            waiting = lines.encode(chunk)
        waiting += lines.finish()
        await self._write(b"BDAT %d LAST\r\n" % len(waiting) + waiting, end=True)
        while self._under_way:
            await self._taken()

    async def _write(self, data: bytes, *, end: bool = False) -> None:
        self._connection.write(data)
        self._end_written = end
        await self._connection.drained(self._timeouts.block)
        while not self._connection.flushed:
            if not self._under_way:
                await _heard_early(self._connection, self._timeouts)
            await self._taken()
            await self._connection.drained(self._timeouts.block)

    async def _taken(self) -> None:
        """Reads the answer to a chunk. If the host refused it, it has refused the message, and refuses what else is under way."""
        reply = await self._connection.reply(self._timeouts.final)
        self._under_way -= 1
        if reply.positive:
            return
        if reply.code < 400:
            raise _out_of_step(reply)
        following = self._under_way + (self._answers if self._end_written else 0)
        self._end_written = False
        if self._connection.flushed:
            with contextlib.suppress(ConnectionBroken):  # which changes nothing for this message
                for _ in range(following):
                    await self._connection.reply(self._timeouts.final)
        else:
            self._connection.abort()
        raise BodyRefused(reply)


async def _heard_early(connection: SmtpConnection, timeouts: Timeouts) -> None:
    """The host has spoken before it had the message's end. Raises what that means."""
    reply = await connection.reply(timeouts.block)
    connection.abort()
    if reply.code < 400:
        raise _out_of_step(reply)
    raise BodyRefused(reply)


def _out_of_step(reply: Reply) -> ConnectionBroken:
    return ConnectionBroken("4.5.0", f"the host is out of step: it says {reply.code} {reply.text}".rstrip())
