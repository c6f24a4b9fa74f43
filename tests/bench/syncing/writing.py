"""Many writers at once, on one mailbox and on one each: durable changes a second, and what has to hold afterwards."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from rookery_client.client import Client
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds
from rookery_server.services.announcements import Announcements
from rookery_server.store import accounts, mailboxes, recount
from rookery_server.store.database import open_database
from rookery_server.store.tables import change, item
from tests.bench import figures
from tests.bench.figures import Figure
from tests.bench.server import PASSWORD, add_accounts
from tests.bench.syncing import changes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from tests.bench.syncing.stage import Stage

WRITERS = 16
ADDRESSES = tuple(f"writer{number}@bench.example" for number in range(WRITERS))


@dataclasses.dataclass(slots=True)
class _Writer:
    """One device, what it has pushed, and what it was answered."""

    client: Client
    address: str
    done: list[tuple[SyncOperation, PushResult]] = dataclasses.field(default_factory=list)

    async def write(self, ids: RandomIds, count: int) -> None:
        """Creates, renames and marks items, one push after the other."""
        item_id = b""
        for number in range(count):
            what = number % 3
            if what == 0:
                operation = changes.create(ids, f"item {number}")
                item_id = operation.create_item.item.id
            elif what == 1:
                operation = changes.rename(ids, item_id, f"renamed {number}")
            else:
                operation = changes.mark(ids, item_id, "bench")
            (result,) = await changes.push(self.client, [operation])
            self.done.append((operation, result))


async def measure(stage: Stage) -> list[Figure]:
    """Changes a second of the writers together, and the invariants that do not hold."""
    await add_accounts(stage.server, ADDRESSES)
    found = []
    for where, addresses in (("one mailbox", ADDRESSES[:1] * WRITERS), (f"{WRITERS} mailboxes", ADDRESSES)):
        ids = RandomIds(SystemClock())
        async with AsyncExitStack() as clients:
            writers = []
            for address in addresses:
                client = await clients.enter_async_context(Client.connect(stage.server.target))
                await client.login(address, PASSWORD, "writer")
                writers.append(_Writer(client, address))
            await stage.server.quiet()
            before = await _revisions(stage, addresses)
            each = stage.rounds // 8
            begun, cpu = time.perf_counter(), stage.server.cpu_seconds()
            await asyncio.gather(*(writer.write(ids, each) for writer in writers))
            seconds, cpu = time.perf_counter() - begun, stage.server.cpu_seconds() - cpu
            broken = await _broken(stage, writers, before)
        for line in broken:
            figures.say(f"{WRITERS} writers on {where}: {line}")
        name = f"{WRITERS} writers on {where}, durable changes"
        found += [
            Figure(name, each * WRITERS / seconds, "a second"),
            Figure(f"{name}, by CPU time of the server", each * WRITERS / cpu, "a second"),
            Figure(f"{name}: invariants broken", len(broken), "", target="none", reached=not broken),
        ]
    return found


async def _revisions(stage: Stage, addresses: Sequence[str]) -> dict[str, int]:
    """The mailboxes' revisions."""
    database = open_database(stage.server.url, notifier=Announcements())
    try:
        return await database.read(lambda connection: {each: _mailbox(connection, each).revision for each in set(addresses)})
    finally:
        await database.close()


def _mailbox(connection: Connection, address: str) -> mailboxes.MailboxRow:
    account = accounts.address_of(connection, address)
    found = account and mailboxes.find_of_account(connection, account.account_id)
    if not found:
        raise LookupError(address)
    return found


async def _broken(stage: Stage, writers: Sequence[_Writer], before: dict[str, int]) -> list[str]:
    """What does not hold: a sentence each."""
    found: list[str] = []
    for writer in writers:
        revisions = [result.revision for _, result in writer.done]
        if revisions != sorted(set(revisions)):
            found.append(f"a writer of {writer.address} was answered with revisions that do not rise")
        # Everything again: it has to be answered as the first time, and to change nothing.
        again = (await writer.client.sync.push([operation for operation, _ in writer.done])).results
        if not all(result.duplicate for result in again) or [result.revision for result in again] != revisions:
            found.append(f"operations of {writer.address} that were sent twice were not answered as the first time")
    database = open_database(stage.server.url, notifier=Announcements())
    try:
        for address, base in before.items():
            done = [each for writer in writers if writer.address == address for each in writer.done]
            found += await database.read(
                lambda connection, address=address, base=base, done=done: _wrong(connection, address, base, done)
            )
    finally:
        await database.close()
    return found


def _wrong(connection: Connection, address: str, base: int, done: list[tuple[SyncOperation, PushResult]]) -> list[str]:
    """What is wrong in one mailbox, which was at a revision before all of these were done."""
    mailbox = _mailbox(connection, address)
    found = [f"{address}: {line}" for line in recount.differences(connection, mailbox.id)]
    expected = list(range(base + 1, base + 1 + len(done)))
    if sorted(result.revision for _, result in done) != expected or mailbox.revision != base + len(done):
        found.append(f"{address}: the revisions are not one for each change, without a gap")
    logged = select(change.c.revision).where(change.c.mailbox_id == mailbox.id, change.c.revision > base)
    if list(connection.execute(logged.order_by(change.c.revision)).scalars()) != expected:
        found.append(f"{address}: the log of changes is not one entry for each change")
    created = [operation.create_item.item.id for operation, _ in done if operation.HasField("create_item")]
    count = select(func.count()).where(item.c.mailbox_id == mailbox.id, item.c.created > base)
    if connection.execute(count).scalar_one() != len(set(created)):
        found.append(f"{address}: there are not as many new items as were created")
    return found
