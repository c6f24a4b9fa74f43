"""A resolver that knows names from a table, for tests that are not about the DNS."""

from __future__ import annotations

from dataclasses import dataclass, field

from rookery_server.gateway.resolver import Answer, LookupFailed, MailHost, Record, TlsaRecord


@dataclass
class KnownNames:
    """What is asked for and not there does not exist, but for the types of a name of which another is there."""

    mx: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    hosts: dict[str, list[str]] = field(default_factory=dict)
    records: dict[str, list[TlsaRecord]] = field(default_factory=dict)
    txt: dict[str, list[str]] = field(default_factory=dict)
    signed: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    aliases: dict[str, str] = field(default_factory=dict)
    """Of hosts."""

    async def mail_hosts(self, domain: str) -> Answer[MailHost]:
        return self._answer(domain, [MailHost(*entry) for entry in self.mx.get(domain, [])])

    async def addresses(self, name: str) -> Answer[str]:
        return self._answer(name, self.hosts.get(name, []))

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        return self._answer(name, self.records.get(name, []))

    async def texts(self, name: str) -> Answer[str]:
        return self._answer(name, self.txt.get(name, []))

    def _answer(self, name: str, found: list[Record]) -> Answer[Record]:
        if name in self.failing:
            raise LookupFailed(f"no answer for {name}")
        exists = any(name in table for table in (self.mx, self.hosts, self.records, self.txt))
        return Answer(tuple(found), exists, name in self.signed, self.aliases.get(name, name))
