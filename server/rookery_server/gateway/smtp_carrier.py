"""Carries messages of the queue to other mail servers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from rookery.v1.submission_pb2 import DELIVERY_STATE_DEFERRED, DELIVERY_STATE_FAILED, DELIVERY_STATE_RELAYED
from rookery_core.formats.seven_bit import seven_bit
from rookery_server.gateway.delivery import feedback_of
from rookery_server.gateway.outcomes import CONVERSION_NEEDED, Outcome, Verdict
from rookery_server.gateway.smtp_extensions import Envelope
from rookery_server.services.submission.settling import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_server.gateway.connections import ConnectionPool
    from rookery_server.gateway.delivery import Deliverer
    from rookery_server.gateway.destinations import Feedback
    from rookery_server.gateway.leaving import LeavingMail
    from rookery_server.store.outgoing import Claimed

_STATES = {
    Verdict.ACCEPTED: DELIVERY_STATE_RELAYED,
    Verdict.DEFERRED: DELIVERY_STATE_DEFERRED,
    Verdict.AMBIGUOUS: DELIVERY_STATE_DEFERRED,
    Verdict.FAILED: DELIVERY_STATE_FAILED,
}


class SmtpCarrier:
    """By SMTP: to the hosts of each domain, or all to one ``smarthost``, named where there is one."""

    def __init__(self, mail: LeavingMail, deliverer: Deliverer, pool: ConnectionPool, smarthost: str = "") -> None:
        self._mail = mail
        self._deliverer = deliverer
        self._pool = pool
        self._smarthost = smarthost

    def destination(self, domain: str) -> str:
        """The smarthost, or the domain."""
        return self._smarthost or domain

    async def carry(self, claimed: Claimed) -> tuple[Sequence[Result], Feedback]:
        """See ``attempts.Carrier``."""
        submission, domain = claimed.submission, claimed.recipients[0].domain
        message = await self._mail.open(claimed)
        envelope = Envelope(
            submission.sender,
            tuple(row.address for row in claimed.recipients),
            message.size,
            eight_bit=submission.eight_bit,
            unicode_headers=submission.unicode_header,
        )
        outcomes = await self._deliverer.deliver(domain, envelope, message.open)
        if any(outcome.enhanced == CONVERSION_NEEDED for outcome in outcomes):
            outcomes = await self._converted(domain, envelope, outcomes, await self._mail.whole(submission))
        return [_result(outcome) for outcome in outcomes], feedback_of(outcomes)

    async def close(self) -> None:
        """Takes leave of the hosts that it still has connections to."""
        await self._pool.close()

    async def _converted(self, domain: str, envelope: Envelope, outcomes: tuple[Outcome, ...], data: bytes) -> tuple[Outcome, ...]:
        """The same once more, in 7 bits, for those whose host takes no others; their failure stands if that can not be."""
        smaller = await asyncio.to_thread(seven_bit, data)
        if smaller is None:
            return outcomes
        again = [place for place, outcome in enumerate(outcomes) if outcome.enhanced == CONVERSION_NEEDED]
        recipients = tuple(envelope.recipients[place] for place in again)
        message = await self._mail.made(smaller)
        envelope = replace(envelope, recipients=recipients, size=message.size, eight_bit=False)
        found = list(outcomes)
        for place, outcome in zip(again, await self._deliverer.deliver(domain, envelope, message.open), strict=True):
            found[place] = outcome
        return tuple(found)


def _result(outcome: Outcome) -> Result:
    reply = f"{outcome.code} {outcome.text}".rstrip() if outcome.code else outcome.text
    is_ambiguous = outcome.verdict is Verdict.AMBIGUOUS
    return Result(_STATES[outcome.verdict], outcome.enhanced, reply, outcome.host, ambiguous=is_ambiguous)
