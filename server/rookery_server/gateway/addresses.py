"""Mail addresses as they travel in SMTP (RFC 5321 section 4.1.2, RFC 6531)."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from rookery_core.errors import InvalidArgument
from rookery_core.rules import mail_addresses


@dataclass(frozen=True, slots=True)
class WireAddress:
    """An address as it stands between the angle brackets of MAIL and RCPT."""

    text: bytes
    unicode: bool
    """Not ASCII even so: it can travel only where the host has SMTPUTF8."""


@functools.lru_cache(maxsize=8192)
def to_wire(address: str) -> WireAddress | None:
    """The address for MAIL and RCPT; None if it is none, or would break out of its angle brackets. "" is the null sender.

    A domain beyond ASCII is written in A-labels, so an address whose local part is ASCII passes every host.
    """
    if not address:
        return WireAddress(b"", unicode=False)
    try:
        parsed = mail_addresses.parse(address, "", underscores=True)
    except InvalidArgument:
        return None
    return WireAddress(parsed.text.encode(), parsed.needs_smtputf8)
