"""What stands behind MAIL, RCPT and EHLO: paths and parameters (RFC 5321 section 4.1.2, RFC 6531 section 3.3).

As strict as the standard, but for what real clients send and harms nobody: a space after the colon, underscores in domains, dots
anywhere in a local part (Japanese telephone companies gave such addresses out), local parts of more than 64 bytes (they carry other
addresses inside), and whatever a machine calls itself.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

LONGEST_ADDRESS = 320
"""Bytes."""
_LONGEST_DOMAIN = 255

_BREAKING = r"\x00-\x1f\x7f-\x9f\u2028\u2029"  # controls, and what Unicode takes for the end of a line
_ATOM = rf"[^{_BREAKING} ()<>\[\]:;@\\,.\"]+"
_LETTER = r"A-Za-z0-9_\xa1-\u2027\u202a-\U0010ffff"
_LABEL = rf"[{_LETTER}](?:[{_LETTER}-]{{0,61}}[{_LETTER}])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_QUOTED = rf'"(?:[^{_BREAKING}"\\]|\\[\x20-\x7e])*"'
_DOTTED = rf"[^{_BREAKING} ()<>\[\]:;@\\,\"]+"  # _ATOM with dots, anywhere
_PATH = re.compile(
    rf"<(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?"  # a source route, which is ignored (appendix C)
    rf"(?P<local>{_DOTTED}|{_QUOTED})@(?P<domain>{_DOMAIN}|\[[A-Za-z0-9:.-]+\])>"
)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\x00-\x20\x7f=]+))?")
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_QUOTED_PAIR = re.compile(r"\\(.)")
_SIZE = re.compile(r"[0-9]{1,20}")
_NOT_IN_HELLO = re.compile(r"[^A-Za-z0-9._:\[\]-]")
_LONGEST_HELLO = 255


class BadSyntax(Exception):
    """The argument of a command is none. The text says what is wrong."""


@dataclass(frozen=True, slots=True)
class PathCommand:
    """MAIL or RCPT, taken apart."""

    address: str
    """``local@domain``; "" for ``<>``, "postmaster" for ``<postmaster>``."""
    parameters: dict[str, str]
    """By their name in upper case; "" for one without a value."""


def parse_mail(argument: bytes) -> PathCommand:
    """Reads what follows MAIL. Raises BadSyntax."""
    return _parse(argument, "FROM:")


def parse_rcpt(argument: bytes) -> PathCommand:
    """Reads what follows RCPT. Raises BadSyntax."""
    return _parse(argument, "TO:")


def parse_hello(argument: bytes) -> str:
    """The name or address literal behind EHLO; what belongs in neither becomes a question mark. Raises BadSyntax if there is none.

    A computer that was given a name with a blank is no reason to refuse its mail (RFC 5321 section 4.1.4).
    """
    name = argument.decode("ascii", "replace").strip(" ")
    if not name:
        raise BadSyntax("give your host's name or its address in brackets")
    return _NOT_IN_HELLO.sub("?", name[:_LONGEST_HELLO])


def parse_size(value: str) -> int:
    """The number behind SIZE= (RFC 1870). Raises BadSyntax."""
    if not _SIZE.fullmatch(value):
        raise BadSyntax("SIZE is a number")
    return int(value)


def _parse(argument: bytes, keyword: str) -> PathCommand:
    try:
        text = argument.decode()
    except UnicodeDecodeError:
        raise BadSyntax("it is not UTF-8") from None
    if text[: len(keyword)].upper() != keyword:
        raise BadSyntax(f"“{keyword}” and an address in angle brackets belong here")
    text = text[len(keyword) :].strip(" ")
    address, end = _path(text, null=keyword == "FROM:")
    return PathCommand(address, _parameters(text[end:]))


def _path(text: str, *, null: bool) -> tuple[str, int]:
    """The address at the beginning, and where it ends."""
    if null and text.startswith("<>"):
        return "", 2
    if not null and text[:12].lower() == "<postmaster>":
        return "postmaster", 12
    match = _PATH.match(text)
    if match is None:
        raise BadSyntax("the address is none: <local@domain> is")
    local, domain = _plain(match["local"]), match["domain"]
    if domain.startswith("[") and not _is_literal(domain[1:-1]):
        raise BadSyntax("the address literal is none")
    address = f"{local}@{domain}"
    if len(domain.encode()) > _LONGEST_DOMAIN or len(address.encode()) > LONGEST_ADDRESS:
        raise BadSyntax("the address is too long")
    return address, match.end()


def _plain(local: str) -> str:
    """The local part in quotes where it can not do without, and with no quoted pair that is not needed (section 4.1.2)."""
    content = _QUOTED_PAIR.sub(r"\1", local[1:-1]) if local.startswith('"') else local
    if _DOT_ATOM.fullmatch(content):
        return content
    return '"' + content.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_literal(content: str) -> bool:
    try:
        if content[:5].upper() == "IPV6:":
            return ipaddress.ip_address(content[5:]).version == 6
        return ipaddress.ip_address(content).version == 4
    except ValueError:
        return False


def _parameters(text: str) -> dict[str, str]:
    if text and not text.startswith(" "):
        raise BadSyntax("a space belongs behind the address")
    found: dict[str, str] = {}
    for word in filter(None, text.split(" ")):
        match = _PARAMETER.fullmatch(word)
        if match is None:
            raise BadSyntax("a parameter is none: NAME=VALUE is")
        name = match[1].upper()
        if name in found:
            raise BadSyntax(f"{name} is there twice")
        found[name] = match[2] or ""
    return found
