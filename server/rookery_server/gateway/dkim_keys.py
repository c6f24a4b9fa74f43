"""Keys for DKIM: made, read, and told to the world as a DNS record (RFC 6376 section 3.6, RFC 8463)."""

from __future__ import annotations

import base64
import enum
import re
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from rookery_core.errors import InvalidArgument

_RSA_BITS = 2048
"""The longest whose record every DNS provider and verifier takes."""

_SELECTOR = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")
_STRING = 255


class Algorithm(enum.Enum):
    """The value is the tag ``a=`` of a signature."""

    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A private key under its selector."""

    selector: str
    private: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> Algorithm:
        """What it signs with."""
        return Algorithm.RSA if isinstance(self.private, RSAPrivateKey) else Algorithm.ED25519


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """The TXT record that a domain needs."""

    name: str
    text: str

    @property
    def zone_line(self) -> str:
        """As a line of a zone file, in strings of at most 255 bytes."""
        strings = [self.text[start : start + _STRING] for start in range(0, len(self.text), _STRING)]
        return f"{self.name}. IN TXT ( " + " ".join(f'"{string}"' for string in strings) + " )"


def generate(selector: str, algorithm: Algorithm) -> DkimKey:
    """A new key; InvalidArgument ``FIELD_INVALID`` for a selector that is no DNS name."""
    _require_selector(selector)
    if algorithm is Algorithm.RSA:
        return DkimKey(selector, generate_private_key(public_exponent=65537, key_size=_RSA_BITS))
    return DkimKey(selector, Ed25519PrivateKey.generate())


def to_pem(key: DkimKey) -> bytes:
    """The private key as PEM (PKCS #8), not encrypted."""
    return key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def from_pem(selector: str, pem: bytes) -> DkimKey:
    """A key from PEM; InvalidArgument ``FIELD_INVALID`` unless it is RSA of 1,024 bits or more, or Ed25519."""
    _require_selector(selector)
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidArgument("FIELD_INVALID", "this is no private key in PEM without a password", field="key") from None
    if isinstance(private, Ed25519PrivateKey) or (isinstance(private, RSAPrivateKey) and private.key_size >= 1024):
        return DkimKey(selector, private)
    raise InvalidArgument("FIELD_INVALID", "a key for DKIM is RSA with 1,024 bits or more, or Ed25519", field="key")


def dns_record(domain: str, key: DkimKey) -> DnsRecord:
    """The record that lets others check the key's signatures."""
    public = key.private.public_key()
    if key.algorithm is Algorithm.RSA:
        kind, encoded = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        kind, encoded = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    text = f"v=DKIM1; k={kind}; p={base64.b64encode(encoded).decode('ascii')}"
    return DnsRecord(f"{key.selector}._domainkey.{domain}", text)


def _require_selector(selector: str) -> None:
    if not _SELECTOR.fullmatch(selector):
        raise InvalidArgument("FIELD_INVALID", f"“{selector[:60]}” is no selector: letters, digits and hyphens", field="selector")
