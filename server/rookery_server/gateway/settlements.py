"""Has the results of attempts written, those for one mailbox together where they come close upon each other.

What ends while a mailbox is being written to goes into its next transaction. So there is no waiting when little is to be done, and
little to be done for each message when there is much. Each mailbox has a transaction of its own: none of them waits for another.
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

_log = structlog.get_logger("rookery.gateway")

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
        self._waiting: dict[bytes, list[tuple[Attempt, asyncio.Future[None]]]] = {}  # by mailbox; an entry: it is being written to
        self._writing: set[asyncio.Task[None]] = set()

    async def settle(self, attempt: Attempt) -> None:
        """Returns once the results are on disk. Raises what prevented it for good."""
        mailbox = attempt.claimed.mailbox_uid
        written = asyncio.get_running_loop().create_future()
        if mailbox in self._waiting:
            self._waiting[mailbox].append((attempt, written))
        else:
            self._waiting[mailbox] = [(attempt, written)]
            task = asyncio.create_task(self._write_all(mailbox), name="write mail results")
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)
        await written

    async def close(self) -> None:
        """Breaks off what is still to be written: it is as if those attempts had not been made."""
        for task in self._writing:
            task.cancel()
        await asyncio.gather(*self._writing, return_exceptions=True)

    async def _write_all(self, mailbox: bytes) -> None:
        try:
            while waiting := self._waiting[mailbox]:
                count = _how_many([attempt for attempt, _ in waiting])
                together, self._waiting[mailbox] = waiting[:count], waiting[count:]
                error = await self._written([attempt for attempt, _ in together])
                if error is not None and len(together) > 1:  # one of them must not take the others with it
                    for attempt, written in together:
                        _answer(written, await self._written([attempt]))
                else:
                    for _, written in together:
                        _answer(written, error)
        finally:
            for _, written in self._waiting.pop(mailbox):
                written.cancel()

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


def _answer(written: asyncio.Future[None], error: Exception | None) -> None:
    if written.done():  # nobody waits any more
        return
    if error is None:
        written.set_result(None)
    else:
        written.set_exception(error)
