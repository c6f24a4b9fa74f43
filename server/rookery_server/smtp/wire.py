"""The connection under a dialogue: lines and blocks in, replies out, a limit in time for everything.

What a client pipelined is answered with one write (RFC 2920): replies gather until the dialogue needs input that is not there.
Nothing is read ahead of the dialogue but for some KiB.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

LONGEST_LINE = 2048
"""Bytes of a command (RFC 5321 section 4.5.3.1.4 has 512, and more for extensions)."""

_AHEAD = 32 * 1024
_ANSWERS = 64 * 1024
"""Bytes of replies that gather at most."""
_CLOSING_SECONDS = 10.0
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class Hangup(Exception):
    """The client has gone, or broke its side of TLS."""


class TooSlow(Exception):
    """The client let the time pass that it had."""


class Stopping(Exception):
    """The server stops, and the client has no message under way."""


class BadLine(Exception):
    """A line that can be no command. It was passed over."""


class Wire(asyncio.BufferedProtocol):
    """One connection. ``begin`` is called when it stands; all else is for one task.

    ``landing`` is where the system puts what comes in; all connections of one event loop may share it. (A buffer of its own for
    each reading, as with ``asyncio.Protocol``, costs more time than all of the parsing.)
    """

    def __init__(self, begin: Callable[[Wire], None], landing: memoryview, untaken_seconds: float) -> None:
        self._begin = begin
        self._landing = landing
        self._untaken_seconds = untaken_seconds
        self._loop = asyncio.get_running_loop()
        self._input = bytearray()
        self._output: list[bytes] = []
        self._output_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False  # we do not read
        self._full = False  # the client does not
        self._securing = False  # ``transport`` is about to be another
        self._ended = False  # nothing more comes in
        self._lost = False
        self._stopping = False

    transport: asyncio.Transport
    """What carries it, from ``begin`` on."""

    # For the dialogue.

    @property
    def has_input(self) -> bool:
        """The client has sent more than was read."""
        return bool(self._input)

    def say(self, replies: bytes) -> None:
        """Sends replies, at the latest when input is waited for."""
        self._output.append(replies)
        self._output_bytes += len(replies)

    async def line(self, seconds: float, longest: int = LONGEST_LINE) -> bytes:
        """The next line, without CRLF. Raises BadLine, Hangup, TooSlow (it has to be whole in that time), Stopping.

        A line beyond ``longest`` is not kept, however long it goes on. One that ends in LF alone is an error, and is none the less
        taken for a line: otherwise whoever types by hand would wait for an answer in vain.
        """
        deadline = self._loop.time() + seconds
        looked_at = 0
        skipping = False
        while True:
            if self._stopping:
                raise Stopping
            end = self._input.find(b"\n", looked_at)
            if end >= 0:
                break
            if len(self._input) > longest:
                skipping = True
                self._input.clear()
            looked_at = len(self._input)
            await self._more(deadline)
        if self._output_bytes > _ANSWERS:
            await self.flush()
        line = bytes(memoryview(self._input)[: end + 1])
        del self._input[: end + 1]
        if skipping or len(line) > longest + 2:
            raise BadLine(f"Line too long: {longest} bytes are the most")
        return _command(line)

    def lines_ahead(self, verb: bytes, most: int) -> Iterator[bytes]:
        """The following lines, as long as they are there already and are well-formed commands of this kind (upper case)."""
        while most > 0 and self._input[: len(verb)].upper() == verb:
            end = self._input.find(b"\n")
            if not 0 <= end <= LONGEST_LINE:
                return
            try:
                line = _command(bytes(memoryview(self._input)[: end + 1]))
            except BadLine:
                return
            del self._input[: end + 1]
            most -= 1
            yield line

    async def block(self, deadline: float, most: int | None = None) -> bytes:
        """What has come in: one byte at least, all that is there or ``most`` of it. Raises Hangup, TooSlow."""
        while not self._input:
            await self._more(deadline)
        if most is None or most >= len(self._input):
            found = bytes(self._input)
            self._input.clear()
        else:
            found = bytes(memoryview(self._input)[:most])
            del self._input[:most]
        return found

    def put_back(self, data: bytes) -> None:
        """Lets ``data`` be read again."""
        self._input[:0] = data

    async def flush(self) -> None:
        """Sends what was said, and waits while the client does not take it. Raises Hangup, also if it takes too long."""
        self._write()
        deadline = self._loop.time() + self._untaken_seconds
        try:
            while self._full and not self._lost:
                await self._wait(deadline)
        except TooSlow:
            self.abort()
            raise Hangup from None
        if self._lost:
            raise Hangup

    async def silence(self, seconds: float) -> bool:
        """Waits so long; False as soon as the client says something. Raises Hangup if it goes without a word."""
        deadline = self._loop.time() + seconds
        with contextlib.suppress(TooSlow):
            while not (self._input or self._ended or self._stopping):
                await self._wait(deadline)
        if self._ended and not self._input:
            raise Hangup
        return not self._input

    async def start_tls(self, context: ssl.SSLContext, seconds: float) -> str:
        """Encrypts from here on, and gives protocol and cipher. Raises Hangup if that fails. There must be no input waiting."""
        self._write()
        self._securing = True
        transport = None
        try:
            transport = await self._loop.start_tls(
                self.transport, self, context, server_side=True, ssl_handshake_timeout=seconds, ssl_shutdown_timeout=seconds
            )
        except OSError as error:  # ssl.SSLError and TimeoutError are OSErrors
            raise Hangup from error
        finally:
            self._securing = self._paused = False
            if transport is None:
                self.abort()
                self._lost = True  # asyncio does not tell of connections that are lost in this state
        if transport is None or self._lost:
            raise Hangup
        self.transport = transport
        secured = cast("ssl.SSLObject", transport.get_extra_info("ssl_object"))
        cipher = secured.cipher()
        return f"{secured.version()} {cipher[0] if cipher else ''}".strip()

    async def leave(self, linger_seconds: float = 0.0) -> None:
        """Sends what was said. With ``linger_seconds`` it lets the client finish what it is sending.

        To close while something is unread resets the connection, and the client may lose our last words.
        """
        with contextlib.suppress(Hangup, TooSlow):
            await self.flush()
            deadline = self._loop.time() + linger_seconds
            if linger_seconds and self.transport.can_write_eof():
                with contextlib.suppress(OSError):  # the client was faster
                    self.transport.write_eof()
            while linger_seconds and not self._ended:
                self._input.clear()
                await self._more(deadline)

    async def close(self) -> None:
        """Ends the connection, at the latest after a while: a client that takes nothing would keep a closed one for ever."""
        self.transport.close()
        deadline = self._loop.time() + _CLOSING_SECONDS
        with contextlib.suppress(TooSlow):
            while not self._lost:
                await self._wait(deadline)
        self.abort()

    # For the listener.

    def stop(self) -> None:
        """Interrupts a dialogue that waits for a command, and every other before its next one."""
        self._stopping = True
        self._wake()

    def abort(self) -> None:
        """Ends the connection at once."""
        self.transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins."""
        self.transport = cast("asyncio.Transport", transport)  # a server for streams makes no other
        self._begin(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - it is as large as it is
        """Where to put what comes in."""
        return self._landing

    def buffer_updated(self, nbytes: int) -> None:
        """Keeps it; reads no further while the dialogue is busy."""
        self._input += self._landing[:nbytes]
        if len(self._input) > _AHEAD and not (self._paused or self._securing):
            self._paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """What was sent before is still answered, except under TLS, which knows no half-closed connections."""
        self._ended = True
        self._wake()
        return not self._securing and self.transport.get_extra_info("ssl_object") is None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why is of no interest
        """Lets the dialogue find out."""
        self._lost = self._ended = True
        self._wake()

    def pause_writing(self) -> None:
        """The client takes nothing."""
        self._full = True

    def resume_writing(self) -> None:
        """It does again."""
        self._full = False
        self._wake()

    def _write(self) -> None:
        if self._output and not self.transport.is_closing():
            self.transport.write(b"".join(self._output))
        self._output.clear()
        self._output_bytes = 0

    async def _more(self, deadline: float) -> None:
        """Waits until more came in. Raises Hangup, TooSlow; in ``line``'s case it may be woken for nothing."""
        if self._output:
            await self.flush()
        if self._ended:
            raise Hangup
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        await self._wait(deadline)

    async def _wait(self, deadline: float) -> None:
        """Until something happens. Raises TooSlow, also if things happen all the time, so that the timer never comes first."""
        if self._loop.time() >= deadline:
            raise TooSlow
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_at(deadline, _expire, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TooSlow())


def _command(line: bytes) -> bytes:
    if not line.endswith(b"\r\n"):
        raise BadLine("Lines end in CRLF")
    line = line[:-2]
    if _CONTROL.search(line):
        raise BadLine("A command has no control characters")
    return line
