"""What hosts on the way wrote into a message's header, and what a receiving host may believe of it. Never raises."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rookery_core.formats.mime_fields import date_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rookery.v1.item_pb2 import Header

HOPS_LIMIT = 100
"""Received fields from which on a message is taken to go round in circles (RFC 5321 section 6.3 asks for at least 100)."""

_NAME = "authentication-results"
_COMMENT = re.compile(r"\((?:[^()\\]|\\.){0,500}+\)")
_RESULT = re.compile(r"\s*([A-Za-z0-9-]{1,64})\s*(?:/\s*\d{1,9}\s*)?=\s*([A-Za-z0-9-]{1,64})")
_PROPERTY = re.compile(r'([A-Za-z0-9-]{1,64})\s*\.\s*([A-Za-z0-9_-]{1,64})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]+)')
_REASON = re.compile(r'(?<![\w.-])reason\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]+)', re.IGNORECASE)
_LOOKED_AT = 16 * 1024
_FIELD_LINE = re.compile(rb"[^\n]*\n(?:[ \t][^\n]*(?:\n|$))*|[^\n]+$")
_HOST_WORD = re.compile(r"[^A-Za-z0-9.:_\[\]-]+")
_CLAUSE = re.compile(r"[^!-~]+")


def hops(headers: Iterable[Header]) -> int:
    """How many hosts took the message before: its Received fields."""
    return sum(header.name.lower() == "received" for header in headers)


@dataclass(frozen=True, slots=True)
class Hop:
    """What a host knows of the way that a message came to it."""

    peer_name: str
    """What the other side called itself; "" with an address of "" too keeps both to ourselves."""
    peer_address: str
    """Its IP address; "" where it has none, or nobody is to know it."""
    host: str
    """This host."""
    protocol: str
    """RFC 3848: "ESMTPSA", "LMTP" and so on; with "UTF8" in front if SMTPUTF8 was asked for (RFC 6531 section 4.3)."""
    transaction: str
    """Names the transaction in this host's log."""
    now: int
    """Seconds since 1970."""
    recipient: str = ""
    """Where the message has one recipient, that one; to name several would tell each of the others (Bcc)."""


def received_lines(hop: Hop) -> bytes:
    """The Received field that a host writes on top of what it takes (RFC 5321 section 4.4), with line ends CRLF."""
    lines = [f"by {_HOST_WORD.sub('', hop.host)} with {_CLAUSE.sub('', hop.protocol)} id {_CLAUSE.sub('', hop.transaction)}"]
    if hop.peer_name or hop.peer_address:
        address = _HOST_WORD.sub("", hop.peer_address)
        literal = f"IPv6:{address}" if ":" in address else address  # RFC 5321 section 4.1.3
        peer = _HOST_WORD.sub("", hop.peer_name)[:255] or "unknown"
        lines.insert(0, f"from {peer} ([{literal}])" if address else f"from {peer}")
    if hop.recipient and hop.recipient.isascii() and not _CLAUSE.search(hop.recipient):
        lines.append(f"for <{hop.recipient}>")
    lines[-1] += ";"
    return ("Received: " + "\r\n\t".join([*lines, date_text(hop.now)]) + "\r\n").encode()


@dataclass(frozen=True, slots=True)
class AuthenticationResult:
    """What one method said of a message (RFC 8601)."""

    method: str
    """ "spf", "dkim", "dmarc", "arc", …, lower case."""
    result: str
    """ "pass", "fail", "none", …, lower case."""
    reason: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    """What it was said of, such as "header.d": "example.org"."""


@dataclass(frozen=True, slots=True)
class AuthenticationResults:
    """One Authentication-Results field."""

    authserv_id: str
    """Who says so, lower case."""
    results: tuple[AuthenticationResult, ...]


def parse_authentication_results(value: str) -> AuthenticationResults:
    """Reads the value of a field leniently: what is no result is passed over."""
    head, *clauses = _split(_COMMENT.sub(" ", value[:_LOOKED_AT]))
    words = head.split()
    found = []
    for clause in clauses:
        result = _RESULT.match(clause)
        if result is None:
            continue
        reason = _REASON.search(clause, result.end())
        properties = {f"{each[0]}.{each[1]}".lower(): _unquoted(each[2]) for each in _PROPERTY.findall(clause, result.end())}
        found.append(AuthenticationResult(result[1].lower(), result[2].lower(), _unquoted(reason[1]) if reason else "", properties))
    return AuthenticationResults(_unquoted(words[0]).lower() if words else "", tuple(found))


def _split(value: str) -> list[str]:
    """The clauses between semicolons, but for those inside quotes."""
    clauses, quoted = [""], False
    for piece in re.split(r'(\\.|["; ])', value):
        if piece == '"':
            quoted = not quoted
        if piece == ";" and not quoted:
            clauses.append("")
        else:
            clauses[-1] += piece
    return clauses


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if len(text) > 1 and text[0] == text[-1] == '"' else text


def trusted_results(headers: Iterable[Header], authserv_ids: Collection[str]) -> list[str]:
    """What the hosts of these names, in lower case, said of a message: the values of their fields, the latest first.

    Believe it only where such a host has just handed the message over, since anybody can write such a field; what others wrote in
    its name it has removed (RFC 8601 section 5).
    """
    values = [header.value for header in headers if header.name.lower() == _NAME]
    return [value for value in values if parse_authentication_results(value).authserv_id in authserv_ids]


def without_fields(header: bytes, names: Collection[str]) -> bytes:
    """A header without the fields of these names, in lower case, such as Bcc in what leaves; all other bytes stay as they are."""
    kept = []
    for match in _FIELD_LINE.finditer(header):
        name, colon, _ = match[0].partition(b":")
        if not (colon and name.strip().lower().decode("latin-1") in names):
            kept.append(match[0])
    return b"".join(kept)
