"""One attempt to bring a message to those who were taken on: carrying it, planning what is next, and having it written down."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import structlog

from rookery.v1.submission_pb2 import DELIVERY_STATE_DEFERRED, DELIVERY_STATE_EXPIRED
from rookery_core.errors import ResourceExhausted, Unavailable
from rookery_server.gateway import retry_schedule
from rookery_server.gateway.destinations import Feedback
from rookery_server.services.submission import settling
from rookery_server.services.submission.settling import Attempt, Result
from rookery_server.store import outgoing
from rookery_server.store.outgoing import Due, Owed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rookery_core.rules.clock import Clock
    from rookery_server.gateway.figures import Figures
    from rookery_server.gateway.settlements import Settlements
    from rookery_server.services.submission.reports import Reports
    from rookery_server.store.database import Database
    from rookery_server.store.outgoing import Claimed
    from rookery_server.store.submissions import RecipientRow

_log = structlog.get_logger("rookery.gateway")

_SECOND = 1_000_000
_FAILED_PAUSE = 60 * _SECOND
"""When a recipient comes up again whose attempt the database had no room or no time for."""

_BROKEN = Result(DELIVERY_STATE_DEFERRED, "4.3.0", "this server failed to hand the message over")


class Carrier(Protocol):
    """Brings a message to recipients at one domain, or to mailboxes here."""

    def destination(self, domain: str) -> str:
        """What deliveries to a domain have in common with others: they are counted together."""
        ...

    async def carry(self, claimed: Claimed) -> tuple[Sequence[Result], Feedback]:
        """A result for each recipient, in their order, and what was learned of the destination.

        Deferred ones are without ``next_attempt``: when to try again is not the carrier's to say.
        """
        ...

    async def close(self) -> None:
        """Lets go of what it keeps between messages."""
        ...


class Attempts:
    """Makes those of one worker, ``owner``. ``chance`` gives numbers in [0, 1)."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settlements: Settlements,
        reports: Reports,
        figures: Figures,
        chance: Callable[[], float],
        *,
        owner: bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settlements = settlements
        self._reports = reports
        self._figures = figures
        self._chance = chance
        self._owner = owner

    async def carry(self, claimed: Claimed, carrier: Carrier) -> tuple[list[Result] | None, Feedback]:
        """A result for each recipient, deferred ones with their next attempt; None where this server could not even try."""
        destination, started = carrier.destination(claimed.recipients[0].domain), time.perf_counter()
        try:
            found, feedback = await carrier.carry(claimed)
        except (Unavailable, ResourceExhausted) as error:
            _log.warning("mail given back", reason=error.reason, message=error.message)
            return None, Feedback.UNKNOWN
        except Exception:  # noqa: BLE001 - it is tried again for as long as anything is, and then its sender is told
            _log.exception("mail not carried", submission=claimed.submission.id.hex())
            found, feedback = [_BROKEN] * len(claimed.recipients), Feedback.UNKNOWN
        results = self._planned(claimed, found)
        self._figures.record(destination, results, time.perf_counter() - started, claimed.submission.size_bytes)
        return results, feedback

    async def finish(self, claimed: Claimed, results: list[Result] | None) -> list[Due]:
        """Has the results written, and the sender told of what they are to hear; gives when something is due again."""
        domain = claimed.recipients[0].domain
        if results is None:
            at = self._clock.micros() + _FAILED_PAUSE
            await self._database.write(lambda transaction: outgoing.give_back(transaction.connection, [claimed], self._owner, at))
            return [Due(domain, at)]
        await self._settlements.settle(Attempt(claimed, results))
        if any(result.is_late or result.state in settling.LOST for result in results):
            await self._reports.tell(Owed(claimed.submission.mailbox_id, claimed.mailbox_uid, claimed.submission.id))
        return [Due(domain, result.next_attempt) for result in results if result.next_attempt is not None]

    def _planned(self, claimed: Claimed, results: Sequence[Result]) -> list[Result]:
        """The deferred ones with their next attempt, which they make together, or given up."""
        now, chance = self._clock.micros(), self._chance()
        return [_next(row, result, now, chance) for row, result in zip(claimed.recipients, results, strict=True)]


def _next(row: RecipientRow, result: Result, now: int, chance: float) -> Result:
    if result.state != DELIVERY_STATE_DEFERRED:
        return result
    at = retry_schedule.next_attempt(row.attempts + 1, row.queued, now, lambda: chance)
    if at is None:
        return replace(result, state=DELIVERY_STATE_EXPIRED)
    return replace(result, next_attempt=at, is_late=retry_schedule.notice_due(row.queued, now))
