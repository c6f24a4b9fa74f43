"""Which security a connection to a host of a domain demands.

What the administrator has set for a domain counts; then what its signed DNS records say (DANE); then its MTA-STS policy, which
never replaces DANE (RFC 8461 section 2); then the general level. A smarthost has a level of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.errors import InvalidArgument
from rookery_core.rules import domains
from rookery_server.gateway.mta_sts import Mode
from rookery_server.gateway.outcomes import deferred
from rookery_server.gateway.security import PLAIN, Level, Security

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping

    from rookery_server.gateway.dane import Dane
    from rookery_server.gateway.mta_sts import MtaSts, StsPolicy
    from rookery_server.gateway.routing import Host, Route

CONFIGURABLE = (Level.NONE, Level.MAY, Level.ENCRYPT, Level.VERIFY)
"""The levels that an administrator may set. ``VERIFY`` holds a host to the name by which it was found, so it keeps strangers from
posing as the host, but not from naming another host in a DNS without signatures: MTA-STS and DANE do that."""


def parse_levels(words: Iterable[str]) -> dict[str, Level]:
    """The levels that ``LEVEL`` and ``DOMAIN=LEVEL`` say, by domain, with "" for all others. InvalidArgument ``FIELD_INVALID``."""
    names = {level.value: level for level in CONFIGURABLE}
    levels: dict[str, Level] = {}
    for word in words:
        domain, equals, name = word.rpartition("=")
        known = domains.to_ascii(domain, underscores=True)
        if name not in names or (equals and not known) or known in levels:
            message = f"“{word[:100]}” is wrong: {', '.join(names)} are, each once alone or for a domain, like example.org=verify"
            raise InvalidArgument("FIELD_INVALID", message, field="mail_tls")
        levels[known] = names[name]
    return levels


class TlsPolicies:
    """``levels`` is by domain, with "" for all others (``MAY`` if it is not there)."""

    def __init__(
        self,
        unverified: ssl.SSLContext,
        verified: ssl.SSLContext,
        dane: Dane,
        sts: MtaSts,
        levels: Mapping[str, Level] | None = None,
    ) -> None:
        self._unverified = unverified
        self._verified = verified
        self._dane = dane
        self._sts = sts
        self._levels = {"": Level.MAY} | dict(levels or {})

    async def of_domain(self, route: Route) -> StsPolicy | None:
        """The domain's MTA-STS policy if it is to be enforced: asked for once, and then handed to ``of_host`` for each host."""
        if route.smarthost is not None or route.domain in self._levels or route.domain.startswith("["):
            return None
        policy = await self._sts.policy(route.domain)
        return policy if policy is not None and policy.mode is Mode.ENFORCE else None

    async def of_host(self, route: Route, host: Host, policy: StsPolicy | None) -> Security:
        """What a connection to one of the route's hosts demands. DeliveryStopped if mail must not go there."""
        if route.smarthost is not None:
            return self._at(route.smarthost.level, host, immediate=route.smarthost.immediate_tls)
        if route.domain in self._levels:
            return self._at(self._levels[route.domain], host)
        signed = await self._dane.demand(route, host)
        if signed is not None and signed.level is Level.DANE:
            return signed
        if policy is not None:
            if not policy.allows(host.name):
                raise deferred(
                    "4.7.5", f"{host.name} is no mail host of {route.domain} by the domain's policy (MTA-STS)", elsewhere=True
                )
            return Security(Level.MTA_STS, self._verified, host.name)
        # Signed records that name no certificate demand encryption and no more: that must not weaken what else there is.
        return self._at(self._levels[""], host) if signed is None or self._levels[""] is Level.VERIFY else signed

    def _at(self, level: Level, host: Host, *, immediate: bool = False) -> Security:
        if level is Level.NONE:
            return PLAIN
        context = self._verified if level is Level.VERIFY else self._unverified
        return Security(level, context, host.name.strip("[]"), immediate=immediate)
