"""Puts the way to other mail servers together: resolver, routes, TLS policies, connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_server.gateway.connections import ConnectionPool
from rookery_server.gateway.dane import Dane
from rookery_server.gateway.delivery import Deliverer
from rookery_server.gateway.dns_resolver import DnsResolver
from rookery_server.gateway.mta_sts import MtaSts
from rookery_server.gateway.policy_fetching import HttpsPolicyFetcher
from rookery_server.gateway.routing import OwnHost, Router
from rookery_server.gateway.security import unverified_context, verified_context
from rookery_server.gateway.smtp_carrier import SmtpCarrier
from rookery_server.gateway.smtp_timeouts import Timeouts
from rookery_server.gateway.tls_policy import TlsPolicies

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery_core.rules.clock import Clock
    from rookery_server.gateway.routing import Smarthost
    from rookery_server.store.database import Database


def open_carrier(
    database: Database, clock: Clock, chance: Callable[[], float], *, own_name: str, smarthost: Smarthost | None
) -> SmtpCarrier:
    """A carrier that asks the system's name servers; everything goes to the smarthost, if there is one."""
    resolver = DnsResolver()
    unverified, verified = unverified_context(), verified_context()
    sts = MtaSts(resolver, HttpsPolicyFetcher(resolver, verified), clock)
    policies = TlsPolicies(unverified, verified, Dane(resolver, unverified, clock), sts)
    own = OwnHost(frozenset({own_name}), frozenset())
    router = Router(resolver, own, chance, {"": smarthost} if smarthost else None)
    pool = ConnectionPool()
    deliverer = Deliverer(router, policies, pool, clock, own_name=own_name, timeouts=Timeouts())
    return SmtpCarrier(database, deliverer, pool, smarthost.host if smarthost else "")
