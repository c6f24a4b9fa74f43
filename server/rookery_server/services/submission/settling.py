"""Writes down what became of recipients, and what follows from it for the submission and for the sender's own copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery.v1.submission_pb2 import (
    DELIVERY_STATE_DEFERRED,
    DELIVERY_STATE_DELIVERED,
    DELIVERY_STATE_EXPIRED,
    DELIVERY_STATE_FAILED,
    DELIVERY_STATE_RELAYED,
    SUBMISSION_STATE_FINAL,
)
from rookery_server.services.caller import NO_ID, Caller
from rookery_server.services.change import MailboxChange
from rookery_server.services.submission import sender_copy
from rookery_server.store import mailboxes, submissions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_server.store.outgoing import Claimed
    from rookery_server.store.submissions import RecipientRow
    from rookery_server.store.units import Transaction

MAIL_SYSTEM = Caller(NO_ID, NO_ID, administrator=False, peer="mail")
"""Who delivers and settles: the server itself."""

ARRIVED = frozenset({DELIVERY_STATE_DELIVERED, DELIVERY_STATE_RELAYED})
LOST = frozenset({DELIVERY_STATE_FAILED, DELIVERY_STATE_EXPIRED})

OWES_NOTHING = 0
OWES_DELAY = 1
OWES_FAILURE = 2
"""What the sender is to be told of a recipient: the values of the column ``report``."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one attempt came to for one recipient."""

    state: int
    """``DeliveryState``, but for queued."""
    status_code: str
    """Enhanced status code (RFC 3463)."""
    reply: str
    """What the host said, or what happened instead, in one line."""
    host: str = ""
    """The host that answered; empty where none was reached, and for mailboxes here."""
    next_attempt: int | None = None
    """When it is tried again, in microseconds: where it is deferred, and only there."""
    ambiguous: bool = False
    """Deferred, and yet it may have arrived."""
    is_late: bool = False
    """Deferred for so long that the sender is told, if they were not told before."""


def settle(transaction: Transaction, claimed: Claimed, owner: bytes, results: Sequence[Result], now: int) -> None:
    """Writes the results of an attempt, one for each claimed recipient, in their order. ``now`` in microseconds.

    What has arrived counts whoever brought it; everything else only if ``owner`` still has the recipient. With the first that has
    arrived, or may have, or once nobody is left to be tried, the submission is final and the sender's copy moves to Sent Items.
    """
    connection = transaction.connection
    mailbox = mailboxes.find(connection, claimed.mailbox_uid, lock=True)
    row = submissions.find(connection, mailbox.id, claimed.submission.id) if mailbox else None
    if mailbox is None or row is None:
        return  # the account is gone, and the queue's rows with it
    rows = {each.position: each for each in submissions.recipients(connection, mailbox.id, [row.id], lock=True)[row.id]}
    changed = [
        _settled(rows[was.position], result, now)
        for was, result in zip(claimed.recipients, results, strict=True)
        if _counts(rows[was.position], owner, result)
    ]
    if not changed:
        return
    change = MailboxChange(transaction, mailbox, MAIL_SYSTEM, now)
    change.begin("submission.settle", NO_ID)
    submissions.change_recipients(connection, mailbox.id, row.id, [_columns(each) for each in changed])
    rows.update({each.position: each for each in changed})
    values: dict[str, object] = {"revision": change.revision}
    if row.state in submissions.UNDECIDED and _is_final(list(rows.values())):
        values["state"] = SUBMISSION_STATE_FINAL
        sender_copy.to_sent(change, row.item_id)
    if all(each.state in ARRIVED for each in rows.values()):
        values["blob_id"] = None
    submissions.change(connection, mailbox.id, row.id, values)
    change.finish()


def _counts(row: RecipientRow, owner: bytes, result: Result) -> bool:
    return row.state in submissions.OPEN_STATES and (row.lease_owner == owner or result.state in ARRIVED)


def _settled(row: RecipientRow, result: Result, now: int) -> RecipientRow:
    is_told_now = result.state == DELIVERY_STATE_DEFERRED and result.is_late and not row.delay_told
    return row._replace(
        state=result.state,
        attempts=row.attempts + 1,
        ambiguous=row.ambiguous + result.ambiguous,
        next_attempt=result.next_attempt,
        lease_owner=None,
        host=result.host,
        reply=result.reply,
        status_code=result.status_code,
        changed=now,
        delay_told=row.delay_told or is_told_now,
        report=OWES_FAILURE if result.state in LOST else OWES_DELAY if is_told_now else OWES_NOTHING,
    )


def _columns(row: RecipientRow) -> dict[str, object]:
    kept = {"mailbox_id", "submission_id", "name", "address", "domain", "queued"}
    return {name: value for name, value in row._asdict().items() if name not in kept}


def _is_final(rows: Sequence[RecipientRow]) -> bool:
    """Somebody has it, or may have it, or nobody is left to be tried."""
    if any(row.state in ARRIVED or row.ambiguous for row in rows):
        return True
    return all(row.state not in submissions.OPEN_STATES for row in rows)
