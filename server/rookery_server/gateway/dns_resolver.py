"""The resolver that asks real name servers, with dnspython."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.name
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TLSA import TLSA
from dns.rdtypes.ANY.TXT import TXT

from rookery_core.errors import InvalidArgument
from rookery_server.gateway.answer_memory import AnswerMemory
from rookery_server.gateway.resolver import Answer, LookupFailed, MailHost, TlsaRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dns.rdata import Rdata

_PAYLOAD = 1232
"""Bytes of an answer by UDP that arrive in one piece everywhere; longer ones are asked for again by TCP."""

_LONGEST_SECONDS = 86_400
"""For which an answer is remembered, whatever its TTL says."""


class DnsResolver:
    """Asks the given name servers, or those of the system. Remembers answers for as long as their TTL allows.

    ``trusted`` says that the name servers check signatures (DNSSEC) and that nobody between them and us can forge what they say,
    which is to say that they run on this machine: only then is an answer ``authentic``, and is DANE possible. InvalidArgument
    ``FIELD_INVALID`` if they run elsewhere.
    """

    def __init__(
        self, servers: Sequence[str] = (), *, port: int = 53, trusted: bool = False, try_seconds: float = 3, seconds: float = 15
    ) -> None:
        resolver = dns.asyncresolver.Resolver(configure=not servers)
        if servers:
            resolver.nameservers = list(servers)
            resolver.port = port
        away = [str(server) for server in resolver.nameservers if not ip_address(str(server)).is_loopback]
        if trusted and away:
            message = f"the name server {away[0]} is not on this machine: who is in between could forge what it says of DNSSEC"
            raise InvalidArgument("FIELD_INVALID", message, field="mail_dnssec")
        resolver.timeout = try_seconds
        resolver.lifetime = seconds
        resolver.use_edns(0, dns.flags.DO if trusted else 0, _PAYLOAD)
        resolver.flags = dns.flags.RD | (dns.flags.AD if trusted else 0)
        self._resolver = resolver
        self._trusted = trusted
        self._mail_hosts = AnswerMemory[MailHost]()
        self._addresses = AnswerMemory[str]()
        self._tlsa = AnswerMemory[TlsaRecord]()
        self._texts = AnswerMemory[str]()

    async def mail_hosts(self, domain: str) -> Answer[MailHost]:
        """The MX records of a domain, in no order."""
        if (known := self._mail_hosts.find(domain)) is not None:
            return known
        found, seconds = await self._ask(domain, dns.rdatatype.MX)
        hosts = tuple(MailHost(record.preference, _text(record.exchange)) for record in found.records if isinstance(record, MX))
        return self._mail_hosts.keep(domain, Answer(hosts, found.exists, found.authentic, found.canonical), seconds)

    async def addresses(self, name: str) -> Answer[str]:
        """The addresses of a host. If only one of the two kinds can be found out, that one is better than none, for now."""
        if (known := self._addresses.find(name)) is not None:
            return known
        kinds = (dns.rdatatype.AAAA, dns.rdatatype.A)
        results = await asyncio.gather(*(self._ask(name, kind) for kind in kinds), return_exceptions=True)
        told = [result for result in results if not isinstance(result, BaseException)]
        failures = [result for result in results if isinstance(result, BaseException)]
        answers = [each.answer for each in told]
        found = tuple(record.to_text() for answer in answers for record in answer.records)
        if failures and (not found or not isinstance(failures[0], LookupFailed)):
            raise failures[0]
        both = Answer(
            found,
            exists=any(answer.exists for answer in answers),
            authentic=all(answer.authentic for answer in answers),
            canonical=next((answer.canonical for answer in answers if answer.records), name),
        )
        return both if failures else self._addresses.keep(name, both, min(each.seconds for each in told))

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """The TLSA records of a name."""
        if (known := self._tlsa.find(name)) is not None:
            return known
        found, seconds = await self._ask(name, dns.rdatatype.TLSA)
        records = tuple(TlsaRecord(r.usage, r.selector, r.mtype, r.cert) for r in found.records if isinstance(r, TLSA))
        return self._tlsa.keep(name, Answer(records, found.exists, found.authentic, found.canonical), seconds)

    async def texts(self, name: str) -> Answer[str]:
        """The TXT records of a name."""
        if (known := self._texts.find(name)) is not None:
            return known
        found, seconds = await self._ask(name, dns.rdatatype.TXT)
        texts = tuple(b"".join(r.strings).decode("utf-8", "replace") for r in found.records if isinstance(r, TXT))
        return self._texts.keep(name, Answer(texts, found.exists, found.authentic, found.canonical), seconds)

    async def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> _Told:
        try:
            asked = dns.name.from_text(name)
            answer = await self._resolver.resolve(asked, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN as nowhere:
            seconds = nowhere.response(asked).resolve_chaining().minimum_ttl  # type: ignore[no-untyped-call]
            return _Told(Answer(exists=False, canonical=name), min(seconds, _LONGEST_SECONDS))
        except (dns.name.LabelTooLong, dns.name.NameTooLong, dns.name.EmptyLabel, dns.name.BadEscape):
            return _Told(Answer(exists=False, canonical=name), _LONGEST_SECONDS)
        except dns.exception.Timeout:
            raise LookupFailed(f"the name servers do not answer a question for {name} ({kind.name})") from None
        except (dns.exception.DNSException, OSError, EOFError) as error:
            what = type(error).__name__
            raise LookupFailed(f"the name servers can not answer a question for {name} ({kind.name}): {what}") from None
        authentic = self._trusted and bool(answer.response.flags & dns.flags.AD)
        records = Answer(tuple(answer.rrset or ()), True, authentic, _text(answer.canonical_name))
        return _Told(records, min(answer.chaining_result.minimum_ttl, _LONGEST_SECONDS))


class _Told(NamedTuple):
    """What the name servers say."""

    answer: Answer[Rdata]
    seconds: int
    """For so long it holds."""


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else ""
