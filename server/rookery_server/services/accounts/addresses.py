"""Addresses and domains: which are allowed, how they compare."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from rookery_core.errors import InvalidArgument

# RFC 5321 section 4.1.2 (Dot-string of RFC 5322 atext), with what RFC 6531 section 3.3 adds: everything beyond ASCII.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123 section 2.1
_DEVIATIONS = frozenset("ßς\u200c\u200d")
"""Characters that the two versions of IDNA read differently (RFC 5894 section 7.2): the domain would not be one."""
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})


class Address(NamedTuple):
    """An e-mail address."""

    text: str
    """As people write it, in NFC."""
    key: str
    """What two addresses share if mail to them goes to one mailbox: local part case-folded, domain in ASCII."""
    domain: str
    """The domain, lower case, ASCII."""


def parse(text: str, field: str) -> Address:
    """The address. InvalidArgument ``ADDRESS_INVALID`` if it is none, or its local part is a quoted string."""
    clean = unicodedata.normalize("NFC", text.strip())
    local, at, domain = clean.rpartition("@")
    if not at:
        raise _invalid(f"“{text[:100]}” is no address: name@domain is", field)
    if not _LOCAL.fullmatch(local) or any(unicodedata.category(character) in _UNPRINTABLE for character in local):
        raise _invalid(f"“{local[:100]}” can not stand before the “@” of an address", field)
    if len(local.encode()) > 64:  # RFC 5321 section 4.5.3.1.1
        raise _invalid("the part before the “@” has more than 64 bytes", field)
    name = domain_name(domain, field)
    key = f"{unicodedata.normalize('NFC', local.casefold())}@{name}"
    if len(clean.encode()) > 320:
        raise _invalid("the address has more than 320 bytes", field)
    return Address(clean, key, name)


def domain_name(text: str, field: str) -> str:
    """The domain as it is kept: lower case, ASCII (IDNA). InvalidArgument ``ADDRESS_INVALID`` if it is none."""
    clean = unicodedata.normalize("NFC", text.strip())
    if _DEVIATIONS.intersection(clean):
        raise _invalid(f"write the domain “{clean[:100]}” in its xn-- form: not everybody reads it alike", field)
    try:
        name = clean.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise _invalid(f"“{clean[:100]}” is no domain", field) from None
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise _invalid(f"“{clean[:100]}” is no domain", field)
    return name


def _invalid(message: str, field: str) -> InvalidArgument:
    return InvalidArgument("ADDRESS_INVALID", message, field=field)
