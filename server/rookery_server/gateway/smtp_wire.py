"""A message's bytes on their way out: every line ends in CRLF, whatever it ended in before.

A lone CR or LF never leaves (SMTP smuggling: a server that takes one for a line's end sees other messages than we sent). What
comes between two chunks (the CR of one, the LF of the next; a line that begins with a dot) counts as if the chunks were one.
"""

from __future__ import annotations

import re

_LINE_BREAK = re.compile(rb"\r\n|\r|\n")
_DOT = ord(".")


class LineEndings:
    """Turns chunks of a message into what goes over the wire. With ``dots``, lines get the extra dot of DATA (RFC 5321 4.5.2)."""

    def __init__(self, *, dots: bool) -> None:
        self._dots = dots
        self._return = False  # a CR at the end of the last chunk waits for what follows
        self._at_line_start = True

    def encode(self, chunk: bytes) -> bytes:
        """The next bytes to send; may be empty."""
        if self._return:
            chunk = b"\r" + chunk
        self._return = chunk.endswith(b"\r")
        if self._return:
            chunk = chunk[:-1]
        if not chunk:
            return b""
        if not chunk.count(b"\r\n") == chunk.count(b"\n") == chunk.count(b"\r"):
            chunk = _LINE_BREAK.sub(b"\r\n", chunk)
        if self._dots:
            if self._at_line_start and chunk[0] == _DOT:
                chunk = b"." + chunk
            if b"\n." in chunk:
                chunk = chunk.replace(b"\n.", b"\n..")
        self._at_line_start = chunk.endswith(b"\n")
        return chunk

    def finish(self) -> bytes:
        """What ends the last line, if something has to."""
        return b"\r\n" if self._return or not self._at_line_start else b""
