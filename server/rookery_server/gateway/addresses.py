"""Mail addresses and domains as they travel in SMTP (RFC 5321 section 4.1.2, RFC 6531)."""

from __future__ import annotations

import functools
import ipaddress
import re
from dataclasses import dataclass

import idna

_LONGEST = 320
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>]")
_FORBIDDEN_WHEN_QUOTED = re.compile(r"[\x00-\x1f\x7f]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_DOMAIN = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LITERAL = re.compile(r"\[(IPv6:)?([0-9A-Fa-f.:]+)\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WireAddress:
    """An address as it stands between the angle brackets of MAIL and RCPT."""

    text: bytes
    unicode: bool
    """Not ASCII even so: it can travel only where the host has SMTPUTF8."""


def domain_to_ascii(domain: str) -> str | None:
    """The domain in lower case and in A-labels (IDNA 2008 with UTS 46); None if it is no domain."""
    domain = domain.rstrip(".").lower()
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except idna.IDNAError:
            return None
    return domain if len(domain) <= 253 and _DOMAIN.fullmatch(domain) else None


def literal_address(domain: str) -> str | None:
    """The IP address of an address literal (``[192.0.2.1]``, ``[IPv6:2001:db8::1]``); None if the domain is none."""
    if match := _LITERAL.fullmatch(domain):
        try:
            address = ipaddress.ip_address(match[2])
        except ValueError:
            return None
        if (address.version == 6) == bool(match[1]):
            return str(address)
    return None


@functools.lru_cache(maxsize=8192)
def to_wire(address: str) -> WireAddress | None:
    """The address for MAIL and RCPT; None if it is none, or would break out of its angle brackets. "" is the null sender.

    A domain beyond ASCII is written in A-labels, so an address whose local part is ASCII passes every host.
    """
    if not address:
        return WireAddress(b"", unicode=False)
    local, at, domain = address.rpartition("@")
    if not at or not local or not _is_local_part(local):
        return None
    if literal_address(domain) is None:
        ascii_domain = domain_to_ascii(domain)
        if ascii_domain is None:
            return None
        domain = ascii_domain if not domain.isascii() else domain.rstrip(".")
    try:
        text = f"{local}@{domain}".encode()
    except UnicodeEncodeError:  # a lone surrogate
        return None
    return WireAddress(text, unicode=not local.isascii()) if len(text) <= _LONGEST else None


def _is_local_part(local: str) -> bool:
    if local.startswith('"'):
        return bool(_QUOTED.fullmatch(local)) and not _FORBIDDEN_WHEN_QUOTED.search(local)
    return not _FORBIDDEN.search(local) and '"' not in local
