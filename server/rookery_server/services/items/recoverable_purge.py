"""Purging deleted items whose time to be restored is over."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from rookery_server.services.caller import NO_ID, Caller
from rookery_server.services.change import MailboxChange
from rookery_server.services.failures import Failures
from rookery_server.services.items.item_removal import purge
from rookery_server.store import items, mailboxes, retention

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_server.store.database import Database, Transaction

_STEP = 200
"""Items a transaction; each has several rows."""
_STEPS = 100
"""Steps a run: what is left waits for the next one."""

_SERVER = Caller(NO_ID, NO_ID, administrator=False, peer="job")
"""Who purges: the log of changes names no account."""


class RecoverablePurge:
    """Purges what was made recoverable longer ago than the retention. As any change it takes a revision of the mailbox."""

    def __init__(self, database: Database, clock: Clock, *, retention_seconds: int) -> None:
        self._database = database
        self._clock = clock
        self._retention = retention_seconds * 1_000_000

    async def purge(self) -> int:
        """Purges what is due, 20,000 items at most; gives how many.

        A mailbox that fails does not hold up the others, however much is due there; its failure is raised after them.
        """
        done = 0
        failures = Failures("purge recoverable items")
        failed: set[int] = set()
        for _ in range(_STEPS):
            before = self._clock.micros() - self._retention
            due = await self._database.read(partial(_due, before=before, but=frozenset(failed)))
            for (number, mailbox_uid), item_ids in due.items():
                purged = await failures.attempt(self._purge(mailbox_uid, item_ids, before), number)
                if purged is None:
                    failed.add(number)
                else:
                    done += purged
            if not due:
                break
        failures.raise_first()
        return done

    async def _purge(self, mailbox_uid: bytes, item_ids: list[bytes], before: int) -> int:
        now = self._clock.micros()

        def work(transaction: Transaction) -> int:
            connection = transaction.connection
            mailbox = mailboxes.find(connection, mailbox_uid, lock=True)
            if mailbox is None:
                return 0
            still = retention.still_due(connection, mailbox.id, item_ids, before)  # somebody may have restored one meanwhile
            if not still:
                return 0
            change = MailboxChange(transaction, mailbox, _SERVER, now)
            change.begin("item.expire", NO_ID)
            purge(change, list(items.places(connection, mailbox.id, still).values()))
            change.finish()
            return len(still)

        return await self._database.write(work)


def _due(connection: Connection, before: int, but: frozenset[int]) -> dict[tuple[int, bytes], list[bytes]]:
    """The items whose time is over, some of them, by mailbox (number and uid)."""
    found: dict[int, list[bytes]] = defaultdict(list)
    for number, item_id in retention.due(connection, before, _STEP, but=but):
        found[number].append(item_id)
    uids = retention.uids(connection, list(found))
    return {(number, uids[number]): item_ids for number, item_ids in found.items() if number in uids}
