"""Addresses as envelopes carry them: which are allowed, how they compare, and how a header writes them (RFC 5321, 5322, 6531)."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import NamedTuple

from rookery_core.errors import InvalidArgument
from rookery_core.rules import domains

LOCAL_BYTES = 64
"""Bytes of UTF-8 before the “@” (RFC 5321 section 4.5.3.1.1)."""
_LONGEST = 1000
"""Characters of what is looked at as an address at all."""
_HEADER_BYTES = 450
"""Bytes of an address in a header: quoted, it still fits into a line of 998 (RFC 5322 section 2.1.1)."""

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-"
_DOT_STRING = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*")
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*"')
_PAIR = re.compile(r"\\(.)")
_HEADER_DOMAIN = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*|\[[!-Z^-~]+\]")
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})


class MailAddress(NamedTuple):
    """An address that mail can be sent to."""

    local: str
    """Before the “@”: as written, in NFC; a quoted string only where it has to be one."""
    domain: str
    """The domain, lower case, ASCII (A-labels); or an address literal in brackets."""

    @property
    def text(self) -> str:
        """``local@domain``, as an envelope has it. Only the local part can hold more than ASCII."""
        return f"{self.local}@{self.domain}"

    @property
    def key(self) -> str:
        """What two addresses share that are one recipient: the local part case-folded, although RFC 5321 tells case apart."""
        return f"{unicodedata.normalize('NFC', self.local.casefold())}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a host that offers SMTPUTF8 can be told of it (RFC 6531); a domain alone never needs that."""
        return not self.local.isascii()


def parse(text: str, field: str, *, underscores: bool = False) -> MailAddress:
    """The address, blanks around it left out; InvalidArgument ``ADDRESS_INVALID`` if it is none.

    Dot-strings, quoted strings, letters beyond ASCII (RFC 6531 section 3.3); domain names, IDNs and address literals.
    ``underscores`` may be in the domain: for addresses that others chose.
    """
    clean = unicodedata.normalize("NFC", text[:_LONGEST].strip(" "))
    local, at, domain = clean.rpartition("@")
    if not at or len(text) > _LONGEST:
        raise _invalid(f"“{_shown(clean)}” is no address: name@domain is", field)
    local = _local_part(local)
    if not local:
        raise _invalid(f"“{_shown(clean)}” is no address: its name can not stand before an “@”", field)
    if len(local.encode()) > LOCAL_BYTES:
        raise _invalid(f"the name before the “@” has more than {LOCAL_BYTES} bytes", field)
    if domain.startswith("["):
        return MailAddress(local, literal(domain, field))
    return MailAddress(local, domain_name(domain, field, underscores=underscores))


def _local_part(text: str) -> str:
    """The local part in its shortest form (RFC 5321 section 4.1.2: quoting does not make another mailbox), or ""."""
    if _QUOTED.fullmatch(text):
        inner = _PAIR.sub(r"\1", text[1:-1])
        bare = text if any(map(_is_unprintable, inner)) else inner
        text = inner if _DOT_STRING.fullmatch(bare) else quoted(inner)
    elif not _DOT_STRING.fullmatch(text):
        return ""
    return "" if any(map(_is_unprintable, text)) else text


def _is_unprintable(character: str) -> bool:
    return character != " " and unicodedata.category(character) in _UNPRINTABLE


def quoted(text: str) -> str:
    """The text as a quoted string (RFC 5322 section 3.2.4)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def domain_name(text: str, field: str, *, underscores: bool = False) -> str:
    """The domain in its one form (``domains.to_ascii``). InvalidArgument ``ADDRESS_INVALID`` if it is none."""
    name = domains.to_ascii(text, underscores=underscores)
    if not name:
        raise _invalid(f"“{_shown(text)}” is no domain", field)
    return name


def literal(text: str, field: str) -> str:
    """An address literal in its one form (RFC 5321 section 4.1.3). InvalidArgument ``ADDRESS_INVALID`` if it is none."""
    inner = text[1:-1] if text.endswith("]") else ""
    tag, colon, address = inner.partition(":")
    try:
        if colon and tag.lower() == "ipv6" and "%" not in address:
            return f"[IPv6:{ipaddress.IPv6Address(address)}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ValueError:
        raise _invalid(f"“{_shown(text)}” is no domain", field) from None


def written(address: str) -> str:
    """The address as a header writes it (RFC 5322 section 3.4.1), or "" where nothing that a header may hold comes out.

    More lenient than ``parse``, since headers name people who can not be written to: names that need quotes get them. Nothing in
    it can end the address or its field. Not ASCII only where the local part is not.
    """
    clean = unicodedata.normalize("NFC", address.strip())
    local, at, domain = clean.rpartition("@")
    if not at or not local or len(clean.encode("utf-8", "replace")) > _HEADER_BYTES or any(map(_is_unprintable, clean)):
        return ""
    if domain.isascii():
        domain = domain.lower()
    elif local.isascii():
        domain = domains.to_ascii(domain, underscores=True)
    if not _HEADER_DOMAIN.fullmatch(domain):
        return ""
    if not _DOT_STRING.fullmatch(local):
        local = quoted(_PAIR.sub(r"\1", local[1:-1]) if _QUOTED.fullmatch(local) else local)
    return f"{local}@{domain}"


def key_of(address: str) -> str:
    """What two addresses share that are one recipient, for addresses that may be none: those compare by their letters."""
    try:
        return parse(address, "").key
    except InvalidArgument:
        return address.strip().casefold()


def _shown(text: str) -> str:
    """A piece of bad input that can be shown."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text[:100])


def _invalid(message: str, field: str) -> InvalidArgument:
    return InvalidArgument("ADDRESS_INVALID", message, field=field)


def without_tag(address: MailAddress) -> str:
    """The key of ``user@domain`` for ``user+tag@domain`` (RFC 5233), or ""."""
    user, plus, _ = address.local.partition("+")
    return address._replace(local=user).key if plus and user and not user.startswith('"') else ""
