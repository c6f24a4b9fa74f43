"""DANE for SMTP (RFC 7672): a domain says in signed DNS records which certificates or keys its mail hosts have.

Records count only if the answers that led to the host and those that name its certificate are all authentic (DNSSEC). Then
encryption is mandatory; and where one record at least is usable, so is a certificate that matches one. A host whose records can not
be found out is not used, or whoever suppresses the answer could switch the protection off.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from rookery_server.gateway.certificates import names_one_of, path_to_root, presented_chain, public_key, valid_at
from rookery_server.gateway.outcomes import deferred
from rookery_server.gateway.resolver import LookupFailed, TlsaRecord
from rookery_server.gateway.security import CertificateRefused, Level, Security

if TYPE_CHECKING:
    import ssl

    from rookery_core.rules.clock import Clock
    from rookery_server.gateway.resolver import Resolver
    from rookery_server.gateway.routing import Host, Route

_TRUST_ANCHOR = 2
_END_ENTITY = 3
_FULL_CERTIFICATE = 0
_PUBLIC_KEY = 1
_DIGEST_BYTES = {1: 32, 2: 64}


@dataclass(frozen=True, slots=True)
class DaneCheck:
    """Requires a certificate that one of the records names."""

    records: frozenset[TlsaRecord]
    names: tuple[str, ...]
    """What a certificate below a trust anchor may be for."""
    clock: Clock = field(compare=False)

    def require(self, peer: ssl.SSLObject) -> None:
        """Raises CertificateRefused if no record matches (RFC 7671 section 5)."""
        try:
            chain = [x509.load_der_x509_certificate(der) for der in presented_chain(peer)]
        except ValueError:
            raise CertificateRefused("the host's certificate can not be read") from None
        if not chain:
            raise CertificateRefused("the host shows no certificate")
        if not any(self._is_end_entity(record, chain) or self._is_anchor(record, chain) for record in self.records):
            raise CertificateRefused("the host's certificate is not the one that its domain names in the DNS (DANE)")

    def _is_end_entity(self, record: TlsaRecord, chain: list[x509.Certificate]) -> bool:
        """The record is the host's own certificate or key; names and dates do not matter (RFC 7671 section 5.1)."""
        return record.usage == _END_ENTITY and _matches(record, chain[0])

    def _is_anchor(self, record: TlsaRecord, chain: list[x509.Certificate]) -> bool:
        """The record is an authority's, by way of which the host's certificate is valid and names the host (section 5.2)."""
        if record.usage != _TRUST_ANCHOR or not names_one_of(chain[0], self.names):
            return False
        now = self.clock.micros()
        for certificate in path_to_root(chain):
            if not valid_at(certificate, now):
                return False
            if certificate is not chain[0] and _matches(record, certificate):
                return True
        return False


class Dane:
    """Finds out what DANE demands of a host. ``context`` is one that checks nothing: the check is ours."""

    def __init__(self, resolver: Resolver, context: ssl.SSLContext, clock: Clock) -> None:
        self._resolver = resolver
        self._context = context
        self._clock = clock

    async def demand(self, route: Route, host: Host) -> Security | None:
        """The security for a connection to the host; None if DANE does not apply. DeliveryStopped if that can not be found out."""
        if not route.authentic or not host.authentic:
            return None
        bases = [host.canonical, host.name] if host.canonical and host.canonical != host.name else [host.name]
        for base in bases:
            records = await self._records(base, route.port)
            if records is None:
                continue
            usable = frozenset(filter(_usable, records))
            if not usable:
                return Security(Level.ENCRYPT, self._context, base)
            names = tuple(dict.fromkeys([base, host.name, route.domain]))
            return Security(Level.DANE, self._context, base, DaneCheck(usable, names, self._clock))
        return None

    async def _records(self, base: str, port: int) -> tuple[TlsaRecord, ...] | None:
        try:
            answer = await self._resolver.tlsa(f"_{port}._tcp.{base}")
        except LookupFailed as failure:
            raise deferred("4.7.5", f"whether {base} demands DANE is unknown: {failure}", elsewhere=True) from None
        return answer.records if answer.records and answer.authentic else None


def _usable(record: TlsaRecord) -> bool:
    """Public authorities' records (usages 0 and 1) are not for SMTP (RFC 7672 section 3.1.3); nor are unknown kinds."""
    if record.usage not in (_TRUST_ANCHOR, _END_ENTITY) or record.selector not in (_FULL_CERTIFICATE, _PUBLIC_KEY):
        return False
    return bool(record.data) if record.matching == 0 else _DIGEST_BYTES.get(record.matching) == len(record.data)


def _matches(record: TlsaRecord, certificate: x509.Certificate) -> bool:
    selected = public_key(certificate) if record.selector == _PUBLIC_KEY else certificate.public_bytes(Encoding.DER)
    if record.matching == 0:
        return selected == record.data
    return (hashlib.sha256 if record.matching == 1 else hashlib.sha512)(selected).digest() == record.data
