"""A queue that nobody can empty: many messages for a domain whose host does not answer, put into the database as they are."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from sqlalchemy import select

from rookery.v1.submission_pb2 import DELIVERY_STATE_DEFERRED, SUBMISSION_STATE_PENDING
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds
from rookery_server.services.announcements import Announcements
from rookery_server.store import blob_chunks, blobs
from rookery_server.store.bulk import insert_rows
from rookery_server.store.database import open_database
from rookery_server.store.tables import mailbox, outgoing_recipient, submission

if TYPE_CHECKING:
    from sqlalchemy import Connection

DEAD = {"dead.test": "127.0.0.9"}
"""The domain, and the address where nobody listens."""
_BATCH = 5_000
_MESSAGE = b"Subject: nobody is going to read this\r\n\r\n" + b"x" * 5_000


def fill(database_url: str, count: int) -> None:
    """Puts so many messages of one sender into the queue, all of them due. No server may have the database open."""
    with ThreadPoolExecutor(1) as pool:  # there is an event loop in this thread
        pool.submit(lambda: asyncio.run(_fill(database_url, count))).result()


async def _fill(database_url: str, count: int) -> None:
    clock = SystemClock()
    ids, now = RandomIds(clock), clock.micros()
    database = open_database(database_url, notifier=Announcements())

    def put(connection: Connection, names: list[bytes]) -> None:
        mailbox_id = connection.execute(select(mailbox.c.id).order_by(mailbox.c.id).limit(1)).scalar_one()
        [blob_id] = blobs.put(connection, [blob_chunks.prepare(_MESSAGE, names[0])], now).values()
        insert_rows(connection, submission, [_submission(mailbox_id, name, blob_id, now) for name in names])
        insert_rows(connection, outgoing_recipient, [_recipient(mailbox_id, name, now) for name in names])

    try:
        for start in range(0, count, _BATCH):
            names = [ids.new() for _ in range(min(_BATCH, count - start))]
            await database.write(lambda transaction, names=names: put(transaction.connection, names))
    finally:
        await database.close()


def _submission(mailbox_id: int, submission_id: bytes, blob_id: bytes, now: int) -> dict[str, object]:
    return {
        "mailbox_id": mailbox_id,
        "id": submission_id,
        "item_id": submission_id,
        "origin_id": submission_id,
        "revision": 1,
        "state": SUBMISSION_STATE_PENDING,
        "sender": "sender0@bench.example",
        "submitted": now,
        "hold_until": None,
        "blob_id": blob_id,
        "size_bytes": len(_MESSAGE),
        "eight_bit": False,
        "unicode_header": False,
    }


def _recipient(mailbox_id: int, submission_id: bytes, now: int) -> dict[str, object]:
    return {
        "mailbox_id": mailbox_id,
        "submission_id": submission_id,
        "position": 0,
        "name": "",
        "address": "ben@dead.test",
        "domain": "dead.test",
        "state": DELIVERY_STATE_DEFERRED,
        "attempts": 1,
        "ambiguous": 0,
        "queued": now,
        "next_attempt": now,
        "lease_owner": None,
        "host": "",
        "reply": "no answer",
        "status_code": "4.4.1",
        "changed": now,
        "delay_told": True,
        "report": 0,
        "report_item_id": None,
    }
