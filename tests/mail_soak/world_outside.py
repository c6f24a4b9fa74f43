"""Other people's mail server: it remembers every copy that it took, and misbehaves now and then as real ones do."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator

_MESSAGE_ID = re.compile(rb"^message-id:\s*<([^>]+)>", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Copy:
    """A message that was taken for a recipient."""

    message_id: str
    recipient: str
    at: float
    """On this process's clock."""
    answered: bool
    """The sender was told; otherwise the connection ended before that."""


@dataclass
class WorldOutside:
    """Takes mail for every domain. Recipients whose names begin with "no" are refused for good; ``trouble`` is how often, from 0
    to 1, a transaction goes wrong: a recipient or the whole message put off, or a connection that ends after the final dot."""

    dice: random.Random
    trouble: float
    port: int = 0
    copies: list[Copy] = field(default_factory=list)
    left_in_doubt: int = 0
    """Messages whose end it had, and gave no answer to."""
    _sessions: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[WorldOutside]:
        """Serves within the block."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for session, writer in list(self._sessions.items()):
                writer.transport.abort()
                await session
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.current_task()
        assert session is not None
        self._sessions[session] = writer
        try:
            await self._converse(reader, writer)
        finally:
            del self._sessions[session]
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(b"220 mx.outside.test ESMTP\r\n")
            recipients: list[str] = []
            while line := await reader.readline():
                verb = line[:4].upper()
                if verb == b"RCPT":
                    writer.write(self._recipient(line, recipients))
                elif verb == b"DATA" and recipients:
                    writer.write(b"354 go ahead\r\n")
                    data = await reader.readuntil(b"\r\n.\r\n")
                    if not self._taken(data, recipients, writer):
                        break
                    recipients = []
                else:
                    writer.write(_answer(verb))
                    if verb in (b"RSET", b"MAIL"):
                        recipients = []
                    if verb == b"QUIT":
                        break
                await writer.drain()

    def _recipient(self, line: bytes, recipients: list[str]) -> bytes:
        address = line[line.index(b"<") + 1 : line.index(b">")].decode()
        if address.startswith("no"):
            return b"550 5.1.1 nobody here is called so\r\n"
        if self.dice.random() < self.trouble:
            return b"451 4.3.0 come again later\r\n"
        recipients.append(address)
        return b"250 2.1.5 ok\r\n"

    def _taken(self, data: bytes, recipients: list[str], writer: asyncio.StreamWriter) -> bool:
        """Takes a message or not, and says so or not. False: the connection is to end."""
        fate = self.dice.random() / self.trouble if self.trouble else 1
        found = _MESSAGE_ID.search(data)
        assert found is not None, "every message that leaves has an id"
        if fate < 0.3:
            writer.write(b"452 4.3.1 no room at this moment\r\n")
            return True
        answered = fate >= 1
        if answered or fate < 0.65:
            now = time.monotonic()
            self.copies += [Copy(found[1].decode(), recipient, now, answered) for recipient in recipients]
        if answered:
            writer.write(b"250 2.0.0 taken\r\n")
        self.left_in_doubt += not answered
        return answered


def _answer(verb: bytes) -> bytes:
    if verb == b"EHLO":
        return b"250-mx.outside.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
    if verb == b"DATA":
        return b"554 5.5.1 no valid recipients\r\n"
    return b"221 2.0.0 bye\r\n" if verb == b"QUIT" else b"250 2.0.0 ok\r\n"
