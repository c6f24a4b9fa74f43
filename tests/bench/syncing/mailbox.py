"""A large mailbox, put straight into the database: the same rows that an import writes, without waiting for one."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from rookery.v1 import folder_pb2
from rookery.v1.item_pb2 import ItemState
from rookery_core.formats import mime
from rookery_core.rules import records
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds
from rookery_server.services import access
from rookery_server.services.announcements import Announcements
from rookery_server.services.caller import NO_ID, Caller
from rookery_server.services.change import MailboxChange
from rookery_server.services.folders import folders
from rookery_server.services.items import item_writer
from rookery_server.services.items.item_writer import NewItem
from rookery_server.store import accounts, backup, search
from rookery_server.store.database import open_database
from tests.bench.generator import Generator

if TYPE_CHECKING:
    from rookery_server.store.units import Transaction

PATTERNS = 1_000
"""Messages that are parsed; the mailbox repeats them, each with a subject, a time and an id of its own."""
_BATCH = 500


def fill(database_url: str, address: str, count: int, seed: int) -> None:
    """Puts so many messages into an account's inbox. No server may have the database open.

    The full-text index is told that it has them: it is not measured, and would take several times as long.
    """
    with ThreadPoolExecutor(1) as pool:  # there may be an event loop in this thread
        pool.submit(lambda: asyncio.run(_fill(database_url, address, count, seed))).result()


async def _fill(database_url: str, address: str, count: int, seed: int) -> None:
    clock = SystemClock()
    ids = RandomIds(clock)
    generator = Generator(seed)
    parsed = [mime.parse(generator.message(number)) for number in range(min(count, PATTERNS))]
    encoded = []
    for message in parsed:
        message.content.attachments.clear()  # there are no blobs to hold them
        records.complete(message.summary, message.content, ids.new())
        encoded.append(item_writer.encode(message.content))
    database = open_database(database_url, notifier=Announcements())
    try:
        for start in range(0, count, _BATCH):
            new = []
            for number in range(start, min(start + _BATCH, count)):
                message = parsed[number % len(parsed)]
                summary = message.summary
                summary.received.FromDatetime(generator.received(number))
                summary.subject = f"{summary.subject[:60].split(' #')[0]} #{number}"
                summary.message.message_id = f"{number}.{seed}@bench.example"
                prepared = item_writer.prepare(
                    summary,
                    ItemState(read=number % 5 > 0),
                    message.content,
                    now=clock.micros(),
                    encoded=encoded[number % len(parsed)],
                )
                new.append((ids.new(), prepared))

            def work(transaction: Transaction, new: list[tuple[bytes, item_writer.PreparedItem]] = new) -> None:
                found = accounts.address_of(transaction.connection, address)
                if found is None:
                    raise LookupError(address)
                caller = Caller(found.account_id, NO_ID, administrator=False)
                mailbox = access.open_mailbox(transaction.connection, caller, b"", lock=True)
                change = MailboxChange(transaction, mailbox, caller, clock.micros())
                inbox = folders.require_role(transaction.connection, mailbox.id, folder_pb2.FOLDER_ROLE_INBOX).id
                rows = []
                for item_id, prepared in new:
                    change.begin("item.import", item_id)
                    rows.append(NewItem(item_id, inbox, change.revision, prepared))
                item_writer.insert(change, rows)
                change.finish()
                indexed = search.progress(transaction.connection, mailbox.id)
                search.index_batch(transaction.connection, mailbox.id, [], since=indexed, upto=change.revision)

            await database.write(work)
        await database.write(lambda transaction: backup.analyze(transaction.connection))  # as it would be by itself, a minute later
    finally:
        await database.close()
