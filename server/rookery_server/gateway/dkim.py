"""Signs messages as DKIM has it (RFC 6376; Ed25519 by RFC 8463), with each key of the domain that the author's address is in.

That is the domain that DMARC asks about (RFC 7489 section 3.1). The message is read once, as a stream, in the form in which it will
travel. dkimpy wants it whole in memory and signs in pure Python, forty times as slowly; in the tests it is the independent judge of
what is signed here.
"""

from __future__ import annotations

import base64
import hashlib
import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

import structlog
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from rookery_core.formats.mime_addresses import parse_addresses
from rookery_core.rules import domains
from rookery_server.gateway.smtp_wire import LineEndings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence

    from rookery_core.rules.clock import Clock
    from rookery_server.services.signing.dkim_keys import DkimKey

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

_FIELD = re.compile(rb"^([^:\s]+)[ \t]*:(.*?)\r\n(?![ \t])", re.DOTALL | re.MULTILINE)
_SPACES = re.compile(rb"[ \t]{2,}|\t")
_FOLDING_SPACES = re.compile(rb"[ \t\r\n]+")
_BLANKS = b" \t\r\n"
_LINE = 76
_LINE_ENDS_AT_ONCE = 4096

_log = structlog.get_logger("rookery.gateway")


class Keys(Protocol):
    """Where the keys are."""

    async def is_any_active(self) -> bool:
        """Whether there is one that signs for any domain: if not, nobody has to look whose a message is."""
        ...

    async def active(self, domain: str) -> Sequence[DkimKey]:
        """Those that sign for a domain, given in A-labels."""
        ...


class DkimSigner:
    """Signs with the keys of a message's domain; where there is none, it signs nothing."""

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    async def sign(self, message: AsyncIterator[bytes]) -> bytes:
        """The DKIM-Signature fields, one for each key, that are to be put before the message; empty if there are none.

        A key that can not sign is logged and left out: nobody's mail waits for it. What reading the message raises is raised.
        """
        if not await self._keys.is_any_active():
            return b""
        reader = _MessageReader()
        signing: _Signing | None = None
        async with aclosing(_travelling(message)) as chunks:
            async for chunk in chunks:
                reader.feed(chunk)
                if signing is None and reader.header is not None:
                    signing = await self._begin(reader.header)
                    if not signing.keys:
                        return b""
        header, body_hash = reader.finish()
        signing = signing or await self._begin(header)
        return signing.finish(body_hash, self._clock.micros() // 1_000_000)

    async def _begin(self, header: bytes) -> _Signing:
        fields = [(name.lower().decode("latin-1"), value) for name, value in _FIELD.findall(header)]
        domain = _author_domain(fields)
        return _Signing(domain, await self._keys.active(domain) if domain else (), fields)


class _Signing:
    """The keys that sign a message, and its header fields."""

    def __init__(self, domain: str, keys: Sequence[DkimKey], fields: list[tuple[str, bytes]]) -> None:
        self.keys = keys
        self._domain = domain
        self._fields = fields

    def finish(self, body_hash: bytes, stamp: int) -> bytes:
        """The signatures. ``stamp`` in seconds since 1970."""
        names, covered = _covered(self._fields)
        signatures: list[bytes] = []
        for key in self.keys:
            try:
                signatures.append(_signature(self._domain, key, names, covered, body_hash, stamp))
            except Exception:  # noqa: BLE001 - whatever is wrong with a key, the mail goes its way
                _log.exception("dkim key does not sign", domain=self._domain, selector=key.selector)
        return b"".join(signatures)


async def _travelling(message: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    lines = LineEndings(dots=False)
    async for chunk in message:
        yield lines.encode(chunk)
    yield lines.finish()


def _author_domain(fields: list[tuple[str, bytes]]) -> str:
    """The domain of the first address in From, in A-labels; "" if there is none."""
    value = next((value for name, value in fields if name == "from"), b"")
    people = parse_addresses(_FOLDING_SPACES.sub(b" ", value).strip().decode("utf-8", "replace"), 1)
    return domains.to_ascii(people[0].address.rpartition("@")[2]) if people else ""


def _signature(domain: str, key: DkimKey, names: list[str], covered: bytes, body_hash: bytes, stamp: int) -> bytes:
    tags = (
        f"v=1; a={key.algorithm.value}; c=relaxed/relaxed; d={domain};",
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
        self.header: bytes | None = None
        """All of it, once it has come."""
        self._hash = hashlib.sha256()
        # Blanks at the end of what was read, which count if text follows: so many line ends, and white space behind them or none.
        self._line_ends = 0
        self._space = False
        self._empty = True

    def feed(self, data: bytes) -> None:
        if self.header is not None:
            self._feed_body(data)
            return
        searched = max(0, len(self._header) - 3)
        self._header += data
        end = self._header.find(b"\r\n\r\n", searched)
        if end >= 0:
            self.header = bytes(self._header[2 : end + 2])
            rest = bytes(self._header[end + 4 :])
            self._header.clear()
            self._feed_body(rest)

    def finish(self) -> tuple[bytes, bytes]:
        """The header, and the body's SHA-256."""
        if not self._empty:
            self._hash.update(b"\r\n")
        return bytes(self._header[2:]) if self.header is None else self.header, self._hash.digest()

    def _feed_body(self, data: bytes) -> None:
        text = data.rstrip(_BLANKS)
        if text:
            self._empty = False
            while self._line_ends:
                some = min(self._line_ends, _LINE_ENDS_AT_ONCE)
                self._hash.update(b"\r\n" * some)
                self._line_ends -= some
            line = b" " + text if self._space else text
            if b"  " in line or b"\t" in line:
                line = _SPACES.sub(b" ", line)
            self._hash.update(line.replace(b" \r\n", b"\r\n"))
            self._space = False
        blanks = data[len(text) :]
        self._line_ends += blanks.count(b"\n")
        last_line = blanks[blanks.rfind(b"\n") + 1 :]
        self._space = bool(last_line) or (self._space and b"\n" not in blanks)


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
