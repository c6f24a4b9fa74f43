"""Replies of an SMTP server: read strictly, and never more of them than a reasonable server sends (RFC 5321 section 4.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rookery_core.rules import mail_status

LONGEST_LINE = 2048
"""Bytes. The standard has 512; some servers write longer ones."""

MOST_LINES = 128
"""Lines of one reply."""

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
# Not printable are also the characters that turn the direction of writing or have no width.
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa1-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\ud7ff\ue000-\uffef\U00010000-\U0003ffff]+")
_LONGEST_TEXT = 1000


class GarbageReply(Exception):
    """The bytes are no SMTP reply, or too long a one. The connection is of no more use."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: a code and its lines."""

    code: int
    lines: tuple[str, ...]
    """Without the codes, in printable characters."""

    @property
    def positive(self) -> bool:
        """2xx."""
        return self.code < 300

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 2034) of the last line; ``4.0.0`` and the like where there is none that fits the code."""
        codes = (mail_status.split(line)[0] for line in (self.lines[-1], self.lines[0]))
        return next((code for code in codes if code[:1] == str(self.code // 100)), f"{self.code // 100}.0.0")

    @property
    def has_enhanced(self) -> bool:
        """The host gave an enhanced code of its own."""
        return not self.enhanced.endswith(".0.0")

    @property
    def text(self) -> str:
        """All lines in one, without their enhanced codes."""
        return " ".join(filter(None, (mail_status.split(line)[1] for line in self.lines)))[:_LONGEST_TEXT]


class ReplyParser:
    """Turns what comes in into replies."""

    def __init__(self) -> None:
        self._waiting = b""
        self._code = b""
        self._lines: list[str] = []

    @property
    def idle(self) -> bool:
        """Nothing of a reply waits for its rest."""
        return not self._waiting and not self._lines

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are complete now; GarbageReply, after which the parser is of no more use."""
        lines = (self._waiting + data).split(b"\n")
        self._waiting = lines.pop()
        if len(self._waiting) > LONGEST_LINE:
            raise GarbageReply("the host sends a reply without end")
        return [reply for line in lines if (reply := self._take(line)) is not None]

    def _take(self, line: bytes) -> Reply | None:
        line = line.removesuffix(b"\r")
        match = _LINE.fullmatch(line) if len(line) <= LONGEST_LINE else None
        if match is None:
            raise GarbageReply(f"the host's reply is none: {printable(line[:60])}")
        code, separator, rest = match.groups()
        if self._lines and code != self._code:
            raise GarbageReply(f"one reply of the host has two codes: {printable(self._code)} and {printable(code)}")
        self._code = code
        self._lines.append(printable(rest or b""))
        if len(self._lines) > MOST_LINES:
            raise GarbageReply("the host sends a reply without end")
        if separator == b"-":
            return None
        reply = Reply(int(code), tuple(self._lines))
        self._lines = []
        return reply


def printable(raw: bytes) -> str:
    """Text for logs and reports: what can not be printed becomes a question mark."""
    text = raw.decode("utf-8", "replace")
    if not (text.isascii() and text.isprintable()):
        text = _UNPRINTABLE.sub("?", text)
    return text.strip()
