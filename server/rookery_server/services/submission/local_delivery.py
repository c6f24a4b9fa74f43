"""Delivery into mailboxes on this server: each in a transaction of its own, and once, whatever crashes in between.

The item that a delivery makes has an id that follows from the submission and the mailbox. Where there is such an item, or was one,
the message has been delivered already. What it says of meetings and tasks is carried out with it.
"""

from __future__ import annotations

import asyncio
import hashlib
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1 import folder_pb2
from rookery.v1.item_pb2 import ItemState
from rookery.v1.submission_pb2 import DELIVERY_STATE_DELIVERED, DELIVERY_STATE_FAILED
from rookery_core.errors import ResourceExhausted
from rookery_core.formats import mime
from rookery_core.rules import ids, mail_addresses
from rookery_server.services.caller import NO_ID
from rookery_server.services.change import MailboxChange
from rookery_server.services.content import blob_reading
from rookery_server.services.folders import folders
from rookery_server.services.importing import documents
from rookery_server.services.importing.documents import Marks
from rookery_server.services.items import item_writer
from rookery_server.services.items.item_writer import NewItem
from rookery_server.services.scheduling import arrivals, arriving
from rookery_server.services.submission.settling import MAIL_SYSTEM, Result
from rookery_server.store import accounts, blobs, items, mailboxes

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from rookery.v1.item_pb2 import ItemContent
    from rookery_core.rules.clock import Clock
    from rookery_server.services.items.item_writer import PreparedItem
    from rookery_server.services.scheduling.arrivals import Arrived
    from rookery_server.store.accounts import AccountRow
    from rookery_server.store.database import Database
    from rookery_server.store.outgoing import Claimed
    from rookery_server.store.submissions import RecipientRow, SubmissionRow
    from rookery_server.store.units import Transaction

_DELIVERED = Result(DELIVERY_STATE_DELIVERED, "2.1.5", "delivered")


class _Letter(NamedTuple):
    """A message, the same for all of its recipients."""

    item: PreparedItem
    content: ItemContent
    """The item's, once more."""
    arrived: Arrived | None


class LocalDelivery:
    """Brings messages to the inboxes of accounts here.

    ``wake`` is called after a commit that gives the queue something to do: rooms answer at once.
    """

    def __init__(self, database: Database, clock: Clock, *, wake: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._wake = wake

    async def carry(self, claimed: Claimed) -> list[Result]:
        """A result for each recipient, in their order; none is deferred."""
        submission = claimed.submission
        if submission.blob_id is None:
            raise ValueError("a submission with recipients to be reached keeps its message")
        data = await blob_reading.whole(self._database, submission.blob_id, 0, submission.size_bytes)
        now = self._clock.micros()
        letter = await asyncio.to_thread(_prepare, data, submission, submission.blob_id, now)
        deliveries = (self._deliver(claimed, recipient, letter, now) for recipient in claimed.recipients)
        return list(await asyncio.gather(*deliveries))

    async def _deliver(self, claimed: Claimed, recipient: RecipientRow, letter: _Letter, now: int) -> Result:
        work = partial(_insert, claimed=claimed, recipient=recipient, letter=letter, now=now)
        try:
            result, answered = await self._database.write(work)
        except ResourceExhausted as error:
            if error.reason != "QUOTA_EXCEEDED":
                raise
            return Result(DELIVERY_STATE_FAILED, "5.2.2", f"the mailbox of {recipient.address} is full")
        if answered:
            self._wake()
        return result


def _prepare(data: bytes, submission: SubmissionRow, blob_id: bytes, now: int) -> _Letter:
    """Reads a message. Whoever submits signs in, and sends in their own name."""
    received = Timestamp()
    received.FromMicroseconds(now)
    prefix = f"Return-Path: <{submission.sender}>\r\n".encode()
    parsed = mime.parse(data)
    arrived = arrivals.read(data, parsed, signed_in=True)
    item = documents.prepare_parsed(parsed, data, Marks(ItemState(), received), now=now, blob_id=blob_id, prefix=prefix)
    return _Letter(item, parsed.content, arrived)


def _insert(
    transaction: Transaction, *, claimed: Claimed, recipient: RecipientRow, letter: _Letter, now: int
) -> tuple[Result, bool]:
    """Delivers a message; tells too whether it was answered at once."""
    connection, submission = transaction.connection, claimed.submission
    account = _account_of(connection, recipient.address)
    mailbox = mailboxes.find_of_account(connection, account.id, lock=True) if account else None
    if account is None or mailbox is None:
        return Result(DELIVERY_STATE_FAILED, "5.1.1", f"there is no mailbox {recipient.address} here"), False
    if account.disabled:
        return Result(DELIVERY_STATE_FAILED, "5.2.1", f"the account of {recipient.address} is disabled"), False
    item_id = _item_id(claimed, mailbox.uid)
    taken, retired = items.known(connection, mailbox.id, [item_id])
    if taken or retired:
        return _DELIVERED, False
    change = MailboxChange(transaction, mailbox, MAIL_SYSTEM, now)
    item, answered = letter.item, False
    change.require_room(item.columns["size_bytes"])
    if letter.arrived is not None:
        outcome = arriving.arrive(change, letter.arrived, item_id, reserved=item.columns["size_bytes"])
        item, answered = arrivals.telling(item, letter.content, outcome.message), outcome.posted
    change.begin("mail.deliver", NO_ID)
    if submission.blob_id is not None:
        blobs.touch(connection, [submission.blob_id], now)
    inbox = folders.require_role(connection, mailbox.id, folder_pb2.FOLDER_ROLE_INBOX).id
    item_writer.insert(change, [NewItem(item_id, inbox, change.revision, item)])
    change.finish()
    return _DELIVERED, answered


def _account_of(connection: Connection, address: str) -> AccountRow | None:
    parsed = mail_addresses.parse(address, "address")
    tagless = mail_addresses.without_tag(parsed)
    owner = accounts.address_of(connection, parsed.key) or (accounts.address_of(connection, tagless) if tagless else None)
    return accounts.find(connection, owner.account_id) if owner else None


def _item_id(claimed: Claimed, mailbox_uid: bytes) -> bytes:
    """A UUIDv7 with the submission's time: the same for the same message in the same mailbox, whichever address led there."""
    submission = claimed.submission
    submitted = submission.submitted.to_bytes(8, "big")
    digest = hashlib.sha256(b"\0".join((b"delivery", claimed.mailbox_uid, submission.id, submitted, mailbox_uid))).digest()
    return ids.uuid7(submission.submitted // 1000, int.from_bytes(digest[:10], "big") >> 6)
