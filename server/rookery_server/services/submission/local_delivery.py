"""Delivery into mailboxes on this server: each in a transaction of its own, and once, whatever crashes in between.

The item that a delivery makes has an id that follows from the submission and the mailbox. Where there is such an item, or was one,
the message has been delivered already.
"""

from __future__ import annotations

import asyncio
import hashlib
from functools import partial
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1 import folder_pb2
from rookery.v1.item_pb2 import ItemState
from rookery.v1.submission_pb2 import DELIVERY_STATE_DELIVERED, DELIVERY_STATE_FAILED
from rookery_core.errors import ResourceExhausted
from rookery_core.rules import ids, mail_addresses
from rookery_server.services.caller import NO_ID
from rookery_server.services.change import MailboxChange
from rookery_server.services.content import blob_reading
from rookery_server.services.folders import folders
from rookery_server.services.importing import documents
from rookery_server.services.importing.documents import Marks
from rookery_server.services.items import item_writer
from rookery_server.services.items.item_writer import NewItem
from rookery_server.services.submission.settling import MAIL_SYSTEM, Result
from rookery_server.store import accounts, blobs, items, mailboxes

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_server.services.items.item_writer import PreparedItem
    from rookery_server.store.accounts import AccountRow
    from rookery_server.store.database import Database
    from rookery_server.store.outgoing import Claimed
    from rookery_server.store.submissions import RecipientRow, SubmissionRow
    from rookery_server.store.units import Transaction

_DELIVERED = Result(DELIVERY_STATE_DELIVERED, "2.1.5", "delivered")


class LocalDelivery:
    """Brings messages to the inboxes of accounts here."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def carry(self, claimed: Claimed) -> list[Result]:
        """A result for each recipient, in their order; none is deferred."""
        submission = claimed.submission
        if submission.blob_id is None:
            raise ValueError("a submission with recipients to be reached keeps its message")
        data = await blob_reading.whole(self._database, submission.blob_id, 0, submission.size_bytes)
        now = self._clock.micros()
        item = await asyncio.to_thread(_prepare, data, submission, submission.blob_id, now)
        deliveries = (self._deliver(claimed, recipient, item, now) for recipient in claimed.recipients)
        return list(await asyncio.gather(*deliveries))

    async def _deliver(self, claimed: Claimed, recipient: RecipientRow, item: PreparedItem, now: int) -> Result:
        try:
            return await self._database.write(partial(_insert, claimed=claimed, recipient=recipient, item=item, now=now))
        except ResourceExhausted as error:
            if error.reason != "QUOTA_EXCEEDED":
                raise
            return Result(DELIVERY_STATE_FAILED, "5.2.2", f"the mailbox of {recipient.address} is full")


def _prepare(data: bytes, submission: SubmissionRow, blob_id: bytes, now: int) -> PreparedItem:
    received = Timestamp()
    received.FromMicroseconds(now)
    prefix = f"Return-Path: <{submission.sender}>\r\n".encode()
    return documents.prepare_message(data, Marks(ItemState(), received), now=now, blob_id=blob_id, prefix=prefix)


def _insert(transaction: Transaction, *, claimed: Claimed, recipient: RecipientRow, item: PreparedItem, now: int) -> Result:
    connection, submission = transaction.connection, claimed.submission
    account = _account_of(connection, recipient.address)
    mailbox = mailboxes.find_of_account(connection, account.id, lock=True) if account else None
    if account is None or mailbox is None:
        return Result(DELIVERY_STATE_FAILED, "5.1.1", f"there is no mailbox {recipient.address} here")
    if account.disabled:
        return Result(DELIVERY_STATE_FAILED, "5.2.1", f"the account of {recipient.address} is disabled")
    item_id = _item_id(claimed, mailbox.uid)
    taken, retired = items.known(connection, mailbox.id, [item_id])
    if taken or retired:
        return _DELIVERED
    change = MailboxChange(transaction, mailbox, MAIL_SYSTEM, now)
    change.begin("mail.deliver", NO_ID)
    change.require_room(item.columns["size_bytes"])
    if submission.blob_id is not None:
        blobs.touch(connection, [submission.blob_id], now)
    inbox = folders.require_role(connection, mailbox.id, folder_pb2.FOLDER_ROLE_INBOX).id
    item_writer.insert(change, [NewItem(item_id, inbox, change.revision, item)])
    change.finish()
    return _DELIVERED


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
