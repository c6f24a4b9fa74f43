"""Addresses of accounts: which of those that mail can be sent to are allowed, how they compare."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from rookery_core.errors import InvalidArgument
from rookery_core.rules import mail_addresses

_LONGEST = 320
"""Bytes, as people write it."""


class Address(NamedTuple):
    """An e-mail address of an account."""

    text: str
    """As people write it, in NFC."""
    key: str
    """What two addresses share if mail to them goes to one mailbox (``MailAddress.key``)."""
    domain: str
    """The domain, lower case, ASCII."""


def parse(text: str, field: str) -> Address:
    """The address. InvalidArgument ``ADDRESS_INVALID`` if it is none, needs quotes, or names a host by its IP address."""
    clean = unicodedata.normalize("NFC", text.strip())
    found = mail_addresses.parse(clean, field)
    if clean.startswith('"') or found.domain.startswith("["):
        raise _invalid(f"“{found.text}” can not be an account's address: it has quotes or brackets", field)
    if len(clean.encode()) > _LONGEST:
        raise _invalid(f"the address has more than {_LONGEST} bytes", field)
    return Address(clean, found.key, found.domain)


def _invalid(message: str, field: str) -> InvalidArgument:
    return InvalidArgument("ADDRESS_INVALID", message, field=field)
