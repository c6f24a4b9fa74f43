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
    load_der_private_key,
)

from rookery_core.errors import InvalidArgument

_RSA_BITS = 2048
"""The longest whose record every DNS provider and verifier takes."""

_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_LONGEST_NAME = 253


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


def generate(selector: str, algorithm: Algorithm) -> DkimKey:
    """A new key. Takes a moment of computing."""
    if algorithm is Algorithm.RSA:
        return DkimKey(selector, generate_private_key(public_exponent=65537, key_size=_RSA_BITS))
    return DkimKey(selector, Ed25519PrivateKey.generate())


def to_der(key: DkimKey) -> bytes:
    """The private key as it is kept: PKCS #8, DER, not encrypted."""
    return key.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def from_der(selector: str, der: bytes) -> DkimKey:
    """A key that was kept; ValueError if that is no RSA or Ed25519 key.

    It is our own, so nothing is checked that only a forger would do: for RSA that would take a hundred times as long as signing.
    """
    try:
        private = load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from None
    if not isinstance(private, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("a key for DKIM is RSA or Ed25519")  # noqa: TRY004 - the bytes are wrong, whatever they hold
    return DkimKey(selector, private)


def require_selector(selector: str, domain: str) -> str:
    """The selector in lower case; InvalidArgument ``SELECTOR_INVALID`` if no DNS record of the domain can have it."""
    name = selector.lower()
    if not _SELECTOR.fullmatch(name):
        message = f"“{selector[:60]}” is no selector: letters, digits and hyphens, in labels of at most 63"
        raise InvalidArgument("SELECTOR_INVALID", message, field="selector")
    if len(_record_name(name, domain)) > _LONGEST_NAME:
        raise InvalidArgument("SELECTOR_INVALID", "the name of the DNS record would be too long", field="selector")
    return name


def dns_record(domain: str, key: DkimKey) -> DnsRecord:
    """The record that lets others check the key's signatures."""
    public = key.private.public_key()
    if key.algorithm is Algorithm.RSA:
        kind, encoded = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        kind, encoded = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    text = f"v=DKIM1; k={kind}; p={base64.b64encode(encoded).decode('ascii')}"
    return DnsRecord(_record_name(key.selector, domain), text)


def _record_name(selector: str, domain: str) -> str:
    return f"{selector}._domainkey.{domain}"
