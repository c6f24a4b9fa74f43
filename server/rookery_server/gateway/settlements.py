"""Has the results of attempts written, those that come close upon each other together.

Nobody waits for them. So what ends within a moment after others were written is written at the end of that moment: for all
mailboxes at once, so that they share a commit, and for each in one transaction. A result that comes alone is written at once. Each
mailbox has a transaction of its own: none of them waits for another.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import structlog

from rookery_core.errors import ResourceExhausted, Unavailable
from rookery_server.services.submission import settling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_core.rules.clock import Clock
    from rookery_server.services.submission.settling import Attempt
    from rookery_server.store.database import Database

    _Waiting = tuple[Attempt, asyncio.Future[None]]

_log = structlog.get_logger("rookery.gateway")

_MOMENT_SECONDS = 0.025
_MOST_RECIPIENTS = 500
_TRIES = 30
_BREATH_SECONDS = 1.0
"""Between two tries where the database is busy or full. What the world outside has accepted and we forget goes out twice."""


class Settlements:
    """Writes for one worker, ``owner``. Belongs to one event loop."""

    def __init__(self, database: Database, clock: Clock, owner: bytes) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._waiting: dict[bytes, list[_Waiting]] = {}  # by mailbox
        self._writing: dict[bytes, asyncio.Task[None]] = {}  # by mailbox
        self._moment: asyncio.TimerHandle | None = None  # until it is over, what comes waits

    async def settle(self, attempt: Attempt) -> None:
        """Returns once the results are on disk. Raises what prevented it for good."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(attempt.claimed.mailbox_uid, []).append((attempt, written))
        if self._moment is None:
            self._write_what_waits()
        await written

    async def close(self) -> None:
        """Breaks off what is still to be written: it is as if those attempts had not been made."""
        if self._moment is not None:
            self._moment.cancel()
        for task in self._writing.values():
            task.cancel()
        await asyncio.gather(*self._writing.values(), return_exceptions=True)
        for waiting in self._waiting.values():
            _cancel(waiting)
        self._waiting.clear()

    def _write_what_waits(self) -> None:
        """Has it written, but for mailboxes that are being written to still; what comes from here on waits for a moment."""
        for mailbox in [mailbox for mailbox in self._waiting if mailbox not in self._writing]:
            task = asyncio.create_task(self._write(mailbox), name="write mail results")
            self._writing[mailbox] = task
        self._moment = asyncio.get_running_loop().call_later(_MOMENT_SECONDS, self._end_moment)

    def _end_moment(self) -> None:
        self._moment = None
        if self._waiting:
            self._write_what_waits()

    async def _write(self, mailbox: bytes) -> None:
        """Writes what waits for a mailbox, in one transaction as far as it goes in."""
        waiting = self._waiting.pop(mailbox)
        count = _how_many([attempt for attempt, _ in waiting])
        together, rest = waiting[:count], waiting[count:]
        if rest:
            self._waiting[mailbox] = rest
        try:
            error = await self._written([attempt for attempt, _ in together])
            if error is not None and len(together) > 1:  # one of them must not take the others with it
                for attempt, written in together:
                    _answer(written, await self._written([attempt]))
            else:
                for _, written in together:
                    _answer(written, error)
        finally:
            _cancel(together)
            del self._writing[mailbox]

    async def _written(self, attempts: Sequence[Attempt]) -> Exception | None:
        """Writes in one transaction; gives what prevented it."""
        for _ in range(_TRIES):
            settle = partial(settling.settle, attempts=attempts, owner=self._owner, now=self._clock.micros())
            try:
                await self._database.write(settle)
            except (Unavailable, ResourceExhausted) as error:
                failure: Exception = error
                _log.warning("mail results not written yet", reason=error.reason, message=error.message)
                await asyncio.sleep(_BREATH_SECONDS)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the attempt's
                return error
            else:
                return None
        return failure


def _how_many(attempts: Sequence[Attempt]) -> int:
    """How many of the attempts go into one transaction: one at least."""
    recipients = 0
    for count, attempt in enumerate(attempts):
        recipients += len(attempt.results)
        if recipients > _MOST_RECIPIENTS:
            return max(1, count)
    return len(attempts)


def _cancel(waiting: Sequence[_Waiting]) -> None:
    """Those that were not answered."""
    for _, written in waiting:
        written.cancel()


def _answer(written: asyncio.Future[None], error: Exception | None) -> None:
    if written.done():  # nobody waits any more
        return
    if error is None:
        written.set_result(None)
    else:
        written.set_exception(error)
