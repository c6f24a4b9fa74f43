"""What the gateway asks of the DNS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Record = TypeVar("Record")


class LookupFailed(Exception):
    """The DNS did not answer, or could not: whether there are such records is unknown. Try again later."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[Record]):
    """Everything of one kind that is known of a name."""

    records: tuple[Record, ...] = ()
    exists: bool = True
    """False: there is no such name at all (NXDOMAIN). No records and a name that exists is something else."""
    authentic: bool = False
    """Signed, and checked by a resolver that is trusted to do so (DNSSEC)."""
    canonical: str = ""
    """The name at the end of the aliases (CNAME) that were followed; the name asked for where there were none."""


@dataclass(frozen=True, slots=True)
class MailHost:
    """An MX record. The name is in lower case and without the dot at its end; a null MX (RFC 7505) has none."""

    preference: int
    name: str


@dataclass(frozen=True, slots=True)
class TlsaRecord:
    """A TLSA record (RFC 6698)."""

    usage: int
    selector: int
    matching: int
    data: bytes


class Resolver(Protocol):
    """Looks names up. Names are ASCII. Each call raises LookupFailed and nothing else."""

    async def mail_hosts(self, domain: str) -> Answer[MailHost]:
        """The MX records of a domain, in no order."""
        ...

    async def addresses(self, name: str) -> Answer[str]:
        """The IPv6 and IPv4 addresses of a host, in no order. ``authentic`` if all of them are."""
        ...

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """The TLSA records of a name like ``_25._tcp.mx.example``."""
        ...

    async def texts(self, name: str) -> Answer[str]:
        """The TXT records of a name, the strings of each put together."""
        ...
