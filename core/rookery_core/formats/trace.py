"""What hosts on the way wrote into a message's header, and what a receiving host may believe of it. Never raises."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rookery_core.formats.mime_addresses import parse_addresses
from rookery_core.formats.mime_fields import date_text
from rookery_core.formats.mime_headers import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from rookery.v1.item_pb2 import Header
    from rookery_core.formats.mime_headers import HeaderBlock

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


def hops(header: HeaderBlock) -> int:
    """How many hosts took the message before: its Received fields."""
    return len(header.all("received"))


def return_path(header: HeaderBlock) -> str | None:
    """The envelope's sender that the last host noted: "" for the null sender, None where no Return-Path field tells."""
    value = header.first("return-path")
    if not value:
        return None
    people = parse_addresses(text_of(value[:2000]), 1)
    return people[0].address if people else ""


@dataclass(frozen=True, slots=True)
class Hop:
    """What a host knows of the way that a message came to it."""

    peer_name: str
    """What the other side called itself."""
    peer_address: str
    """Its IP address."""
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
    peer = _HOST_WORD.sub("", hop.peer_name) or "unknown"
    lines = [
        f"Received: from {peer[:255]} ([{_HOST_WORD.sub('', hop.peer_address)}])",
        f"\tby {_HOST_WORD.sub('', hop.host)} with {_CLAUSE.sub('', hop.protocol)} id {_CLAUSE.sub('', hop.transaction)}",
    ]
    if hop.recipient and hop.recipient.isascii() and not _CLAUSE.search(hop.recipient):
        lines.append(f"\tfor <{hop.recipient}>")
    lines[-1] += ";"
    return ("\r\n".join([*lines, f"\t{date_text(hop.now)}"]) + "\r\n").encode()


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


def trusted_results(headers: Sequence[Header], authserv_id: str) -> list[AuthenticationResults]:
    """What the host ``authserv_id`` said of a message, the latest first.

    Believe it of messages only that came through ``without_foreign_results``, since anybody can write such a field.
    """
    found = [parse_authentication_results(header.value) for header in headers if header.name.lower() == _NAME]
    return [each for each in found if each.authserv_id == authserv_id.lower()]


def without_foreign_results(header: bytes, authserv_id: str) -> bytes:
    """A header without the Authentication-Results fields that the host ``authserv_id`` did not write (RFC 8601 section 5).

    With "" none is left. That host itself removes fields which others wrote in its name. ``header`` is all up to the body; the
    bytes of everything else stay as they are.
    """

    def is_foreign(name: str, value: str) -> bool:
        return name == _NAME and (not authserv_id or parse_authentication_results(value).authserv_id != authserv_id.lower())

    return _without(header, is_foreign)


def without_fields(header: bytes, names: Collection[str]) -> bytes:
    """A header without the fields of these names, in lower case, such as Bcc in what leaves; all other bytes stay as they are."""
    return _without(header, lambda name, _: name in names)


def _without(header: bytes, goes: Callable[[str, str], bool]) -> bytes:
    kept = []
    for match in _FIELD_LINE.finditer(header):
        name, colon, value = match[0].decode("latin-1").partition(":")
        if not (colon and goes(name.strip().lower(), value)):
            kept.append(match[0])
    return b"".join(kept)
