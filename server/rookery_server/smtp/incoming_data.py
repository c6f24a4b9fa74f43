"""A message's bytes on their way in: where it ends, dots taken out, and the limits kept. Works on whole blocks, never on lines.

Only CRLF "." CRLF ends DATA (RFC 5321 section 4.1.1.4). Whoever takes anything else for the end sees other messages than the sender
meant (SMTP smuggling); so it is part of the message here, and a stranger's message that has it is refused. A CR or LF of its own in
any other place fools nobody. Much of what machines write has one, other servers take it (Exchange sends it by BDAT, where that is
offered), and it is taken here. What leaves this server has CRLF everywhere, and is signed: so what people hand in gets it at once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rookery_server.smtp.receiving import Reply

if TYPE_CHECKING:
    from rookery_server.smtp.memory import Share

_END = b"\r\n.\r\n"
_DOT = b"\r\n."
_LINE = b"\r\n"
_BEGINNINGS = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")  # of the end; the longest first
# What others might take for the end. Two expressions, since one that begins with fixed bytes is found much faster.
_FALSE_ENDS = (re.compile(rb"\n\.[\r\n]"), re.compile(rb"\r\.[\r\n]"))
_SEAM = 2  # bytes of a false end that may have come before the rest of it

_LINE_END = re.compile(rb"\r\n?|\n")

NO_MEMORY = Reply(452, "4.3.1", "Too many messages are on their way in just now, please try again later")
FALSE_END = Reply(550, "5.6.0", "The message has a dot on a line that does not end in CRLF: others would see its end there")


def too_large(limit: int) -> Reply:
    """Says so."""
    return Reply(552, "5.3.4", f"The message is larger than {limit} bytes")


def with_line_ends(message: bytes) -> bytes:
    """The message with CRLF for every line's end, whatever it was before (such repairs are submission's, RFC 6409 section 8)."""
    is_right = message.count(b"\r\n") == message.count(b"\n") == message.count(b"\r")
    return message if is_right else _LINE_END.sub(_LINE, message)


class IncomingMessage:
    """Collects a message, or what is wrong with it."""

    def __init__(self, limit: int, share: Share) -> None:
        self._limit = limit
        self._share = share
        self._bytes = bytearray()
        self.refusal: Reply | None = None
        """What is wrong with what is there, whatever may follow."""
        self.size = 0
        """Of all that came, kept or not."""

    @property
    def endless(self) -> bool:
        """Twice the limit, and no end: not worth reading on."""
        return self.size > 2 * self._limit

    def add(self, piece: bytes) -> None:
        """Takes the next bytes."""
        self.size += len(piece)
        if self.refusal is not None or not piece:
            return
        if self.size > self._limit:
            self.refuse(too_large(self._limit))
        elif not self._share.take(len(piece)):
            self.refuse(NO_MEMORY)
        else:
            self._bytes += piece

    def refuse(self, reply: Reply) -> None:
        """Keeps no more of it, but for its size. What was wrong first stays the reason."""
        self.refusal = self.refusal or reply
        self.close()

    def take(self) -> bytes:
        """The message. The share of memory stays taken until ``close``."""
        message = bytes(self._bytes)
        self._bytes = bytearray()
        return message

    def close(self) -> None:
        """Gives the memory back."""
        self._bytes = bytearray()
        self._share.give_back()


class DotReader:
    """Takes DATA apart, whatever the blocks are that it comes in. ``strict``: what only looks like the end is refused."""

    def __init__(self, message: IncomingMessage, *, strict: bool) -> None:
        self._message = message
        self._strict = strict
        self._seam = b""  # the last bytes, which may be the beginning of a false end
        self._held = _LINE  # what may be the beginning of the end; the message begins at the beginning of a line
        self._skip = len(_LINE)  # which is not part of it

    def feed(self, block: bytes) -> bytes | None:
        """None if the message goes on; at its end, what came behind it."""
        window = self._held + block
        dot = window.find(_DOT)  # mostly the end's own: then everything was looked through once
        end = window.find(_END, dot) if dot >= 0 else -1
        if end >= 0:
            self._add(window[: end + len(_LINE)], dotted=dot < end)
            return window[end + len(_END) :]
        self._held = next((start for start in _BEGINNINGS if window.endswith(start)), b"")
        self._add(window[: len(window) - len(self._held)], dotted=dot >= 0)
        return None

    def _add(self, piece: bytes, *, dotted: bool) -> None:
        if not piece:
            return
        if self._strict:
            self._look(piece)
        if dotted:
            piece = piece.replace(_DOT, _LINE)
        if self._skip:
            piece = piece[self._skip :]
            self._skip = 0
        self._message.add(piece)

    def _look(self, piece: bytes) -> None:
        """Refuses the message for a false end, dots and all, as it came."""
        seam = self._seam + piece[:_SEAM]
        if any(end.search(piece) or end.search(seam) for end in _FALSE_ENDS):
            self._message.refuse(FALSE_END)
        self._seam = (self._seam + piece[-_SEAM:])[-_SEAM:]
