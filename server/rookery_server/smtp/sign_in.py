"""AUTH: PLAIN and LOGIN (RFC 4954, RFC 4616)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from rookery_server.smtp.receiving import Reply

if TYPE_CHECKING:
    from rookery_server.smtp.wire import Wire

MECHANISMS = ("PLAIN", "LOGIN")
_LONGEST_LINE = 12_288
"""Bytes (RFC 4954 section 4)."""
_NAME = Reply(334, "", base64.b64encode(b"Username:").decode())
_PASSWORD = Reply(334, "", base64.b64encode(b"Password:").decode())
_GO_ON = Reply(334, "", "")


class NotSignedIn(Exception):
    """The exchange led to nothing."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


async def exchange(wire: Wire, argument: bytes, seconds: float) -> tuple[str, str]:
    """Name and password, as the client gives them from AUTH's argument on. Raises NotSignedIn, and what ``Wire.line`` raises."""
    mechanism, _, initial = argument.partition(b" ")
    match mechanism.upper():
        case b"PLAIN":
            return _plain(_decoded(initial) if initial else await _ask(wire, _GO_ON, seconds))
        case b"LOGIN":
            name = _decoded(initial) if initial else await _ask(wire, _NAME, seconds)
            return name, await _ask(wire, _PASSWORD, seconds)
    raise NotSignedIn(Reply(504, "5.5.4", f"Sign in with {' or '.join(MECHANISMS)}"))


async def _ask(wire: Wire, challenge: Reply, seconds: float) -> str:
    wire.say(challenge.line().encode() + b"\r\n")
    answer = await wire.line(seconds, _LONGEST_LINE)
    if answer == b"*":
        raise NotSignedIn(Reply(501, "5.7.0", "Sign-in broken off"))
    return _decoded(answer)


def _decoded(encoded: bytes) -> str:
    """What the client means; an equals sign alone stands for nothing at all."""
    try:
        return base64.b64decode(b"" if encoded == b"=" else encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise NotSignedIn(Reply(501, "5.5.2", "That is not Base64 of UTF-8")) from None


def _plain(message: str) -> tuple[str, str]:
    parts = message.split("\0")
    if len(parts) != 3 or not parts[1]:
        raise NotSignedIn(Reply(501, "5.5.2", "That is no PLAIN message"))
    acting_for, name, password = parts
    if acting_for not in ("", name):
        raise NotSignedIn(Reply(535, "5.7.8", "Nobody signs in here for somebody else"))
    return name, password
