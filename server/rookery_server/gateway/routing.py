"""From a destination domain to the hosts that take its mail, in the order in which they are to be tried (RFC 5321 section 5.1)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from rookery_core.errors import InvalidArgument
from rookery_core.rules import domains, mail_addresses
from rookery_server.gateway.outcomes import DeliveryStopped, deferred, failed
from rookery_server.gateway.resolver import Answer, LookupFailed, MailHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rookery_server.gateway.resolver import Resolver
    from rookery_server.gateway.security import Level
    from rookery_server.gateway.smtp_session import Credentials

_MOST_HOSTS = 10
"""Hosts of one domain whose addresses are looked up."""

_MOST_REMEMBERED = 1_000
"""Domains, and addresses, whose forms are remembered."""

_MOST_ADDRESSES = 4
"""Addresses of one host that are tried."""

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
"""Addresses that every machine has for itself: strangers' domains that name them must not reach what listens here."""

_LOOPBACK_NAME = "localhost"


@dataclass(frozen=True, slots=True)
class Smarthost:
    """A host that takes the mail for other domains from us."""

    host: str
    """A name, or an address."""
    port: int
    level: Level
    immediate_tls: bool = False
    """TLS from the first byte, as on port 465."""
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """A host of the way, with the addresses to try."""

    name: str
    addresses: tuple[str, ...]
    authentic: bool = False
    """Its addresses are signed (DNSSEC)."""
    canonical: str = ""
    """Its name after aliases."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where the mail for a domain goes."""

    domain: str
    """In A-labels, or an address literal."""
    hosts: tuple[Host, ...]
    """At least one, the first to be tried first."""
    port: int = 25
    authentic: bool = False
    """That these hosts are the domain's is signed (DNSSEC)."""
    smarthost: Smarthost | None = None
    """By way of it, if that is not None."""


@dataclass(frozen=True, slots=True)
class OwnHost:
    """What this server is called and where it is reached, by port 25: mail that goes there would come back to us.

    What is not told here is found out once a host answers by one of the names (``SmtpSession.open``).
    """

    names: frozenset[str]
    networks: tuple[IPv4Network | IPv6Network, ...] = LOOPBACK

    def has(self, address: str) -> bool:
        """The IP address is one of its own."""
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self.networks)


class Router:
    """Finds routes. ``chance`` gives numbers in [0, 1); ``smarthosts`` is by domain, with "" for all other domains."""

    def __init__(
        self,
        resolver: Resolver,
        own: OwnHost,
        chance: Callable[[], float],
        smarthosts: Mapping[str, Smarthost] | None = None,
        *,
        port: int = 25,
    ) -> None:
        self._resolver = resolver
        self._own = own
        self._chance = chance
        self._smarthosts = dict(smarthosts or {})
        self._port = port

    async def route(self, domain: str) -> Route:
        """The way for mail to a domain or an address literal. DeliveryStopped if there is none, or it can not be found out now."""
        name = _one_form(domain)
        if not name:
            raise failed("5.1.2", f"“{domain[:100]}” is no domain")
        smarthost = self._smarthosts.get(name, self._smarthosts.get(""))
        if smarthost is not None:
            return await self._by_smarthost(name, smarthost)
        if name.startswith("["):
            return Route(name, (self._literal_host(name),), self._port)
        return await self._by_mail_hosts(name)

    async def _by_smarthost(self, domain: str, smarthost: Smarthost) -> Route:
        host = await self._find(smarthost.host)
        if isinstance(host, LookupFailed):
            raise deferred("4.4.3", f"the smarthost: {host}")
        if host is None:
            raise deferred("4.4.4", f"the smarthost {smarthost.host} has no address")
        return Route(domain, (host,), smarthost.port, smarthost=smarthost)

    def _literal_host(self, literal: str) -> Host:
        address = literal.strip("[]").removeprefix("IPv6:")
        if not _reachable(address):
            raise failed("5.4.4", f"no host can have the address {address}")
        if self._own.has(address):
            raise failed("5.4.6", "the address is this server's own: the mail would come back")
        return Host(f"[{address}]", (address,))

    async def _by_mail_hosts(self, domain: str) -> Route:
        try:
            answer = await self._resolver.mail_hosts(domain)
        except LookupFailed as failure:
            raise deferred("4.4.3", str(failure)) from None
        if not answer.exists:
            raise failed("5.1.2", f"there is no domain {domain}")
        named = [record for record in answer.records if record.name]
        if answer.records and not named:
            raise failed("5.1.10", f"{domain} takes no mail (null MX)", code=556)
        records = self._ordered(named) or [MailHost(0, domain)]  # without MX the domain's own address (the implicit MX)
        found = await self._find_all([record.name for record in records[:_MOST_HOSTS]])
        nearer = self._nearer_than_ourselves(records, found)
        hosts = [host for host in found[:nearer] if isinstance(host, Host)]
        if not hosts:
            raise _no_host(domain, answer, found[:nearer], loop=nearer < len(found))
        return Route(domain, tuple(hosts), self._port, authentic=answer.authentic)

    def _ordered(self, records: Iterable[MailHost]) -> list[MailHost]:
        """By preference, equal ones shuffled, and each host once."""
        by_name: dict[str, MailHost] = {}
        for record in sorted(records, key=lambda record: (record.preference, self._chance())):
            by_name.setdefault(record.name, record)
        return list(by_name.values())

    def _nearer_than_ourselves(self, records: Sequence[MailHost], found: Sequence[Host | LookupFailed | None]) -> int:
        """How many of the hosts are to be preferred to this server; all, unless it is one of them."""
        own = [place for place, host in enumerate(found) if self._is_own(records[place].name, host)]
        if not own:
            return len(found)
        preference = records[own[0]].preference
        return sum(record.preference < preference for record in records[: len(found)])

    def _is_own(self, name: str, host: Host | LookupFailed | None) -> bool:
        if name in self._own.names:
            return True
        return isinstance(host, Host) and any(map(self._own.has, host.addresses))

    async def _find_all(self, names: Sequence[str]) -> list[Host | LookupFailed | None]:
        """As ``_find``, for each. A single one takes no task of its own: it is known most of the time."""
        if len(names) == 1:
            return [await self._find(names[0])]
        return await asyncio.gather(*map(self._find, names))

    async def _find(self, name: str) -> Host | LookupFailed | None:
        """A host with its addresses; None if it has none."""
        if (literal := _parsed(name)) is not None:
            return Host(name, (str(literal),))
        if name == _LOOPBACK_NAME or name.endswith("." + _LOOPBACK_NAME):  # nothing to ask the DNS for (RFC 6761 section 6.3)
            return Host(name, ("127.0.0.1", "::1"))
        try:
            answer = await self._resolver.addresses(name)
        except LookupFailed as failure:
            return failure
        reachable = [address for address in answer.records if _reachable(address)]
        if not reachable:
            return None
        return Host(name, self._alternating(reachable), answer.authentic, answer.canonical)

    def _alternating(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """IPv6 and IPv4 in turn, each kind shuffled: if one of them does not work here, the other is the next to be tried."""
        shuffled = sorted(addresses, key=lambda _: self._chance())
        kinds = [address for address in shuffled if ":" in address], [address for address in shuffled if ":" not in address]
        return tuple(filter(None, chain.from_iterable(zip_longest(*kinds))))[:_MOST_ADDRESSES]


def _reachable(address: str) -> bool:
    """A host somewhere can have it: not "any address", a group's, one of this cable alone, or an IPv4 address in disguise."""
    parsed = _parsed(address)
    if parsed is None or (isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None):
        return False
    return not (parsed.is_unspecified or parsed.is_multicast or parsed.is_link_local)


@lru_cache(_MOST_REMEMBERED)
def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """The IP address; None if it is none. Each message asks for those of its way."""
    try:
        return ip_address(address)
    except ValueError:
        return None


@lru_cache(_MOST_REMEMBERED)
def _one_form(domain: str) -> str:
    """The domain or the address literal as everybody writes it; "" for what is neither."""
    if not domain.startswith("["):
        return domains.to_ascii(domain.removesuffix("."), underscores=True)
    try:
        return mail_addresses.literal(domain, "")
    except InvalidArgument:
        return ""


def _no_host(domain: str, answer: Answer[MailHost], found: Sequence[Host | LookupFailed | None], *, loop: bool) -> DeliveryStopped:
    for host in found:
        if isinstance(host, LookupFailed):
            return deferred("4.4.3", str(host))
    if loop:
        return failed("5.4.6", f"the mail for {domain} would come back: this server is its best mail host")
    what = "none of its mail hosts has an address" if answer.records else "it has neither mail hosts nor an address"
    return failed("5.4.4", f"{domain} can not be reached: {what}")
