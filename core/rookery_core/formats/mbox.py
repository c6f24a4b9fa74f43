"""Mailboxes in one file: mbox in its reversible form, "mboxrd".

Each message stands between a ``From_`` line and one line end. Lines of the message that begin with any number of ``>`` and
then ``From `` carry one ``>`` more than the message had, so that reading and writing give back every byte: line ends of any kind,
and a last line without one.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO

from rookery_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_MESSAGE = 256 * 1024 * 1024
"""Bytes of the largest message that is read."""

_CHUNK = 1024 * 1024
_LONGEST_FROM_LINE = 1000

_QUOTABLE = re.compile(rb"^(>*+From )", re.MULTILINE)
_QUOTED = re.compile(rb"^>(>*+From )", re.MULTILINE)
# A separator wherever it stands: sender and a date as of asctime, with a zone perhaps.
_CERTAIN = re.compile(
    rb"From \S{1,400} {1,4}[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d(?::\d\d)?(?: [A-Z+-][A-Z0-9]{1,5})? \d{4}\b"
)
_ASCTIME = re.compile(rb" [A-Z][a-z]{2} ([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)(?: [A-Z+-][A-Z0-9]{1,5})? (\d{4})\b")
_CLOCK = re.compile(rb"\d\d?:\d\d")


@dataclass(frozen=True, slots=True)
class MboxMessage:
    """One message of an mbox file."""

    raw: bytes
    """The message, byte for byte as it was before it was put into the file."""
    from_line: bytes
    """The line before it, without its line end."""
    offset: int
    """Where that line begins, in bytes from where reading began: an import can go on from here."""
    too_large: bool = False
    """Whether the message is larger than was asked for: `raw` is empty then."""

    @property
    def seconds(self) -> int | None:
        """When the message was delivered, in seconds since 1970, by its From_ line, which is in UTC; None if that says nothing."""
        found = _ASCTIME.search(self.from_line)
        if found is None:
            return None
        try:
            moment = datetime.strptime(f"{found[1].decode()} {found[2].decode()} +0000", "%b %d %H:%M:%S %Y %z")
        except ValueError:
            return None
        return int(moment.timestamp())


def read(stream: BinaryIO, largest: int = LARGEST_MESSAGE) -> Iterator[MboxMessage]:
    """The messages of an mbox, one after another; only one message (and a mebibyte) is in memory at a time.

    A message of more than `largest` bytes, with its ``From_`` line and as it stands in the file, is passed over: it comes without
    its bytes, marked as ``too_large``, and reading goes on with the next.

    A ``From_`` line with sender and date is a separator wherever it stands, as mboxrd quotes all others; a line that only
    looks like one is a separator after an empty line, if it holds a time of day. InvalidArgument ``DOCUMENT_INVALID`` if the first
    line that is not empty is no ``From_`` line.
    """
    return _Reader(stream, largest).messages()


class _Reader:
    """The bytes from the current message's From_ line on; of a message that is too large, those that were read last."""

    def __init__(self, stream: BinaryIO, largest: int) -> None:
        self._stream = stream
        self._largest = largest
        self._buffer = bytearray()
        self._offset = 0
        self._ended = False
        self._passed: MboxMessage | None = None

    def messages(self) -> Iterator[MboxMessage]:
        self._skip_empty_lines()
        if not self._buffer:
            return
        if not self._buffer.startswith(b"From "):
            raise InvalidArgument("DOCUMENT_INVALID", "this is no mbox: it does not begin with a “From ” line")
        while self._buffer:
            end = self._next_separator()
            yield self._passed or self._message(end)
            self._passed = None
            del self._buffer[:end]
            self._offset += end

    def _more(self) -> bool:
        data = self._stream.read(_CHUNK)
        self._buffer += data
        self._ended = not data
        return not self._ended

    def _skip_empty_lines(self) -> None:
        while len(self._buffer) < len(b"From ") and self._more():
            rest = self._buffer.lstrip(b"\r\n")
            self._offset += len(self._buffer) - len(rest)
            self._buffer = rest

    def _next_separator(self) -> int:
        """The offset in the buffer of the next message's From_ line, or of the end."""
        searched = 0
        while True:
            found = self._buffer.find(b"\nFrom ", searched)
            if found < 0:
                searched = self._pass_over(max(0, len(self._buffer) - 5))
                if not self._more():
                    return len(self._buffer)
                continue
            line_end = self._buffer.find(b"\n", found + 1, found + _LONGEST_FROM_LINE)
            if line_end < 0 and not self._ended and len(self._buffer) < found + _LONGEST_FROM_LINE:
                searched = found
                self._more()
                continue
            if self._separates(found, line_end):
                return found + 1
            searched = found + 1

    def _pass_over(self, searched: int) -> int:
        """Lets go of a message that is too large, but for what the next separator may need; gives where the search goes on."""
        if searched <= self._largest and self._passed is None:
            return searched
        if self._passed is None:
            self._passed = self._too_large()
        # Two bytes before a separator tell whether an empty line stands there.
        gone = max(0, searched - 2)
        del self._buffer[:gone]
        self._offset += gone
        return searched - gone

    def _separates(self, found: int, line_end: int) -> bool:
        line = bytes(self._buffer[found + 1 : line_end if line_end >= 0 else found + _LONGEST_FROM_LINE])
        if _CERTAIN.match(line):
            return True
        after_empty = self._buffer[found - 1 : found] == b"\n" or self._buffer[found - 2 : found] == b"\n\r"
        return after_empty and _CLOCK.search(line) is not None

    def _too_large(self) -> MboxMessage:
        line = bytes(self._buffer[:_LONGEST_FROM_LINE]).partition(b"\n")[0].removesuffix(b"\r")
        return MboxMessage(b"", line, self._offset, too_large=True)

    def _message(self, end: int) -> MboxMessage:
        if end > self._largest:
            return self._too_large()
        line_end = self._buffer.find(b"\n", 0, end)
        if line_end < 0:
            return MboxMessage(b"", bytes(self._buffer[:end]), self._offset)
        from_line = bytes(self._buffer[:line_end])
        raw = bytes(self._buffer[line_end + 1 : end])
        if from_line.endswith(b"\r"):
            from_line = from_line[:-1]
            raw = raw[:-2] if raw.endswith(b"\r\n") else raw.removesuffix(b"\n")
        else:
            raw = raw.removesuffix(b"\n")
        if b">From " in raw:
            raw = _QUOTED.sub(rb"\1", raw)
        return MboxMessage(raw, from_line, self._offset)


def write(out: BinaryIO, raw: bytes, sender: str, seconds: int) -> None:
    """Adds a message to an mbox. ``sender`` is an address, or "" for none; ``seconds`` since 1970, when it was received."""
    name = "".join(character for character in sender if character.isascii() and character.isprintable() and character != " ")
    moment = time.gmtime(min(max(seconds, 0), _LAST_SECOND))
    out.write(f"From {name[:400] or 'MAILER-DAEMON'} {time.asctime(moment)}\n".encode("ascii"))
    out.write(_QUOTABLE.sub(rb">\1", raw) if b"From " in raw else raw)
    out.write(b"\n")


_LAST_SECOND = 253_402_300_799
"""The end of the year 9999."""
