"""A mail server that follows a script: well-behaved, but for the steps that a test has it do wrong."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rookery_server.gateway.smtp_session import Endpoint

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Sequence

SILENCE = b"<silence>"
"""Says nothing more, and keeps the connection open."""
HANG_UP = b"<hang up>"
"""Closes the connection without a word."""
EXTENSIONS = ("PIPELINING", "SIZE 10000000", "8BITMIME", "SMTPUTF8")
STEPS = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "end")

_NORMAL = {
    "greeting": b"220 mx.test ESMTP\r\n",
    "HELO": b"250 mx.test\r\n",
    "STARTTLS": b"220 2.0.0 go ahead\r\n",
    "AUTH": b"235 2.7.0 welcome\r\n",
    "MAIL": b"250 2.1.0 ok\r\n",
    "RCPT": b"250 2.1.5 ok\r\n",
    "DATA": b"354 go ahead\r\n",
    "end": b"250 2.0.0 queued as 4711\r\n",
    "RSET": b"250 2.0.0 ok\r\n",
    "QUIT": b"221 2.0.0 bye\r\n",
    "BDAT": b"250 2.0.0 chunk taken\r\n",
}


@dataclass
class ScriptedServer:
    """``answers`` has, for a step, what is said instead of the usual: one answer for always, or a list of one for each time.

    An answer may be computed from the command. Steps are the commands, ``greeting``, ``end`` (the message is there), and
    ``EHLO again`` (after STARTTLS).
    """

    answers: dict[str, bytes | Sequence[bytes] | Callable[[bytes], bytes]] = field(default_factory=dict)
    extensions: Sequence[str] = EXTENSIONS
    tls: ssl.SSLContext | None = None
    immediate_tls: bool = False
    lmtp: bool = False
    read_slowly: bool = False
    """Does not read messages at all after 354, until the client has gone."""

    mute: bool = False
    """Says nothing more after it has agreed to STARTTLS."""

    port: int = 0
    sessions: int = 0
    commands: list[bytes] = field(default_factory=list)
    """Of all sessions, without their line ends."""
    bursts: list[bytes] = field(default_factory=list)
    """What arrived together, outside of messages."""
    messages: list[bytes] = field(default_factory=list)
    """As they came, without the final dot and without doubled dots."""
    encrypted: list[bool] = field(default_factory=list)
    """For each message."""

    def __post_init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.message_came = asyncio.Event()
        self.left = asyncio.Event()

    def endpoint(self, name: str = "mx.test") -> Endpoint:
        return Endpoint(name, "127.0.0.1", self.port, self.lmtp)

    @contextlib.asynccontextmanager
    async def running(self, address: str = "127.0.0.1", port: int = 0) -> AsyncIterator[ScriptedServer]:
        """Serves within the block; sessions that are open at its end are cut."""
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            self.sessions += 1
            with contextlib.suppress(_Over, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await _Session(self, reader, writer).run()
            writer.transport.abort()

        server = await asyncio.start_server(
            serve, address, port, ssl=self.tls if self.immediate_tls else None, limit=1 << 22, reuse_address=True
        )
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.wait_closed()

    def answer(self, step: str, command: bytes) -> bytes:
        self._counts[step] += 1
        scripted = self.answers.get(step)
        if callable(scripted):
            return scripted(command)
        if isinstance(scripted, bytes):
            return scripted
        if scripted is not None and self._counts[step] <= len(scripted):
            return scripted[self._counts[step] - 1]
        if step.startswith(("EHLO", "LHLO")):
            lines = ["mx.test", *self.extensions]
            return "".join(f"250{'-' if line is not lines[-1] else ' '}{line}\r\n" for line in lines).encode()
        return _NORMAL[step]


class _Over(Exception):
    """The session has ended."""


class _Session:
    def __init__(self, server: ScriptedServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._encrypted = server.immediate_tls
        self._recipients = 0
        self._chunks = b""

    async def run(self) -> None:
        await self._say("greeting", b"")
        while line := await self._reader.readline():
            buffered = bytes(self._reader._buffer)
            self._server.bursts.append(line + buffered)
            command = line.rstrip(b"\r\n")
            self._server.commands.append(command)
            await self._obey(command)

    async def _obey(self, command: bytes) -> None:
        verb = command.split(b" ")[0].upper().decode("ascii", "replace")
        if verb == "BDAT":
            await self._chunk(command)
            return
        step = f"{verb} again" if verb == "EHLO" and self._encrypted and not self._server.immediate_tls else verb
        said = await self._say(step, command)
        if verb == "MAIL":
            self._recipients = 0
            self._chunks = b""
        elif verb == "RCPT" and said.startswith(b"2"):
            self._recipients += 1
        elif verb == "DATA" and said.startswith(b"354"):
            await self._message()
        elif verb == "STARTTLS" and said.startswith(b"220"):
            if self._server.mute:
                await asyncio.Event().wait()
            assert self._server.tls is not None
            await self._writer.start_tls(self._server.tls)
            self._encrypted = True
        elif verb == "AUTH" and said.startswith(b"334"):
            for _ in range(2):
                line = await self._reader.readline()
                self._server.commands.append(line.rstrip(b"\r\n"))
                await self._say("AUTH", line)
        elif verb == "QUIT":
            self._server.left.set()
            raise _Over

    async def _message(self) -> None:
        if self._server.read_slowly:
            await asyncio.Event().wait()
        lines = []
        while (line := await self._reader.readline()) != b".\r\n":
            if not line:
                raise _Over
            lines.append(line.removeprefix(b"."))
        await self._took(b"".join(lines))

    async def _chunk(self, command: bytes) -> None:
        words = command.split()
        self._chunks += await self._reader.readexactly(int(words[1]))
        if words[-1] == b"LAST":
            await self._took(self._chunks)
        else:
            await self._say("BDAT", command)

    async def _took(self, message: bytes) -> None:
        self._server.messages.append(message)
        self._server.encrypted.append(self._encrypted)
        self._server.message_came.set()
        for _ in range(self._recipients if self._server.lmtp else 1):
            await self._say("end", b"")

    async def _say(self, step: str, command: bytes) -> bytes:
        said = self._server.answer(step, command)
        if said == SILENCE:
            await asyncio.Event().wait()
        if said == HANG_UP:
            raise _Over
        self._writer.write(said)
        await self._writer.drain()
        return said


def recipients_of(commands: list[bytes]) -> list[str]:
    """Whom the commands name."""
    return [match[1].decode() for command in commands if (match := re.match(rb"RCPT TO:<(.*?)>", command))]
