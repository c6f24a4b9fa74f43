"""What bringing messages into a mailbox does inside its transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import folder_pb2
from rookery_core.errors import NotFound, ResourceExhausted, Unavailable
from rookery_server.services.caller import NO_ID
from rookery_server.services.change import MailboxChange
from rookery_server.services.content.blobs import BlobStore
from rookery_server.services.folders import folders
from rookery_server.services.items import item_writer
from rookery_server.services.items.item_writer import NewItem
from rookery_server.services.scheduling import arrivals, arriving
from rookery_server.services.submission import report_linking
from rookery_server.services.submission.settling import MAIL_SYSTEM
from rookery_server.store import incoming, mailboxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_core.errors import RookeryError
    from rookery_server.services.incoming.letters import Letter
    from rookery_server.services.items.item_writer import PreparedItem
    from rookery_server.services.scheduling.arriving import Outcome
    from rookery_server.store.database import Transaction


class Delivery(NamedTuple):
    """A message for one mailbox."""

    letter: Letter
    item_id: bytes


class Brought(NamedTuple):
    """What came of deliveries to one mailbox."""

    outcomes: list[RookeryError | None]
    """What keeps each out, None where it is in."""
    answered: bool = False
    """One of them was answered at once: the queue has something to do after the commit."""


def bring(transaction: Transaction, mailbox_uid: bytes, deliveries: Sequence[Delivery], now: int) -> Brought:
    """Brings messages into the inbox of a mailbox, each once, and carries out what they say of meetings and tasks.

    What keeps one out: NotFound ``ACCOUNT_NOT_FOUND``, ResourceExhausted ``QUOTA_EXCEEDED``; Unavailable ``DATABASE_BUSY`` for a
    report that is early.
    """
    connection = transaction.connection
    mailbox = mailboxes.find(connection, mailbox_uid, lock=True)
    if mailbox is None:
        return Brought([NotFound("ACCOUNT_NOT_FOUND", "the mailbox was removed at this moment")] * len(deliveries))
    there = incoming.delivered(connection, mailbox.id, [delivery.letter.digest for delivery in deliveries])
    change = MailboxChange(transaction, mailbox, MAIL_SYSTEM, now)
    inbox = folders.require_role(connection, mailbox.id, folder_pb2.FOLDER_ROLE_INBOX)
    change.know(inbox)
    outcomes: list[RookeryError | None] = []
    accepted: list[tuple[Letter, NewItem]] = []
    size, answered = 0, False
    for letter, item_id in deliveries:
        outcomes.append(None)
        if letter.digest in there:
            continue
        if (refusal := _refusal(change, letter, size)) is not None:
            outcomes[-1] = refusal
            continue
        size += letter.item.columns["size_bytes"]
        there.add(letter.digest)
        scheduled = arriving.arrive(change, letter.arrived, item_id, reserved=size) if letter.arrived is not None else None
        change.begin("mail.deliver", NO_ID)
        accepted.append((letter, NewItem(item_id, inbox.id, change.revision, _item(change, letter, item_id, scheduled))))
        answered |= scheduled is not None and scheduled.posted
    if accepted:
        blob_ids = BlobStore.link(connection, [letter.blob for letter, _ in accepted], now)
        item_writer.insert(change, [new.holding(blob_ids[letter.blob.sha256]) for letter, new in accepted])
        incoming.note(connection, mailbox.id, [letter.digest for letter, _ in accepted], now)
    change.finish()
    return Brought(outcomes, answered)


def _refusal(change: MailboxChange, letter: Letter, size: int) -> RookeryError | None:
    """What keeps a message out of a mailbox that is to take ``size`` bytes of others."""
    try:
        change.require_room(size + letter.item.columns["size_bytes"])
    except ResourceExhausted as error:  # its words are for the owner: how full the mailbox is, is nobody else's business
        return ResourceExhausted(error.reason, "the mailbox is full")
    try:
        if letter.report is not None:
            report_linking.require_settled(change, letter.report)
    except Unavailable as error:
        return error
    return None


def _item(change: MailboxChange, letter: Letter, item_id: bytes, scheduled: Outcome | None) -> PreparedItem:
    """What becomes of a message in this mailbox. A report of what was sent from here is noted there."""
    if scheduled is not None:
        return arrivals.telling(letter.item, letter.content, scheduled.message)
    submission_id = report_linking.link(change, letter.report, item_id) if letter.report is not None else b""
    return letter.about(submission_id) if submission_id else letter.item
