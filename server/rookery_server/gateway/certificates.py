"""X.509 certificates as DANE looks at them: the chain a host showed, who signed whom, and whom a certificate names."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    import ssl
    from collections.abc import Collection, Sequence


def presented_chain(peer: ssl.SSLObject) -> list[bytes]:
    """The certificates (DER) that the host showed, its own first, unchecked. Empty if it showed none."""
    public = getattr(peer, "get_unverified_chain", None)  # Python 3.13 and newer
    if public is not None:
        return list(public())
    return [certificate.public_bytes(_DER) for certificate in peer._sslobj.get_unverified_chain() or ()]  # type: ignore[attr-defined]  # noqa: SLF001


_DER = 2
"""``_ssl.ENCODING_DER``."""


def public_key(certificate: x509.Certificate) -> bytes:
    """The SubjectPublicKeyInfo, DER."""
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def path_to_root(chain: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """From the first certificate to its issuer, that one's issuer and so on, as far as the chain's signatures hold."""
    path = [chain[0]]
    rest = list(chain[1:])
    while (issuer := next((candidate for candidate in rest if _issued(candidate, path[-1], len(path) - 1)), None)) is not None:
        path.append(issuer)
        rest.remove(issuer)
    return path


def valid_at(certificate: x509.Certificate, micros: int) -> bool:
    """The time lies within the certificate's dates."""
    now = datetime.datetime.fromtimestamp(micros / 1_000_000, datetime.UTC)
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def names_one_of(certificate: x509.Certificate, hosts: Collection[str]) -> bool:
    """The certificate is for one of the hosts (RFC 6125). Without names in it, its common name counts."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = extension.value.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, ValueError):
        names = []
    if not names:
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        names = [str(attribute.value) for attribute in common]
    return any(matches_name(name, host) for name in names for host in hosts)


def matches_name(pattern: str, host: str) -> bool:
    """The host has this name, or one that ``*.`` and a domain stand for: exactly one more label."""
    pattern, host = pattern.rstrip(".").lower(), host.rstrip(".").lower()
    if pattern.startswith("*."):
        label, _, parent = host.partition(".")
        return bool(label) and parent == pattern[2:]
    return pattern == host


def _issued(issuer: x509.Certificate, certificate: x509.Certificate, depth: int) -> bool:
    """The issuer may sign certificates, with so many between it and the host's own, and has signed this one."""
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = next((e.value for e in issuer.extensions if isinstance(e.value, x509.KeyUsage)), None)
        certificate.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, InvalidSignature, ValueError, TypeError):
        return False
    if usage is not None and not usage.key_cert_sign:
        return False
    return constraints.ca and (constraints.path_length is None or constraints.path_length >= depth)
