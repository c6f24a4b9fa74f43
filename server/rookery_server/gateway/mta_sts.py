"""MTA-STS (RFC 8461): a domain publishes by HTTPS which hosts take its mail, and that they do it encrypted and prove who they are.

A policy is kept in memory for as long as it says. A TXT record tells cheaply whether it has changed. What was once known counts
until it expires, even if the record or the web site is gone: or whoever can suppress them could switch the protection off.
"""

from __future__ import annotations

import enum
import re
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import structlog

from rookery_server.gateway.certificates import matches_name
from rookery_server.gateway.resolver import LookupFailed

if TYPE_CHECKING:
    from rookery_core.rules.clock import Clock
    from rookery_server.gateway.resolver import Resolver

_log = structlog.get_logger("rookery.gateway")

_SECOND = 1_000_000
_LONGEST_AGE = 31_557_600
_MOST_DOMAINS = 10_000
_RETRY_AFTER = 300 * _SECOND
_REFRESH_AFTER = 86_400 * _SECOND
_RECORD_ID = re.compile(r"v=STSv1\s*;(?:[^;]*;)*?\s*id\s*=\s*([A-Za-z0-9]{1,32})\s*(?:;|$)")


class Mode(enum.Enum):
    """What a policy asks for."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """One domain's policy."""

    mode: Mode
    hosts: tuple[str, ...]
    """Names, or ``*.`` and a domain."""
    max_age: int
    """Seconds."""

    def allows(self, host: str) -> bool:
        """The host may take the domain's mail."""
        return any(matches_name(pattern, host) for pattern in self.hosts)


class FetchFailed(Exception):
    """The policy can not be had; the message says why."""


class PolicyFetcher(Protocol):
    """Gets a domain's policy by HTTPS."""

    async def fetch(self, domain: str) -> bytes:
        """The document at ``https://mta-sts.<domain>/.well-known/mta-sts.txt``; FetchFailed, and nothing else."""
        ...


@dataclass(frozen=True, slots=True)
class _Known:
    record_id: str
    policy: StsPolicy | None
    """None: the last attempt failed, and there is nothing from before."""
    expires: int
    retry: int
    """Not fetched again before that."""
    stale: int = 0
    """Fetched again from then on though the record is the same, long before it expires (section 10.2): who suppresses the web site
    on the last day would otherwise switch the protection off."""


class MtaSts:
    """The policies of domains. Belongs to one event loop."""

    def __init__(self, resolver: Resolver, fetcher: PolicyFetcher, clock: Clock) -> None:
        self._resolver = resolver
        self._fetcher = fetcher
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def policy(self, domain: str) -> StsPolicy | None:
        """The policy that counts now; None if the domain has none, or none that could ever be had."""
        known = self._remembered(domain)
        kept = known.policy if known is not None else None
        record_id = await self._record_id(domain)
        if record_id is None:
            return kept
        now = self._clock.micros()
        if known is not None and (now < known.retry or (known.record_id == record_id and now < known.stale)):
            return kept
        try:
            policy = parse_policy(await self._fetcher.fetch(domain))
        except FetchFailed as failure:
            _log.warning("no MTA-STS policy", domain=domain, why=str(failure), kept=kept is not None)
            waiting = known or _Known("", None, now + _RETRY_AFTER, 0)
            self._remember(domain, replace(waiting, retry=now + _RETRY_AFTER))
            return kept
        lifetime = policy.max_age * _SECOND
        self._remember(domain, _Known(record_id, policy, now + lifetime, 0, stale=now + min(_REFRESH_AFTER, lifetime // 2)))
        return policy

    async def _record_id(self, domain: str) -> str | None:
        """The id in the TXT record; None if there is no record, or more than one, or it can not be found out (section 3.1)."""
        try:
            answer = await self._resolver.texts(f"_mta-sts.{domain}")
        except LookupFailed:
            return None
        records = [text for text in answer.records if text.startswith("v=STSv1")]
        match = _RECORD_ID.match(records[0]) if len(records) == 1 else None
        return match[1] if match else None

    def _remembered(self, domain: str) -> _Known | None:
        known = self._known.get(domain)
        if known is not None and known.expires <= self._clock.micros():
            del self._known[domain]
            return None
        return known

    def _remember(self, domain: str, known: _Known) -> None:
        self._known[domain] = known
        self._known.move_to_end(domain)
        if len(self._known) > _MOST_DOMAINS:
            self._known.popitem(last=False)


def parse_policy(document: bytes) -> StsPolicy:
    """Reads a policy (RFC 8461 section 3.2). FetchFailed if it is none. Fields that are not known are passed over."""
    fields: dict[str, str] = {}
    hosts: list[str] = []
    for line in document.decode("utf-8", "replace").splitlines():
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon:
            continue
        if key == "mx":
            hosts.append(value.lower())
        else:
            fields.setdefault(key, value)
    age = fields.get("max_age", "")
    if fields.get("version") != "STSv1" or fields.get("mode") not in {mode.value for mode in Mode}:
        raise FetchFailed("the document is no policy of version STSv1 with a mode")
    if not (age.isascii() and age.isdigit() and len(age) <= 10):
        raise FetchFailed("the policy does not say for how long it holds")
    mode = Mode(fields["mode"])
    if mode is not Mode.NONE and not hosts:
        raise FetchFailed("the policy names no host")
    return StsPolicy(mode, tuple(hosts), min(int(age), _LONGEST_AGE))
