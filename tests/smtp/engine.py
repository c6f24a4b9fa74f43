"""A listener whose receiver does as the test says, and a client that says exactly what the test says."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rookery_core.errors import Unauthenticated
from rookery_server.services.caller import NO_ID, Caller
from rookery_server.smtp.counters import Counters
from rookery_server.smtp.limits import Limits
from rookery_server.smtp.listener import Listener
from rookery_server.smtp.receiving import Envelope, Kind, Reply, Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

HOST = "mx.rookery.test"
ANNA = Caller(b"anna" * 4, NO_ID, administrator=False)
TAKEN = Reply(250, "2.0.0", "Taken")
UNKNOWN = Reply(550, "5.1.1", "Nobody has this address")
SECONDS = 10


@dataclass
class Delivered:
    """What the receiver got, as it was then."""

    envelope: Envelope
    message: bytes
    protocol: str
    session: Session


@dataclass
class ScriptedReceiver:
    """Takes everything, but for what the test says."""

    refuse_sender: Reply | Exception | None = None
    refused: dict[str, Reply | Exception] = field(default_factory=dict)
    answers: Sequence[Reply] | Exception | None = None
    """To ``deliver``; None for as many times ``TAKEN`` as there have to be."""

    password: str = "correct horse"
    sign_in_fails: Exception | None = None
    hold: asyncio.Event | None = None
    """``deliver`` waits for it."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    senders: list[str] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)
    delivered: list[Delivered] = field(default_factory=list)

    async def sign_in(self, session: Session, name: str, password: str) -> Caller:
        if self.sign_in_fails:
            raise self.sign_in_fails
        if (name, password) != ("anna@rookery.test", self.password):
            raise Unauthenticated("CREDENTIALS_INVALID", "Address or password is wrong")
        return ANNA

    async def accept_sender(self, session: Session, envelope: Envelope) -> Reply | None:
        self.senders.append(envelope.sender)
        if isinstance(self.refuse_sender, Exception):
            raise self.refuse_sender
        return self.refuse_sender

    async def accept_recipients(self, session: Session, envelope: Envelope, addresses: Sequence[str]) -> Sequence[Reply | None]:
        self.asked.append(list(addresses))
        await asyncio.sleep(0)
        answers = [self.refused.get(address) for address in addresses]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return [answer for answer in answers if not isinstance(answer, Exception)]

    async def deliver(self, session: Session, envelope: Envelope, message: bytes) -> Sequence[Reply]:
        self.started.set()
        if self.hold is not None:
            await self.hold.wait()
        if isinstance(self.answers, Exception):
            raise self.answers
        kept = replace(envelope, recipients=list(envelope.recipients))
        self.delivered.append(Delivered(kept, message, session.protocol(utf8=envelope.utf8), replace(session)))
        return self.answers or [TAKEN] * (len(envelope.recipients) if session.kind is Kind.LMTP else 1)

    @property
    def messages(self) -> list[bytes]:
        return [each.message for each in self.delivered]


class Client:
    """Says bytes, reads replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def flood(self) -> None:
        """Writes for as long as it is taken: until ConnectionError."""
        while True:
            self.write(b"x" * 10_000)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def reply(self) -> str:
        """The next reply, its lines joined by "|"."""
        lines = []
        async with asyncio.timeout(SECONDS):
            while True:
                line = (await self._reader.readline()).decode()
                assert line.endswith("\r\n"), f"the connection ended: {lines} {line}"
                assert re.match(r"[2-5][0-9][0-9][ -]", line), line
                lines.append(line[:-2])
                if line[3] == " ":
                    return "|".join(lines)

    async def codes(self, count: int) -> list[int]:
        return [int((await self.reply())[:3]) for _ in range(count)]

    async def say(self, *commands: str | bytes) -> str:
        """Says commands together; gives the reply to the last one."""
        self.send(*commands)
        for _ in commands[1:]:
            await self.reply()
        return await self.reply()

    def send(self, *commands: str | bytes) -> None:
        """Commands, without waiting for an answer."""
        self.writer.write(b"".join((each.encode() if isinstance(each, str) else each) + b"\r\n" for each in commands))

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def hello(self, verb: str = "EHLO") -> str:
        """Reads the greeting, and greets."""
        assert (await self.reply()).startswith("220 mx.rookery.test ")
        return await self.say(f"{verb} client.test")

    async def ready(self, verb: str = "EHLO", *recipients: str) -> None:
        """Up to the answer to DATA."""
        await self.hello(verb)
        await self.begin(*recipients)

    async def begin(self, *recipients: str) -> None:
        assert (await self.say("MAIL FROM:<ben@other.test>")).startswith("250 ")
        for recipient in recipients or ("anna@rookery.test",):
            assert (await self.say(f"RCPT TO:<{recipient}>")).startswith("250 ")
        assert (await self.say("DATA")).startswith("354 ")

    async def rest(self) -> bytes:
        """All until the server closes."""
        async with asyncio.timeout(SECONDS):
            return await self._reader.read()

    async def some(self) -> bytes:
        """Whatever comes next."""
        async with asyncio.timeout(SECONDS):
            return await self._reader.read(100_000)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        assert (await self.say("STARTTLS")).startswith("220 ")
        await self.writer.start_tls(context, server_hostname=HOST)

    async def sign_in(self) -> str:
        return await self.say("AUTH PLAIN AGFubmFAcm9va2VyeS50ZXN0AGNvcnJlY3QgaG9yc2U=")

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await self.writer.wait_closed()


@dataclass
class Running:
    """A listener at work."""

    listener: Listener
    receiver: ScriptedReceiver
    counters: Counters
    port: int

    @contextlib.asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Client]:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, **options))
        try:
            yield client
        finally:
            await client.close()

    async def quiet(self) -> None:
        """Returns when nobody is connected any more."""
        async with asyncio.timeout(SECONDS):
            while True:
                if not self.counters.open_connections:
                    return
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def running(
    kind: Kind = Kind.SMTP, receiver: ScriptedReceiver | None = None, *, limits: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Running]:
    """A listener within the block. Strangers are not kept waiting unless the limits say so."""
    receiver = receiver or ScriptedReceiver()
    counters = Counters()
    wanted = replace(Limits.of(kind, 1_000_000), **{"greeting_pause": 0.0} | (limits or {}))
    listener = Listener(kind, receiver, host=HOST, limits=wanted, counters=counters, **options)
    port = await listener.bind("127.0.0.1", 0)
    try:
        yield Running(listener, receiver, counters, port)
    finally:
        await listener.stop(grace=1.0)
    assert counters.open_connections == 0
    assert listener.memory_taken == 0
