"""Puts the way to other mail servers together: resolver, routes, TLS policies, connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_server.gateway.connections import ConnectionPool
from rookery_server.gateway.dane import Dane
from rookery_server.gateway.delivery import Deliverer
from rookery_server.gateway.dns_resolver import DnsResolver
from rookery_server.gateway.mta_sts import MtaSts
from rookery_server.gateway.policy_fetching import HttpsPolicyFetcher
from rookery_server.gateway.routing import LOOPBACK, OwnHost, Router
from rookery_server.gateway.security import unverified_context, verified_context
from rookery_server.gateway.smtp_carrier import SmtpCarrier
from rookery_server.gateway.smtp_timeouts import Timeouts
from rookery_server.gateway.tls_policy import TlsPolicies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rookery_core.rules.clock import Clock
    from rookery_server.gateway.leaving import LeavingMail
    from rookery_server.gateway.resolver import Resolver
    from rookery_server.gateway.routing import Smarthost
    from rookery_server.gateway.security import Level

_SMTP = 25


def open_carrier(
    mail: LeavingMail,
    clock: Clock,
    chance: Callable[[], float],
    *,
    own_name: str,
    smarthost: Smarthost | None,
    levels: Mapping[str, Level] | None = None,
    dnssec: bool = False,
    resolver: Resolver | None = None,
    port: int = _SMTP,
) -> SmtpCarrier:
    """A carrier; everything goes to the smarthost, if there is one.

    ``levels`` are as ``TlsPolicies`` has them. ``resolver`` asks the system's name servers where it is None, whose word on DNSSEC
    counts with ``dnssec``. Other domains' hosts listen on ``port``; what is on this machine by another port than SMTP's is somebody
    else, and no loop.
    """
    resolver = resolver or DnsResolver(trusted=dnssec)
    unverified, verified = unverified_context(), verified_context()
    sts = MtaSts(resolver, HttpsPolicyFetcher(resolver, verified), clock)
    policies = TlsPolicies(unverified, verified, Dane(resolver, unverified, clock), sts, levels)
    own = OwnHost(frozenset({own_name.lower()}), LOOPBACK if port == _SMTP else ())
    router = Router(resolver, own, chance, {"": smarthost} if smarthost else None, port=port)
    pool = ConnectionPool()
    deliverer = Deliverer(router, policies, pool, clock, own_name=own_name, timeouts=Timeouts())
    return SmtpCarrier(mail, deliverer, pool, smarthost.host if smarthost else "")
