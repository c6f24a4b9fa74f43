"""Carries messages of the queue to other mail servers."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from rookery.v1.submission_pb2 import DELIVERY_STATE_DEFERRED, DELIVERY_STATE_FAILED, DELIVERY_STATE_RELAYED
from rookery_core.formats.seven_bit import seven_bit
from rookery_server.gateway.delivery import feedback_of
from rookery_server.gateway.outcomes import CONVERSION_NEEDED, Outcome, Verdict
from rookery_server.gateway.smtp_extensions import Envelope
from rookery_server.services.content import blob_reading
from rookery_server.services.submission.settling import Result

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from rookery_server.gateway.connections import ConnectionPool
    from rookery_server.gateway.delivery import Deliverer
    from rookery_server.gateway.destinations import Feedback
    from rookery_server.store.database import Database
    from rookery_server.store.outgoing import Claimed

_STATES = {
    Verdict.ACCEPTED: DELIVERY_STATE_RELAYED,
    Verdict.DEFERRED: DELIVERY_STATE_DEFERRED,
    Verdict.AMBIGUOUS: DELIVERY_STATE_DEFERRED,
    Verdict.FAILED: DELIVERY_STATE_FAILED,
}


class SmtpCarrier:
    """By SMTP: to the hosts of each domain, or all to one ``smarthost``, named where there is one."""

    def __init__(self, database: Database, deliverer: Deliverer, pool: ConnectionPool, smarthost: str = "") -> None:
        self._database = database
        self._deliverer = deliverer
        self._pool = pool
        self._smarthost = smarthost

    def destination(self, domain: str) -> str:
        """The smarthost, or the domain."""
        return self._smarthost or domain

    async def carry(self, claimed: Claimed) -> tuple[Sequence[Result], Feedback]:
        """See ``worker.Carrier``."""
        submission, domain = claimed.submission, claimed.recipients[0].domain
        if submission.blob_id is None:
            raise ValueError("a submission with recipients to be reached keeps its message")
        blob_id, size = submission.blob_id, submission.size_bytes
        envelope = Envelope(
            submission.sender,
            tuple(row.address for row in claimed.recipients),
            size,
            eight_bit=submission.eight_bit,
            unicode_headers=submission.unicode_header,
        )
        outcomes = await self._deliverer.deliver(domain, envelope, lambda: _stored(self._database, blob_id, size))
        if any(outcome.enhanced == CONVERSION_NEEDED for outcome in outcomes):
            data = await blob_reading.whole(self._database, blob_id, 0, size)
            outcomes = await self._converted(domain, envelope, outcomes, data)
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
        envelope = replace(envelope, recipients=recipients, size=len(smaller), eight_bit=False)
        found = list(outcomes)
        for place, outcome in zip(again, await self._deliverer.deliver(domain, envelope, lambda: _made(smaller)), strict=True):
            found[place] = outcome
        return tuple(found)


async def _stored(database: Database, blob_id: bytes, size: int) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(blob_reading.pages(database, blob_id, 0, size)) as pages:
        async for page in pages:
            for chunk in page:
                yield blob_reading.cut(chunk, 0, size)


async def _made(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data


def _result(outcome: Outcome) -> Result:
    reply = f"{outcome.code} {outcome.text}".rstrip() if outcome.code else outcome.text
    is_ambiguous = outcome.verdict is Verdict.AMBIGUOUS
    return Result(_STATES[outcome.verdict], outcome.enhanced, reply, outcome.host, ambiguous=is_ambiguous)
