"""What one connection demands of TLS, and what it got."""

from __future__ import annotations

import enum
import ssl
from dataclasses import dataclass
from typing import Protocol


class Level(enum.Enum):
    """How much a connection asks for; the name is what logs and metrics show."""

    NONE = "none"
    """Plain text, even if the host offers more."""
    MAY = "may"
    """Encrypted if the host can, to whoever answers; plain text otherwise."""
    ENCRYPT = "encrypt"
    """Encrypted, to whoever answers; or not at all."""
    VERIFY = "verify"
    """Encrypted, to a host whose certificate is valid and names it; or not at all."""
    MTA_STS = "mta-sts"
    """As ``VERIFY``, because the destination's policy says so (RFC 8461)."""
    DANE = "dane"
    """Encrypted, to a host whose certificate the destination's signed DNS records name (RFC 7672)."""


class CertificateRefused(Exception):
    """The host showed a certificate that is not good enough; the message says why."""


class PeerCheck(Protocol):
    """Looks at the certificates of a host after the handshake. Comparable by value, since it is part of what a pool keys by."""

    def require(self, peer: ssl.SSLObject) -> None:
        """Raises CertificateRefused."""
        ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Security:
    """What one connection demands."""

    level: Level
    context: ssl.SSLContext | None
    """None for ``NONE`` only."""
    server_name: str = ""
    """Sent as SNI, and what the certificate has to name where the context checks names."""
    check: PeerCheck | None = None
    """What is looked at beyond what the context does."""
    immediate: bool = False
    """TLS from the first byte (RFC 8314, port 465), without STARTTLS."""

    @property
    def required(self) -> bool:
        """Plain text will not do."""
        return self.level not in (Level.NONE, Level.MAY)


PLAIN = Security(Level.NONE, None)
"""No TLS at all."""


def unverified_context() -> ssl.SSLContext:
    """For opportunistic encryption and DANE: TLS 1.2 or newer, with whoever answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def verified_context(ca_file: str | None = None) -> ssl.SSLContext:
    """For hosts that must prove who they are, by the system's authorities or those of a file."""
    return ssl.create_default_context(cafile=ca_file)
