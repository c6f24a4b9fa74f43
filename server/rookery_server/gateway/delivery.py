"""Hands one message on to one domain: finds the way, picks or opens a session, and goes from host to host until one takes it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from rookery_server.gateway.connections import Purpose
from rookery_server.gateway.destinations import Feedback
from rookery_server.gateway.outcomes import DeliveryStopped, Outcome, Verdict
from rookery_server.gateway.smtp_session import Endpoint, Own, SmtpSession

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from rookery_core.rules.clock import Clock
    from rookery_server.gateway.connections import ConnectionPool
    from rookery_server.gateway.routing import Host, Route, Router
    from rookery_server.gateway.smtp_extensions import Envelope
    from rookery_server.gateway.smtp_timeouts import Timeouts
    from rookery_server.gateway.tls_policy import TlsPolicies

    OpenMessage = Callable[[], AsyncGenerator[bytes, None]]

_MOST_TRIES = 5
"""Addresses that one delivery tries."""

_SILENT_FOR = 600_000_000
"""Microseconds for which an address that did not answer comes last."""

_MOST_SILENT = 10_000
_NO_ANSWER = "4.4.1"


class Deliverer:
    """Delivers. ``own_name`` is what this server calls itself to others, a name in the DNS. Belongs to one event loop."""

    def __init__(
        self, router: Router, policies: TlsPolicies, pool: ConnectionPool, clock: Clock, *, own_name: str, timeouts: Timeouts
    ) -> None:
        self._router = router
        self._policies = policies
        self._pool = pool
        self._clock = clock
        self._own_name = own_name
        self._timeouts = timeouts
        self._silent: dict[Endpoint, int] = {}

    async def deliver(self, domain: str, envelope: Envelope, open_message: OpenMessage) -> tuple[Outcome, ...]:
        """An outcome for each recipient, in their order; all recipients are of the domain, or go the same way.

        ``open_message`` gives the message's bytes from the beginning, and is called for each attempt that gets as far. Only what it
        raises is raised.
        """
        outcomes: list[Outcome | None] = [None] * len(envelope.recipients)
        try:
            route = await self._router.route(domain)
            policy = await self._policies.of_domain(route)
        except DeliveryStopped as stopped:
            return tuple(stopped.outcome for _ in envelope.recipients)
        for host, endpoint in self._endpoints(route):
            places = [place for place, outcome in enumerate(outcomes) if outcome is None or outcome.elsewhere]
            part = replace(envelope, recipients=tuple(envelope.recipients[place] for place in places))
            try:
                security = await self._policies.of_host(route, host, policy)
                credentials = route.smarthost.credentials if route.smarthost else None
                purpose = Purpose(endpoint, security, credentials)
                found = await self._attempt(purpose, part, open_message, by_smarthost=route.smarthost is not None)
            except DeliveryStopped as stopped:
                found = tuple(stopped.outcome for _ in places)
            for place, outcome in zip(places, found, strict=True):
                outcomes[place] = _better(outcomes[place], outcome)
            if not any(outcome is None or outcome.elsewhere for outcome in outcomes):
                break
        return tuple(outcome for outcome in outcomes if outcome is not None)

    async def _attempt(
        self, purpose: Purpose, envelope: Envelope, open_message: OpenMessage, *, by_smarthost: bool
    ) -> tuple[Outcome, ...]:
        """One endpoint. A session that has waited may have ended unseen, so after a fault on one a fresh one is tried."""
        waiting = self._pool.take(purpose)
        if waiting is not None:
            outcomes = await self._send(purpose, waiting, envelope, open_message)
            if not all(outcome.elsewhere for outcome in outcomes):
                return outcomes
        endpoint = purpose.endpoint
        try:
            session = await SmtpSession.open(
                endpoint,
                own=Own(self._own_name, may_answer=by_smarthost),
                security=purpose.security,
                timeouts=self._timeouts,
                credentials=purpose.credentials,
            )
        except DeliveryStopped as stopped:
            if stopped.outcome.enhanced == _NO_ANSWER:
                self._remember_silent(endpoint)
            raise
        self._silent.pop(endpoint, None)
        return await self._send(purpose, session, envelope, open_message)

    async def _send(
        self, purpose: Purpose, session: SmtpSession, envelope: Envelope, open_message: OpenMessage
    ) -> tuple[Outcome, ...]:
        try:
            async with contextlib.aclosing(open_message()) as message:
                return await session.send(envelope, message)
        finally:
            self._pool.give_back(purpose, session)

    def _endpoints(self, route: Route) -> list[tuple[Host, Endpoint]]:
        """Whom to try, in order; those that were silent lately come last."""
        now = self._clock.micros()
        all_of_them = [(host, Endpoint(host.name, address, route.port)) for host in route.hosts for address in host.addresses]
        all_of_them.sort(key=lambda entry: self._silent.get(entry[1], 0) > now)
        return all_of_them[:_MOST_TRIES]

    def _remember_silent(self, endpoint: Endpoint) -> None:
        self._silent.pop(endpoint, None)
        self._silent[endpoint] = self._clock.micros() + _SILENT_FOR
        if len(self._silent) > _MOST_SILENT:
            del self._silent[next(iter(self._silent))]


def feedback_of(outcomes: tuple[Outcome, ...]) -> Feedback:
    """What a delivery's outcomes tell about its destination."""
    if all(outcome.elsewhere or outcome.verdict is Verdict.AMBIGUOUS or _nowhere(outcome) for outcome in outcomes):
        return Feedback.FAULT
    return Feedback.ALIVE


def _nowhere(outcome: Outcome) -> bool:
    """It was put off before any host was reached."""
    return outcome.verdict is Verdict.DEFERRED and not outcome.host


def _better(before: Outcome | None, now: Outcome) -> Outcome:
    """Of two hosts' outcomes the one that counts: what a host says for good ends a recipient only if no other host is uncertain."""
    if before is not None and now.elsewhere and now.verdict is Verdict.FAILED and before.verdict is Verdict.DEFERRED:
        return before
    return now
