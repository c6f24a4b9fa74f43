"""Delivery into mailboxes on this server: each in a transaction of its own, and once, whatever crashes in between.

The item that a delivery makes has an id that follows from the submission and the mailbox. Where there is such an item, or was one,
the message has been delivered already, whichever address or group led there. What it says of meetings and tasks is carried out with
it.
"""

from __future__ import annotations

import asyncio
import hashlib
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1 import folder_pb2
from rookery.v1.admin_service_pb2 import ACCOUNT_KIND_GROUP
from rookery.v1.item_pb2 import ItemState
from rookery.v1.submission_pb2 import DELIVERY_STATE_DELIVERED, DELIVERY_STATE_FAILED
from rookery_core.errors import FailedPrecondition, NotFound, ResourceExhausted, Unavailable
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
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from rookery.v1.item_pb2 import ItemContent
    from rookery_core.errors import RookeryError
    from rookery_core.rules.clock import Clock
    from rookery_server.services.accounts.group_mail import GroupMail
    from rookery_server.services.items.item_writer import PreparedItem
    from rookery_server.services.scheduling.arrivals import Arrived
    from rookery_server.store.accounts import AccountRow
    from rookery_server.store.database import Database
    from rookery_server.store.groups import Member
    from rookery_server.store.outgoing import Claimed
    from rookery_server.store.submissions import SubmissionRow
    from rookery_server.store.units import Transaction

_DELIVERED = Result(DELIVERY_STATE_DELIVERED, "2.1.5", "delivered")
_STATUS_CODES = {"ACCOUNT_NOT_FOUND": "5.1.1", "ACCOUNT_DISABLED": "5.2.1", "QUOTA_EXCEEDED": "5.2.2"}


class _Letter(NamedTuple):
    """A message, the same for all of its recipients."""

    item: PreparedItem
    content: ItemContent
    """The item's, once more."""
    arrived: Arrived | None


class _Brought(NamedTuple):
    """What came of a message in one mailbox."""

    refusal: RookeryError | None = None
    """NotFound ``ACCOUNT_NOT_FOUND``, FailedPrecondition ``ACCOUNT_DISABLED``, ResourceExhausted ``QUOTA_EXCEEDED``."""
    account: AccountRow | None = None
    """Whose mailbox that is, if mail may come to it."""
    answered: bool = False
    """It was answered at once."""


class LocalDelivery:
    """Brings messages to the inboxes of accounts here, and with a group's to those of its members.

    ``wake`` is called after a commit that gives the queue something to do: rooms answer at once.
    """

    def __init__(self, database: Database, clock: Clock, groups: GroupMail, *, wake: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._groups = groups
        self._wake = wake

    async def carry(self, claimed: Claimed) -> list[Result]:
        """A result for each recipient, in their order; none is deferred.

        What passes is raised, also where it is a member of a group who lacks the message: the next attempt passes over the others.
        """
        submission = claimed.submission
        if submission.blob_id is None:
            raise ValueError("a submission with recipients to be reached keeps its message")
        data = claimed.message or await blob_reading.whole(self._database, submission.blob_id, 0, submission.size_bytes)
        now = self._clock.micros()
        letter = await asyncio.to_thread(_prepare, data, submission, submission.blob_id, now)

        async def bring(address: str, find: Callable[[Connection], AccountRow | None]) -> _Brought:
            work = partial(_insert, claimed=claimed, address=address, find=find, letter=letter, now=now)
            brought = await self._database.write(work)
            if brought.answered:
                self._wake()
            return brought

        async def bring_to_member(member: Member) -> RookeryError | None:
            try:
                return (await bring("a member", partial(accounts.find, account_id=member.account_id))).refusal
            except (Unavailable, ResourceExhausted) as error:  # it passes; the others are not to wait for it
                return error

        async def bring_to_members(members: Sequence[Member]) -> list[RookeryError | None]:
            return await asyncio.gather(*map(bring_to_member, members))

        addresses = (recipient.address for recipient in claimed.recipients)
        brought = await asyncio.gather(*(bring(address, partial(_account_of, address=address)) for address in addresses))
        if groups := [each.account.id for each in brought if each.account and each.account.kind == ACCOUNT_KIND_GROUP]:
            outcomes = {each.account.mailbox_id: each.refusal for each in brought if each.account}
            reached = await self._groups.bring(groups, outcomes, bring_to_members)
            if passing := next((each.passing for each in reached.values() if each.passing), None):
                raise passing
        return [_result(each.refusal) for each in brought]


def _prepare(data: bytes, submission: SubmissionRow, blob_id: bytes, now: int) -> _Letter:
    """Reads a message. Whoever submits signs in, and sends in their own name."""
    received = Timestamp()
    received.FromMicroseconds(now)
    prefix = f"Return-Path: <{submission.sender}>\r\n".encode()
    parsed = mime.parse(data)
    arrived = arrivals.read(data, parsed, signed_in=True)
    item = documents.prepare_parsed(parsed, data, Marks(ItemState(), received), now=now, blob_id=blob_id, prefix=prefix)
    return _Letter(item, parsed.content, arrived)


def _result(refusal: RookeryError | None) -> Result:
    if refusal is None:
        return _DELIVERED
    return Result(DELIVERY_STATE_FAILED, _STATUS_CODES[refusal.reason], refusal.message)


def _insert(
    transaction: Transaction,
    *,
    claimed: Claimed,
    address: str,
    find: Callable[[Connection], AccountRow | None],
    letter: _Letter,
    now: int,
) -> _Brought:
    """Delivers a message to the account that ``find`` gives; ``address`` is what it is called."""
    connection, submission = transaction.connection, claimed.submission
    account = find(connection)
    mailbox = mailboxes.find_of_account(connection, account.id, lock=True) if account else None
    if account is None or mailbox is None:
        return _Brought(NotFound("ACCOUNT_NOT_FOUND", f"there is no mailbox {address} here"))
    if account.disabled:
        return _Brought(FailedPrecondition("ACCOUNT_DISABLED", f"the account of {address} is disabled"))
    item_id = _item_id(claimed, mailbox.uid)
    taken, retired = items.known(connection, mailbox.id, [item_id])
    if taken or retired:
        return _Brought(account=account)
    change = MailboxChange(transaction, mailbox, MAIL_SYSTEM, now)
    item, answered = letter.item, False
    try:
        change.require_room(item.columns["size_bytes"])
    except ResourceExhausted as error:  # its words are for the owner
        return _Brought(ResourceExhausted(error.reason, f"the mailbox of {address} is full"), account)
    if letter.arrived is not None:
        outcome = arriving.arrive(change, letter.arrived, item_id, reserved=item.columns["size_bytes"])
        item, answered = arrivals.telling(item, letter.content, outcome.message), outcome.posted
    change.begin("mail.deliver", NO_ID)
    if submission.blob_id is not None:
        blobs.touch(connection, [submission.blob_id], now)
    inbox = folders.require_role(connection, mailbox.id, folder_pb2.FOLDER_ROLE_INBOX).id
    item_writer.insert(change, [NewItem(item_id, inbox, change.revision, item)])
    change.finish()
    return _Brought(account=account, answered=answered)


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
