"""Signs messages as DKIM has it (RFC 6376; Ed25519 by RFC 8463), with each key that a domain has.

The message is read once, as a stream, in the form in which it will travel. dkimpy wants it whole in memory and signs in pure
Python, forty times as slowly; in the tests it is the independent judge of what is signed here.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from rookery_server.gateway.smtp_wire import LineEndings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from rookery_core.rules.clock import Clock
    from rookery_server.gateway.dkim_keys import DkimKey

SEALED_FIELDS = (
    "from", "sender", "reply-to", "subject", "date", "message-id", "to", "cc", "in-reply-to", "references",
    "mime-version", "content-type", "content-transfer-encoding", "content-disposition",
)  # fmt: skip
"""What a reader sees or acts upon. Each is signed once more than it is there, so that nobody can add another: which of two
subjects a mail program shows is anybody's guess."""

SIGNED_FIELDS = (
    "resent-from", "resent-sender", "resent-to", "resent-cc", "resent-date", "resent-message-id",
    "list-id", "list-help", "list-unsubscribe", "list-unsubscribe-post", "list-subscribe", "list-post", "list-owner",
    "list-archive", "auto-submitted", "importance", "priority",
)  # fmt: skip
"""Signed as often as they are there, since whoever passes a message on may add to them (RFC 6376 section 5.4.1). Fields of the
way (Received, Return-Path, Authentication-Results) are left out: they change."""

_FIELD = re.compile(rb"([^:\s]+)[ \t]*:(.*?)\r\n(?![ \t])", re.DOTALL)
_SPACES = re.compile(rb"[ \t]{2,}|\t")
_FOLDING_SPACES = re.compile(rb"[ \t\r\n]+")
_BLANKS = b" \t\r\n"
_LINE = 76


class DkimSigner:
    """Signs for one domain, given in A-labels."""

    def __init__(self, domain: str, keys: Sequence[DkimKey], clock: Clock) -> None:
        self._domain = domain
        self._keys = tuple(keys)
        self._clock = clock

    async def sign(self, message: AsyncIterator[bytes]) -> bytes:
        """The DKIM-Signature fields, one for each key, that are to be put before the message."""
        reader = _MessageReader()
        lines = LineEndings(dots=False)
        async for chunk in message:
            reader.feed(lines.encode(chunk))
        reader.feed(lines.finish())
        header, body_hash = reader.finish()
        fields = [(name.lower().decode("latin-1"), value) for name, value in _FIELD.findall(header)]
        names, covered = _covered(fields)
        stamp = self._clock.micros() // 1_000_000
        return b"".join(self._signature(key, names, covered, body_hash, stamp) for key in self._keys)

    def _signature(self, key: DkimKey, names: list[str], covered: bytes, body_hash: bytes, stamp: int) -> bytes:
        tags = (
            f"v=1; a={key.algorithm.value}; c=relaxed/relaxed; d={self._domain};",
            f"s={key.selector}; t={stamp};",
            *_folded("h=", [f"{name}:" for name in names[:-1]] + [f"{names[-1]};"]),
            f"bh={base64.b64encode(body_hash).decode('ascii')};",
            "b=",
        )
        value = "\r\n\t".join(tags).encode("ascii")
        digest = hashlib.sha256(covered + _relaxed("dkim-signature", value)).digest()
        if isinstance(key.private, RSAPrivateKey):
            signed = key.private.sign(digest, PKCS1v15(), Prehashed(SHA256()))
        else:
            signed = key.private.sign(digest)
        text = base64.b64encode(signed).decode("ascii")
        pieces = [text[start : start + _LINE - 4] for start in range(0, len(text), _LINE - 4)]
        return b"DKIM-Signature: " + value + "\r\n\t".join(pieces).encode("ascii") + b"\r\n"


class _MessageReader:
    """Takes a message with CRLF line ends; keeps the header and hashes the body in relaxed form (RFC 6376 section 3.4.4)."""

    def __init__(self) -> None:
        self._header = bytearray(b"\r\n")  # so that an empty header ends like any other
        self._in_body = False
        self._hash = hashlib.sha256()
        self._held = b""  # blanks at the end of what was read: whether they count depends on what follows
        self._empty = True

    def feed(self, data: bytes) -> None:
        if self._in_body:
            self._feed_body(data)
            return
        searched = max(0, len(self._header) - 3)
        self._header += data
        end = self._header.find(b"\r\n\r\n", searched)
        if end >= 0:
            self._in_body = True
            rest = bytes(self._header[end + 4 :])
            del self._header[end + 2 :]
            self._feed_body(rest)

    def finish(self) -> tuple[bytes, bytes]:
        """The header, and the body's SHA-256."""
        if not self._empty:
            self._hash.update(b"\r\n")
        return bytes(self._header[2:]), self._hash.digest()

    def _feed_body(self, data: bytes) -> None:
        data = self._held + data
        text = data.rstrip(_BLANKS)
        self._held = data[len(text) :]
        if text:
            self._empty = False
            self._hash.update(_SPACES.sub(b" ", text).replace(b" \r\n", b"\r\n"))


def _covered(fields: list[tuple[str, bytes]]) -> tuple[list[str], bytes]:
    """The tag h=, and what it covers: of fields that are there more than once, the last one first (RFC 6376 section 5.4.2)."""
    names: list[str] = []
    covered: list[bytes] = []
    for name in (*SEALED_FIELDS, *SIGNED_FIELDS):
        values = [value for found, value in fields if found == name]
        covered += [_relaxed(name, value) + b"\r\n" for value in reversed(values)]
        names += [name] * (len(values) + (name in SEALED_FIELDS))
    return names, b"".join(covered)


def _relaxed(name: str, value: bytes) -> bytes:
    """A header field in relaxed form, without its line end (RFC 6376 section 3.4.2)."""
    return name.encode("ascii") + b":" + _FOLDING_SPACES.sub(b" ", value).strip(b" ")


def _folded(start: str, words: list[str]) -> Iterator[str]:
    """The words, in lines of a good length."""
    line = start
    for word in words:
        if len(line) + len(word) > _LINE and line != start:
            yield line
            line = ""
        line += word
    yield line
